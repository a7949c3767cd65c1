//===- Windows.h - Sliding windows: strides, dilations, pads ----*- C++ -*-===//
//
// What convolutions and pools share when they infer shapes. Attributes hold one
// number a spatial dimension, `pads` all beginnings and then all ends.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QNN_IR_WINDOWS_H
#define QUANTC_DIALECT_QNN_IR_WINDOWS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/AutoPadEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/AutoPadAttrs.h.inc"

namespace quantc::qnn {

/// Checks the lengths and the signs of the numbers that describe a window.
mlir::LogicalResult
verifyWindow(llvm::function_ref<mlir::InFlightDiagnostic()> emitError,
             int64_t spatialRank, llvm::ArrayRef<int64_t> strides,
             llvm::ArrayRef<int64_t> dilations, llvm::ArrayRef<int64_t> pads);

/// How many windows fit along one dimension; dynamic if `input` or `kernel` is.
/// Nothing if not one does. With `ceilMode` a last window may reach beyond the
/// padded input, but has to start within the input or the padding before it.
std::optional<int64_t> countWindows(int64_t input, int64_t kernel,
                                    int64_t stride, int64_t dilation,
                                    int64_t padBegin, int64_t padEnd,
                                    bool ceilMode = false);

/// The same with `auto_pad`: one window for each started `stride` elements.
int64_t countSameWindows(int64_t input, int64_t stride);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_IR_WINDOWS_H
