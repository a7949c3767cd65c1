//===- PoolingOps.cpp - Reductions over sliding windows -------------------===//

#include "quantc/Dialect/QNN/IR/PoolingOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/PoolingOps.cpp.inc"

template <typename OpOrAdaptor>
static LogicalResult verifyPool(OpOrAdaptor op,
                                function_ref<InFlightDiagnostic()> emitError) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  if (input.getRank() < 3)
    return emitError() << "the input must have a spatial dimension at least: "
                          "(N, C, spatial...), got "
                       << input;
  int64_t spatial = input.getRank() - 2;
  if (int64_t(op.getKernel().size()) != spatial)
    return emitError() << "kernel must hold " << spatial << " numbers, got "
                       << op.getKernel().size();
  if (llvm::any_of(op.getKernel(),
                   [](int64_t k) { return k < 1 || k > (int64_t(1) << 31); }))
    return emitError() << "the kernel's sizes must be between 1 and 2^31";
  return verifyWindow(emitError, spatial, op.getStrides(), op.getDilations(),
                      op.getPads());
}

/// As countWindows, but a kernel that misses less than a stride has a window:
/// ONNX Runtime rounds towards zero when it pools.
static std::optional<int64_t> countPoolWindows(int64_t input, int64_t kernel,
                                               int64_t stride, int64_t dilation,
                                               int64_t padBegin, int64_t padEnd,
                                               bool ceilMode) {
  int64_t missing = (kernel - 1) * dilation + 1 - (input + padBegin + padEnd);
  if (!ShapedType::isDynamic(input) && input > 0 && missing > 0 &&
      missing < stride)
    return 1;
  return countWindows(input, kernel, stride, dilation, padBegin, padEnd,
                      ceilMode);
}

template <typename Adaptor>
static FailureOr<SmallVector<int64_t>>
inferPoolShape(MLIRContext *ctx, std::optional<Location> loc, Adaptor op) {
  auto fail = [&] {
    return mlir::emitError(loc.value_or(UnknownLoc::get(ctx)));
  };
  if (failed(verifyPool(op, fail)))
    return failure();
  auto input = cast<RankedTensorType>(op.getInput().getType());
  SmallVector<int64_t> shape(input.getShape().take_front(2));
  int64_t spatial = input.getRank() - 2;
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t size = input.getDimSize(i + 2);
    if (op.getAutoPad() != AutoPad::none) {
      shape.push_back(countSameWindows(size, op.getStrides()[i]));
      continue;
    }
    auto count = countPoolWindows(size, op.getKernel()[i], op.getStrides()[i],
                                  op.getDilations()[i], op.getPads()[i],
                                  op.getPads()[i + spatial], op.getCeilMode());
    if (!count)
      return emitOptionalError(loc,
                               "the kernel does not fit into the padded "
                               "input along dimension ",
                               i + 2, " of ", input);
    shape.push_back(*count);
  }
  return shape;
}

//===- pool ---------------------------------------------------------------===//

LogicalResult PoolOp::inferReturnTypes(MLIRContext *ctx,
                                       std::optional<Location> loc,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  auto shape = inferPoolShape(ctx, loc, adaptor);
  if (failed(shape))
    return failure();
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  types.push_back(RankedTensorType::get(*shape, input.getElementType()));
  return success();
}

LogicalResult PoolOp::verify() {
  if (failed(verifyPool(*this, [&] { return emitOpError(); })))
    return failure();
  Type element = getInput().getType().getElementType();
  if (getKind() != PoolKind::max && !isa<FloatType>(element))
    return emitOpError() << stringifyPoolKind(getKind())
                         << " pooling expects floats, got "
                         << getInput().getType();
  if (getP() < 1)
    return emitOpError("p must be positive, got ") << getP();
  return success();
}

/// Averages and norms compute: only a maximum keeps scale and zero point.
SmallVector<unsigned> PoolOp::getDataOperands() {
  if (getKind() == PoolKind::max)
    return {0};
  return {};
}

/// Padding is zeros, or nothing.
SmallVector<unsigned> PoolOp::getHomogeneousOperands() { return {0}; }

std::optional<int64_t> PoolOp::getFactorAxis(unsigned, int64_t axis) {
  return axis < 2 ? std::optional(axis) : std::nullopt;
}

//===- pool_indices -------------------------------------------------------===//

LogicalResult PoolIndicesOp::inferReturnTypes(MLIRContext *ctx,
                                              std::optional<Location> loc,
                                              Adaptor adaptor,
                                              SmallVectorImpl<Type> &types) {
  auto shape = inferPoolShape(ctx, loc, adaptor);
  if (failed(shape))
    return failure();
  types.push_back(RankedTensorType::get(*shape, IntegerType::get(ctx, 64)));
  return success();
}

LogicalResult PoolIndicesOp::verify() {
  return verifyPool(*this, [&] { return emitOpError(); });
}
