//===- Pipelines.cpp - The named pipelines --------------------------------===//

#include "quantc/Pipelines/Pipelines.h"

#include "quantc/CodeGen/Passes.h"
#include "quantc/Conversion/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void quantc::buildQNNOptimizePipeline(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void quantc::buildQNNToLinalgPipeline(OpPassManager &pm) {
  pm.addPass(createConvertQNNToLinalgPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void quantc::registerAllPassesAndPipelines() {
  registerConversionPasses();
  registerCodeGenPasses();
  PassPipelineRegistration<>("qnn-optimize",
                             "Fold and canonicalize a qnn graph",
                             buildQNNOptimizePipeline);
  PassPipelineRegistration<>("qnn-to-linalg",
                             "Lower a qnn graph to linalg on tensors",
                             buildQNNToLinalgPipeline);
}
