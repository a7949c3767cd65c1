//===- Quantization.h - Recipe and data in, quantized graph out -*- C++ -*-===//
#ifndef QUANTC_DRIVER_QUANTIZATION_H
#define QUANTC_DRIVER_QUANTIZATION_H

#include "quantc/Dialect/QNN/Transforms/Quantize.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <string>
#include <vector>

namespace quantc {

struct QuantizeOptions {
  /// As Recipe::load reads it; empty leaves the model as it is.
  std::string recipe;
  /// Where statistics come from, for recipes that need them: data to calibrate
  /// with (a DataSet), or a file of statistics.
  std::string calibration, statistics;
  /// Whether the memory of a float weight is given back when it has codes: no
  /// other module of the context may have it.
  bool releaseWeights = false;
  /// What products take on the targets, see getTargetCosts; without any, every
  /// layer is taken to be worth quantizing.
  std::vector<ProductCosts> targets = {};
  /// Whether activations stay unsigned where weights would stand, see
  /// qnn::QuantizeSettings.
  bool keepUnsigned = false;
};

/// Fails if there is something to calibrate with, but no recipe that asks for
/// it.
llvm::Error checkRecipeIsGiven(const QuantizeOptions &options);

/// What products take on what `--target` names.
llvm::Expected<std::vector<ProductCosts>>
getTargetCosts(llvm::StringRef target);

/// Brings a freshly imported graph, whose interface is recorded, into the form
/// with quantize and dequantize that the recipe asks for. Errors go to the
/// context's diagnostics.
mlir::LogicalResult quantizeModule(
    mlir::ModuleOp module, const QuantizeOptions &options,
    const std::function<void(llvm::StringRef step, size_t done, size_t total)>
        &progress,
    qnn::QuantizationReport &report);

} // namespace quantc

#endif // QUANTC_DRIVER_QUANTIZATION_H
