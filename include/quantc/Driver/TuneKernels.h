//===- TuneKernels.h - Choose blocks of products, by measuring --*- C++ -*-===//
#ifndef QUANTC_DRIVER_TUNEKERNELS_H
#define QUANTC_DRIVER_TUNEKERNELS_H

#include "quantc/Driver/Compilation.h"
#include "quantc/Driver/LoadedModel.h"

namespace quantc {

struct TuneKernelsOptions {
  /// For a machine like this one.
  std::string target = "native";
  /// How to quantize the model first, if a recipe is given.
  QuantizeOptions quantize;
  llvm::StringMap<llvm::SmallVector<int64_t>> shapes;
  /// The file of choices. What it has stays, and is not searched again; what is
  /// found is added to it.
  std::string cache;
  int threads = 1;
  /// Rounds of runs in which each library takes its turn.
  int rounds = 7;
  /// Inputs to run the model on: called once, they must live on.
  std::function<llvm::Expected<llvm::SmallVector<const DLTensor *>>(
      const LoadedModel &)>
      makeInputs;
  /// Called as CompileOptions say.
  std::function<void(llvm::StringRef step, size_t done, size_t total)> progress;
  std::function<void(mlir::DiagnosticSeverity, llvm::StringRef text)> report;
};

/// What was found out about one product: of all its calls in a run.
struct TunedKernel {
  std::string kernel;
  Blocking base, best;
  double baseSeconds = 0, seconds = 0;
  /// Whether the file had it before.
  bool isKnown = false;
};

struct TuneKernelsResult {
  std::string target;
  std::vector<TunedKernel> kernels;
  /// Of a run.
  double baseSeconds = 0, seconds = 0;

  void printTable(llvm::raw_ostream &os) const;
};

/// Searches blocks for the products of a model, and adds them to the file. An
/// ONNX model in a file, or `bytes` if these are given.
mlir::FailureOr<TuneKernelsResult>
tuneKernels(llvm::StringRef path, llvm::StringRef bytes,
            const TuneKernelsOptions &options);

} // namespace quantc

#endif // QUANTC_DRIVER_TUNEKERNELS_H
