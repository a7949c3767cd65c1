//===- Pipelines.cpp - The way from linalg to LLVM ------------------------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/RewriteConfig.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace quantc {
#define GEN_PASS_REGISTRATION
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// As MLIR's pipeline, without what takes long for the block of a large model.
static void addDeallocation(OpPassManager &pm) {
  pm.addPass(memref::createExpandReallocPass(
      memref::ExpandReallocPassOptions{/*emitDeallocs=*/false}));
  pm.addPass(bufferization::createOwnershipBasedBufferDeallocationPass());
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  pm.addPass(quantc::createFreeLocalBuffersPass());
  pm.addPass(bufferization::createBufferDeallocationSimplificationPass());
  pm.addPass(bufferization::createLowerDeallocationsPass());
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
}

/// Tensors to buffers: arguments and results of functions become contiguous
/// memrefs, and each allocation is freed after its last use.
static void addBufferization(OpPassManager &pm) {
  pm.addPass(quantc::createPrepareEntryPass());
  pm.addPass(quantc::createDecomposeTensorOpsPass());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions options;
  options.allowReturnAllocsFromLoops = true;
  options.bufferizeFunctionBoundaries = true;
  options.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(options));
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  pm.addPass(createCSEPass());
  // Before buffers get owners: these stay the caller's.
  pm.addPass(quantc::createReturnStatesPass());
  addDeallocation(pm);
}

/// Scalar and vector code that the conversions to LLVM accept, without calls to
/// functions that the library would miss.
static void addLegalization(OpPassManager &kernels,
                            const std::string &features) {
  kernels.addPass(quantc::createSpeculateRoundingsPass());
  quantc::ExpandMathPassOptions math;
  math.targetFeatures = features;
  kernels.addPass(quantc::createExpandMathPass(math));
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  kernels.addPass(arith::createArithExpandOpsPass(expand));
}

/// Kernel by kernel, side by side where the context has threads, as far as
/// passes need not see the module.
static void addConversionToLLVM(OpPassManager &pm) {
  OpPassManager &loops = pm.nest<func::FuncOp>();
  loops.addPass(createConvertVectorToSCFPass());
  loops.addPass(createSCFToControlFlowPass());
  pm.addPass(quantc::createLowerAssertsPass());
  OpPassManager &vectors = pm.nest<func::FuncOp>();
  vectors.addPass(memref::createExpandOpsPass());
  vectors.addPass(quantc::createLowerReshapesPass());
  vectors.addPass(memref::createExpandStridedMetadataPass());
  vectors.addPass(createLowerAffinePass());
  vectors.addPass(quantc::createBoundAllocationsPass());
  vectors.addPass(createConvertVectorToLLVMPass());
  vectors.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  FinalizeMemRefToLLVMConversionPassOptions memref;
  memref.useGenericFunctions = true;
  pm.addPass(createFinalizeMemRefToLLVMConversionPass(memref));
  OpPassManager &scalars = pm.nest<func::FuncOp>();
  scalars.addPass(createConvertIndexToLLVMPass());
  scalars.addPass(createArithToLLVMConversionPass());
  scalars.addPass(createUBToLLVMConversionPass());
  pm.addPass(createConvertOpenMPToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  OpPassManager &functions = pm.nest<LLVM::LLVMFuncOp>();
  functions.addPass(createReconcileUnrealizedCastsPass());
  functions.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  functions.addPass(createCSEPass());
  pm.addPass(quantc::createIsolateKernelsPass());
  pm.addPass(quantc::createOutlineLoopsPass());
}

void quantc::buildLinalgToLLVMPipeline(OpPassManager &pm,
                                       const LinalgToLLVMOptions &options) {
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  pm.addPass(createCSEPass());
  quantc::ChannelsLastPassOptions channelsLast;
  channelsLast.targetFeatures = options.targetFeatures;
  pm.addPass(quantc::createChannelsLastPass(channelsLast));
  pm.addPass(quantc::createFoldMovementPass());
  pm.addPass(quantc::createFuseElementwisePass());
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  pm.addPass(createCSEPass());
  if (options.roundProducts) {
    quantc::RoundProductsPassOptions round;
    round.targetFeatures = options.targetFeatures;
    pm.addPass(quantc::createRoundProductsPass(round));
  }
  quantc::MultiplyReciprocalsPassOptions reciprocals;
  reciprocals.targetFeatures = options.targetFeatures;
  pm.addPass(quantc::createMultiplyReciprocalsPass(reciprocals));
  pm.addPass(quantc::createOutlineKernelsPass());
  addBufferization(pm);
  quantc::PlanMemoryPassOptions plan;
  plan.printPlan = options.printMemoryPlan;
  pm.addPass(quantc::createPlanMemoryPass(plan));
  if (options.profile)
    pm.addPass(quantc::createProfileKernelsPass());
  quantc::LowerAttentionPassOptions attention;
  attention.targetFeatures = options.targetFeatures;
  attention.threads = options.threads;
  pm.addPass(quantc::createLowerAttentionPass(attention));
  quantc::LowerContractionsPassOptions contractions;
  contractions.targetFeatures = options.targetFeatures;
  contractions.threads = options.threads;
  contractions.releaseWeights = options.releaseWeights;
  contractions.kernels = options.kernels;
  contractions.record = options.profile;
  contractions.deferWeights = options.deferWeights;
  pm.addPass(quantc::createLowerContractionsPass(contractions));
  quantc::LowerRowsPassOptions rows;
  rows.targetFeatures = options.targetFeatures;
  rows.threads = options.threads;
  pm.addPass(quantc::createLowerRowsPass(rows));
  quantc::LowerLookupsPassOptions lookups;
  lookups.targetFeatures = options.targetFeatures;
  lookups.threads = options.threads;
  pm.addPass(quantc::createLowerLookupsPass(lookups));
  pm.addPass(createSymbolDCEPass());
  pm.addPass(quantc::createLowerCopiesPass());
  quantc::LowerTransposesPassOptions transposes;
  transposes.targetFeatures = options.targetFeatures;
  transposes.threads = options.threads;
  pm.addPass(quantc::createLowerTransposesPass(transposes));
  quantc::ParallelizeLoopsPassOptions loops;
  loops.threads = options.threads;
  pm.addPass(quantc::createParallelizeLoopsPass(loops));
  if (options.printMemoryPlan)
    pm.addPass(quantc::createPrintAllocationsPass());
  OpPassManager &kernels = pm.nest<func::FuncOp>();
  kernels.addPass(createConvertLinalgToLoopsPass());
  kernels.addPass(memref::createFoldMemRefAliasOpsPass());
  kernels.addPass(createLoopInvariantCodeMotionPass());
  addLegalization(kernels, options.targetFeatures);
  kernels.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  kernels.addPass(createCSEPass());
  addConversionToLLVM(pm);
}

void quantc::registerCodeGenPasses() {
  registerQuantcCodeGenPasses();
  PassPipelineRegistration<LinalgToLLVMOptions>(
      "linalg-to-llvm", "Lower linalg on tensors to the LLVM dialect",
      buildLinalgToLLVMPipeline);
}
