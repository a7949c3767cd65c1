//===- MultiplyTiles.cpp - Transposed convolutions as products ------------===//
//
// Where the kernels of a transposed convolution neither overlap nor leave gaps,
// each element of the input makes a tile of the result of its own: a product,
// whose elements are then moved to their places. What follows element by
// element is computed before they move, behind the sums.
//
// Where kernels overlap, a tile is as large as the stride, and each of its
// elements sums every stride-th element of the kernel, for as many neighbours
// of the input: a convolution of stride 1, without zeros between elements.
//
//===----------------------------------------------------------------------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include "llvm/Support/MathExtras.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_MULTIPLYTILESPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// Where all of these tensors have their channels.
static constexpr int64_t channelAxis = 1;

bool qnn::isTiling(ConvTransposeOp op) {
  auto isZero = [](int64_t v) { return v == 0; };
  auto isOne = [](int64_t v) { return v == 1; };
  RankedTensorType weights = op.getWeights().getType();
  // A convolution has a window at least, which does not fit into nothing.
  return op.getGroup() == 1 && weights.hasStaticShape() &&
         weights.getNumElements() > 0 && op.getOutputShape().empty() &&
         !llvm::is_contained(op.getInput().getType().getShape().drop_front(2),
                             0) &&
         llvm::all_of(op.getDilations(), isOne) &&
         llvm::all_of(op.getPads(), isZero) &&
         llvm::all_of(op.getOutputPadding(), isZero) &&
         llvm::equal(weights.getShape().drop_front(2), op.getStrides());
}

static Value reshape(ImplicitLocOpBuilder &b, Value value,
                     ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, typeOf(value).getElementType());
  return ReshapeOp::create(b, type, value, ConstantOp::create(b, shape));
}

/// (C, M, kernel...) as (M · kernel elements, C, 1...).
static Value arrangeWeights(ImplicitLocOpBuilder &b, Value weights) {
  RankedTensorType type = typeOf(weights);
  SmallVector<int64_t> permutation =
      llvm::to_vector(llvm::seq<int64_t>(1, type.getRank()));
  permutation.push_back(0);
  SmallVector<int64_t> shape(type.getRank(), 1);
  shape[0] = type.getNumElements() / type.getDimSize(0);
  shape[1] = type.getDimSize(0);
  return reshape(b, TransposeOp::create(b, weights, permutation), shape);
}

namespace {
/// Elements of a tile along one dimension that sum equally many terms.
struct Phases {
  int64_t first, count, terms;
};

/// A convolution that computes some elements of each tile, and what follows it
/// element by element: (N, M · elements, image...).
struct Part {
  Value value;
  SmallVector<int64_t> sizes;

  int64_t getCount() const { return llvm::product_of(sizes); }
};

/// A transposed convolution on its way to products of tiles.
class Tiling {
public:
  explicit Tiling(ConvTransposeOp op)
      : op(op), kernel(op.getWeights().getType().getShape().drop_front(2)),
        channels(op.getWeights().getType().getDimSize(1) * op.getGroup()) {}

  /// Makes one product of a convolution that `isTiling`.
  void multiply();
  /// Whether `split` can rewrite the convolution.
  bool isSplittable();
  /// Makes a convolution for each combination of phases.
  void split();

private:
  /// The elements of a tile along dimension `i`: those with a term more than
  /// the others come first.
  SmallVector<Phases> getPhases(size_t i);
  /// How many elements the last kernel adds up that are wanted, and those that
  /// the output padding adds.
  int64_t getExcess(size_t i) {
    return kernel[i] + op.getOutputPadding()[i] -
           op.getPads()[i + kernel.size()];
  }
  /// How much padding dimension `i` needs for phases of so many terms.
  std::pair<int64_t, int64_t> getPads(size_t i, int64_t terms) {
    int64_t stride = op.getStrides()[i];
    return {terms - 1 - op.getPads()[i] / stride,
            llvm::divideCeilSigned(getExcess(i), stride) - 1};
  }
  /// The weights of a combination of phases, one a dimension.
  Value selectWeights(ImplicitLocOpBuilder &b, ArrayRef<Phases> phases);
  Part convolve(ImplicitLocOpBuilder &b, ArrayRef<Phases> phases);
  /// Convolutions for phases of dimension `phases.size()` and those behind, of
  /// what was chosen for the dimensions before.
  void convolveAll(ImplicitLocOpBuilder &b, SmallVectorImpl<Phases> &phases,
                   SmallVectorImpl<Part> &parts);

  /// Whether `user` computes each element of its result from one of `tiles`,
  /// and from what is the same for a whole channel.
  bool isPerChannel(Operation *user, Value tiles) const;
  /// `user`, computed of elements that have not moved yet.
  Value computeUnmoved(ImplicitLocOpBuilder &b, Operation *user, Value moved,
                       const Part &part) const;
  /// One number for each channel, `count` times. Behind the dimension of
  /// channels come `numBehind` others.
  Value repeat(ImplicitLocOpBuilder &b, Value value, int64_t count,
               int64_t numBehind) const;
  /// The weights' zero point: that of a channel is that of its elements.
  Value spreadZeroPoint(ImplicitLocOpBuilder &b, const Part &part);
  /// (N, M · elements, image...) to (N, M, image size, elements, ...).
  Value interleave(ImplicitLocOpBuilder &b, const Part &part) const;
  /// The elements of all tiles, interleaved: of parts that differ in dimension
  /// `i` and those behind.
  Value join(ImplicitLocOpBuilder &b, ArrayRef<Part> parts, size_t i);
  /// (N, M, image size, elements, ...) to (N, M, larger image...); `image` has
  /// the sizes before.
  Value collapse(ImplicitLocOpBuilder &b, Value value, Value image) const;
  /// Cuts away what lies before and behind the result.
  Value crop(ImplicitLocOpBuilder &b, Value value);
  /// Puts what `parts` and what follows them compute in place of the op.
  void finish(SmallVector<Part> parts, bool crops);

  ConvTransposeOp op;
  ArrayRef<int64_t> kernel;
  int64_t channels;
};
} // namespace

//===- The convolutions ---------------------------------------------------===//

bool Tiling::isSplittable() {
  RankedTensorType weights = op.getWeights().getType();
  ArrayRef<int64_t> image = op.getInput().getType().getShape().drop_front(2);
  if (!weights.hasStaticShape() || weights.getNumElements() == 0 ||
      !op.getOutputShape().empty() || op.getAutoPad() != AutoPad::none ||
      llvm::any_of(op.getDilations(), [](int64_t v) { return v != 1; }) ||
      llvm::all_of(op.getStrides(), [](int64_t v) { return v == 1; }) ||
      // Of one channel, zeros between elements cost less than moving tiles.
      weights.getDimSize(0) == int64_t(op.getGroup()) ||
      llvm::is_contained(image, 0) ||
      llvm::is_contained(op.getType().getShape(), 0))
    return false;
  for (size_t i = 0; i < kernel.size(); ++i) {
    if (kernel[i] < op.getStrides()[i])
      return false;
    for (const Phases &phases : getPhases(i)) {
      auto [begin, end] = getPads(i, phases.terms);
      if (begin < 0 || end < 0)
        return false;
    }
  }
  return true;
}

SmallVector<Phases> Tiling::getPhases(size_t i) {
  int64_t stride = op.getStrides()[i], terms = kernel[i] / stride,
          rest = kernel[i] % stride;
  SmallVector<Phases> phases;
  if (rest)
    phases.push_back({0, rest, terms + 1});
  phases.push_back({rest, stride - rest, terms});
  return phases;
}

Value Tiling::selectWeights(ImplicitLocOpBuilder &b, ArrayRef<Phases> phases) {
  Value weights = op.getWeights();
  int64_t group = op.getGroup(), in = typeOf(weights).getDimSize(0) / group,
          out = channels / group, spatial = kernel.size();
  // (C, M, kernel...) to (C, M, elements, terms, ...): an element of a tile
  // meets the input's elements before it in the order of the kernel.
  for (int64_t i = spatial; i-- > 0;) {
    auto [first, count, terms] = phases[i];
    SmallVector<int64_t> places;
    for (int64_t element = first; element < first + count; ++element)
      for (int64_t term = terms; term-- > 0;)
        places.push_back(element + term * op.getStrides()[i]);
    auto type = RankedTensorType::get({count, terms}, b.getI64Type());
    Value indices =
        ConstantOp::create(b, DenseIntElementsAttr::get(type, places));
    weights = GatherOp::create(b, weights, indices, i + 2);
  }
  SmallVector<int64_t> split{group, in, out}, permutation{0, 2},
      shape{channels, in};
  for (int64_t i = 0; i < spatial; ++i) {
    split.append({phases[i].count, phases[i].terms});
    permutation.push_back(3 + 2 * i);
    shape[0] *= phases[i].count;
    shape.push_back(phases[i].terms);
  }
  permutation.push_back(1);
  for (int64_t i = 0; i < spatial; ++i)
    permutation.push_back(4 + 2 * i);
  weights = TransposeOp::create(b, reshape(b, weights, split), permutation);
  return reshape(b, weights, shape);
}

Part Tiling::convolve(ImplicitLocOpBuilder &b, ArrayRef<Phases> phases) {
  Part part;
  SmallVector<int64_t> ones(kernel.size(), 1), pads(2 * kernel.size());
  for (size_t i = 0; i < kernel.size(); ++i) {
    part.sizes.push_back(phases[i].count);
    std::tie(pads[i], pads[i + kernel.size()]) = getPads(i, phases[i].terms);
  }
  Value bias = op.getBias();
  auto conv = ConvOp::create(
      b, op.getInput(), selectWeights(b, phases),
      bias ? repeat(b, bias, part.getCount(), /*numBehind=*/0) : Value(),
      op.getInputZeroPoint(), spreadZeroPoint(b, part), ones, ones, pads,
      op.getGroup(), AutoPad::none);
  conv->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  part.value = conv;
  return part;
}

void Tiling::convolveAll(ImplicitLocOpBuilder &b,
                         SmallVectorImpl<Phases> &phases,
                         SmallVectorImpl<Part> &parts) {
  if (phases.size() == kernel.size()) {
    parts.push_back(convolve(b, phases));
    return;
  }
  for (const Phases &choice : getPhases(phases.size())) {
    phases.push_back(choice);
    convolveAll(b, phases, parts);
    phases.pop_back();
  }
}

//===- What follows -------------------------------------------------------===//

Value Tiling::repeat(ImplicitLocOpBuilder &b, Value value, int64_t count,
                     int64_t numBehind) const {
  Value column = reshape(b, value, {channels, 1});
  auto type =
      RankedTensorType::get({channels, count}, typeOf(value).getElementType());
  Value rows =
      ExpandOp::create(b, type, column, ConstantOp::create(b, {1, count}));
  SmallVector<int64_t> shape{channels * count};
  shape.append(numBehind, 1);
  return reshape(b, rows, shape);
}

Value Tiling::spreadZeroPoint(ImplicitLocOpBuilder &b, const Part &part) {
  Value zeroPoint = op.getWeightsZeroPoint();
  if (!zeroPoint || isSingle(zeroPoint))
    return zeroPoint;
  return repeat(b, zeroPoint, part.getCount(), /*numBehind=*/0);
}

bool Tiling::isPerChannel(Operation *user, Value tiles) const {
  if (user->getNumResults() != 1)
    return false;
  if (auto pointwise = dyn_cast<PointwiseOpInterface>(user)) {
    bool isList = pointwise.getParameterAxis() == channelAxis;
    return user->getOperand(0) == tiles &&
           llvm::all_of(pointwise.getParameterOperands(), [&](unsigned index) {
             Value parameter = user->getOperand(index);
             return typeOf(parameter).getRank() <= 1 &&
                    (isSingle(parameter) ||
                     (isList && typeOf(parameter).hasStaticShape()));
           });
  }
  int64_t rank = typeOf(tiles).getRank();
  return isElementwise(user) && llvm::all_of(user->getOperands(), [&](Value v) {
           RankedTensorType type = typeOf(v);
           if (v == tiles)
             return true;
           if (!type.hasStaticShape() || type.getRank() > rank)
             return false;
           std::optional<int64_t> axis = getOnlyAxis(type, rank);
           return type.getNumElements() == 1 || axis == channelAxis;
         });
}

Value Tiling::computeUnmoved(ImplicitLocOpBuilder &b, Operation *user,
                             Value moved, const Part &part) const {
  IRMapping mapping;
  mapping.map(moved, part.value);
  SmallVector<unsigned> parameters;
  // Elementwise ops broadcast them: the dimensions behind are there, too.
  int64_t numBehind = 0;
  if (auto pointwise = dyn_cast<PointwiseOpInterface>(user)) {
    parameters = pointwise.getParameterOperands();
  } else {
    parameters = llvm::to_vector(llvm::seq(user->getNumOperands()));
    numBehind = typeOf(part.value).getRank() - channelAxis - 1;
  }
  for (unsigned index : parameters) {
    Value parameter = user->getOperand(index);
    if (parameter != moved && typeOf(parameter).getNumElements() != 1)
      mapping.map(parameter, repeat(b, parameter, part.getCount(), numBehind));
  }
  Operation *copy = b.clone(*user, mapping);
  Type element = typeOf(user->getResult(0)).getElementType();
  copy->getResult(0).setType(typeOf(part.value).clone(element));
  return copy->getResult(0);
}

//===- The way to their places --------------------------------------------===//

/// The size of dimension `i`, as a list; one that only the call tells is read
/// off.
static Value makeSize(ImplicitLocOpBuilder &b, Value value, int64_t i) {
  RankedTensorType type = typeOf(value);
  if (type.isDynamicDim(i))
    return ShapeOp::create(b, value, i, i + 1);
  return ConstantOp::create(b, {type.getDimSize(i)});
}

static Value reshapeTo(ImplicitLocOpBuilder &b, Value value,
                       ArrayRef<Value> sizes, ArrayRef<int64_t> shape) {
  Value list = ConcatOp::create(b, sizes, /*axis=*/0);
  return ReshapeOp::create(b, typeOf(value).clone(shape), value, list,
                           /*allowzero=*/true);
}

Value Tiling::interleave(ImplicitLocOpBuilder &b, const Part &part) const {
  RankedTensorType from = typeOf(part.value);
  int64_t spatial = kernel.size();
  // (N, M, elements..., image...).
  SmallVector<Value> split{makeSize(b, part.value, 0),
                           ConstantOp::create(b, {channels}),
                           ConstantOp::create(b, part.sizes)};
  SmallVector<int64_t> shape{from.getDimSize(0), channels};
  llvm::append_range(shape, part.sizes);
  SmallVector<int64_t> permutation{0, 1};
  for (int64_t i = 0; i < spatial; ++i) {
    split.push_back(makeSize(b, part.value, i + 2));
    shape.push_back(from.getDimSize(i + 2));
    permutation.append({2 + spatial + i, 2 + i});
  }
  Value tiles = reshapeTo(b, part.value, split, shape);
  return TransposeOp::create(b, tiles, permutation);
}

Value Tiling::join(ImplicitLocOpBuilder &b, ArrayRef<Part> parts, size_t i) {
  if (i == kernel.size())
    return interleave(b, parts.front());
  size_t numPhases = parts.size() == 1 ? 1 : getPhases(i).size(),
         step = parts.size() / numPhases;
  SmallVector<Value> values;
  for (size_t k = 0; k < numPhases; ++k)
    values.push_back(join(b, parts.slice(k * step, step), i + 1));
  if (values.size() == 1)
    return values.front();
  return ConcatOp::create(b, values, /*axis=*/3 + 2 * i);
}

Value Tiling::collapse(ImplicitLocOpBuilder &b, Value value,
                       Value image) const {
  RankedTensorType from = typeOf(value);
  SmallVector<Value> joined{makeSize(b, image, 0),
                            ConstantOp::create(b, {channels})};
  SmallVector<int64_t> shape{from.getDimSize(0), channels};
  for (size_t i = 0; i < kernel.size(); ++i) {
    int64_t size = from.getDimSize(2 + 2 * i),
            tile = from.getDimSize(3 + 2 * i);
    joined.push_back(BinaryOp::create(b, BinaryKind::mul,
                                      makeSize(b, image, i + 2),
                                      ConstantOp::create(b, {tile})));
    shape.push_back(ShapedType::isDynamic(size) ? size : size * tile);
  }
  return reshapeTo(b, value, joined, shape);
}

Value Tiling::crop(ImplicitLocOpBuilder &b, Value value) {
  SmallVector<int64_t> begins, ends, axes;
  for (size_t i = 0; i < kernel.size(); ++i) {
    int64_t stride = op.getStrides()[i], begin = op.getPads()[i] % stride,
            excess = getExcess(i), end = llvm::alignTo(excess, stride) - excess;
    if (!begin && !end)
      continue;
    axes.push_back(i + 2);
    begins.push_back(begin);
    ends.push_back(end ? -end : std::numeric_limits<int64_t>::max());
  }
  if (axes.empty())
    return value;
  SmallVector<int64_t> ones(axes.size(), 1);
  return SliceOp::create(
      b, value, ConstantOp::create(b, begins), ConstantOp::create(b, ends),
      ConstantOp::create(b, axes), ConstantOp::create(b, ones));
}

void Tiling::finish(SmallVector<Part> parts, bool crops) {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Value moved = op.getOutput();
  SmallVector<Operation *> replaced{op};
  while (moved.hasOneUse()) {
    Operation *user = *moved.user_begin();
    if (user->getBlock() != op->getBlock() || !isPerChannel(user, moved))
      break;
    b.setInsertionPoint(user);
    b.setLoc(user->getLoc());
    for (Part &part : parts)
      part.value = computeUnmoved(b, user, moved, part);
    moved = user->getResult(0);
    replaced.push_back(user);
  }
  Value result = parts.front().value;
  if (parts.size() > 1 || parts.front().getCount() > 1)
    result = collapse(b, join(b, parts, 0), result);
  if (crops)
    result = crop(b, result);
  if (result.getType() != moved.getType())
    result = tensor::CastOp::create(b, moved.getType(), result);
  moved.replaceAllUsesWith(result);
  for (Operation *dead : llvm::reverse(replaced))
    dead->erase();
}

void Tiling::multiply() {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Part part;
  part.sizes.assign(kernel.begin(), kernel.end());
  SmallVector<int64_t> ones(kernel.size(), 1), zeros(2 * kernel.size(), 0);
  Value bias = op.getBias();
  auto product = ConvOp::create(
      b, op.getInput(), arrangeWeights(b, op.getWeights()),
      bias ? repeat(b, bias, part.getCount(), /*numBehind=*/0) : Value(),
      op.getInputZeroPoint(), spreadZeroPoint(b, part), ones, ones, zeros,
      /*group=*/1, AutoPad::none);
  product->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  part.value = product;
  finish({part}, /*crops=*/false);
}

void Tiling::split() {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  SmallVector<Phases> phases;
  SmallVector<Part> parts;
  convolveAll(b, phases, parts);
  finish(parts, /*crops=*/true);
}

void qnn::multiplyTiles(ConvTransposeOp op) { Tiling(op).multiply(); }

namespace {
struct MultiplyTilesPass : qnn::impl::MultiplyTilesPassBase<MultiplyTilesPass> {
  using MultiplyTilesPassBase::MultiplyTilesPassBase;

  void runOnOperation() override {
    SmallVector<ConvTransposeOp> tilings, overlaps;
    getOperation().walk([&](ConvTransposeOp op) {
      if (isTiling(op))
        tilings.push_back(op);
      else if (overlapping && Tiling(op).isSplittable())
        overlaps.push_back(op);
    });
    for (ConvTransposeOp op : tilings)
      multiplyTiles(op);
    for (ConvTransposeOp op : overlaps)
      Tiling(op).split();
    numProducts += tilings.size();
    numSplit += overlaps.size();
  }
};
} // namespace
