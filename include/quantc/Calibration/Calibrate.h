//===- Calibrate.h - Statistics of a model over data ------------*- C++ -*-===//
#ifndef QUANTC_CALIBRATION_CALIBRATE_H
#define QUANTC_CALIBRATION_CALIBRATE_H

#include "quantc/Calibration/DataSet.h"
#include "quantc/Quantization/Statistics.h"

#include "mlir/IR/BuiltinOps.h"

#include <functional>

namespace quantc {

struct CalibrationOptions {
  /// Which values: "quantizable" or "all" (qnn-insert-observers).
  std::string values = "quantizable";
  /// If there are any: only the values with these names, and of the graph only
  /// what they need.
  std::vector<std::string> names;
  /// Sums of |x| and x² per channel.
  bool moments = true;
  /// Xᵀ·X of the values whose last axis a product sums over.
  bool gram = false;
  /// What Statistics::rangeMethod becomes.
  std::string rangeMethod;
  /// How many samples run at a time. The result does not depend on it.
  unsigned threads = 1;
  /// Called as samples are done.
  std::function<void(llvm::StringRef step, size_t done, size_t total)> progress;
};

/// Runs data through a copy of `module`, a graph of qnn ops that went through
/// the pipeline qnn-prepare-quantization, and watches its values. Errors go to
/// the context's diagnostics.
mlir::FailureOr<Statistics> calibrate(mlir::ModuleOp module,
                                      const DataSet &data,
                                      const CalibrationOptions &options);

} // namespace quantc

#endif // QUANTC_CALIBRATION_CALIBRATE_H
