//===- WeightQuantization.cpp - Constant weights as integers --------------===//

#include "WeightQuantization.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Quantization/WeightRecipes.h"

#include <cfenv>
#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

QuantizationGrid qnn::getGrid(const WeightRecipe &recipe) {
  return {recipe.bits, /*isSigned=*/true, recipe.scheme};
}

QuantizationGrid qnn::getGrid(const ActivationRecipe &recipe) {
  return {recipe.bits, recipe.isSigned, recipe.scheme};
}

IntegerType qnn::getStorage(MLIRContext *context, unsigned bits,
                            bool isSigned) {
  unsigned width = bits <= 2 ? 2 : bits <= 4 ? 4 : bits <= 8 ? 8 : 16;
  return IntegerType::get(
      context, width, isSigned ? IntegerType::Signless : IntegerType::Unsigned);
}

/// A constant of integers, which take a byte or two each.
static Value createIntegers(OpBuilder &b, Location loc, ArrayRef<int64_t> shape,
                            IntegerType element, ArrayRef<int16_t> values) {
  size_t size = element.getWidth() > 8 ? 2 : 1;
  std::vector<char> bytes(values.size() * size);
  for (auto [i, value] : llvm::enumerate(values))
    std::memcpy(&bytes[i * size], &value, size);
  return ConstantOp::create(
      b, loc, makeConstant(RankedTensorType::get(shape, element), bytes));
}

/// Scales and zero points as the granularity of `recipe` asks, or the nearest
/// that the weight has.
static Granularity getGranularity(const WeightAxes &axes,
                                  const WeightRecipe &recipe) {
  switch (recipe.granularity) {
  case Sharing::Group:
    if (axes.summed)
      return {axes.summed, recipe.groupSize};
    [[fallthrough]];
  case Sharing::Channel:
  case Sharing::Token:
    return {axes.channel, 0};
  case Sharing::Tensor:
    return {};
  }
  llvm_unreachable("all cases return");
}

/// Calls with the first and last element (of those that lie side by side), the
/// number of the scale that the first has, and how far the next one's is.
static void
forEachRun(ArrayRef<int64_t> shape, const Granularity &granularity,
           function_ref<void(size_t, size_t, size_t, size_t)> call) {
  size_t count = llvm::product_of(shape);
  if (!granularity.axis)
    return call(0, count, 0, 0);
  size_t size = shape[*granularity.axis];
  size_t inner = llvm::product_of(shape.drop_front(*granularity.axis + 1));
  if (!count)
    return;
  size_t block = granularity.blockSize;
  size_t blocks = block ? llvm::divideCeil(size, block) : 0;
  for (size_t row = 0; row < count / inner; ++row) {
    size_t scale = row % size;
    if (block)
      scale = (row / size * blocks + scale / block) * inner;
    call(row * inner, (row + 1) * inner, scale, block ? 1 : 0);
  }
}

static llvm::Expected<QuantizedWeight>
roundToNearest(OpBuilder &b, Location loc, ArrayRef<float> values,
               ArrayRef<int64_t> shape, const Granularity &granularity,
               const WeightRecipe &recipe) {
  auto method = RangeMethod::parse(recipe.range);
  if (!method)
    return method.takeError();
  QuantizationGrid grid = getGrid(recipe);
  llvm::Expected<WeightScales> scales =
      chooseScales(values, shape, granularity, grid, **method);
  if (!scales)
    return scales.takeError();

  std::vector<int16_t> codes(values.size());
  auto round = [&](size_t begin, size_t end, size_t scale, size_t step) {
    for (size_t i = begin; i < end; ++i, scale += step) {
      const ScaleAndZeroPoint &p = scales->scales[scale];
      // The rules of qnn.quantize: divide, round to even, move, clamp.
      double moved =
          double(std::nearbyint(values[i] / p.scale)) + double(p.zeroPoint);
      codes[i] = int16_t(
          std::clamp(moved, double(grid.getMin()), double(grid.getMax())));
    }
  };
  forEachRun(shape, granularity, round);

  QuantizedWeight result;
  IntegerType storage = getStorage(b.getContext(), recipe.bits, true);
  // No integer product takes groups: their codes are packed in any width.
  if (granularity.blockSize && recipe.bits < 8)
    storage = b.getIntegerType(recipe.bits);
  result.codes = createIntegers(b, loc, shape, storage, codes);
  std::vector<int16_t> zeroPoints;
  for (const ScaleAndZeroPoint &p : scales->scales) {
    result.scales.push_back(p.scale);
    zeroPoints.push_back(int16_t(p.zeroPoint));
  }
  result.scale = ConstantOp::create(
      b, loc, makeFloatConstant(b.getContext(), scales->shape, result.scales));
  if (llvm::any_of(zeroPoints, [](int16_t z) { return z != 0; }))
    result.zeroPoint =
        createIntegers(b, loc, scales->shape, storage, zeroPoints);
  result.axis = granularity.axis;
  result.blockSize = granularity.blockSize;
  result.hasIntegerForm = granularity.blockSize == 0 && recipe.bits <= 8;
  result.bytes = int64_t(values.size()) * storage.getWidth() / 8 +
                 int64_t(result.scales.size()) * 4;
  return result;
}

//===- methods on matrices ------------------------------------------------===//

/// A weight as a matrix [inputs, outputs]: it is one, or has its channels
/// first, with the inputs behind.
static std::optional<WeightMatrix> toMatrix(ArrayRef<float> values,
                                            ArrayRef<int64_t> shape,
                                            const WeightAxes &axes,
                                            std::vector<float> &storage) {
  WeightMatrix matrix;
  if (shape.size() == 2 && axes.channel == 1) {
    matrix.values = values;
    matrix.k = shape[0];
    matrix.n = shape[1];
    return matrix;
  }
  if (axes.channel != 0)
    return std::nullopt;
  matrix.n = shape[0];
  matrix.k = int64_t(values.size()) / matrix.n;
  storage.resize(values.size());
  for (int64_t column = 0; column < matrix.n; ++column)
    for (int64_t row = 0; row < matrix.k; ++row)
      storage[row * matrix.n + column] = values[column * matrix.k + row];
  matrix.values = storage;
  return matrix;
}

/// What the codes mean, times scales, in blocks of rows.
static Value createCodebookProduct(OpBuilder &b, Location loc,
                                   const QuantizedWeight &weight) {
  auto codes = cast<RankedTensorType>(weight.codes.getType());
  int64_t k = codes.getDimSize(0), n = codes.getDimSize(1);
  Type f32 = b.getF32Type();
  auto reshape = [&](Value value, ArrayRef<int64_t> shape) -> Value {
    Value dims = ConstantOp::create(b, loc, shape);
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    return ReshapeOp::create(b, loc, RankedTensorType::get(shape, element),
                             value, dims, /*allowzero=*/false);
  };
  Value numbers =
      LookupOp::create(b, loc, codes.clone(f32), weight.codes, weight.codebook);
  int64_t blocks = k / weight.blockSize;
  Value product = BinaryOp::create(
      b, loc, BinaryKind::mul, reshape(numbers, {blocks, weight.blockSize, n}),
      reshape(weight.scale, {blocks, 1, n}));
  return reshape(product, {k, n});
}

namespace {
/// Brings what a method made of a matrix into the weight's own form.
struct MatrixResult {
  OpBuilder &b;
  Location loc;
  const WeightMatrix &matrix;
  const QuantizedMatrix &rounded;
  bool isMatrix, hasGroups;

  /// Codes in the weight's own order.
  std::vector<int16_t> getCodes() const {
    std::vector<int16_t> codes(rounded.codes.size());
    for (int64_t row = 0; row < matrix.k; ++row)
      for (int64_t column = 0; column < matrix.n; ++column) {
        uint8_t code = rounded.codes[row * matrix.n + column];
        codes[isMatrix ? row * matrix.n + column : column * matrix.k + row] =
            rounded.isSigned ? int16_t(int8_t(code)) : int16_t(code);
      }
    return codes;
  }

  QuantizedWeight build(ArrayRef<int64_t> shape, const WeightAxes &axes,
                        const WeightRecipe &recipe) const {
    QuantizedWeight result;
    bool hasCodebook = !rounded.codebook.empty();
    unsigned bits = recipe.storageBits();
    if (hasCodebook)
      bits = rounded.codebook.size() <= 16 ? 4 : 8;
    IntegerType element = getStorage(b.getContext(), bits, rounded.isSigned);
    // No integer product takes groups: their codes are packed in any width.
    if (hasGroups && !hasCodebook && recipe.bits < 8)
      element = IntegerType::get(b.getContext(), recipe.bits,
                                 element.getSignedness());
    result.codes = createIntegers(b, loc, shape, element, getCodes());
    SmallVector<int64_t> scaleShape{matrix.n};
    result.axis = axes.channel;
    if (hasGroups || hasCodebook) {
      scaleShape.insert(scaleShape.begin(),
                        int64_t(rounded.scales.size()) / matrix.n);
      result.axis = 0;
      result.blockSize = hasGroups ? recipe.groupSize : matrix.k;
    } else {
      result.scales = rounded.scales;
    }
    auto floats = [&](ArrayRef<int64_t> of, ArrayRef<float> values) -> Value {
      return ConstantOp::create(b, loc,
                                makeFloatConstant(b.getContext(), of, values));
    };
    result.scale = floats(scaleShape, rounded.scales);
    if (hasCodebook) {
      std::vector<float> table(size_t(1) << bits, 0.0f);
      for (auto [i, value] : llvm::enumerate(rounded.codebook))
        table[i] = std::isnan(value) ? 0.0f : value;
      result.codebook = floats({int64_t(table.size())}, table);
    } else if (rounded.hasFractionalZeroPoints) {
      result.zeroPoint = floats(scaleShape, rounded.zeroPoints);
    } else if (llvm::any_of(rounded.zeroPoints,
                            [](float z) { return z != 0; })) {
      std::vector<int16_t> zeros(rounded.zeroPoints.begin(),
                                 rounded.zeroPoints.end());
      result.zeroPoint = createIntegers(b, loc, scaleShape, element, zeros);
    }
    result.hasIntegerForm =
        !hasGroups && !hasCodebook && !rounded.hasFractionalZeroPoints;
    result.bytes = int64_t(rounded.codes.size()) * bits / 8 +
                   int64_t(rounded.scales.size()) * 4;
    return result;
  }
};
} // namespace

static llvm::Expected<QuantizedWeight>
quantizeAsMatrix(OpBuilder &b, Location loc, ArrayRef<float> values,
                 ArrayRef<int64_t> shape, const WeightAxes &axes,
                 const WeightRecipe &recipe, GramMatrix gram) {
  std::vector<float> storage;
  std::optional<WeightMatrix> matrix = toMatrix(values, shape, axes, storage);
  bool isMatrix = shape.size() == 2 && axes.channel == 1;
  if (!matrix || (recipe.format != NumberFormat::Integer && !isMatrix))
    return llvm::createStringError("the recipe's weights are for matrices, and "
                                   "this is none");
  bool hasGroups = recipe.granularity == Sharing::Group && isMatrix;
  bool isCodebook = recipe.format != NumberFormat::Integer;
  if (isCodebook && hasGroups && matrix->k % recipe.groupSize)
    return llvm::createStringError(
        "groups of " + llvm::Twine(recipe.groupSize) + " do not divide the " +
        llvm::Twine(matrix->k) + " inputs");
  // Other weights than matrices have no groups.
  WeightRecipe how = recipe;
  if (!hasGroups) {
    how.granularity = Sharing::Channel;
    how.scales = WeightFormat::Scales::Float32;
  }
  // Of a convolution, it would have to be one of patches.
  if (int64_t(gram.size()) != matrix->k * matrix->k &&
      int64_t(gram.size()) != matrix->k)
    gram = {};
  llvm::Expected<QuantizedMatrix> rounded =
      quantc::quantizeMatrix(*matrix, how, gram);
  if (!rounded)
    return rounded.takeError();
  return MatrixResult{b, loc, *matrix, *rounded, isMatrix, hasGroups}.build(
      shape, axes, recipe);
}

llvm::Expected<QuantizedWeight> qnn::quantizeWeight(OpBuilder &b, Location loc,
                                                    ConstantOp constant,
                                                    const WeightAxes &axes,
                                                    const WeightRecipe &recipe,
                                                    GramMatrix gram) {
  std::vector<float> copy;
  std::optional<ArrayRef<float>> values = viewFloats(constant.getValue(), copy);
  if (!values)
    return llvm::createStringError("the weights are no f32 numbers");
  if (values->empty())
    return llvm::createStringError("the weights have no elements");
  ArrayRef<int64_t> shape = constant.getType().getShape();
  bool isPlain = recipe.rounding.method == "nearest" &&
                 !recipe.needsMoments() &&
                 recipe.scales == WeightFormat::Scales::Float32;
  if (recipe.format == NumberFormat::Integer &&
      (isPlain || recipe.granularity == Sharing::Tensor))
    return roundToNearest(b, loc, *values, shape, getGranularity(axes, recipe),
                          recipe);
  return quantizeAsMatrix(b, loc, *values, shape, axes, recipe, gram);
}

Value qnn::createDequantize(OpBuilder &b, Location loc,
                            const QuantizedWeight &weight) {
  if (weight.codebook)
    return createCodebookProduct(b, loc, weight);
  auto codes = cast<RankedTensorType>(weight.codes.getType());
  auto scale = cast<RankedTensorType>(weight.scale.getType());
  return DequantizeOp::create(b, loc, codes.clone(scale.getElementType()),
                              weight.codes, weight.scale, weight.zeroPoint,
                              weight.axis ? b.getI64IntegerAttr(*weight.axis)
                                          : IntegerAttr(),
                              b.getI64IntegerAttr(weight.blockSize));
}
