//===- ExpandMath.cpp - Math functions as polynomials ---------------------===//
//
// exp and erf are computed as ONNX Runtime's kernels do, coefficient by
// coefficient and rounding by rounding: behind them a quantized model rounds to
// integers, where one unit in the last place can become a whole step. The other
// functions are upstream's.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/PatternCounter.h"

#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
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
    /// As an i32.
    Value whole;
  };
  Reduced reduce(Value x) {
    // Adding 1.5 * 2^23 rounds to an integer, which the low bits then hold.
    Value magic = constant(12582912.0f);
    Value rounded = fma(x, constant(1.44269504088896341f), magic);
    Value whole = sub(rounded, magic);
    // ln(2) in two parts, of which the first has few bits.
    Value rest = fma(whole, constant(-6.93145752e-1f), x);
    rest = fma(whole, constant(-1.42860677e-6f), rest);
    Value bits = arith::BitcastOp::create(b, integers, rounded);
    return {rest, arith::SubIOp::create(b, bits, integer(0x4B400000))};
  }
  /// 2 to the power of an i32 from -126 to 127.
  Value powerOfTwo(Value exponent) {
    Value biased = arith::AddIOp::create(b, exponent, integer(127));
    Value bits = arith::ShLIOp::create(b, biased, integer(23));
    return arith::BitcastOp::create(b, type, bits);
  }

  Value exp(Value x);
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

Value FloatMath::exp(Value x) {
  // All that is below or above becomes 0 or infinity.
  auto [rest, whole] = reduce(atMost(atLeast(x, -104.0f), 89.0f));
  Value y = polynomial(rest, {0x1.694000p-10f, 0x1.125edcp-7f, 0x1.555b5ap-5f,
                              0x1.555450p-3f, 0x1.fffff6p-2f, 1.0f, 1.0f});
  // In two steps, since results may be subnormal.
  Value normal = arith::MaxSIOp::create(b, whole, integer(-126));
  normal = arith::MinSIOp::create(b, normal, integer(127));
  Value others = arith::SubIOp::create(b, whole, normal);
  return mul(mul(y, powerOfTwo(normal)), powerOfTwo(others));
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
  auto [rest, whole] = reduce(arith::NegFOp::create(b, power));
  Value large =
      polynomial(rest, {1.38319808e-3f, 8.37550033e-3f, 4.16689515e-2f,
                        1.66664466e-1f, 4.99999851e-1f, 1.0f, 1.0f});
  large = sub(constant(1), mul(large, powerOfTwo(whole)));
  Value y = select(isLess(constant(0.921875f), size), large, small);
  return math::CopySignOp::create(b, y, x);
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

/// Whether `value` is never NaN, whatever the data.
bool isNeverNaN(Value value) {
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<arith::SIToFPOp, arith::UIToFPOp>(op))
    return true;
  if (auto broadcast = dyn_cast_or_null<vector::BroadcastOp>(op))
    return isNeverNaN(broadcast.getSource());
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto func = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto classes =
        func ? func.getArgAttrOfType<IntegerAttr>(
                   argument.getArgNumber(), quantc::kernel::kNoFPClassAttr)
             : nullptr;
    return classes && (classes.getInt() & llvm::fcNan) == llvm::fcNan;
  }
  Attribute constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return false;
  if (auto splat = dyn_cast<SplatElementsAttr>(constant))
    constant = splat.getSplatValue<Attribute>();
  auto number = dyn_cast<FloatAttr>(constant);
  return number && !number.getValue().isNaN();
}

/// A clamp at a number, which is what NaN becomes: `maxps` and `minps` give
/// their second operand then. Upstream's pattern asks for NaN by itself, and
/// LLVM does not see that the comparison has.
template <typename OpTy, arith::CmpFPredicate isFirst>
struct ExpandClamp : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    Value x = op.getLhs(), bound = op.getRhs();
    if (!isNeverNaN(bound))
      std::swap(x, bound);
    if (!isNeverNaN(bound))
      return rewriter.notifyMatchFailure(op, "both may be NaN");
    Value condition =
        arith::CmpFOp::create(rewriter, op.getLoc(), isFirst, x, bound);
    rewriter.replaceOpWithNewOp<arith::SelectOp>(op, condition, x, bound);
    return success();
  }
};

struct ExpandMathPass
    : public quantc::impl::ExpandMathPassBase<ExpandMathPass> {
  using Base::Base;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    if (quantc::VectorUnit::fromFeatures(targetFeatures).convertsNearest)
      patterns.add<ConvertNearest>(&getContext());
    patterns.add<ExpandFunction<math::ExpOp, &FloatMath::exp>,
                 ExpandFunction<math::ErfOp, &FloatMath::erf>,
                 ExpandClamp<arith::MaxNumFOp, arith::CmpFPredicate::OGT>,
                 ExpandClamp<arith::MinNumFOp, arith::CmpFPredicate::OLT>>(
        &getContext());
    populateMathPolynomialApproximationPatterns(patterns);
    quantc::PatternCounter counter;
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns),
                                  GreedyRewriteConfig().setListener(&counter))))
      signalPassFailure();
    numExpanded += counter.count();
  }
};
} // namespace
