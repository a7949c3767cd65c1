//===- FuseElementwise.cpp - Elementwise fusion with a cost rule ----------===//

#include "quantc/CodeGen/ElementCost.h"
#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc {
#define GEN_PASS_DEF_FUSEELEMENTWISEPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// More operands than this need too many address computations in one loop.
static constexpr unsigned kMaxFusedOperands = 12;

/// Whether computing an element of `op` costs about as much as loading it.
static bool isCheap(linalg::GenericOp op) {
  int64_t cost = 0;
  for (Operation &inner : op.getBody()->without_terminator())
    cost += quantc::getElementCost(&inner);
  return cost <= 2;
}

static bool shouldFuse(OpOperand *operand) {
  auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!producer || !consumer)
    return false;
  if (!llvm::all_of(producer->getUsers(),
                    [&](Operation *user) { return user == consumer; }))
    return false;
  if (consumer.getNumReductionLoops() > 0 && consumer.getNumDpsInputs() > 1)
    return false;
  if (producer->getNumOperands() + consumer->getNumOperands() >
      kMaxFusedOperands)
    return false;
  // A broadcast producer would be computed again along the broadcast loops.
  return producer.getNumLoops() == consumer.getNumLoops() || isCheap(producer);
}

/// Whether a reshape before an elementwise op is better behind it: where it
/// stands between a contraction and its epilogue.
static bool shouldMoveReshape(OpOperand *operand) {
  auto expand = operand->get().getDefiningOp<tensor::ExpandShapeOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!expand || !consumer ||
      consumer.getNumParallelLoops() != consumer.getNumLoops() ||
      consumer.isDpsInit(operand) || !expand->hasOneUse())
    return false;
  auto producer = expand.getSrc().getDefiningOp<linalg::LinalgOp>();
  if (!producer || !producer->hasOneUse())
    return false;
  auto isContraction = [](Operation *op) {
    auto linalgOp = dyn_cast_or_null<linalg::LinalgOp>(op);
    return linalgOp && linalg::isaContractionOpInterface(linalgOp);
  };
  // Or its epilogue, from which another op kept the reshape away.
  return isContraction(producer) ||
         (producer.getNumParallelLoops() == producer.getNumLoops() &&
          llvm::any_of(producer->getOperands(), [&](Value value) {
            return isContraction(value.getDefiningOp());
          }));
}

namespace {
/// Reshapes that moved leave questions for sizes that they state themselves;
/// such a use would keep a product from its epilogue.
struct DimOfExpandShape : OpRewritePattern<tensor::DimOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::DimOp op,
                                PatternRewriter &rewriter) const override {
    auto expand = op.getSource().getDefiningOp<tensor::ExpandShapeOp>();
    std::optional<int64_t> dim = op.getConstantIndex();
    if (!expand || !dim || *dim >= expand.getResultType().getRank())
      return rewriter.notifyMatchFailure(op, "not a size of a reshape");
    rewriter.replaceOp(
        op, getValueOrCreateConstantIndexOp(
                rewriter, op.getLoc(), expand.getMixedOutputShape()[*dim]));
    return success();
  }
};

struct FuseElementwisePass
    : public quantc::impl::FuseElementwisePassBase<FuseElementwisePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, shouldFuse);
    linalg::populateFoldReshapeOpsByCollapsingPatterns(patterns,
                                                       shouldMoveReshape);
    tensor::populateFoldTensorEmptyPatterns(patterns);
    patterns.add<DimOfExpandShape>(&getContext());
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    linalg::GenericOp::getCanonicalizationPatterns(patterns, &getContext());
    affine::AffineApplyOp::getCanonicalizationPatterns(patterns, &getContext());
    context()
        .getLoadedDialect<linalg::LinalgDialect>()
        ->getCanonicalizationPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
  MLIRContext &context() { return getContext(); }
};
} // namespace
