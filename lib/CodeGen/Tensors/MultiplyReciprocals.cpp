//===- MultiplyReciprocals.cpp - Products instead of divisions ------------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/Reciprocal.h"

#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
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

/// A constant in front of the linalg op that `op` computes elements of, as its
/// divisor was: numbers there are what kernels of one form may differ in.
static Value makeConstant(PatternRewriter &rewriter, Operation *op,
                          TypedAttr number) {
  OpBuilder::InsertionGuard guard(rewriter);
  if (auto generic = op->getParentOfType<linalg::LinalgOp>())
    rewriter.setInsertionPoint(generic);
  return arith::ConstantOp::create(rewriter, op->getLoc(), number);
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
    ++numReplaced;
    auto makeFloat = [&](float number) {
      return makeConstant(rewriter, op, rewriter.getF32FloatAttr(number));
    };
    Value x = op.getLhs(), high = makeFloat(reciprocal->high);
    if (reciprocal->low == 0) {
      rewriter.replaceOpWithNewOp<arith::MulFOp>(op, x, high);
      return success();
    }
    Value rest = arith::MulFOp::create(rewriter, op.getLoc(), x,
                                       makeFloat(reciprocal->low));
    rewriter.replaceOpWithNewOp<math::FmaOp>(op, x, high, rest);
    return success();
  }

private:
  Pass::Statistic &numReplaced;
};

/// Divisions of a row's elements by a value of the row, in f64 of numbers that
/// were f32. Of y = RN(1 / b), q = RN(a y), r = a - b q (exact), the quotient
/// is RN(q + r y): that is a / b but for a relative error below 2^-104, and no
/// quotient by a number of 24 bits is so close to where the rounding changes,
/// unless it is a number of f64 itself.
struct DivideByRow : OpRewritePattern<arith::DivFOp> {
  DivideByRow(MLIRContext *context, Pass::Statistic &numReplaced)
      : OpRewritePattern(context), numReplaced(numReplaced) {}

  LogicalResult matchAndRewrite(arith::DivFOp op,
                                PatternRewriter &rewriter) const override {
    auto generic = dyn_cast<linalg::GenericOp>(op->getParentOp());
    if (!generic || generic.getNumParallelLoops() != generic.getNumLoops() ||
        !generic.getNumLoops())
      return rewriter.notifyMatchFailure(op, "in no loop over elements");
    Value a = op.getLhs(), b = op.getRhs();
    if (!isExtended(b) || !isValueOfRow(generic, b))
      return rewriter.notifyMatchFailure(op, "the divisor is no f32 of a row");
    if (!isFarFromLimits(a))
      return rewriter.notifyMatchFailure(op, "the dividend may be denormal");
    Location loc = op.getLoc();
    auto makeDouble = [&](double number) {
      return makeConstant(rewriter, op, rewriter.getF64FloatAttr(number));
    };
    ++numReplaced;
    // The same for all of a row: it leaves the loop.
    Value y = arith::DivFOp::create(rewriter, loc, makeDouble(1), b);
    Value q = arith::MulFOp::create(rewriter, loc, a, y);
    Value minusQ = arith::NegFOp::create(rewriter, loc, q);
    Value r = math::FmaOp::create(rewriter, loc, minusQ, b, a);
    Value corrected = math::FmaOp::create(rewriter, loc, r, y, q);
    // NaN where a or b is 0, infinite or NaN, and q is the result.
    Value isDone = arith::CmpFOp::create(
        rewriter, loc, arith::CmpFPredicate::UEQ, r, makeDouble(0));
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, isDone, q, corrected);
    return success();
  }

private:
  static bool isExtended(Value value) {
    auto extend = value.getDefiningOp<arith::ExtFOp>();
    return extend && extend.getType().isF64() &&
           extend.getIn().getType().isF32();
  }

  /// Whether products and remainders with `value` neither overflow nor lose
  /// bits below the least number of f64.
  static bool isFarFromLimits(Value value) {
    if (isExtended(value))
      return true;
    auto product = value.getDefiningOp<arith::MulFOp>();
    APFloat factor(0.0);
    if (!product || !isExtended(product.getLhs()) ||
        !matchPattern(product.getRhs(), m_ConstantFloat(&factor)))
      return false;
    double size = std::abs(factor.convertToDouble());
    return size >= 0x1p-300 && size <= 0x1p300;
  }

  /// Whether `extended` comes from an operand with one element for all of the
  /// innermost loop.
  static bool isValueOfRow(linalg::GenericOp generic, Value extended) {
    Value source = extended.getDefiningOp<arith::ExtFOp>().getIn();
    auto argument = dyn_cast<BlockArgument>(source);
    if (!argument || argument.getOwner() != generic.getBody())
      return false;
    AffineMap map =
        generic.getMatchingIndexingMap(generic.getMatchingOpOperand(argument));
    return !map.isFunctionOfDim(generic.getNumLoops() - 1);
  }

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
    patterns.add<MultiplyReciprocal, DivideByRow>(&getContext(), numReplaced);
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};
} // namespace
