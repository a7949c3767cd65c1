//===- Calibration.h - A model and data in, statistics out ------*- C++ -*-===//
#ifndef QUANTC_DRIVER_CALIBRATION_H
#define QUANTC_DRIVER_CALIBRATION_H

#include "quantc/Calibration/Calibrate.h"
#include "quantc/Driver/Compilation.h"

namespace quantc {

struct CalibrateOptions {
  /// Sizes for dynamic dimensions of inputs.
  llvm::StringMap<llvm::SmallVector<int64_t>> shapes;
  /// A .npz file or a folder of them (DataSet).
  std::string data;
  /// The statistics file to write; nothing is written if there is an error.
  std::string output;
  CalibrationOptions run;
  /// Called for each error and warning.
  std::function<void(mlir::DiagnosticSeverity, llvm::StringRef text)> report;
};

/// Calibrates an ONNX model: a file, or `bytes` if these are given.
mlir::LogicalResult calibrateModel(llvm::StringRef path, llvm::StringRef bytes,
                                   const CalibrateOptions &options);

/// Writes the statistics of all the data that `inputs` are statistics of.
llvm::Error mergeStatistics(llvm::ArrayRef<std::string> inputs,
                            llvm::StringRef output);

} // namespace quantc

#endif // QUANTC_DRIVER_CALIBRATION_H
