//===- RoundProducts.cpp - Factors of bf16 --------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Analysis/ProductRoots.h"
#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace quantc {
#define GEN_PASS_DEF_ROUNDPRODUCTSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// The factors of a sum of products if both are elements of f32.
static std::optional<std::pair<BlockArgument, BlockArgument>>
matchFactors(linalg::LinalgOp op) {
  auto factors = matchSumOfProducts(op);
  if (!factors || !factors->first.getType().isF32())
    return std::nullopt;
  auto x = dyn_cast<BlockArgument>(factors->first);
  auto y = dyn_cast<BlockArgument>(factors->second);
  if (!x || !y || x == y || !x.hasOneUse() || !y.hasOneUse())
    return std::nullopt;
  return std::make_pair(x, y);
}

/// Whether `weights` is a constant that the sum runs along, with columns of the
/// result that `other` has not. With `isInnermost` the last one must be.
static bool isWeights(linalg::LinalgOp op, OpOperand &weights, OpOperand &other,
                      bool isInnermost) {
  if (!matchPattern(weights.get(), m_Constant()))
    return false;
  AffineMap own = op.getMatchingIndexingMap(&weights);
  AffineMap others = op.getMatchingIndexingMap(&other);
  AffineMap result = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  bool isSummed = false, hasColumns = false;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    if (!own.isFunctionOfDim(loop))
      continue;
    if (!result.isFunctionOfDim(loop))
      isSummed = true;
    else if (!others.isFunctionOfDim(loop))
      hasColumns |= !isInnermost || result.getResults().back() ==
                                        getAffineDimExpr(loop, op.getContext());
  }
  return isSummed && hasColumns;
}

static void roundElement(RewriterBase &rewriter, BlockArgument element) {
  OpOperand &use = *element.use_begin();
  Location loc = use.getOwner()->getLoc();
  rewriter.setInsertionPoint(use.getOwner());
  Value rounded =
      arith::TruncFOp::create(rewriter, loc, rewriter.getBF16Type(), element);
  Value extended =
      arith::ExtFOp::create(rewriter, loc, rewriter.getF32Type(), rounded);
  rewriter.modifyOpInPlace(use.getOwner(), [&] { use.set(extended); });
}

namespace {
struct RoundProduct : OpInterfaceRewritePattern<linalg::LinalgOp> {
  RoundProduct(MLIRContext *context, bool multipliesBF16,
               Pass::Statistic &numWeights, Pass::Statistic &numInputs)
      : OpInterfaceRewritePattern(context), multipliesBF16(multipliesBF16),
        numWeights(numWeights), numInputs(numInputs) {}

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() || !isProductRoot(op))
      return rewriter.notifyMatchFailure(op, "no product of tensors");
    auto factors = matchFactors(op);
    if (!factors)
      return rewriter.notifyMatchFailure(op, "the factors are no f32 elements");
    auto [weights, input] = *factors;
    auto holdsWeights = [&](BlockArgument one, BlockArgument other) {
      return isWeights(op, *op.getMatchingOpOperand(one),
                       *op.getMatchingOpOperand(other),
                       /*isInnermost=*/!multipliesBF16);
    };
    if (!holdsWeights(weights, input))
      std::swap(weights, input);
    if (!holdsWeights(weights, input))
      return rewriter.notifyMatchFailure(op, "there are no weights to round");
    linalg::LinalgOp generic = op;
    if (!isa<linalg::GenericOp>(op)) {
      FailureOr<linalg::GenericOp> general =
          linalg::generalizeNamedOp(rewriter, op);
      if (failed(general))
        return rewriter.notifyMatchFailure(op, "it has no general form");
      generic = *general;
    }
    Block *body = generic.getBlock();
    roundElement(rewriter, body->getArgument(weights.getArgNumber()));
    ++numWeights;
    if (!multipliesBF16)
      return success();
    roundElement(rewriter, body->getArgument(input.getArgNumber()));
    ++numInputs;
    return success();
  }

private:
  bool multipliesBF16;
  Pass::Statistic &numWeights, &numInputs;
};

struct RoundProductsPass
    : public quantc::impl::RoundProductsPassBase<RoundProductsPass> {
  using RoundProductsPassBase::RoundProductsPassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    patterns.add<RoundProduct>(&getContext(), unit.hasFloatPairs, numWeights,
                               numInputs);
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
