//===- WeightQuantization.cpp - Constant weights as integers --------------===//

#include "WeightQuantization.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Quantization/Ranges.h"

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
                            IntegerType element, ArrayRef<int64_t> values) {
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

/// For each element of a tensor, the number of the scale that it has.
static size_t getScaleIndex(size_t element, ArrayRef<int64_t> shape,
                            const Granularity &granularity,
                            ArrayRef<int64_t> scaleShape) {
  if (!granularity.axis)
    return 0;
  size_t result = 0, step = 1;
  for (int64_t d = int64_t(shape.size()) - 1; d >= 0; --d) {
    size_t index = element % size_t(shape[d]);
    element /= size_t(shape[d]);
    bool isAxis = d == *granularity.axis;
    if (granularity.blockSize == 0) {
      if (isAxis)
        return index;
      continue;
    }
    result += step * (isAxis ? index / size_t(granularity.blockSize) : index);
    step *= size_t(scaleShape[d]);
  }
  return result;
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

  std::vector<int64_t> codes(values.size());
  for (auto [i, value] : llvm::enumerate(values)) {
    const ScaleAndZeroPoint &p =
        scales->scales[getScaleIndex(i, shape, granularity, scales->shape)];
    // The rules of qnn.quantize: divide, round to even, move, clamp.
    double moved =
        double(std::nearbyint(value / p.scale)) + double(p.zeroPoint);
    codes[i] = int64_t(
        std::clamp(moved, double(grid.getMin()), double(grid.getMax())));
  }

  QuantizedWeight result;
  IntegerType storage = getStorage(b.getContext(), recipe.bits, true);
  result.codes = createIntegers(b, loc, shape, storage, codes);
  std::vector<int64_t> zeroPoints;
  for (const ScaleAndZeroPoint &p : scales->scales) {
    result.scales.push_back(p.scale);
    zeroPoints.push_back(p.zeroPoint);
  }
  result.scale = ConstantOp::create(
      b, loc, makeFloatConstant(b.getContext(), scales->shape, result.scales));
  if (llvm::any_of(zeroPoints, [](int64_t z) { return z != 0; }))
    result.zeroPoint =
        createIntegers(b, loc, scales->shape, storage, zeroPoints);
  result.axis = granularity.axis;
  result.blockSize = granularity.blockSize;
  result.hasIntegerForm = granularity.blockSize == 0 && recipe.bits <= 8;
  result.bytes = int64_t(values.size()) * storage.getWidth() / 8 +
                 int64_t(result.scales.size()) * 4;
  return result;
}

llvm::Expected<QuantizedWeight> qnn::quantizeWeight(OpBuilder &b, Location loc,
                                                    ConstantOp constant,
                                                    const WeightAxes &axes,
                                                    const WeightRecipe &recipe,
                                                    ArrayRef<double> gram) {
  std::optional<std::vector<float>> values = readFloats(constant.getValue());
  if (!values)
    return llvm::createStringError("the weights are no f32 numbers");
  if (values->empty())
    return llvm::createStringError("the weights have no elements");
  return roundToNearest(b, loc, *values, constant.getType().getShape(),
                        getGranularity(axes, recipe), recipe);
}

Value qnn::createDequantize(OpBuilder &b, Location loc,
                            const QuantizedWeight &weight) {
  auto codes = cast<RankedTensorType>(weight.codes.getType());
  auto scale = cast<RankedTensorType>(weight.scale.getType());
  return DequantizeOp::create(b, loc, codes.clone(scale.getElementType()),
                              weight.codes, weight.scale, weight.zeroPoint,
                              weight.axis ? b.getI64IntegerAttr(*weight.axis)
                                          : IntegerAttr(),
                              b.getI64IntegerAttr(weight.blockSize));
}
