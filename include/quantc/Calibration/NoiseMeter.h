//===- NoiseMeter.h - What quantized layers cost at the outputs -*- C++ -*-===//
#ifndef QUANTC_CALIBRATION_NOISEMETER_H
#define QUANTC_CALIBRATION_NOISEMETER_H

#include "quantc/Calibration/Calibrate.h"
#include "quantc/Quantization/Recipe.h"

#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace quantc {

/// The noise at each output of float32, as a part of the output's power: sums
/// over all samples of the squared error, over those of the squared output.
using OutputNoise = std::vector<double>;

/// The ops of one ONNX node that a recipe quantizes.
struct LayerNoise {
  std::string node;
  /// If only this layer is quantized.
  OutputNoise noise;
  /// Of its constants, before and after.
  uint64_t floatBytes = 0, bytes = 0;
};

/// Compares quantized forms of a graph with the graph itself, on data.
class NoiseMeter {
public:
  /// Runs `reference` (prepared for quantization) on the first `maxSamples` of
  /// the data. Errors go to the context's diagnostics, here and below.
  static mlir::FailureOr<NoiseMeter>
  create(mlir::ModuleOp reference, const DataSet &data, size_t maxSamples,
         std::function<void(llvm::StringRef, size_t, size_t)> progress);

  /// Quantizes as `recipe` says, but each layer by a switch of its own: one
  /// compilation measures all layers alone. Ops without a node's name are left
  /// out.
  mlir::FailureOr<std::vector<LayerNoise>>
  measureLayers(const Recipe &recipe,
                std::shared_ptr<const Statistics> statistics) const;

  /// Computes the outputs of float32 for a sample, in the graph's order. The
  /// bytes live until the next call.
  using Runner = llvm::function_ref<mlir::LogicalResult(
      const Sample &, llvm::SmallVectorImpl<llvm::ArrayRef<char>> &)>;

  /// The noise of what another program computes: of a library, say.
  mlir::FailureOr<OutputNoise> measure(Runner run) const;

private:
  NoiseMeter(mlir::ModuleOp reference) : reference(reference) {}
  /// The graph as `recipe` says; its ops and those that they came from share a
  /// tag.
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
  quantize(const Recipe &recipe,
           std::shared_ptr<const Statistics> statistics) const;
  mlir::LogicalResult run(const JITFunction &function, const Sample &sample,
                          llvm::ArrayRef<TensorView> flags,
                          llvm::SmallVectorImpl<Tensor> &results) const;
  mlir::FailureOr<OutputNoise> measure(const JITFunction &function,
                                       llvm::ArrayRef<TensorView> flags) const;

  mlir::ModuleOp reference;
  std::vector<Sample> samples;
  /// Which results of the graph are float32.
  std::vector<unsigned> outputs;
  /// Of each sample, those outputs; and their power.
  std::vector<std::vector<TensorBytes>> right;
  std::vector<double> power;
  std::function<void(llvm::StringRef, size_t, size_t)> progress;
};

} // namespace quantc

#endif // QUANTC_CALIBRATION_NOISEMETER_H
