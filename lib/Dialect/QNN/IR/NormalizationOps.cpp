//===- NormalizationOps.cpp - Normalizations and attention ----------------===//

#include "quantc/Dialect/QNN/IR/NormalizationOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/NormalizationOps.cpp.inc"

//===- normalize ----------------------------------------------------------===//

LogicalResult NormalizeOp::inferReturnTypes(MLIRContext *ctx,
                                            std::optional<Location> loc,
                                            Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= input.getRank())
    return emitOptionalError(loc, "axis ", axis, " is no dimension of ", input);
  for (Value parameter : {adaptor.getScale(), adaptor.getBias()}) {
    if (!parameter)
      continue;
    auto type = cast<RankedTensorType>(parameter.getType());
    if (type.getRank() > input.getRank() ||
        failed(broadcastShapes(input.getShape(), type.getShape())))
      return emitOptionalError(loc, "scale or bias of type ", type,
                               " does not broadcast to ", input);
  }
  SmallVector<int64_t> reduced(input.getShape());
  for (int64_t d = axis; d < input.getRank(); ++d)
    reduced[d] = 1;
  Type stash = adaptor.getStashType();
  types.push_back(input);
  types.append(2, RankedTensorType::get(reduced, stash));
  return success();
}

LogicalResult NormalizeOp::verify() {
  if (!isa<FloatType>(getStashType()))
    return emitOpError("stash_type must be a float, got ") << getStashType();
  return success();
}

//===- batch_norm ---------------------------------------------------------===//

LogicalResult BatchNormOp::inferReturnTypes(MLIRContext *,
                                            std::optional<Location>,
                                            Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult BatchNormOp::verify() {
  RankedTensorType input = getInput().getType();
  // A batch of scalars has one channel.
  int64_t channels = input.getRank() < 2 ? 1 : input.getDimSize(1);
  for (Value parameter : {getScale(), getBias(), getMean(), getVariance()}) {
    auto type = cast<RankedTensorType>(parameter.getType());
    if (type.getRank() != 1 ||
        failed(verifyCompatibleShape(type.getShape(), {channels})))
      return emitOpError("parameter of type ")
             << type << " for " << channels << " channels of " << input;
  }
  return success();
}

//===- local_response_norm ------------------------------------------------===//

LogicalResult
LocalResponseNormOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                      Adaptor adaptor,
                                      SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult LocalResponseNormOp::verify() {
  if (getInput().getType().getRank() < 2 || int64_t(getSize()) < 1)
    return emitOpError("needs a dimension of channels and a positive size");
  return success();
}
