//===- IndexingOps.cpp - Gather, scatter and selection by index -----------===//

#include "quantc/Dialect/QNN/IR/IndexingOps.h"

#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/IndexingOps.cpp.inc"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

static LogicalResult checkAxis(std::optional<Location> loc, int64_t axis,
                               RankedTensorType type) {
  if (axis < 0 || axis >= type.getRank())
    return emitOptionalError(loc, "axis ", axis, " is out of range for ", type);
  return success();
}

/// Constant indices are checked at compile time.
static LogicalResult checkIndices(std::optional<Location> loc, Value indices,
                                  int64_t extent) {
  if (ShapedType::isDynamic(extent))
    return success();
  auto ints = getConstantInts(indices);
  if (!ints)
    return success();
  for (int64_t i : *ints)
    if (!normalizeAxis(i, extent))
      return emitOptionalError(loc, "index ", i, " is out of range for extent ",
                               extent);
  return success();
}

//===- gather -------------------------------------------------------------===//

std::optional<int64_t> GatherOp::getResultAxis(int64_t axis) {
  int64_t gathered = getAxis();
  if (axis == gathered)
    return std::nullopt;
  return axis < gathered ? axis : axis + getIndices().getType().getRank() - 1;
}

LogicalResult GatherOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  int64_t axis = adaptor.getAxis();
  if (failed(checkAxis(loc, axis, input)) ||
      failed(checkIndices(loc, adaptor.getIndices(), input.getDimSize(axis))))
    return failure();
  SmallVector<int64_t> shape(input.getShape().take_front(axis));
  llvm::append_range(shape, typeOf(adaptor.getIndices()).getShape());
  llvm::append_range(shape, input.getShape().drop_front(axis + 1));
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

OpFoldResult GatherOp::fold(FoldAdaptor) { return foldKnownInts(*this); }

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *,
                                                 std::optional<Location> loc,
                                                 Adaptor adaptor,
                                                 SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  RankedTensorType indices = typeOf(adaptor.getIndices());
  int64_t axis = adaptor.getAxis();
  if (indices.getRank() != input.getRank())
    return emitOptionalError(loc, "indices ", indices,
                             " differ in rank from the input ", input);
  if (failed(checkAxis(loc, axis, input)) ||
      failed(checkIndices(loc, adaptor.getIndices(), input.getDimSize(axis))))
    return failure();
  types.push_back(indices.clone(input.getElementType()));
  return success();
}

LogicalResult GatherNDOp::inferReturnTypes(MLIRContext *,
                                           std::optional<Location> loc,
                                           Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  RankedTensorType indices = typeOf(adaptor.getIndices());
  int64_t batch = adaptor.getBatchDims();
  if (indices.getRank() == 0 || indices.isDynamicDim(indices.getRank() - 1))
    return emitOptionalError(loc, "the last dimension of the indices ", indices,
                             " must be static");
  int64_t depth = indices.getShape().back();
  if (batch < 0 || batch >= indices.getRank() ||
      batch + depth > input.getRank())
    return emitOptionalError(loc, "indices ", indices, " with ", batch,
                             " batch dimensions do not fit ", input);
  SmallVector<int64_t> shape(indices.getShape().drop_back());
  llvm::append_range(shape, input.getShape().drop_front(batch + depth));
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

//===- scatter ------------------------------------------------------------===//

LogicalResult
ScatterElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                    Adaptor adaptor,
                                    SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  RankedTensorType indices = typeOf(adaptor.getIndices());
  RankedTensorType updates = typeOf(adaptor.getUpdates());
  if (indices.getRank() != input.getRank() ||
      failed(verifyCompatibleShape(indices, updates)) ||
      updates.getElementType() != input.getElementType())
    return emitOptionalError(loc, "updates ", updates, " at ", indices,
                             " do not fit ", input);
  if (failed(checkAxis(loc, adaptor.getAxis(), input)) ||
      failed(checkIndices(loc, adaptor.getIndices(),
                          input.getDimSize(adaptor.getAxis()))))
    return failure();
  types.push_back(input);
  return success();
}

LogicalResult ScatterNDOp::inferReturnTypes(MLIRContext *,
                                            std::optional<Location> loc,
                                            Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  RankedTensorType indices = typeOf(adaptor.getIndices());
  RankedTensorType updates = typeOf(adaptor.getUpdates());
  if (indices.getRank() == 0 || indices.isDynamicDim(indices.getRank() - 1))
    return emitOptionalError(loc, "the last dimension of the indices ", indices,
                             " must be static");
  int64_t depth = indices.getShape().back();
  if (depth > input.getRank() ||
      updates.getRank() != indices.getRank() - 1 + input.getRank() - depth ||
      updates.getElementType() != input.getElementType())
    return emitOptionalError(loc, "updates ", updates, " at ", indices,
                             " do not fit ", input);
  types.push_back(input);
  return success();
}

//===- non_zero -----------------------------------------------------------===//

LogicalResult NonZeroOp::inferReturnTypes(MLIRContext *ctx,
                                          std::optional<Location>,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get(
      {typeOf(adaptor.getInput()).getRank(), ShapedType::kDynamic},
      IntegerType::get(ctx, 64)));
  return success();
}
