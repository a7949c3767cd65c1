//===- Tune.h - Choose bits for each layer, by measuring --------*- C++ -*-===//
#ifndef QUANTC_DRIVER_TUNE_H
#define QUANTC_DRIVER_TUNE_H

#include "quantc/Driver/Compilation.h"
#include "quantc/Quantization/LayerChoice.h"

namespace quantc {

struct TuneOptions {
  /// The recipe to vary, with data; statistics as well, if they are there.
  QuantizeOptions quantize;
  llvm::StringMap<llvm::SmallVector<int64_t>> shapes;
  TuneBudget budget;
  TuneGoal goal = TuneGoal::Seconds;
  /// Bits of weights to try beside float; empty for the recipe's, and 4 if
  /// there is a budget of bytes.
  std::vector<unsigned> bits;
  /// How many samples are measured, and runs for a time.
  size_t samples = 8;
  int runs = 15;
  int threads = 1;
  /// Called as CompileOptions say.
  std::function<void(llvm::StringRef step, size_t done, size_t total)> progress;
  std::function<void(mlir::DiagnosticSeverity, llvm::StringRef text)> report;
};

/// What was found out about one layer, and chosen.
struct TunedLayer {
  std::string node;
  /// The loss if only this layer is quantized, the bytes of its constants, and
  /// the seconds of its kernels; the first form is float.
  std::vector<ModelCost> forms;
  unsigned chosen = 0;
};

struct TuneResult {
  /// The recipe, as YAML that `--quantize` reads.
  std::string yaml;
  /// What the forms of a layer are called: "float", "8 bits", ...
  std::vector<std::string> formNames;
  std::vector<TunedLayer> layers;
  /// Measured: in float, with the given recipe, and with the one that was
  /// found.
  ModelCost floatCost, baseCost, cost;

  void printTable(llvm::raw_ostream &os) const;
};

/// Finds a recipe that meets the budget. An ONNX model in a file, or `bytes` if
/// these are given. Fails if no recipe does that was tried.
mlir::FailureOr<TuneResult> tuneModel(llvm::StringRef path,
                                      llvm::StringRef bytes,
                                      const TuneOptions &options);

} // namespace quantc

#endif // QUANTC_DRIVER_TUNE_H
