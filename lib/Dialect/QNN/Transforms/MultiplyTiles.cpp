//===- MultiplyTiles.cpp - Transposed convolutions as products ------------===//
//
// Where the kernels of a transposed convolution neither overlap nor leave gaps,
// each element of the input makes a tile of the result of its own: a product,
// whose elements are then moved to their places. What follows element by
// element is computed before they move, behind the sums.
//
//===----------------------------------------------------------------------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

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

static Value makeInts(ImplicitLocOpBuilder &b, ArrayRef<int64_t> values) {
  return ConstantOp::create(b, b.getI64TensorAttr(values));
}

static Value reshape(ImplicitLocOpBuilder &b, Value value,
                     ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, typeOf(value).getElementType());
  return ReshapeOp::create(b, type, value, makeInts(b, shape));
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
/// A transposed convolution on its way to a product.
class Tiling {
public:
  explicit Tiling(ConvTransposeOp op)
      : op(op), kernel(op.getWeights().getType().getShape().drop_front(2)),
        channels(op.getWeights().getType().getDimSize(1)),
        count(llvm::product_of(kernel)) {}

  void rewrite();

private:
  /// Whether `user` computes each element of its result from one of `tiles`,
  /// and from what is the same for a whole channel.
  bool isPerChannel(Operation *user, Value tiles) const;
  /// `user`, computed of elements that have not moved yet.
  Value computeUnmoved(ImplicitLocOpBuilder &b, Operation *user, Value moved,
                       Value unmoved) const;
  /// One number for each channel, as many times as the kernel has elements.
  /// Behind the dimension of channels come `numBehind` others.
  Value repeat(ImplicitLocOpBuilder &b, Value value, int64_t numBehind) const;
  /// (N, M · kernel elements, image...) to (N, M, larger image...).
  Value move(ImplicitLocOpBuilder &b, Value value) const;

  ConvTransposeOp op;
  ArrayRef<int64_t> kernel;
  int64_t channels, count;
};
} // namespace

Value Tiling::repeat(ImplicitLocOpBuilder &b, Value value,
                     int64_t numBehind) const {
  Value column = reshape(b, value, {channels, 1});
  auto type =
      RankedTensorType::get({channels, count}, typeOf(value).getElementType());
  Value rows = ExpandOp::create(b, type, column, makeInts(b, {1, count}));
  SmallVector<int64_t> shape{channels * count};
  shape.append(numBehind, 1);
  return reshape(b, rows, shape);
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
                             Value moved, Value unmoved) const {
  IRMapping mapping;
  mapping.map(moved, unmoved);
  SmallVector<unsigned> parameters;
  // Elementwise ops broadcast them: the dimensions behind are there, too.
  int64_t numBehind = 0;
  if (auto pointwise = dyn_cast<PointwiseOpInterface>(user)) {
    parameters = pointwise.getParameterOperands();
  } else {
    parameters = llvm::to_vector(llvm::seq(user->getNumOperands()));
    numBehind = typeOf(unmoved).getRank() - channelAxis - 1;
  }
  for (unsigned index : parameters) {
    Value parameter = user->getOperand(index);
    if (parameter != moved && typeOf(parameter).getNumElements() != 1)
      mapping.map(parameter, repeat(b, parameter, numBehind));
  }
  Operation *copy = b.clone(*user, mapping);
  Type element = typeOf(user->getResult(0)).getElementType();
  copy->getResult(0).setType(typeOf(unmoved).clone(element));
  return copy->getResult(0);
}

Value Tiling::move(ImplicitLocOpBuilder &b, Value value) const {
  if (count == 1)
    return value;
  RankedTensorType from = typeOf(value);
  int64_t spatial = kernel.size();
  // (N, M, kernel..., image...); sizes that only the call tells are read off.
  auto dim = [&](int64_t i) -> Value {
    if (from.isDynamicDim(i))
      return ShapeOp::create(b, value, i, i + 1);
    return makeInts(b, {from.getDimSize(i)});
  };
  auto reshapeTo = [&](Value x, ArrayRef<Value> sizes,
                       ArrayRef<int64_t> shape) -> Value {
    Value list = ConcatOp::create(b, sizes, /*axis=*/0);
    return ReshapeOp::create(b, from.clone(shape), x, list,
                             /*allowzero=*/true);
  };
  SmallVector<Value> split{dim(0), makeInts(b, {channels}),
                           makeInts(b, kernel)};
  SmallVector<int64_t> splitShape{from.getDimSize(0), channels};
  llvm::append_range(splitShape, kernel);
  SmallVector<Value> joined{split[0], split[1]};
  SmallVector<int64_t> joinedShape{from.getDimSize(0), channels};
  SmallVector<int64_t> permutation{0, 1};
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t size = from.getDimSize(i + 2);
    Value extent = dim(i + 2);
    split.push_back(extent);
    splitShape.push_back(size);
    permutation.append({2 + spatial + i, 2 + i});
    joined.push_back(
        BinaryOp::create(b, BinaryKind::mul, extent, makeInts(b, {kernel[i]})));
    joinedShape.push_back(ShapedType::isDynamic(size) ? size
                                                      : size * kernel[i]);
  }
  Value tiles = reshapeTo(value, split, splitShape);
  tiles = TransposeOp::create(b, tiles, permutation);
  return reshapeTo(tiles, joined, joinedShape);
}

void Tiling::rewrite() {
  ImplicitLocOpBuilder b(op.getLoc(), op);
  SmallVector<int64_t> ones(kernel.size(), 1), zeros(2 * kernel.size(), 0);
  Value bias = op.getBias();
  auto product = ConvOp::create(
      b, op.getInput(), arrangeWeights(b, op.getWeights()),
      bias ? repeat(b, bias, /*numBehind=*/0) : Value(), op.getInputZeroPoint(),
      op.getWeightsZeroPoint(), ones, ones, zeros, /*group=*/1, AutoPad::none);
  product->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  Value unmoved = product, moved = op.getOutput();
  SmallVector<Operation *> replaced{op};
  while (moved.hasOneUse()) {
    Operation *user = *moved.user_begin();
    if (user->getBlock() != op->getBlock() || !isPerChannel(user, moved))
      break;
    b.setInsertionPoint(user);
    b.setLoc(user->getLoc());
    unmoved = computeUnmoved(b, user, moved, unmoved);
    moved = user->getResult(0);
    replaced.push_back(user);
  }
  Value result = move(b, unmoved);
  if (result.getType() != moved.getType())
    result = tensor::CastOp::create(b, moved.getType(), result);
  moved.replaceAllUsesWith(result);
  for (Operation *dead : llvm::reverse(replaced))
    dead->erase();
}

void qnn::multiplyTiles(ConvTransposeOp op) { Tiling(op).rewrite(); }

namespace {
struct MultiplyTilesPass : qnn::impl::MultiplyTilesPassBase<MultiplyTilesPass> {
  void runOnOperation() override {
    SmallVector<ConvTransposeOp> tilings;
    getOperation().walk([&](ConvTransposeOp op) {
      if (isTiling(op))
        tilings.push_back(op);
    });
    for (ConvTransposeOp op : tilings)
      multiplyTiles(op);
    numProducts += tilings.size();
  }
};
} // namespace
