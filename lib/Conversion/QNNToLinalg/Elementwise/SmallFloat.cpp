//===- SmallFloat.cpp - 8- and 4-bit floats as integer code ---------------===//
//
// Conversions between f32 and the small formats as branch-free integer and f32
// arithmetic that vectorizes on any target. Upstream's casts call run-time
// functions, and neither saturate nor know `round_mode`.
//
//===----------------------------------------------------------------------===//

#include "SmallFloat.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/APFloat.h"

using namespace mlir;
using namespace quantc;

namespace {

/// Where the fields of a format with sign, exponent and mantissa lie, and which
/// codes stand for what is not a number.
struct Format {
  unsigned mantissaBits;
  int bias;
  uint32_t signBit;
  uint32_t maxCode;      // of the largest finite magnitude
  uint32_t overflowCode; // beyond that, without saturation
  uint32_t nanCode;
  /// The code of -0 is the only NaN; there is neither -0 nor infinity.
  bool isFNUZ;
  bool hasInf;
  bool hasNaN;

  static Format get(FloatType type) {
    if (isa<Float8E4M3FNType>(type))
      return {3, 7, 0x80, 0x7e, 0x7f, 0x7f, false, false, true};
    if (isa<Float8E4M3FNUZType>(type))
      return {3, 8, 0x80, 0x7f, 0x80, 0x80, true, false, true};
    if (isa<Float8E5M2Type>(type))
      return {2, 15, 0x80, 0x7b, 0x7c, 0x7e, false, true, true};
    if (isa<Float8E5M2FNUZType>(type))
      return {2, 16, 0x80, 0x7f, 0x80, 0x80, true, false, true};
    assert(isa<Float4E2M1FNType>(type) && "no such small float");
    return {1, 1, 0x8, 0x7, 0x7, 0x8, false, false, false};
  }

  uint32_t infCode() const { return overflowCode; }
};

constexpr uint32_t kF32Inf = 0x7f800000, kF32NaN = 0x7fc00000;
constexpr unsigned kF32MantissaBits = 23;
constexpr int kF32Bias = 127;

/// Short names for i32 and f32 arithmetic.
struct Bits {
  OpBuilder &b;
  Location loc;

  Value c(uint32_t v) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(int32_t(v)));
  }
  Value f(double v) {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(v)));
  }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value bitAnd(Value x, uint32_t mask) {
    return arith::AndIOp::create(b, loc, x, c(mask));
  }
  Value bitOr(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
  Value shl(Value x, unsigned n) {
    return arith::ShLIOp::create(b, loc, x, c(n));
  }
  Value shr(Value x, unsigned n) {
    return arith::ShRUIOp::create(b, loc, x, c(n));
  }
  Value eq(Value x, uint32_t v) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, x, c(v));
  }
  Value ne(Value x, uint32_t v) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x, c(v));
  }
  Value above(Value x, uint32_t v) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt, x, c(v));
  }
  Value below(Value x, uint32_t v) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, x, c(v));
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value select(Value cond, Value x, Value y) {
    return arith::SelectOp::create(b, loc, cond, x, y);
  }
  Value toI32(Value x) {
    return arith::ExtUIOp::create(b, loc, b.getI32Type(), x);
  }
  Value toFloatBits(Value x) {
    return arith::BitcastOp::create(b, loc, b.getF32Type(), x);
  }
  Value fromFloatBits(Value x) {
    return arith::BitcastOp::create(b, loc, b.getI32Type(), x);
  }
};

} // namespace

/// 2^k, with the code 255 for NaN. The code 0 is 2^-127, which is a subnormal
/// f32.
static Value decodeE8M0(Bits &m, Value code) {
  Value bits = m.select(m.eq(code, 0), m.c(0x00400000), m.shl(code, 23));
  return m.toFloatBits(m.select(m.eq(code, 0xff), m.c(kF32NaN), bits));
}

/// The exponent of the magnitude, one higher if `roundMode` says so.
static Value encodeE8M0(Bits &m, Value value, bool saturate,
                        qnn::RoundMode roundMode) {
  Value bits = m.bitAnd(m.fromFloatBits(value), 0x7fffffff);
  Value exponent = m.shr(bits, kF32MantissaBits);
  Value fraction = m.bitAnd(bits, 0x7fffff);
  Value up;
  if (roundMode == qnn::RoundMode::up) {
    up = m.ne(fraction, 0);
  } else if (roundMode == qnn::RoundMode::nearest) {
    // Half way goes up, except between 2^-127 and 2^-126.
    Value half = m.select(m.eq(exponent, 0), m.c(0x400000), m.c(0x3fffff));
    up = arith::CmpIOp::create(m.b, m.loc, arith::CmpIPredicate::ugt, fraction,
                               half);
  }
  if (up) {
    // 254 is the largest number, 255 is NaN (and infinity).
    up = m.both(up, m.below(exponent, saturate ? 254 : 255));
    exponent = m.add(exponent, m.toI32(up));
  }
  return exponent;
}

Value quantc::decodeSmallFloat(OpBuilder &b, Location loc, Value stored,
                               FloatType type) {
  Bits m{b, loc};
  Value code = m.toI32(stored);
  if (isa<Float8E8M0FNUType>(type))
    return decodeE8M0(m, code);

  Format format = Format::get(type);
  unsigned shift = kF32MantissaBits - format.mantissaBits;
  Value magnitude = m.bitAnd(code, format.signBit - 1);
  // Numbers with an exponent: move the fields, correct the bias.
  Value normal =
      m.add(m.shl(magnitude, shift),
            m.c(uint32_t(kF32Bias - format.bias) << kF32MantissaBits));
  // Below them the mantissa counts multiples of the smallest number.
  Value subnormal = m.fromFloatBits(arith::MulFOp::create(
      b, loc, arith::SIToFPOp::create(b, loc, b.getF32Type(), magnitude),
      m.f(std::ldexp(1.0, 1 - format.bias - int(format.mantissaBits)))));
  Value bits = m.select(m.below(magnitude, 1u << format.mantissaBits),
                        subnormal, normal);
  if (format.hasInf) {
    bits = m.select(m.eq(magnitude, format.infCode()), m.c(kF32Inf), bits);
    bits = m.select(m.above(magnitude, format.infCode()), m.c(kF32NaN), bits);
  } else if (format.hasNaN && !format.isFNUZ) {
    bits = m.select(m.eq(magnitude, format.nanCode), m.c(kF32NaN), bits);
  }
  Value sign = m.shl(m.bitAnd(code, format.signBit),
                     31 - llvm::countr_zero(format.signBit));
  bits = m.bitOr(bits, sign);
  if (format.isFNUZ)
    bits = m.select(m.eq(code, format.nanCode), m.c(kF32NaN), bits);
  return m.toFloatBits(bits);
}

Value quantc::encodeSmallFloat(OpBuilder &b, Location loc, Value value,
                               FloatType type, bool saturate,
                               qnn::RoundMode roundMode) {
  Bits m{b, loc};
  auto store = [&](Value code) -> Value {
    return arith::TruncIOp::create(b, loc, b.getI8Type(), code);
  };
  if (isa<Float8E8M0FNUType>(type))
    return store(encodeE8M0(m, value, saturate, roundMode));

  Format format = Format::get(type);
  unsigned shift = kF32MantissaBits - format.mantissaBits;
  Value bits = m.fromFloatBits(value);
  Value magnitude = m.bitAnd(bits, 0x7fffffff);
  // Numbers with an exponent: correct the bias, round the bits shifted out to
  // nearest even. A carry moves into the exponent, as it should.
  Value rebiased = m.sub(
      magnitude, m.c(uint32_t(kF32Bias - format.bias) << kF32MantissaBits));
  Value odd = m.bitAnd(m.shr(rebiased, shift), 1);
  Value normal =
      m.shr(m.add(m.add(rebiased, odd), m.c((1u << (shift - 1)) - 1)), shift);
  // Below them, adding a number whose last place is worth the smallest number
  // of the format rounds to a multiple of that.
  Value anchor = m.f(std::ldexp(1.0, int(kF32MantissaBits) + 1 - format.bias -
                                         int(format.mantissaBits)));
  Value sum = arith::AddFOp::create(b, loc, m.toFloatBits(magnitude), anchor);
  Value subnormal = m.sub(m.fromFloatBits(sum), m.fromFloatBits(anchor));
  Value isSubnormal = m.below(magnitude, uint32_t(kF32Bias + 1 - format.bias)
                                             << kF32MantissaBits);
  Value code = m.select(isSubnormal, subnormal, normal);
  // The rebiased bits of huge numbers, infinity and NaN may have any rounding:
  // they are larger than the largest code in any case.
  uint32_t overflow = saturate ? format.maxCode : format.overflowCode;
  code = m.select(m.above(code, format.maxCode), m.c(overflow), code);

  Value sign = m.bitAnd(m.shr(bits, 31 - llvm::countr_zero(format.signBit)),
                        format.signBit);
  Value isNaN = m.above(magnitude, kF32Inf);
  if (format.isFNUZ) {
    // -0 would read as NaN.
    Value isZero = m.eq(code, 0);
    code = m.select(isZero, code, m.bitOr(code, sign));
    return store(m.select(isNaN, m.c(format.nanCode), code));
  }
  if (!format.hasNaN) {
    // As the onnx package does: NaN becomes a zero of the other sign.
    Value zero = arith::XOrIOp::create(b, loc, sign, m.c(format.signBit));
    return store(m.select(isNaN, zero, m.bitOr(code, sign)));
  }
  code = m.select(isNaN, m.c(format.nanCode), code);
  return store(m.bitOr(code, sign));
}
