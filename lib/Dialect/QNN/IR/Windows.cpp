//===- Windows.cpp - Sliding windows: strides, dilations, pads ------------===//

#include "quantc/Dialect/QNN/IR/Windows.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantc;

LogicalResult qnn::verifyWindow(function_ref<InFlightDiagnostic()> emitError,
                                int64_t spatialRank, ArrayRef<int64_t> strides,
                                ArrayRef<int64_t> dilations,
                                ArrayRef<int64_t> pads) {
  auto checkLength = [&](StringRef name, size_t size,
                         int64_t expected) -> LogicalResult {
    if (int64_t(size) != expected)
      return emitError() << name << " must hold " << expected << " numbers for "
                         << spatialRank << " spatial dimensions, got " << size;
    return success();
  };
  if (failed(checkLength("strides", strides.size(), spatialRank)) ||
      failed(checkLength("dilations", dilations.size(), spatialRank)) ||
      failed(checkLength("pads", pads.size(), 2 * spatialRank)))
    return failure();
  if (llvm::any_of(strides, [](int64_t v) { return v < 1; }))
    return emitError() << "strides must be positive";
  if (llvm::any_of(dilations, [](int64_t v) { return v < 1; }))
    return emitError() << "dilations must be positive";
  // Far from where the arithmetic on sizes would overflow.
  constexpr int64_t limit = int64_t(1) << 31;
  for (ArrayRef<int64_t> list : {strides, dilations, pads})
    if (llvm::any_of(list, [](int64_t v) { return v > limit || v < -limit; }))
      return emitError() << "strides, dilations and pads must be below 2^31";
  return success();
}

std::optional<int64_t> qnn::countWindows(int64_t input, int64_t kernel,
                                         int64_t stride, int64_t dilation,
                                         int64_t padBegin, int64_t padEnd,
                                         bool ceilMode) {
  if (ShapedType::isDynamic(input) || ShapedType::isDynamic(kernel))
    return ShapedType::kDynamic;
  int64_t room = input + padBegin + padEnd - ((kernel - 1) * dilation + 1);
  if (room < 0)
    return std::nullopt;
  if (!ceilMode)
    return room / stride + 1;
  int64_t count = llvm::divideCeil(room, stride) + 1;
  if ((count - 1) * stride >= input + padBegin)
    --count;
  return count;
}

int64_t qnn::countSameWindows(int64_t input, int64_t stride) {
  if (ShapedType::isDynamic(input))
    return input;
  return llvm::divideCeil(input, stride);
}
