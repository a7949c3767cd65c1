//===- MeasureErrors.h - What quantization costs, op by op ------*- C++ -*-===//
#ifndef QUANTC_CALIBRATION_MEASUREERRORS_H
#define QUANTC_CALIBRATION_MEASUREERRORS_H

#include "quantc/Calibration/Calibrate.h"
#include "quantc/Quantization/ErrorStatistics.h"

#include <map>

namespace quantc {

/// Of one value.
struct ValueErrors {
  /// Of the quantized graph as it is: errors add up on the way.
  ErrorStatistics total;
  /// Of the value's op alone, whose operands are those of the float graph
  /// (before they are quantized): what this op's quantization costs.
  ErrorStatistics own;
};

/// By the values' names.
using ErrorsByValue = std::map<std::string, ValueErrors, std::less<>>;

struct MeasuredErrors {
  ErrorsByValue values;
  /// Of the graph's results of float32, by their names.
  std::vector<std::pair<std::string, ErrorStatistics>> outputs;
};

/// Runs data through a graph and its quantized form (with quantize and
/// dequantize, before these are folded into integer ops) and compares the
/// values that have a name in both. Errors go to the context's diagnostics.
mlir::FailureOr<MeasuredErrors>
measureErrors(mlir::ModuleOp reference, mlir::ModuleOp quantized,
              const DataSet &data, const CalibrationOptions &options);

/// Gives each op of `quantized` whose result was measured the attribute
/// `qnn.error = {sqnr, cosine, own_sqnr, own_cosine}`.
void annotateErrors(mlir::ModuleOp quantized, const ErrorsByValue &errors);

} // namespace quantc

#endif // QUANTC_CALIBRATION_MEASUREERRORS_H
