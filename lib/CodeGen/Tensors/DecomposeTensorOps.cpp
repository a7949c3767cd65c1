//===- DecomposeTensorOps.cpp - Ops that bufferization does not know ------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/PatternCounter.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc {
#define GEN_PASS_DEF_DECOMPOSETENSOROPSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

namespace {
/// Rewrites an aggregated linalg op (softmax, winograd ...) as simpler ones.
struct DecomposeAggregatedOp
    : public OpInterfaceRewritePattern<linalg::AggregatedOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(linalg::AggregatedOpInterface op,
                                PatternRewriter &rewriter) const override {
    FailureOr<SmallVector<Value>> values = op.decomposeOperation(rewriter);
    if (failed(values))
      return rewriter.notifyMatchFailure(op, "has no decomposition");
    rewriter.replaceOp(op, *values);
    return success();
  }
};

struct DecomposeTensorOpsPass
    : public quantc::impl::DecomposeTensorOpsPassBase<DecomposeTensorOpsPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<DecomposeAggregatedOp>(&getContext());
    tensor::populateDecomposeTensorConcatPatterns(patterns);
    linalg::populateDecomposePackUnpackPatterns(patterns);
    quantc::PatternCounter counter;
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns),
                                  GreedyRewriteConfig().setListener(&counter))))
      signalPassFailure();
    numDecomposed += counter.count();
  }
};
} // namespace
