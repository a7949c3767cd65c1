//===- Export.h - From a module of qnn ops to an ONNX model -----*- C++ -*-===//
// The border of the exporter: nothing of ONNX or protobuf, and no exception,
// crosses it.

#ifndef QUANTC_TARGET_ONNX_EXPORT_H
#define QUANTC_TARGET_ONNX_EXPORT_H

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace quantc::onnx_export {

/// What exported models declare. Block-wise quantization needs 21.
constexpr int64_t opset = 21;

struct ExportOptions {
  /// Whether ops of com.microsoft (MatMulNBits, MatMulBnb4) may be written for
  /// `qnn.weight_only_matmul`; otherwise their weights are dequantized.
  bool contribOps = true;
  /// Whether floats are computed in forms that ONNX Runtime rounds as our
  /// library does: behind one that differs in its last bit, a value that is
  /// quantized may be rounded to the next step.
  bool keepRoundings = false;
};

/// Appends the bytes of a model that computes what @main does. Quantization is
/// QuantizeLinear and DequantizeLinear (QDQ), or the ops on integers that the
/// graph has. Errors, which list all ops that ONNX does not have, go to the
/// context's diagnostics.
mlir::LogicalResult exportONNX(mlir::ModuleOp module, std::string &bytes,
                               const ExportOptions &options = {});

} // namespace quantc::onnx_export

#endif // QUANTC_TARGET_ONNX_EXPORT_H
