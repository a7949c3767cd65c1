//===- Report.h - What quantization did, and what it cost -------*- C++ -*-===//
#ifndef QUANTC_REPORT_REPORT_H
#define QUANTC_REPORT_REPORT_H

#include "quantc/Calibration/MeasureErrors.h"
#include "quantc/Quantization/Statistics.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace quantc {

/// Counts in bins of equal width between two numbers.
struct BinnedHistogram {
  double lower = 0, upper = 0;
  std::vector<double> counts;
  bool empty() const { return counts.empty(); }
};

/// An operand of an op, quantized.
struct ReportedTensor {
  bool isWeight = false;
  /// A constant as wide as the accumulator.
  bool isBias() const { return isWeight && type == "i32"; }
  std::string name;
  /// The type of the integers, and what shares a scale: "tensor", "channel",
  /// "group of 64".
  std::string type, granularity;
  /// The real numbers that the integers span (of a weight with many scales:
  /// the smallest and the largest).
  Range range;
  /// Of an activation: its numbers. Of a weight: its integers.
  BinnedHistogram histogram;
  /// Of a weight, with its scales, and of the float weight.
  uint64_t bytes = 0, floatBytes = 0;
};

/// An op on quantized operands.
struct ReportedOp {
  std::string node, op, value;
  std::vector<ReportedTensor> operands;
  bool isMeasured = false;
  ErrorStatistics own, total;
};

struct QuantizationReport {
  std::string model, recipe;
  uint64_t numSamples = 0;
  /// From the op that does most damage on: the one with the lowest ratio of
  /// signal to its own noise.
  std::vector<ReportedOp> ops;
  /// The model's outputs, by name.
  std::vector<std::pair<std::string, ErrorStatistics>> outputs;

  void printTable(llvm::raw_ostream &os) const;
  /// One file with everything in it: no scripts or styles from elsewhere.
  void printPage(llvm::raw_ostream &os) const;
};

/// Describes a graph with quantize and dequantize ops.
QuantizationReport makeReport(mlir::ModuleOp quantized,
                              const Statistics &statistics,
                              const MeasuredErrors &errors);

} // namespace quantc

#endif // QUANTC_REPORT_REPORT_H
