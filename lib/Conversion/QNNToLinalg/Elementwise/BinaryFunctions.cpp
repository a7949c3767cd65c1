//===- BinaryFunctions.cpp - Scalar functions of two arguments ------------===//

#include "ScalarFunctions.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantc;
using qnn::BinaryKind;
using qnn::CompareKind;

static Value buildFloatBinary(OpBuilder &b, Location loc, BinaryKind kind,
                              Value x, Value y) {
  switch (kind) {
  case BinaryKind::add:
    return arith::AddFOp::create(b, loc, x, y);
  case BinaryKind::sub:
    return arith::SubFOp::create(b, loc, x, y);
  case BinaryKind::mul:
    return arith::MulFOp::create(b, loc, x, y);
  case BinaryKind::div:
    return arith::DivFOp::create(b, loc, x, y);
  case BinaryKind::pow:
    return math::PowFOp::create(b, loc, x, y);
  case BinaryKind::min:
    return arith::MinimumFOp::create(b, loc, x, y);
  case BinaryKind::max:
    return arith::MaximumFOp::create(b, loc, x, y);
  case BinaryKind::fmod:
    return arith::RemFOp::create(b, loc, x, y);
  case BinaryKind::mod: {
    // The remainder takes the divisor's sign.
    Value r = arith::RemFOp::create(b, loc, x, y);
    Value zero = constantScalar(b, loc, x.getType(), 0);
    auto less = [&](Value v) -> Value {
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, v, zero);
    };
    Value nonzero =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ONE, r, zero);
    Value mixed = arith::XOrIOp::create(b, loc, less(r), less(y));
    return arith::SelectOp::create(
        b, loc, arith::AndIOp::create(b, loc, nonzero, mixed),
        arith::AddFOp::create(b, loc, r, y), r);
  }
  case BinaryKind::prelu: {
    Value zero = constantScalar(b, loc, x.getType(), 0);
    Value negative =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, zero);
    return arith::SelectOp::create(b, loc, negative,
                                   arith::MulFOp::create(b, loc, x, y), x);
  }
  default:
    return nullptr;
  }
}

/// `y`, or 1 where dividing by y would trap: 0, and -1 under the smallest
/// number, where x / 1 is the wrapped quotient.
static Value buildSafeDivisor(OpBuilder &b, Location loc, Value x, Value y,
                              Value isZero, bool isUnsignedType) {
  Value unsafe = isZero;
  if (!isUnsignedType) {
    auto type = cast<IntegerType>(x.getType());
    Value smallest = arith::ConstantOp::create(
        b, loc,
        b.getIntegerAttr(type, APInt::getSignedMinValue(type.getWidth())));
    Value minusOne = constantScalar(b, loc, type, -1);
    auto eq = [&](Value u, Value v) -> Value {
      return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, u, v);
    };
    unsafe = arith::OrIOp::create(
        b, loc, unsafe,
        arith::AndIOp::create(b, loc, eq(x, smallest), eq(y, minusOne)));
  }
  return arith::SelectOp::create(b, loc, unsafe,
                                 constantScalar(b, loc, x.getType(), 1), y);
}

/// Quotient and remainders; all are 0 for a zero divisor, which must not trap.
static Value buildIntDivision(OpBuilder &b, Location loc, BinaryKind kind,
                              Value x, Value y, bool isUnsignedType) {
  Value zero = constantScalar(b, loc, x.getType(), 0);
  Value isZero =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, y, zero);
  Value divisor = buildSafeDivisor(b, loc, x, y, isZero, isUnsignedType);
  if (kind == BinaryKind::div) {
    Value q = isUnsignedType
                  ? arith::DivUIOp::create(b, loc, x, divisor).getResult()
                  : arith::DivSIOp::create(b, loc, x, divisor).getResult();
    return arith::SelectOp::create(b, loc, isZero, zero, q);
  }
  // The remainder by the 1 that stands for an unsafe divisor is 0.
  if (isUnsignedType)
    return arith::RemUIOp::create(b, loc, x, divisor);
  Value r = arith::RemSIOp::create(b, loc, x, divisor);
  if (kind == BinaryKind::fmod)
    return r;
  // The remainder takes the divisor's sign.
  Value nonzero =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, r, zero);
  Value mixed =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                            arith::XOrIOp::create(b, loc, r, y), zero);
  Value fix = arith::AndIOp::create(b, loc, nonzero, mixed);
  return arith::SelectOp::create(b, loc, fix,
                                 arith::AddIOp::create(b, loc, r, y), r);
}

/// x to the power y, exact modulo 2^width, by squaring. A base other than -1, 0
/// and 1 overflows any type beyond an exponent of 63, so that six bits of the
/// exponent are enough when its parity is kept.
static Value buildIntPower(OpBuilder &b, Location loc, Value x, Value y,
                           bool isExponentUnsigned) {
  Type type = x.getType(), exponentType = y.getType();
  unsigned width = exponentType.getIntOrFloatBitWidth();
  auto cmp = [&](arith::CmpIPredicate predicate, Value u, Value v) -> Value {
    return arith::CmpIOp::create(b, loc, predicate, u, v);
  };
  auto select = [&](Value cond, Value u, Value v) -> Value {
    return arith::SelectOp::create(b, loc, cond, u, v);
  };
  Value zero = constantScalar(b, loc, type, 0);
  Value one = constantScalar(b, loc, type, 1);
  Value exponentZero = constantScalar(b, loc, exponentType, 0);
  Value exponentOne = constantScalar(b, loc, exponentType, 1);
  Value parity = arith::AndIOp::create(b, loc, y, exponentOne);
  Value isOdd = cmp(arith::CmpIPredicate::ne, parity, exponentZero);
  Value large = cmp(isExponentUnsigned ? arith::CmpIPredicate::ugt
                                       : arith::CmpIPredicate::sgt,
                    y, constantScalar(b, loc, exponentType, 63));
  Value e =
      select(large,
             arith::OrIOp::create(b, loc, parity,
                                  constantScalar(b, loc, exponentType, 62)),
             y);
  Value result = one, square = x;
  for (unsigned bit = 0; bit < std::min(6u, width); ++bit) {
    Value mask = constantScalar(b, loc, exponentType, 1 << bit);
    Value isSet = cmp(arith::CmpIPredicate::ne,
                      arith::AndIOp::create(b, loc, e, mask), exponentZero);
    result = arith::MulIOp::create(b, loc, result, select(isSet, square, one));
    square = arith::MulIOp::create(b, loc, square, square);
  }
  if (isExponentUnsigned)
    return result;
  // 1 / x^-y, truncated.
  Value minusOne = constantScalar(b, loc, type, -1);
  Value inverse = select(cmp(arith::CmpIPredicate::eq, x, one), one, zero);
  inverse = select(cmp(arith::CmpIPredicate::eq, x, minusOne),
                   select(isOdd, minusOne, one), inverse);
  return select(cmp(arith::CmpIPredicate::slt, y, exponentZero), inverse,
                result);
}

static Value buildIntBinary(OpBuilder &b, Location loc, BinaryKind kind,
                            Value x, Value y, bool isUnsignedType) {
  switch (kind) {
  case BinaryKind::add:
    return arith::AddIOp::create(b, loc, x, y);
  case BinaryKind::sub:
    return arith::SubIOp::create(b, loc, x, y);
  case BinaryKind::mul:
    return arith::MulIOp::create(b, loc, x, y);
  case BinaryKind::min:
    if (isUnsignedType)
      return arith::MinUIOp::create(b, loc, x, y);
    return arith::MinSIOp::create(b, loc, x, y);
  case BinaryKind::max:
    if (isUnsignedType)
      return arith::MaxUIOp::create(b, loc, x, y);
    return arith::MaxSIOp::create(b, loc, x, y);
  case BinaryKind::logical_and:
  case BinaryKind::bitwise_and:
    return arith::AndIOp::create(b, loc, x, y);
  case BinaryKind::logical_or:
  case BinaryKind::bitwise_or:
    return arith::OrIOp::create(b, loc, x, y);
  case BinaryKind::logical_xor:
  case BinaryKind::bitwise_xor:
    return arith::XOrIOp::create(b, loc, x, y);
  case BinaryKind::div:
  case BinaryKind::mod:
  case BinaryKind::fmod:
    return buildIntDivision(b, loc, kind, x, y, isUnsignedType);
  case BinaryKind::prelu: {
    if (isUnsignedType)
      return x;
    Value zero = constantScalar(b, loc, x.getType(), 0);
    Value negative =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, zero);
    return arith::SelectOp::create(b, loc, negative,
                                   arith::MulIOp::create(b, loc, x, y), x);
  }
  case BinaryKind::shift_left:
  case BinaryKind::shift_right: {
    // A shift by the width or more (or a negative one) moves all bits out; the
    // instruction would not. Signed numbers shift their sign in.
    bool isLeft = kind == BinaryKind::shift_left;
    bool isArithmetic = !isLeft && !isUnsignedType;
    unsigned width = x.getType().getIntOrFloatBitWidth();
    Value fits =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, y,
                              constantScalar(b, loc, x.getType(), width));
    Value zero = constantScalar(b, loc, x.getType(), 0);
    Value most = constantScalar(b, loc, x.getType(), width - 1);
    Value by = arith::SelectOp::create(b, loc, fits, y, most);
    if (isArithmetic)
      return arith::ShRSIOp::create(b, loc, x, by);
    Value shifted = isLeft ? arith::ShLIOp::create(b, loc, x, by).getResult()
                           : arith::ShRUIOp::create(b, loc, x, by).getResult();
    return arith::SelectOp::create(b, loc, fits, shifted, zero);
  }
  default:
    return nullptr;
  }
}

bool quantc::isBinarySupported(BinaryKind kind, Type lhs, Type rhs) {
  bool logical = kind == BinaryKind::logical_and ||
                 kind == BinaryKind::logical_or ||
                 kind == BinaryKind::logical_xor;
  bool bits = kind == BinaryKind::bitwise_and ||
              kind == BinaryKind::bitwise_or ||
              kind == BinaryKind::bitwise_xor ||
              kind == BinaryKind::shift_left || kind == BinaryKind::shift_right;
  if (logical)
    return lhs.isInteger(1);
  if (kind == BinaryKind::pow)
    return true;
  return !isa<FloatType>(lhs) || !bits;
}

Value quantc::buildBinary(OpBuilder &b, Location loc, BinaryKind kind, Value x,
                          Value y, Type lhsType, Type rhsType) {
  auto fp = dyn_cast<FloatType>(x.getType());
  bool isExponentInt = !isa<FloatType>(y.getType());
  if (kind == BinaryKind::pow && !fp && isExponentInt)
    return buildIntPower(b, loc, x, y, isUnsigned(rhsType));
  if (!fp && kind != BinaryKind::pow)
    return buildIntBinary(b, loc, kind, x, y, isUnsigned(lhsType));
  // Half precision computes in f32; an integer to a fractional power in f64,
  // as in ONNX Runtime.
  Type compute = fp;
  if (!fp)
    compute = b.getF64Type();
  else if (fp.getWidth() < 32)
    compute = b.getF32Type();
  Value wideX = convertScalar(b, loc, x, lhsType, compute);
  Value wideY = convertScalar(b, loc, y, rhsType, compute);
  Value result = kind == BinaryKind::pow
                     ? math::PowFOp::create(b, loc, wideX, wideY).getResult()
                     : buildFloatBinary(b, loc, kind, wideX, wideY);
  return convertScalar(b, loc, result, compute, lhsType);
}

Value quantc::buildCompare(OpBuilder &b, Location loc, CompareKind kind,
                           Value x, Value y, Type type) {
  if (isa<FloatType>(x.getType())) {
    arith::CmpFPredicate predicate = arith::CmpFPredicate::OEQ;
    switch (kind) {
    case CompareKind::equal:
      break;
    case CompareKind::less:
      predicate = arith::CmpFPredicate::OLT;
      break;
    case CompareKind::less_or_equal:
      predicate = arith::CmpFPredicate::OLE;
      break;
    case CompareKind::greater:
      predicate = arith::CmpFPredicate::OGT;
      break;
    case CompareKind::greater_or_equal:
      predicate = arith::CmpFPredicate::OGE;
      break;
    }
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  bool u = isUnsigned(type);
  arith::CmpIPredicate predicate = arith::CmpIPredicate::eq;
  switch (kind) {
  case CompareKind::equal:
    break;
  case CompareKind::less:
    predicate = u ? arith::CmpIPredicate::ult : arith::CmpIPredicate::slt;
    break;
  case CompareKind::less_or_equal:
    predicate = u ? arith::CmpIPredicate::ule : arith::CmpIPredicate::sle;
    break;
  case CompareKind::greater:
    predicate = u ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt;
    break;
  case CompareKind::greater_or_equal:
    predicate = u ? arith::CmpIPredicate::uge : arith::CmpIPredicate::sge;
    break;
  }
  return arith::CmpIOp::create(b, loc, predicate, x, y);
}
