//===- QuantizationRules.h - What quantized ops' rules share ----*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_QUANTIZATIONRULES_H
#define QUANTC_LIB_TARGET_ONNX_RULES_QUANTIZATIONRULES_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

/// Whether a scale or zero point is one number for the whole tensor.
bool isSingle(mlir::Value value);

// A null operand gives a null result: an error was emitted before. `axis`
// matters when `scale` is a list.
mlir::Value quantize(NodeContext &ctx, mlir::Value x, mlir::Value scale,
                     mlir::Value zeroPoint, mlir::Type elementType,
                     int64_t axis = 0);
mlir::Value dequantize(NodeContext &ctx, mlir::Value x, mlir::Value scale,
                       mlir::Value zeroPoint, int64_t axis = 0);
mlir::Value requantize(NodeContext &ctx, mlir::Value acc, mlir::Value scale,
                       mlir::Value zeroPoint, mlir::Type elementType,
                       int64_t axis = 0);

/// a · b / y in f32, as ONNX Runtime scales accumulators; `y` may be null.
mlir::Value combineScales(NodeContext &ctx, mlir::Value a, mlir::Value b,
                          mlir::Value y);

/// The quantized ops of com.microsoft.
void registerContribQuantizationRules(RuleRegistry &registry);
/// Its matrix products, those with weights of few bits among them.
void registerContribContractionRules(RuleRegistry &registry);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_QUANTIZATIONRULES_H
