//===- Quantize.h - qnn-quantize for those who have its inputs --*- C++ -*-===//
#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_QUANTIZE_H
#define QUANTC_DIALECT_QNN_TRANSFORMS_QUANTIZE_H

#include "quantc/Quantization/Recipe.h"
#include "quantc/Quantization/Statistics.h"
#include "quantc/Support/ProductCosts.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <functional>
#include <memory>

namespace quantc::qnn {

/// What quantization did to a graph.
struct QuantizationReport {
  size_t numQuantized = 0, numSkipped = 0, numTables = 0, numActivations = 0;
  /// Ops with integer forms that are predicted to be slower than floats.
  size_t numSlower = 0;
  /// Of the weights and tables that were quantized, before and after.
  uint64_t floatBytes = 0, integerBytes = 0;
  /// What stays in float, and why: here instead of in remarks, if asked for.
  bool keepRemarks = false;
  std::vector<std::string> remarks;
};

/// Statistics of the named values in the graph as it is now.
using Recalibrate = std::function<mlir::FailureOr<Statistics>(
    mlir::ModuleOp, std::vector<std::string> names)>;

/// What else qnn-quantize is told.
struct QuantizeSettings {
  /// What products take on each of the targets: an op with an integer form that
  /// is slower than floats on all of them stays in float. Without targets,
  /// nothing is predicted.
  std::vector<ProductCosts> targets;
  /// Whether the memory of a float weight is given back as soon as it has
  /// codes: then no other module of the context may have it.
  bool releaseWeights = false;
  /// Whether activations stay unsigned where weights would stand, as others'
  /// exact products want them: the same numbers, stored with another offset.
  bool keepUnsigned = false;
};

/// The pass qnn-quantize with a recipe and (maybe no) statistics in memory.
std::unique_ptr<mlir::Pass> createQuantizePass(
    const Recipe &recipe, std::shared_ptr<const Statistics> statistics,
    QuantizationReport *report = nullptr, QuantizeSettings settings = {});

/// The same op by op: each is quantized by the statistics of a graph in which
/// all before it are quantized.
std::unique_ptr<mlir::Pass>
createSequentialQuantizePass(const Recipe &recipe, Recalibrate recalibrate,
                             QuantizationReport *report = nullptr,
                             QuantizeSettings settings = {});

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_QUANTIZE_H
