//===- FoldQuantization.cpp - From QDQ form to integer ops ----------------===//

#include "FoldPatterns.h"

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Support/RewriteConfig.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_FOLDQUANTIZATIONPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;

namespace {

struct FoldQuantization
    : qnn::impl::FoldQuantizationPassBase<FoldQuantization> {
  void runOnOperation() override {
    if (failed(qnn::refineShapes(getOperation())))
      return signalPassFailure();
    qnn::FoldCounts counts;
    RewritePatternSet patterns(&getContext());
    qnn::populateContractionPatterns(patterns, counts);
    qnn::populateMovementPatterns(patterns, counts);
    qnn::populateElementwisePatterns(patterns, counts);
    qnn::populateLookupPatterns(patterns, counts);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns),
                                     getRewriteConfig())))
      return signalPassFailure();
    numContractions += counts.contractions;
    numSplit += counts.split;
    numUnproven += counts.unproven;
    numRequantized += counts.requantized;
    numMoved += counts.moved;
    numLookups += counts.lookups;
    numKernels += counts.kernels;
  }
};

} // namespace
