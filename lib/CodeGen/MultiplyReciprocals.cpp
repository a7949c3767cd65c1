//===- MultiplyReciprocals.cpp - Quantize without a division --------------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/Reciprocal.h"

#include "Target.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace quantc {
#define GEN_PASS_DEF_MULTIPLYRECIPROCALSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// Integers up to here are compared one by one: those of 16 bits, moved by
/// their zero point.
static constexpr double kMostLimit = 131072;

static std::optional<double> getConstant(Value value) {
  APFloat number(0.0);
  if (!value.getType().isF32() ||
      !matchPattern(value, m_ConstantFloat(&number)))
    return std::nullopt;
  return number.convertToFloat();
}

/// The largest magnitude up to which the integer counts that `quotient` is
/// rounded to: it is clamped, before or after it is rounded and a zero point is
/// added. None if it is not rounded, not clamped, or used otherwise.
static std::optional<int64_t> findLimit(Value quotient) {
  double zeroPoint = 0, limit = 0;
  bool isRounded = false, hasLeast = false, hasMost = false;
  Value value = quotient;
  while (value.hasOneUse() && !(isRounded && hasLeast && hasMost)) {
    Operation *user = *value.user_begin();
    if (isa<math::RoundEvenOp>(user)) {
      isRounded = true;
      value = user->getResult(0);
      continue;
    }
    if (user->getNumOperands() != 2 || user->getNumResults() != 1)
      return std::nullopt;
    Value other = user->getOperand(user->getOperand(0) == value ? 1 : 0);
    std::optional<double> constant = getConstant(other);
    if (!constant)
      return std::nullopt;
    if (isa<arith::AddFOp>(user) && isRounded)
      zeroPoint += *constant;
    else if (isa<arith::MaxNumFOp, arith::MaximumFOp>(user))
      hasLeast = true;
    else if (isa<arith::MinNumFOp, arith::MinimumFOp>(user))
      hasMost = true;
    else
      return std::nullopt;
    if (!isa<arith::AddFOp>(user))
      limit = std::max(limit, std::abs(*constant - zeroPoint));
    value = user->getResult(0);
  }
  if (!isRounded || !hasLeast || !hasMost || !(limit <= kMostLimit))
    return std::nullopt;
  return int64_t(std::ceil(limit));
}

namespace {
struct MultiplyReciprocal : OpRewritePattern<arith::DivFOp> {
  MultiplyReciprocal(MLIRContext *context, Pass::Statistic &numReplaced)
      : OpRewritePattern(context), numReplaced(numReplaced) {}

  LogicalResult matchAndRewrite(arith::DivFOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<double> divisor = getConstant(op.getRhs());
    if (!divisor)
      return rewriter.notifyMatchFailure(op, "the divisor is no f32 constant");
    std::optional<int64_t> limit = findLimit(op.getResult());
    if (!limit)
      return rewriter.notifyMatchFailure(
          op, "the quotient is not rounded and clamped to 8 or 16 bits");
    std::optional<quantc::Reciprocal> reciprocal =
        quantc::findReciprocal(float(*divisor), *limit);
    if (!reciprocal)
      return rewriter.notifyMatchFailure(
          op, "products round other than the quotient for some numbers");
    auto makeConstant = [&](float number) -> Value {
      return arith::ConstantOp::create(rewriter, op.getLoc(),
                                       rewriter.getF32FloatAttr(number));
    };
    ++numReplaced;
    Value x = op.getLhs(), high = makeConstant(reciprocal->high);
    if (reciprocal->low == 0) {
      rewriter.replaceOpWithNewOp<arith::MulFOp>(op, x, high);
      return success();
    }
    Value rest = arith::MulFOp::create(rewriter, op.getLoc(), x,
                                       makeConstant(reciprocal->low));
    rewriter.replaceOpWithNewOp<math::FmaOp>(op, x, high, rest);
    return success();
  }

private:
  Pass::Statistic &numReplaced;
};

struct MultiplyReciprocalsPass
    : public quantc::impl::MultiplyReciprocalsPassBase<
          MultiplyReciprocalsPass> {
  using Base::Base;
  void runOnOperation() override {
    // Elsewhere an fma is a call.
    if (!quantc::VectorUnit::fromFeatures(targetFeatures).hasFMA)
      return;
    RewritePatternSet patterns(&getContext());
    patterns.add<MultiplyReciprocal>(&getContext(), numReplaced);
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
