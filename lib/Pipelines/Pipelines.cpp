//===- Pipelines.cpp - The named pipelines --------------------------------===//

#include "quantc/Pipelines/Pipelines.h"

#include "quantc/Calibration/Passes.h"
#include "quantc/CodeGen/DeferredConstants.h"
#include "quantc/CodeGen/ElementCost.h"
#include "quantc/CodeGen/Passes.h"
#include "quantc/CodeGen/ProductCosts.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/Kernel/IR/KernelDialect.h"
#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Dialect/QNN/Transforms/Prepare.h"
#include "quantc/Dialect/QNN/Transforms/Smooth.h"
#include "quantc/JIT/Passes.h"
#include "quantc/Support/RewriteConfig.h"
#include "quantc/Target/Native/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void quantc::buildQNNOptimizePipeline(OpPassManager &pm) {
  buildQNNOptimizePipeline(pm, QNNOptimizeOptions());
}

void quantc::buildQNNOptimizePipeline(OpPassManager &pm,
                                      const QNNOptimizeOptions &options) {
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  // Recurrent ops take their weights apart in every step.
  pm.addPass(createLoopInvariantCodeMotionPass());
  pm.addPass(createCSEPass());
  // Before constants are folded: small quantized weights would become floats.
  if (options.foldQuantization)
    pm.addNestedPass<func::FuncOp>(qnn::createFoldQuantizationPass());
  if (options.widenProducts) {
    qnn::WidenProductsPassOptions widen;
    widen.all = options.widenAllProducts;
    pm.addNestedPass<func::FuncOp>(qnn::createWidenProductsPass(widen));
  }
  pm.addPass(createFoldConstantsPass());
  if (options.foldBatchNorm) {
    pm.addNestedPass<func::FuncOp>(qnn::createFoldBatchNormPass());
    pm.addPass(createFoldConstantsPass());
  }
  // What was folded may have been a shape.
  pm.addNestedPass<func::FuncOp>(qnn::createInferShapesPass());
  pm.addNestedPass<func::FuncOp>(qnn::createShareHeadsPass());
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  if (options.verifyFolded || options.reportFolded) {
    // Products of floats by coded weights are what they should be.
    pm.addNestedPass<func::FuncOp>(qnn::createFuseWeightOnlyPass());
    qnn::VerifyFoldedPassOptions verify;
    verify.strict = options.verifyFolded;
    verify.report = options.reportFolded;
    pm.addNestedPass<func::FuncOp>(qnn::createVerifyFoldedPass(verify));
  }
}

void quantc::buildPrepareQuantizationPipeline(OpPassManager &pm, bool withHash,
                                              bool widensProducts) {
  if (withHash)
    pm.addPass(qnn::createHashModelPass());
  QNNOptimizeOptions optimize;
  optimize.widenProducts = optimize.widenAllProducts = widensProducts;
  buildQNNOptimizePipeline(pm, optimize);
  pm.addNestedPass<func::FuncOp>(qnn::createNameValuesPass());
}

void quantc::buildTransformationPipeline(
    OpPassManager &pm, const Transformation &transformation,
    const Recipe &recipe, std::shared_ptr<Statistics> statistics) {
  using Kind = Transformation::Kind;
  switch (transformation.kind) {
  case Kind::SmoothQuant:
    pm.addNestedPass<func::FuncOp>(
        qnn::createSmoothQuantPass(transformation, recipe, statistics));
    break;
  case Kind::AWQ:
    pm.addNestedPass<func::FuncOp>(
        qnn::createAWQPass(recipe.weights, transformation.steps, statistics));
    break;
  case Kind::Equalize:
    pm.addNestedPass<func::FuncOp>(
        qnn::createEqualizePass(transformation.steps, statistics));
    break;
  case Kind::BiasCorrection:
    pm.addNestedPass<func::FuncOp>(
        qnn::createCorrectBiasPass(recipe, statistics));
    break;
  case Kind::SplitOutliers:
    pm.addNestedPass<func::FuncOp>(
        qnn::createSplitOutliersPass(transformation.threshold, statistics));
    break;
  case Kind::Rotate: {
    qnn::RotatePassOptions options;
    options.online = transformation.online;
    pm.addNestedPass<func::FuncOp>(qnn::createRotatePass(options));
    break;
  }
  }
  // New weights and biases are constants again.
  pm.addPass(createFoldConstantsPass());
  if (transformation.kind == Kind::Rotate)
    pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
}

void quantc::buildQuantizeGraphPipeline(OpPassManager &pm,
                                        const QuantizeGraphOptions &options) {
  // What cannot be read is reported when the pass runs.
  llvm::Expected<Recipe> recipe = Recipe::load(options.recipe);
  std::shared_ptr<Statistics> statistics;
  bool isReadable = bool(recipe);
  if (!recipe)
    llvm::consumeError(recipe.takeError());
  if (isReadable && !options.statistics.empty()) {
    if (llvm::Expected<Statistics> read = Statistics::load(options.statistics))
      statistics = std::make_shared<Statistics>(std::move(*read));
    else
      isReadable = (llvm::consumeError(read.takeError()), false);
  }
  if (isReadable && !statistics)
    isReadable =
        llvm::none_of(recipe->transformations, [](const Transformation &t) {
          return t.needsStatistics();
        });
  if (!isReadable) {
    qnn::QuantizePassOptions quantize;
    quantize.recipe = options.recipe;
    quantize.statistics = options.statistics;
    pm.addNestedPass<func::FuncOp>(qnn::createQuantizePass(quantize));
    return;
  }
  for (bool early : {true, false})
    for (const Transformation &transformation : recipe->transformations)
      if (transformation.precedesCalibration() == early)
        buildTransformationPipeline(pm, transformation, *recipe, statistics);
  qnn::QuantizeSettings settings;
  for (StringRef features : llvm::split(StringRef(options.targetFeatures), '/'))
    if (!options.targetFeatures.empty())
      settings.targets.push_back(getProductCosts(features));
  pm.addNestedPass<func::FuncOp>(qnn::createQuantizePass(
      *recipe, statistics, /*report=*/nullptr, std::move(settings)));
}

void quantc::buildCachePipeline(OpPassManager &pm, StringRef format,
                                bool inPlace) {
  // Statistics of the model as it was hold for this one.
  pm.addPass(qnn::createHashModelPass());
  // Expanded heads have known sizes then.
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  pm.addNestedPass<func::FuncOp>(qnn::createInferShapesPass());
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  if (!format.empty()) {
    qnn::QuantizeKVCachePassOptions options;
    options.format = format.str();
    pm.addPass(qnn::createQuantizeKVCachePass(options));
  }
  if (inPlace)
    pm.addPass(qnn::createCacheInPlacePass());
}

void quantc::buildQNNToLinalgPipeline(OpPassManager &pm) {
  // Weights that no integer product took over; their scales may need a reshape.
  pm.addNestedPass<func::FuncOp>(qnn::createFuseWeightOnlyPass());
  qnn::MultiplyTilesPassOptions tiles;
  tiles.overlapping = true;
  pm.addNestedPass<func::FuncOp>(qnn::createMultiplyTilesPass(tiles));
  pm.addPass(createFoldConstantsPass());
  pm.addPass(createConvertQNNToLinalgPass());
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  pm.addPass(createCSEPass());
}

namespace {
/// Bounds of values do not reach through selects. MLIR's own model compares
/// both sides, each comparison builds the bounds of what comes before, and so
/// bufferization took minutes for sizes that each of 30 layers may broadcast.
/// Of two models, the first counts.
struct OpaqueSelect
    : ValueBoundsOpInterface::ExternalModel<OpaqueSelect, arith::SelectOp> {
  void populateBoundsForIndexValue(Operation *, Value,
                                   ValueBoundsConstraintSet &) const {}
  void populateBoundsForShapedValueDim(Operation *, Value, int64_t,
                                       ValueBoundsConstraintSet &) const {}
};
} // namespace

void quantc::registerDialects(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    arith::SelectOp::attachInterface<OpaqueSelect>(*context);
  });
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerAllToLLVMIRTranslations(registry);
  registerElementCosts(registry);
  DeferredConstants::registerInterface(registry);
  registry.insert<kernel::KernelDialect, qnn::QNNDialect>();
}

void quantc::registerAllPassesAndPipelines() {
  native::registerQuantcNativePasses();
  registerConversionPasses();
  registerQuantcJITPasses();
  registerQuantcCalibrationPasses();
  qnn::registerQuantcQNNPasses();
  registerCodeGenPasses();
  PassPipelineRegistration<QNNOptimizeOptions>(
      "qnn-optimize", "Fold and canonicalize a qnn graph",
      [](OpPassManager &pm, const QNNOptimizeOptions &options) {
        buildQNNOptimizePipeline(pm, options);
      });
  PassPipelineRegistration<>(
      "qnn-prepare-quantization",
      "Bring a qnn graph into the form that is "
      "calibrated and quantized",
      [](OpPassManager &pm) { buildPrepareQuantizationPipeline(pm); });
  PassPipelineRegistration<QuantizeGraphOptions>(
      "qnn-quantize-graph", "Quantize a prepared float graph as a recipe says",
      [](OpPassManager &pm, const QuantizeGraphOptions &options) {
        buildQuantizeGraphPipeline(pm, options);
      });
  PassPipelineRegistration<>("qnn-to-linalg",
                             "Lower a qnn graph to linalg on tensors",
                             buildQNNToLinalgPipeline);
}
