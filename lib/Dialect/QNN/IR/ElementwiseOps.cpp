//===- ElementwiseOps.cpp - One result element from one of each operand ---===//

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"

#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/InterleavedRange.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ElementwiseOps.cpp.inc"

/// The type of an elementwise result, or an error that names both shapes.
static FailureOr<RankedTensorType> inferBroadcast(std::optional<Location> loc,
                                                  Type elementType,
                                                  ArrayRef<Value> operands) {
  SmallVector<int64_t> shape;
  for (Value v : operands) {
    auto type = cast<RankedTensorType>(v.getType());
    auto joined = broadcastShapes(shape, type.getShape());
    if (failed(joined))
      return emitOptionalError(loc, "operand of type ", type,
                               " does not broadcast with shape [",
                               llvm::interleaved(shape), "]");
    shape = *joined;
  }
  return RankedTensorType::get(shape, elementType);
}

LogicalResult UnaryOp::inferReturnTypes(MLIRContext *ctx,
                                        std::optional<Location>,
                                        Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  auto type = cast<RankedTensorType>(adaptor.getInput().getType());
  switch (adaptor.getKind()) {
  case UnaryKind::is_nan:
  case UnaryKind::is_inf:
  case UnaryKind::is_pos_inf:
  case UnaryKind::is_neg_inf:
    type = type.clone(IntegerType::get(ctx, 1));
    break;
  default:
    break;
  }
  types.push_back(type);
  return success();
}

LogicalResult BinaryOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto type =
      inferBroadcast(loc, getElementTypeOrSelf(adaptor.getLhs().getType()),
                     {adaptor.getLhs(), adaptor.getRhs()});
  if (failed(type))
    return failure();
  types.push_back(*type);
  return success();
}

LogicalResult
FusedMultiplyAddOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                     Adaptor adaptor,
                                     SmallVectorImpl<Type> &types) {
  auto type =
      inferBroadcast(loc, getElementTypeOrSelf(adaptor.getLhs().getType()),
                     {adaptor.getLhs(), adaptor.getRhs(), adaptor.getAddend()});
  if (failed(type))
    return failure();
  types.push_back(*type);
  return success();
}

LogicalResult BinaryOp::verify() {
  Type lhs = getLhs().getType().getElementType();
  Type rhs = getRhs().getType().getElementType();
  bool mixed = getKind() == BinaryKind::pow;
  if (lhs != rhs && !mixed)
    return emitOpError("operands have element types ")
           << lhs << " and " << rhs << ": cast one of them";
  return success();
}

LogicalResult CompareOp::inferReturnTypes(MLIRContext *ctx,
                                          std::optional<Location> loc,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto type = inferBroadcast(loc, IntegerType::get(ctx, 1),
                             {adaptor.getLhs(), adaptor.getRhs()});
  if (failed(type))
    return failure();
  types.push_back(*type);
  return success();
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto type = inferBroadcast(
      loc, getElementTypeOrSelf(adaptor.getLhs().getType()),
      {adaptor.getCondition(), adaptor.getLhs(), adaptor.getRhs()});
  if (failed(type))
    return failure();
  types.push_back(*type);
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  return foldKnownInts(*this);
}

// Shape arithmetic: small integers.
OpFoldResult UnaryOp::fold(FoldAdaptor) { return foldKnownInts(*this); }
OpFoldResult BinaryOp::fold(FoldAdaptor) { return foldKnownInts(*this); }
OpFoldResult CompareOp::fold(FoldAdaptor) { return foldKnownInts(*this); }
OpFoldResult SelectOp::fold(FoldAdaptor) { return foldKnownInts(*this); }

LogicalResult CastOp::verify() {
  if (failed(verifyCompatibleShape(getInput().getType(), getType())))
    return emitOpError("changes the shape: ")
           << getInput().getType() << " to " << getType();
  return success();
}

OpFoldResult BitcastOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  return {};
}

LogicalResult BitcastOp::verify() {
  Type from = getInput().getType().getElementType();
  Type to = getType().getElementType();
  if (failed(verifyCompatibleShape(getInput().getType(), getType())))
    return emitOpError("changes the shape: ")
           << getInput().getType() << " to " << getType();
  // A bool is a byte.
  auto width = [](Type type) {
    return type.isInteger(1) ? 8 : type.getIntOrFloatBitWidth();
  };
  if (width(from) != width(to))
    return emitOpError("changes the number of bits: ") << from << " to " << to;
  return success();
}

//===- canonical forms ----------------------------------------------------===//

/// The value of a constant whose elements are all the same float.
static std::optional<double> getSplatFloat(Value value) {
  SplatElementsAttr attr;
  if (!matchPattern(value, m_Constant(&attr)) ||
      !isa<FloatType>(attr.getElementType()))
    return std::nullopt;
  return attr.getSplatValue<APFloat>().convertToDouble();
}

namespace {
/// Squares and cubes, as ONNX Runtime computes them: many models spell a
/// normalization with Pow.
struct ExpandSmallPower : OpRewritePattern<BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getKind() != BinaryKind::pow)
      return rewriter.notifyMatchFailure(op, "no power");
    std::optional<double> exponent = getSplatFloat(op.getRhs());
    if (!exponent || op.getLhs().getType() != op.getType() ||
        !isa<FloatType>(op.getType().getElementType()))
      return rewriter.notifyMatchFailure(op, "no constant exponent");
    Value x = op.getLhs();
    if (*exponent == 1) {
      rewriter.replaceOp(op, x);
      return success();
    }
    if (*exponent != 2 && *exponent != 3)
      return rewriter.notifyMatchFailure(op, "exponent is no small integer");
    auto multiply = [&](Value a, Value b) -> Value {
      return BinaryOp::create(rewriter, op.getLoc(), op.getType(),
                              BinaryKind::mul, a, b);
    };
    Value power = multiply(x, x);
    rewriter.replaceOp(op, *exponent == 2 ? power : multiply(power, x));
    return success();
  }
};
} // namespace

void BinaryOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *ctx) {
  patterns.add<ExpandSmallPower>(ctx);
}

//===- positive factors ---------------------------------------------------===//

/// Broadcasting aligns dimensions at the end.
static std::optional<int64_t> getBroadcastAxis(Value operand, Value result,
                                               int64_t axis) {
  return axis + cast<RankedTensorType>(result.getType()).getRank() -
         cast<RankedTensorType>(operand.getType()).getRank();
}

SmallVector<unsigned> UnaryOp::getHomogeneousOperands() {
  switch (getKind()) {
  case UnaryKind::abs:
  case UnaryKind::neg:
  case UnaryKind::relu:
  case UnaryKind::leaky_relu:
    return {0};
  default:
    return {};
  }
}

std::optional<int64_t> UnaryOp::getFactorAxis(unsigned, int64_t axis) {
  return axis;
}

SmallVector<unsigned> BinaryOp::getHomogeneousOperands() {
  switch (getKind()) {
  case BinaryKind::add:
  case BinaryKind::sub:
  case BinaryKind::min:
  case BinaryKind::max:
    return {0, 1};
  case BinaryKind::prelu:
    return {0};
  default:
    return {};
  }
}

std::optional<int64_t> BinaryOp::getFactorAxis(unsigned index, int64_t axis) {
  return getBroadcastAxis(getOperation()->getOperand(index), getOutput(), axis);
}
