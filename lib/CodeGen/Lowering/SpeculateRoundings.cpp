//===- SpeculateRoundings.cpp - Bounds where results are rounded ----------===//
//
// With e = erf(x), a GELU that is quantized is (1 + e) a k, clamped and
// rounded, of a vector `a` and numbers `k` that all lanes share. Of bounds of
// e, which hold for every x, and numbers of usual size, bounds of the product
// follow that hold with all roundings, as errors are relative to (1 + e) or far
// below the least number that is not rounded to 0. Sums behind that would
// cancel, and are not taken.
//
//===----------------------------------------------------------------------===//

#include "Splat.h"

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"

namespace quantc {
#define GEN_PASS_DEF_SPECULATEROUNDINGSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// More factors than this could make a product overflow on the way.
static constexpr size_t kMostUniformFactors = 3;
/// Their usual sizes.
static constexpr float kLeastFactor = 0x1p-32f, kMostFactor = 0x1p32f;
/// What is left of a reciprocal beyond its rounding, as a share of it.
static constexpr float kMostRest = 0x1p-23f;

namespace {
/// (1 + erf(x)) times what all lanes share and one vector, rounded to 8 bits.
struct RoundedProduct {
  /// What makes the integer of the function's result, in order.
  SmallVector<Operation *> ops;
  /// Those of `ops` that clamp, round and narrow the product.
  size_t firstOfRounding = 0;
  Value product;
  Value vectorFactor;
  /// Scalars or constants, and whether they divide.
  SmallVector<std::pair<Value, bool>> uniformFactors;
  /// The product is by the sum of both. The second one is to be small.
  std::optional<std::pair<Value, Value>> splitFactor;

  Value getRounded() const { return ops.back()->getResult(0); }
};

/// Follows the result of an erf to the integer it becomes.
class ProductMatcher {
public:
  ProductMatcher(math::ErfOp erf, RewriterBase &rewriter)
      : erf(erf), rewriter(rewriter) {}
  FailureOr<RoundedProduct> match();

private:
  /// These give the next value, or null where there is none of their kind.
  Value stepAddOne(Value value);
  Value stepFactor(Value value);
  Value stepSplitFactor(Value value);
  Value stepRounding(Value value);
  /// The only user of `value`, in the same block.
  static Operation *getOnlyUser(Value value);

  math::ErfOp erf;
  RewriterBase &rewriter;
  RoundedProduct found;
  bool hasLeast = false, hasMost = false, isRounded = false;
};
} // namespace

Operation *ProductMatcher::getOnlyUser(Value value) {
  if (!value.hasOneUse())
    return nullptr;
  Operation *user = *value.user_begin();
  return user->getBlock() == value.getParentBlock() ? user : nullptr;
}

Value ProductMatcher::stepAddOne(Value value) {
  auto add = dyn_cast_or_null<arith::AddFOp>(getOnlyUser(value));
  if (!add || !(matchPattern(add.getLhs(), m_OneFloat()) ||
                matchPattern(add.getRhs(), m_OneFloat())))
    return {};
  found.ops.push_back(add);
  return add.getResult();
}

/// The f32 that all lanes of `value` have: a constant, or a scalar.
static Value getUniform(Value value) {
  auto broadcast = value.getDefiningOp<vector::BroadcastOp>();
  if (broadcast && broadcast.getSourceType().isF32())
    return broadcast.getSource();
  return quantc::getSplat<FloatAttr>(value) ? value : Value();
}

static Value getOtherOperand(Operation *op, Value value) {
  return op->getOperand(op->getOperand(0) == value ? 1 : 0);
}

Value ProductMatcher::stepFactor(Value value) {
  Operation *user = getOnlyUser(value);
  if (!isa_and_nonnull<arith::MulFOp, arith::DivFOp>(user))
    return {};
  bool divides = isa<arith::DivFOp>(user);
  Value factor = getOtherOperand(user, value);
  if (divides && user->getOperand(0) != value)
    return {};
  if (Value uniform = getUniform(factor)) {
    found.uniformFactors.emplace_back(uniform, divides);
  } else {
    if (found.vectorFactor || divides)
      return {};
    found.vectorFactor = factor;
  }
  found.ops.push_back(user);
  return user->getResult(0);
}

Value ProductMatcher::stepSplitFactor(Value value) {
  if (!value.hasNUses(2))
    return {};
  arith::MulFOp rest;
  math::FmaOp sum;
  for (Operation *user : value.getUsers()) {
    if (auto mul = dyn_cast<arith::MulFOp>(user))
      rest = mul;
    else if (auto fma = dyn_cast<math::FmaOp>(user))
      sum = fma;
  }
  if (!rest || !sum || sum.getC() != rest.getResult() ||
      getOnlyUser(rest) != sum || found.splitFactor)
    return {};
  Value high = getUniform(getOtherOperand(sum, value)),
        low = getUniform(getOtherOperand(rest, value));
  if (!high || !low)
    return {};
  found.uniformFactors.emplace_back(high, /*divides=*/false);
  found.splitFactor.emplace(high, low);
  found.ops.append({rest, sum});
  return sum.getResult();
}

Value ProductMatcher::stepRounding(Value value) {
  Operation *user = getOnlyUser(value);
  if (!user)
    return {};
  if (isa<arith::MaxNumFOp>(user))
    hasLeast = true;
  else if (isa<arith::MinNumFOp>(user))
    hasMost = true;
  else if (isa<math::RoundEvenOp>(user))
    isRounded = true;
  else if (!isa<arith::FPToSIOp, arith::AddIOp, arith::TruncIOp>(user) ||
           !hasLeast || !hasMost || !isRounded)
    return {};
  found.ops.push_back(user);
  return user->getResult(0);
}

FailureOr<RoundedProduct> ProductMatcher::match() {
  auto fail = [&](const Twine &reason) {
    return rewriter.notifyMatchFailure(erf, reason);
  };
  auto type = dyn_cast<VectorType>(erf.getType());
  if (!type || !type.getElementType().isF32())
    return fail("no vector of f32");
  Value value = stepAddOne(erf.getResult());
  if (!value)
    return fail("1 is not added, or not only that is done");
  for (Value next = value; next; value = next ? next : value) {
    next = stepFactor(value);
    if (!next)
      next = stepSplitFactor(value);
  }
  if (!found.vectorFactor || found.uniformFactors.size() > kMostUniformFactors)
    return fail("not a product with one vector and few numbers");
  found.product = value;
  found.firstOfRounding = found.ops.size();
  while (!isa<arith::TruncIOp>(found.ops.back())) {
    value = stepRounding(value);
    if (!value)
      return fail("the product is not only clamped, rounded and narrowed");
  }
  if (!getElementTypeOrSelf(value.getType()).isInteger(8))
    return fail("more than 8 bits are left");
  for (auto [factor, divides] : found.uniformFactors)
    if (auto number = quantc::getSplat<FloatAttr>(factor)) {
      float size = std::abs(number->getValue().convertToFloat());
      if (!(size >= kLeastFactor && size <= kMostFactor))
        return fail("a factor is so small or large that products overflow");
    }
  return std::move(found);
}

namespace {
/// Builds both bounds, and what they hold for.
class BoundsBuilder {
public:
  BoundsBuilder(ImplicitLocOpBuilder &b, VectorType type) : b(b), type(type) {}

  /// At most and at least 1 + erf(x), in one order or the other.
  std::pair<Value, Value> onePlusErf(Value x);
  /// The product of what is to be multiplied by that.
  Value multiplyFactors(const RoundedProduct &product);
  /// Whether the factors that are no constants are of usual sizes; null if
  /// there are none.
  Value checkFactors(const RoundedProduct &product);
  /// The operand of the function, of which the last bits may be off.
  Value approximate(Value x);

private:
  Value constant(float value) {
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, Attribute(b.getF32FloatAttr(value))));
  }
  Value scalar(float value) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
  }
  Value toScalar(Value uniform) {
    if (auto number = quantc::getSplat<FloatAttr>(uniform))
      return arith::ConstantOp::create(b, *number);
    return uniform;
  }
  /// Fused where that is one instruction: elsewhere it would be a call.
  Value multiplyAdd(Value x, Value y, Value z) {
    return LLVM::FMulAddOp::create(b, x, y, z);
  }
  /// NaN stays NaN.
  Value clamp(Value x, float size) {
    Value most = constant(size), least = constant(-size);
    Value above = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, most, x);
    x = arith::SelectOp::create(b, above, most, x);
    Value below = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, least);
    return arith::SelectOp::create(b, below, least, x);
  }
  /// Demands that least <= |scale value| <= most.
  void require(Value value, float least, float most);

  ImplicitLocOpBuilder &b;
  VectorType type;
  Value holds;
};
} // namespace

std::pair<Value, Value> BoundsBuilder::onePlusErf(Value x) {
  // erf(x) = x P(x^2 - kMiddle) with P of degree 8, minimax for |x| <= kLimit
  // with 1 at its end. Tried with all numbers of f32, fused and not, it is
  // within 1.53e-5 of ONNX Runtime's erf. The rest of kError is for what
  // follows: 16 roundings by 2^-24 of a factor that is 2 at most.
  constexpr float kLimit = 2.95f, kMiddle = 4.35125017f, kError = 1.75e-5f;
  x = clamp(x, kLimit);
  Value square = multiplyAdd(x, x, constant(-kMiddle));
  Value sum = constant(4.5155403e-08f);
  for (float coefficient :
       {-5.22550181e-07f, 3.26147642e-06f, -2.44917483e-05f, 1.94844222e-04f,
        -1.32784154e-03f, 8.34348332e-03f, -5.32314070e-02f, 4.77873087e-01f})
    sum = multiplyAdd(sum, square, constant(coefficient));
  // At -kLimit, where erf may be -1, one is below and one above 0.
  return {multiplyAdd(x, sum, constant(1 - kError)),
          multiplyAdd(x, sum, constant(1 + kError))};
}

Value BoundsBuilder::multiplyFactors(const RoundedProduct &product) {
  Value factor = scalar(1);
  for (auto [value, divides] : product.uniformFactors)
    factor = divides
                 ? arith::DivFOp::create(b, factor, toScalar(value)).getResult()
                 : arith::MulFOp::create(b, factor, toScalar(value));
  factor = vector::BroadcastOp::create(b, type, factor);
  return arith::MulFOp::create(b, product.vectorFactor, factor);
}

void BoundsBuilder::require(Value value, float least, float most) {
  Value size = math::AbsFOp::create(b, value);
  for (auto [predicate, bound] : {std::pair(arith::CmpFPredicate::OGE, least),
                                  std::pair(arith::CmpFPredicate::OLE, most)}) {
    Value isInside = arith::CmpFOp::create(b, predicate, size, scalar(bound));
    holds = holds ? arith::AndIOp::create(b, holds, isInside).getResult()
                  : isInside;
  }
}

Value BoundsBuilder::checkFactors(const RoundedProduct &product) {
  for (auto [value, divides] : product.uniformFactors)
    if (!quantc::getSplat<FloatAttr>(value))
      require(value, kLeastFactor, kMostFactor);
  if (product.splitFactor) {
    auto [high, low] = *product.splitFactor;
    Value share = arith::DivFOp::create(b, toScalar(low), toScalar(high));
    require(share, 0, kMostRest);
  }
  return holds;
}

Value BoundsBuilder::approximate(Value x) {
  auto quotient = x.getDefiningOp<arith::DivFOp>();
  auto divisor =
      quotient ? quantc::getSplat<FloatAttr>(quotient.getRhs()) : std::nullopt;
  if (!divisor || !quotient->hasOneUse())
    return x;
  float reciprocal = 1 / divisor->getValue().convertToFloat();
  if (!std::isnormal(reciprocal))
    return x;
  return arith::MulFOp::create(b, quotient.getLhs(), constant(reciprocal));
}

/// Computes `op` by bounds, and by itself where these do not tell.
static LogicalResult speculate(math::ErfOp op, RewriterBase &rewriter) {
  FailureOr<RoundedProduct> match = ProductMatcher(op, rewriter).match();
  if (failed(match))
    return failure();
  Value rounded = match->getRounded(), x = op.getOperand();
  rewriter.setInsertionPoint(rounded.getDefiningOp());
  ImplicitLocOpBuilder b(op.getLoc(), rewriter);
  BoundsBuilder bounds(b, cast<VectorType>(op.getType()));
  auto [first, last] = bounds.onePlusErf(bounds.approximate(x));
  Value factors = bounds.multiplyFactors(*match);

  /// Repeats the ops that follow on `from`, which is `to` here.
  auto repeat = [&](OpBuilder &builder, Value from, Value to, size_t begin) {
    IRMapping mapping;
    mapping.map(from, to);
    for (Operation *each : ArrayRef(match->ops).drop_front(begin))
      builder.clone(*each, mapping);
    return mapping.lookup(rounded);
  };
  auto round = [&](Value bound) {
    Value product = arith::MulFOp::create(b, bound, factors);
    return repeat(b, match->product, product, match->firstOfRounding);
  };
  Value result = round(first);
  Value differ =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, result, round(last));
  Value isOpen =
      vector::ReductionOp::create(b, vector::CombiningKind::OR, differ);
  if (Value holds = bounds.checkFactors(*match)) {
    Value always = arith::ConstantOp::create(b, b.getBoolAttr(true));
    isOpen = arith::OrIOp::create(b, isOpen,
                                  arith::XOrIOp::create(b, holds, always));
  }
  Value never = arith::ConstantOp::create(b, b.getBoolAttr(false));
  isOpen = LLVM::ExpectOp::create(b, isOpen, never);

  auto computeExactly = [&](OpBuilder &builder, Location loc) {
    // Nobody else needs what was only divided for this.
    IRMapping mapping;
    Operation *source = x.getDefiningOp();
    if (isa_and_nonnull<arith::DivFOp>(source) && source->hasOneUse())
      builder.clone(*source, mapping);
    Value exact = builder.clone(*op, mapping)->getResult(0);
    scf::YieldOp::create(builder, loc,
                         repeat(builder, op.getResult(), exact, 0));
  };
  auto takeBound = [&](OpBuilder &builder, Location loc) {
    scf::YieldOp::create(builder, loc, result);
  };
  auto choice = scf::IfOp::create(b, isOpen, computeExactly, takeBound);
  rewriter.replaceOp(rounded.getDefiningOp(), choice.getResults());
  // From the end on, as each is used by the next.
  for (Operation *each : llvm::reverse(ArrayRef(match->ops).drop_back()))
    rewriter.eraseOp(each);
  rewriter.eraseOp(op);
  return success();
}

namespace {
struct SpeculateRoundingsPass
    : public quantc::impl::SpeculateRoundingsPassBase<SpeculateRoundingsPass> {
  using Base::Base;
  void runOnOperation() override {
    // No patterns: the function is still there, behind the branch.
    SmallVector<math::ErfOp> functions;
    getOperation()->walk([&](math::ErfOp op) { functions.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (math::ErfOp op : functions)
      if (succeeded(speculate(op, rewriter)))
        ++numSpeculated;
  }
};
} // namespace
