//===- ExpandMath.cpp - Math functions as polynomials ---------------------===//
//
// exp and erf are computed as ONNX Runtime's kernels do, coefficient by
// coefficient and rounding by rounding: behind them a quantized model rounds to
// integers, where one unit in the last place can become a whole step. The other
// functions are upstream's.
//
//===----------------------------------------------------------------------===//

#include "NarrowBytes.h"
#include "Splat.h"

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/PatternCounter.h"
#include "quantc/Support/RewriteConfig.h"

#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/FloatingPointMode.h"

namespace quantc {
#define GEN_PASS_DEF_EXPANDMATHPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

namespace {
/// Builds f32 arithmetic on scalars or vectors.
class FloatMath {
public:
  FloatMath(PatternRewriter &rewriter, Location loc, Type type)
      : b(loc, rewriter), type(type) {
    integers = b.getI32Type();
    if (auto vector = dyn_cast<VectorType>(type))
      integers = vector.clone(integers);
  }

  Value constant(float value) { return splat(type, b.getF32FloatAttr(value)); }
  Value integer(int32_t value) {
    return splat(integers, b.getI32IntegerAttr(value));
  }
  Value fma(Value x, Value y, Value z) {
    return math::FmaOp::create(b, x, y, z);
  }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
  Value isLess(Value x, Value y) {
    return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
  }
  Value select(Value condition, Value x, Value y) {
    return arith::SelectOp::create(b, condition, x, y);
  }
  /// These keep a NaN in `x`.
  Value atLeast(Value x, float least) {
    Value bound = constant(least);
    return select(isLess(x, bound), bound, x);
  }
  Value atMost(Value x, float most) {
    Value bound = constant(most);
    return select(isLess(bound, x), bound, x);
  }
  /// From the highest power on.
  Value polynomial(Value x, ArrayRef<float> coefficients) {
    Value sum = constant(coefficients.front());
    for (float coefficient : coefficients.drop_front())
      sum = fma(sum, x, constant(coefficient));
    return sum;
  }

  /// x = whole * ln(2) + rest.
  struct Reduced {
    Value rest;
    /// An i32, of which the low bits hold `whole`, and what was to be added.
    Value whole;
  };
  Reduced reduce(Value x, float added) {
    // Adding 1.5 * 2^23 rounds to an integer, which the low bits then hold.
    Value magic = constant(12582912.0f + added);
    Value rounded = fma(x, constant(1.44269504088896341f), magic);
    Value whole = sub(rounded, magic);
    // ln(2) in two parts, of which the first has few bits.
    Value rest = fma(whole, constant(-6.93145752e-1f), x);
    rest = fma(whole, constant(-1.42860677e-6f), rest);
    return {rest, arith::BitcastOp::create(b, integers, rounded)};
  }
  /// 2 to the power of an i32 to which 127 is added, of which this reads the
  /// low 9 bits; 0 for -127.
  Value powerOfTwo(Value biased) {
    Value bits = arith::ShLIOp::create(b, biased, integer(23));
    return arith::BitcastOp::create(b, type, bits);
  }

  Value exp(Value x);
  /// What is less than the least normal number, or little more, is 0.
  Value flushedExp(Value x);
  Value erf(Value x);

private:
  Value splat(Type of, TypedAttr value) {
    if (auto vector = dyn_cast<VectorType>(of))
      return arith::ConstantOp::create(
          b, DenseElementsAttr::get(vector, Attribute(value)));
    return arith::ConstantOp::create(b, value);
  }

  ImplicitLocOpBuilder b;
  Type type, integers;
};
} // namespace

/// Coefficients of exp, the highest power first, where it is between -1 and 1.
static constexpr float kExp[] = {0x1.694000p-10f,
                                 0x1.125edcp-7f,
                                 0x1.555b5ap-5f,
                                 0x1.555450p-3f,
                                 0x1.fffff6p-2f,
                                 1.0f,
                                 1.0f};

Value FloatMath::exp(Value x) {
  // All that is below or above becomes 0 or infinity.
  auto [rest, whole] = reduce(atMost(atLeast(x, -104.0f), 89.0f), 2 * 127);
  Value y = polynomial(rest, kExp);
  // In two halves, since results may be subnormal.
  Value half = arith::ShRUIOp::create(b, whole, integer(1));
  Value otherHalf = arith::SubIOp::create(b, whole, half);
  return mul(mul(y, powerOfTwo(half)), powerOfTwo(otherHalf));
}

Value FloatMath::flushedExp(Value x) {
  // Below, the power of two is 0.
  auto [rest, whole] = reduce(atMost(atLeast(x, -87.3f), 89.0f), 126);
  // 2^128 is no number: the polynomial has its half.
  SmallVector<float> doubled;
  for (float coefficient : kExp)
    doubled.push_back(2 * coefficient);
  return mul(polynomial(rest, doubled), powerOfTwo(whole));
}

Value FloatMath::erf(Value x) {
  Value size = atMost(math::AbsFOp::create(b, x), 3.925f);
  Value small = polynomial(mul(size, size),
                           {-5.99104969e-4f, 4.99339588e-3f, -2.67667342e-2f,
                            1.12818025e-1f, -3.76124859e-1f, 1.28379151e-1f});
  small = fma(small, size, size);
  // 1 - exp(-p)
  Value power = polynomial(
      size, {1.72948930e-5f, -3.83208680e-4f, 3.88393435e-3f, -2.42545605e-2f,
             1.06777847e-1f, 6.34846687e-1f, 1.28717512e-1f});
  power = fma(power, size, size);
  auto [rest, whole] = reduce(arith::NegFOp::create(b, power), 127);
  Value large =
      polynomial(rest, {1.38319808e-3f, 8.37550033e-3f, 4.16689515e-2f,
                        1.66664466e-1f, 4.99999851e-1f, 1.0f, 1.0f});
  large = sub(constant(1), mul(large, powerOfTwo(whole)));
  Value y = select(isLess(constant(0.921875f), size), large, small);
  // The sign of `y` is known not to be set.
  Value bits = arith::BitcastOp::create(b, integers, x);
  Value sign = arith::AndIOp::create(b, bits, integer(INT32_MIN));
  bits =
      arith::OrIOp::create(b, sign, arith::BitcastOp::create(b, integers, y));
  return arith::BitcastOp::create(b, type, bits);
}

namespace {
template <typename OpTy, Value (FloatMath::*build)(Value)>
struct ExpandFunction : OpRewritePattern<OpTy> {
  // Before upstream's patterns for the same ops.
  ExpandFunction(MLIRContext *context)
      : OpRewritePattern<OpTy>(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    Type type = op.getType();
    if (!getElementTypeOrSelf(type).isF32())
      return rewriter.notifyMatchFailure(op, "not of f32");
    FloatMath math(rewriter, op.getLoc(), type);
    rewriter.replaceOp(op, (math.*build)(op.getOperand()));
    return success();
  }
};

/// Whether it does not matter if `op` gives 0 for what is hardly more.
bool mayFlush(math::ExpOp op) {
  if (bitEnumContainsAll(op.getFastmath(), arith::FastMathFlags::afn))
    return true;
  // It is lost when it is added to 1.
  return llvm::all_of(op->getUsers(), [](Operation *user) {
    auto add = dyn_cast<arith::AddFOp>(user);
    return add && (matchPattern(add.getLhs(), m_OneFloat()) ||
                   matchPattern(add.getRhs(), m_OneFloat()));
  });
}

struct ExpandExp : OpRewritePattern<math::ExpOp> {
  ExpandExp(MLIRContext *context) : OpRewritePattern(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(math::ExpOp op,
                                PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "not of f32");
    FloatMath math(rewriter, op.getLoc(), op.getType());
    Value x = op.getOperand();
    rewriter.replaceOp(op, mayFlush(op) ? math.flushedExp(x) : math.exp(x));
    return success();
  }
};

/// x86 rounds as the processor is set, which is half to even unless a program
/// changes that for all of its arithmetic.
struct ConvertNearest : OpRewritePattern<arith::FPToSIOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::FPToSIOp op,
                                PatternRewriter &rewriter) const override {
    auto rounding = op.getIn().getDefiningOp<math::RoundEvenOp>();
    if (!rounding)
      return rewriter.notifyMatchFailure(op, "the number is not rounded");
    if (!getElementTypeOrSelf(op.getIn()).isF32() ||
        !getElementTypeOrSelf(op.getType()).isInteger(32))
      return rewriter.notifyMatchFailure(op, "not from f32 to i32");
    rewriter.replaceOpWithNewOp<LLVM::CallIntrinsicOp>(
        op, op.getType(), rewriter.getStringAttr("llvm.lrint"),
        rounding.getOperand());
    return success();
  }
};

/// Whether `value` is a number that does not depend on the data.
bool isNumber(Value value) {
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<arith::SIToFPOp, arith::UIToFPOp>(op))
    return true;
  if (auto broadcast = dyn_cast_or_null<vector::BroadcastOp>(op))
    return isNumber(broadcast.getSource());
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto func = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto classes =
        func ? func.getArgAttrOfType<IntegerAttr>(
                   argument.getArgNumber(), quantc::kernel::kNoFPClassAttr)
             : nullptr;
    return classes && (classes.getInt() & llvm::fcNan) == llvm::fcNan;
  }
  auto number = quantc::getSplat<FloatAttr>(value);
  return number && !number->getValue().isNaN();
}

/// Finds values that are never NaN, whatever the data.
class NeverNaN {
public:
  bool holds(Value value) {
    if (isNumber(value))
      return true;
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
      return loop && argument != loop.getInductionVar() &&
             holdsAround(loop, argument.getArgNumber() - 1);
    }
    Operation *op = value.getDefiningOp();
    if (auto loop = dyn_cast<scf::ForOp>(op))
      return holdsAround(loop, cast<OpResult>(value).getResultNumber());
    if (isa<vector::ShuffleOp, vector::ExtractOp>(op))
      return llvm::all_of(op->getOperands(), [&](Value operand) {
        return !isa<FloatType>(getElementTypeOrSelf(operand)) || holds(operand);
      });
    if (isa<arith::MaxNumFOp, arith::MinNumFOp>(op))
      return holds(op->getOperand(0)) || holds(op->getOperand(1));
    auto select = dyn_cast<arith::SelectOp>(op);
    return select && holds(select.getFalseValue()) &&
           (isComparedNumber(select) || holds(select.getTrueValue()));
  }

private:
  /// Whether what `select` takes is not NaN, by what it asks.
  static bool isComparedNumber(arith::SelectOp select) {
    auto compare = select.getCondition().getDefiningOp<arith::CmpFOp>();
    using P = arith::CmpFPredicate;
    return compare &&
           llvm::is_contained(
               {P::OEQ, P::OGT, P::OGE, P::OLT, P::OLE, P::ONE, P::ORD},
               compare.getPredicate()) &&
           llvm::is_contained(compare->getOperands(), select.getTrueValue());
  }

  /// Whether none of the values is NaN that `loop` carries at `index`: not the
  /// first, and the next one is not if the one before is not.
  bool holdsAround(scf::ForOp loop, unsigned index) {
    Value carried = loop.getRegionIterArg(index);
    if (llvm::is_contained(assumed, carried))
      return true;
    if (!holds(loop.getInitArgs()[index]))
      return false;
    assumed.push_back(carried);
    bool holdsNext = holds(loop.getBody()->getTerminator()->getOperand(index));
    assumed.pop_back();
    return holdsNext;
  }

  SmallVector<Value> assumed;
};

bool isNeverNaN(Value value) { return NeverNaN().holds(value); }

/// A clamp at a number, which is what NaN becomes: `maxps` and `minps` give
/// their second operand then. Upstream's pattern asks for NaN by itself, and
/// LLVM does not see that the comparison has.
template <typename OpTy, arith::CmpFPredicate isFirst>
struct ExpandClamp : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getLhs(), bound = op.getRhs();
    // Better what the loop does not compute.
    if (!isNumber(bound) && (isNumber(x) || !isNeverNaN(bound)))
      std::swap(x, bound);
    if (!isNeverNaN(bound))
      return rewriter.notifyMatchFailure(op, "both may be NaN");
    Value condition =
        arith::CmpFOp::create(rewriter, op.getLoc(), isFirst, x, bound);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, condition, x, bound);
    return success();
  }
};

/// The larger or smaller of two numbers, or NaN if one is. Upstream makes
/// selections of it, by two conditions, that LLVM turns into branches and
/// conditional stores. The signs of zeros are not looked at, as before.
template <typename OpTy, typename TargetOp>
struct KeepNaN : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    Type element = getElementTypeOrSelf(op.getType());
    auto vector = dyn_cast<VectorType>(op.getType());
    if (!(element.isF32() || element.isF64()) ||
        (vector && vector.getRank() != 1))
      return rewriter.notifyMatchFailure(op, "no type of LLVM's instruction");
    if (isNeverNaN(op.getLhs()) || isNeverNaN(op.getRhs()))
      return rewriter.notifyMatchFailure(op, "one comparison is enough");
    // LLVM asks the first one whether it is NaN: in a reduction that should not
    // be the result so far, for which all would wait.
    rewriter.replaceOpWithNewOp<TargetOp>(op, op.getRhs(), op.getLhs(),
                                          LLVM::FastmathFlags::nsz);
    return success();
  }
};

struct ExpandMathPass
    : public quantc::impl::ExpandMathPassBase<ExpandMathPass> {
  using Base::Base;
  void runOnOperation() override {
    quantc::PatternCounter counter;
    auto apply = [&](RewritePatternSet &&patterns) {
      if (failed(applyPatternsGreedily(
              getOperation(), std::move(patterns),
              quantc::getRewriteConfig().setListener(&counter))))
        signalPassFailure();
    };
    auto unit = quantc::VectorUnit::fromFeatures(targetFeatures);
    // While the clamps are still there.
    if (unit.narrowsSaturating) {
      RewritePatternSet narrowing(&getContext());
      quantc::populateNarrowBytesPatterns(narrowing);
      apply(std::move(narrowing));
    }
    RewritePatternSet patterns(&getContext());
    if (unit.convertsNearest)
      patterns.add<ConvertNearest>(&getContext());
    patterns.add<ExpandExp, ExpandFunction<math::ErfOp, &FloatMath::erf>,
                 ExpandClamp<arith::MaxNumFOp, arith::CmpFPredicate::OGT>,
                 ExpandClamp<arith::MinNumFOp, arith::CmpFPredicate::OLT>,
                 KeepNaN<arith::MaximumFOp, LLVM::MaximumOp>,
                 KeepNaN<arith::MinimumFOp, LLVM::MinimumOp>>(&getContext());
    populateMathPolynomialApproximationPatterns(patterns);
    apply(std::move(patterns));
    numExpanded += counter.count();
  }
};
} // namespace
