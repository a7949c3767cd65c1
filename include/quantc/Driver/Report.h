//===- Report.h - Measure what a recipe costs a model -----------*- C++ -*-===//
#ifndef QUANTC_DRIVER_REPORT_H
#define QUANTC_DRIVER_REPORT_H

#include "quantc/Driver/Calibration.h"
#include "quantc/Report/Report.h"

namespace quantc {

struct ReportOptions {
  /// A recipe as Recipe::load reads it.
  std::string recipe = "w8a8";
  /// What the model is for, as `compile` takes it.
  std::string target = "native";
  /// The data that errors are measured on, and that calibrate the model unless
  /// `statistics` names a file.
  std::string data;
  std::string statistics;
  /// Where to print the quantized graph, whose ops carry their errors in
  /// `qnn.error`; empty for nowhere.
  std::string graph;
  llvm::StringMap<llvm::SmallVector<int64_t>> shapes;
  CalibrationOptions run;
  /// Called for each error, warning and remark.
  std::function<void(mlir::DiagnosticSeverity, llvm::StringRef text)> report;
};

/// Quantizes an ONNX model and compares it with itself in float.
mlir::FailureOr<QuantizationReport> reportModel(llvm::StringRef path,
                                                const ReportOptions &options);

} // namespace quantc

#endif // QUANTC_DRIVER_REPORT_H
