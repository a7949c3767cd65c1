//===- Export.h - A model in, a quantized ONNX model out --------*- C++ -*-===//
#ifndef QUANTC_DRIVER_EXPORT_H
#define QUANTC_DRIVER_EXPORT_H

#include "quantc/Driver/Compilation.h"

namespace quantc {

/// Writes the ONNX model that `options.quantize` makes of a model (of an
/// optimized one, if it is empty) to `options.output`. What concerns code is
/// not used. Nothing is written if there is an error.
mlir::LogicalResult exportFile(llvm::StringRef path,
                               const CompileOptions &options);
/// The same for an ONNX model in memory.
mlir::LogicalResult exportBytes(llvm::StringRef bytes,
                                const CompileOptions &options);

} // namespace quantc

#endif // QUANTC_DRIVER_EXPORT_H
