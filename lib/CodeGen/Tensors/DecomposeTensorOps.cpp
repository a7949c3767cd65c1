//===- DecomposeTensorOps.cpp - Ops that bufferization does not know ------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/PatternCounter.h"
#include "quantc/Support/RewriteConfig.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc {
#define GEN_PASS_DEF_DECOMPOSETENSOROPSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// Ops that may share a `tensor.empty` whose size only the run tells: what one
/// of them has computed there and nothing needs any more, another may
/// overwrite. Where sizes are known, the memory plan finds such places.
static constexpr size_t kMaxDynamicUses = 16;

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
    if (failed(applyPatternsGreedily(
            getOperation(), std::move(patterns),
            quantc::getRewriteConfig().setListener(&counter))))
      signalPassFailure();
    numDecomposed += counter.count();
    getOperation()->walk([&](tensor::EmptyOp op) { separateUses(op); });
  }

  /// Divides the uses of `empty` among several. CSE made one of all that have a
  /// type, and bufferization compares each two ops that share one.
  void separateUses(tensor::EmptyOp empty) {
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : empty->getUses())
      if (use.getOwner()->getBlock() == empty->getBlock())
        uses.push_back(&use);
    llvm::stable_sort(uses, [](OpOperand *a, OpOperand *b) {
      return a->getOwner()->isBeforeInBlock(b->getOwner());
    });
    size_t most = empty.getType().hasStaticShape() ? 1 : kMaxDynamicUses;
    Value own = empty;
    for (auto [i, use] : llvm::enumerate(
             ArrayRef(uses).drop_front(std::min<size_t>(most, uses.size())))) {
      if (i % most == 0) {
        OpBuilder builder(use->getOwner());
        own = builder.clone(*empty)->getResult(0);
        ++numSeparated;
      }
      use->set(own);
    }
  }
};
} // namespace
