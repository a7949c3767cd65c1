//===- CalibrationInput.h - Models and data, ready to be run ----*- C++ -*-===//
#ifndef QUANTC_LIB_DRIVER_CALIBRATIONINPUT_H
#define QUANTC_LIB_DRIVER_CALIBRATIONINPUT_H

#include "quantc/Driver/Calibration.h"

#include "mlir/IR/MLIRContext.h"

namespace quantc {

/// Imports an ONNX model (a file, or `bytes` if these are given) and brings it
/// into the form that is calibrated and quantized.
mlir::OwningOpRef<mlir::ModuleOp>
importForCalibration(llvm::StringRef path, llvm::StringRef bytes,
                     const llvm::StringMap<llvm::SmallVector<int64_t>> &shapes,
                     const CalibrationOptions &run, mlir::MLIRContext &context);

/// Data for the model's inputs. Errors are emitted at the module.
mlir::FailureOr<DataSet> openData(llvm::StringRef path, mlir::ModuleOp module);

} // namespace quantc

#endif // QUANTC_LIB_DRIVER_CALIBRATIONINPUT_H
