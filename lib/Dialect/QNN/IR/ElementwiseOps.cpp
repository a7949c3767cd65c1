//===- ElementwiseOps.cpp - One result element from one of each operand ---===//

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

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
  return {};
}

LogicalResult CastOp::verify() {
  if (failed(verifyCompatibleShape(getInput().getType(), getType())))
    return emitOpError("changes the shape: ")
           << getInput().getType() << " to " << getType();
  return success();
}
