//===- WidenProducts.cpp - Products of f16 as products of f32 -------------===//

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_WIDENPRODUCTSPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// `value` with elements of `element`.
static Value castTo(OpBuilder &builder, Location loc, Value value,
                    Type element) {
  return CastOp::create(builder, loc, typeOf(value).clone(element), value,
                        /*saturate=*/true, RoundMode::up);
}

namespace {
struct WidenProduct : OpInterfaceRewritePattern<QuantizableOpInterface> {
  WidenProduct(MLIRContext *context, bool widensAll,
               Pass::Statistic &numWidened)
      : OpInterfaceRewritePattern(context), widensAll(widensAll),
        numWidened(numWidened) {}

  LogicalResult matchAndRewrite(QuantizableOpInterface op,
                                PatternRewriter &rewriter) const override {
    if (op->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "it has several results");
    RankedTensorType type = typeOf(op->getResult(0));
    Type element = type.getElementType();
    if (!element.isF16() && !(widensAll && element.isBF16()))
      return rewriter.notifyMatchFailure(op, "it gives no floats of 16 bits");
    if (llvm::any_of(op->getOperands(), [&](Value operand) {
          return typeOf(operand).getElementType() != element;
        }))
      return rewriter.notifyMatchFailure(op, "its operands differ in type");
    if (!widensAll && op.getResultChannelAxis() == type.getRank() - 1)
      return rewriter.notifyMatchFailure(
          op, "vectors of its weights are extended as they are read");
    Type f32 = rewriter.getF32Type();
    IRMapping wide;
    for (Value operand : op->getOperands())
      if (!wide.contains(operand))
        wide.map(operand, castTo(rewriter, operand.getLoc(), operand, f32));
    Operation *product = rewriter.clone(*op, wide);
    product->getResult(0).setType(type.clone(f32));
    ++numWidened;
    rewriter.replaceOp(
        op, castTo(rewriter, op->getLoc(), product->getResult(0), element));
    return success();
  }

private:
  bool widensAll;
  Pass::Statistic &numWidened;
};

struct WidenProductsPass : qnn::impl::WidenProductsPassBase<WidenProductsPass> {
  using WidenProductsPassBase::WidenProductsPassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<WidenProduct>(&getContext(), all, numWidened);
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
