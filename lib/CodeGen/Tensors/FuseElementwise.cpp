//===- FuseElementwise.cpp - Elementwise fusion with a cost rule ----------===//

#include "quantc/CodeGen/ElementCost.h"
#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/PatternCounter.h"
#include "quantc/Support/RewriteConfig.h"

#include "CodeGen/Analysis/ProductRoots.h"

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

/// Chains of ops that fusion replaced are not longer. Without a limit, to know
/// that an op is not dead takes a walk to the end of the model.
static constexpr unsigned kMaxDeadChain = 8;

/// Whether nothing needs `op`: what fusion replaced stays for a while. Most ops
/// have users, which is faster to see than that an op has effects.
static bool isDead(Operation *op, unsigned most = kMaxDeadChain) {
  return most > 0 &&
         llvm::all_of(
             op->getUsers(),
             [&](Operation *user) { return isDead(user, most - 1); }) &&
         wouldOpBeTriviallyDead(op);
}

/// The only op that reads `value`, or null.
static Operation *getOnlyUser(Value value) {
  Operation *only = nullptr;
  for (Operation *user : value.getUsers()) {
    if (user == only || isDead(user))
      continue;
    if (only)
      return nullptr;
    only = user;
  }
  return only;
}

/// The product whose result `value` is, or becomes element by element without
/// being anything else's; null if there is none.
static linalg::LinalgOp findProduct(Value value) {
  auto op = value.getDefiningOp<linalg::LinalgOp>();
  if (!op || !getOnlyUser(value))
    return {};
  if (quantc::isProductRoot(op))
    return op;
  if (op.getNumParallelLoops() == op.getNumLoops())
    for (Value input : op.getDpsInputs())
      if (linalg::LinalgOp product = findProduct(input))
        return product;
  return {};
}

/// Whether `producer` makes a product's sums smaller, and what `consumer` makes
/// of them meets a later product, which that would follow: what one product
/// leaves for the other goes through memory, and better as 8-bit integers than
/// as sums of 32 bits.
static bool narrowsEarlierProduct(linalg::GenericOp producer,
                                  linalg::GenericOp consumer) {
  linalg::LinalgOp product = findProduct(producer.getResult(0));
  if (!product ||
      getElementTypeOrSelf(producer.getResult(0)).getIntOrFloatBitWidth() >=
          getElementTypeOrSelf(product->getResult(0)).getIntOrFloatBitWidth())
    return false;
  auto isLater = [&](Value value) {
    linalg::LinalgOp other = findProduct(value);
    return other && other != product &&
           other->getBlock() == product->getBlock() &&
           product->isBeforeInBlock(other);
  };
  while (consumer && consumer.getNumParallelLoops() == consumer.getNumLoops()) {
    if (llvm::any_of(consumer.getDpsInputs(), isLater))
      return true;
    if (consumer->getNumResults() != 1)
      return false;
    consumer =
        dyn_cast_or_null<linalg::GenericOp>(getOnlyUser(consumer.getResult(0)));
  }
  return false;
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
  if (producer.getNumLoops() != consumer.getNumLoops() && !isCheap(producer))
    return false;
  return !narrowsEarlierProduct(producer, consumer);
}

/// Whether `expand` adds dimensions of size 1 and nothing else.
static bool addsUnitDims(tensor::ExpandShapeOp expand) {
  return llvm::all_of(
      expand.getReassociationIndices(), [&](ArrayRef<int64_t> group) {
        return llvm::count_if(group, [&](int64_t dim) {
                 return expand.getResultType().getDimSize(dim) != 1;
               }) <= 1;
      });
}

/// The convolution whose result `value` is, or becomes element by element; null
/// if that has other uses, too.
static linalg::LinalgOp findConvolution(Value value) {
  auto op = value.getDefiningOp<linalg::LinalgOp>();
  if (!op || !getOnlyUser(value))
    return {};
  if (linalg::isaConvolutionOpInterface(op))
    return op;
  if (op.getNumParallelLoops() == op.getNumLoops())
    for (Value input : op.getDpsInputs())
      if (linalg::LinalgOp conv = findConvolution(input))
        return conv;
  return {};
}

/// Whether a reshape that joins dimensions of a convolution's result (groups
/// and their channels) keeps it from its epilogue.
static bool shouldSplitEpilogue(OpOperand *operand) {
  auto collapse = operand->get().getDefiningOp<tensor::CollapseShapeOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  return collapse && consumer && !consumer.isDpsInit(operand) &&
         consumer.getNumParallelLoops() == consumer.getNumLoops() &&
         // Not what is the same along other loops, such as a channel's factor.
         consumer.getMatchingIndexingMap(operand).isPermutation() &&
         getOnlyUser(collapse.getResult()) &&
         findConvolution(collapse.getSrc());
}

/// Whether a reshape before an elementwise op is better behind it: where it
/// stands between a contraction and its epilogue, or a reduction and what
/// follows for each row.
static bool shouldMoveReshape(OpOperand *operand) {
  auto expand = operand->get().getDefiningOp<tensor::ExpandShapeOp>();
  auto consumer = dyn_cast<linalg::GenericOp>(operand->getOwner());
  if (!expand || !consumer ||
      consumer.getNumParallelLoops() != consumer.getNumLoops() ||
      consumer.isDpsInit(operand) || !expand->hasOneUse())
    return false;
  auto producer = expand.getSrc().getDefiningOp<linalg::LinalgOp>();
  if (!producer || !producer->hasOneUse() ||
      llvm::any_of(consumer.getDpsInputs(), findConvolution))
    return false;
  auto isContraction = [](Operation *op) {
    auto linalgOp = dyn_cast_or_null<linalg::LinalgOp>(op);
    return linalgOp && linalg::isaContractionOpInterface(linalgOp);
  };
  // Or its epilogue, from which another op kept the reshape away.
  return isContraction(producer) ||
         (producer.getNumReductionLoops() && addsUnitDims(expand)) ||
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
    quantc::PatternCounter::label(patterns, "fuse");
    linalg::populateFoldReshapeOpsByCollapsingPatterns(patterns,
                                                       shouldMoveReshape);
    linalg::populateFoldReshapeOpsByExpansionPatterns(patterns,
                                                      shouldSplitEpilogue);
    quantc::PatternCounter::label(patterns, "reshape");
    tensor::populateFoldTensorEmptyPatterns(patterns);
    patterns.add<DimOfExpandShape>(&getContext());
    linalg::populateEraseUnusedOperandsAndResultsPatterns(patterns);
    linalg::GenericOp::getCanonicalizationPatterns(patterns, &getContext());
    affine::AffineApplyOp::getCanonicalizationPatterns(patterns, &getContext());
    context()
        .getLoadedDialect<linalg::LinalgDialect>()
        ->getCanonicalizationPatterns(patterns);
    int64_t before = countOps();
    quantc::PatternCounter counter;
    if (failed(applyPatternsGreedily(
            getOperation(), std::move(patterns),
            quantc::getRewriteConfig().setListener(&counter))))
      signalPassFailure();
    numFused += before - countOps();
    numReshapes += counter.count("reshape");
  }
  int64_t countOps() {
    int64_t count = 0;
    getOperation()->walk([&](linalg::LinalgOp) { ++count; });
    return count;
  }
  MLIRContext &context() { return getContext(); }
};
} // namespace
