//===- Pipelines.h - The named pipelines ------------------------*- C++ -*-===//
//
// Each arrow of the architecture is one pipeline: quant-opt runs it by name,
// the driver strings them together.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_PIPELINES_PIPELINES_H
#define QUANTC_PIPELINES_PIPELINES_H

#include "quantc/Dialect/QNN/Transforms/Quantize.h"

#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace quantc {

/// Adds the dialects of all stages, ours and upstream's, and what their passes
/// and the translation to LLVM IR need.
void registerDialects(mlir::DialectRegistry &registry);

/// What of qnn-optimize is left to choose.
struct QNNOptimizeOptions : mlir::PassPipelineOptions<QNNOptimizeOptions> {
  Option<bool> foldQuantization{
      *this, "fold-quantization", llvm::cl::init(true),
      llvm::cl::desc("Compute with integers where the graph is quantized")};
  Option<bool> foldBatchNorm{
      *this, "fold-batch-norm", llvm::cl::init(true),
      llvm::cl::desc("Fold normalizations and factors into weights")};
  Option<bool> widenProducts{
      *this, "widen-products", llvm::cl::init(true),
      llvm::cl::desc("Multiply floats of 16 bits as floats of 32 where kernels "
                     "would extend each element")};
  Option<bool> widenAllProducts{
      *this, "widen-all-products", llvm::cl::init(false),
      llvm::cl::desc("Multiply all floats of 16 bits as floats of 32")};
  Option<bool> verifyFolded{
      *this, "verify-folded", llvm::cl::init(false),
      llvm::cl::desc("Fail if a quantized weight is computed with as floats")};
  Option<bool> reportFolded{
      *this, "report-folded", llvm::cl::init(false),
      llvm::cl::desc("Remark on each quantize and dequantize that is left, and "
                     "why")};
};

/// qnn -> qnn: what holds for every target (folding, canonical forms, integer
/// ops for quantized ones).
void buildQNNOptimizePipeline(mlir::OpPassManager &pm,
                              const QNNOptimizeOptions &options);
void buildQNNOptimizePipeline(mlir::OpPassManager &pm);

/// qnn -> qnn: what comes before calibration and before quantization alike, so
/// that both see the same values under the same names. With `withHash`, the
/// module knows whose statistics it may have; without `widensProducts`,
/// products of 16-bit floats stay what they are.
void buildPrepareQuantizationPipeline(mlir::OpPassManager &pm,
                                      bool withHash = true,
                                      bool widensProducts = true);

/// What qnn-quantize-graph is told.
struct QuantizeGraphOptions : mlir::PassPipelineOptions<QuantizeGraphOptions> {
  Option<std::string> recipe{
      *this, "recipe", llvm::cl::init("w8a8"),
      llvm::cl::desc("A recipe's name, YAML file or text")};
  Option<std::string> statistics{
      *this, "statistics", llvm::cl::init(""),
      llvm::cl::desc("A file that `quantc calibrate` wrote")};
  Option<std::string> targetFeatures{
      *this, "target-features", llvm::cl::init(""),
      llvm::cl::desc(
          "Features of the target (\"+avx2,+fma\"), where layers that "
          "are slower in integers stay in float; with slashes "
          "between those of several")};
};

/// qnn -> qnn: a prepared float graph gets quantize and dequantize, after the
/// recipe's transformations.
void buildQuantizeGraphPipeline(mlir::OpPassManager &pm,
                                const QuantizeGraphOptions &options);
/// qnn -> qnn: one of the recipe's transformations, which changes the
/// statistics (null for those that need none) with the values.
void buildTransformationPipeline(mlir::OpPassManager &pm,
                                 const Transformation &transformation,
                                 const Recipe &recipe,
                                 std::shared_ptr<Statistics> statistics);

/// qnn -> qnn: the cache of a decoder is stored in int8, int4 or fp8 (if
/// `format` is not empty), and grows in place. Comes first, since it changes
/// inputs and outputs.
void buildCachePipeline(mlir::OpPassManager &pm, llvm::StringRef format,
                        bool inPlace);

/// qnn -> linalg on tensors.
void buildQNNToLinalgPipeline(mlir::OpPassManager &pm);

/// Registers the passes and pipelines of all of Quantc with quant-opt.
void registerAllPassesAndPipelines();

} // namespace quantc

#endif // QUANTC_PIPELINES_PIPELINES_H
