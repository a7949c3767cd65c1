//===- Casts.cpp - From any element type to any other ---------------------===//

#include "ScalarFunctions.h"
#include "SmallFloat.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quantc;

/// x (f32 or f64) as a signed integer, truncated; the smallest integer for NaN
/// and what is out of range. That is what x86 gives, so that ONNX Runtime's
/// results are reproduced on any target. No conversion sees a value that makes
/// it poison.
static Value truncateToInt(OpBuilder &b, Location loc, Value x,
                           IntegerType type) {
  double bound = std::ldexp(1.0, type.getWidth() - 1);
  auto cmp = [&](arith::CmpFPredicate predicate, double limit) -> Value {
    return arith::CmpFOp::create(b, loc, predicate, x,
                                 constantScalar(b, loc, x.getType(), limit));
  };
  Value fits =
      arith::AndIOp::create(b, loc, cmp(arith::CmpFPredicate::OGE, -bound),
                            cmp(arith::CmpFPredicate::OLT, bound));
  Value safe = arith::SelectOp::create(b, loc, fits, x,
                                       constantScalar(b, loc, x.getType(), 0));
  Value smallest = arith::ConstantOp::create(
      b, loc,
      b.getIntegerAttr(type, APInt::getSignedMinValue(type.getWidth())));
  return arith::SelectOp::create(
      b, loc, fits, arith::FPToSIOp::create(b, loc, type, safe), smallest);
}

/// The low bits of a (wider or equal) integer as an element of type `to`.
static Value narrowInt(OpBuilder &b, Location loc, Value x, Type to) {
  Type storage = getStorageType(to);
  unsigned width = to.getIntOrFloatBitWidth();
  if (x.getType().getIntOrFloatBitWidth() > width)
    x = arith::TruncIOp::create(b, loc, b.getIntegerType(width), x);
  if (x.getType() == storage)
    return x;
  if (isUnsigned(to))
    return arith::ExtUIOp::create(b, loc, storage, x);
  return arith::ExtSIOp::create(b, loc, storage, x);
}

static Value castFloatToInt(OpBuilder &b, Location loc, Value x, Type to) {
  if (x.getType().getIntOrFloatBitWidth() < 32)
    x = arith::ExtFOp::create(b, loc, b.getF32Type(), x);
  unsigned width = to.getIntOrFloatBitWidth();
  IntegerType i64 = b.getI64Type();
  if (width <= 16 || (width == 32 && !isUnsigned(to)))
    return narrowInt(b, loc, truncateToInt(b, loc, x, b.getI32Type()), to);
  if (width == 32 || !isUnsigned(to))
    return narrowInt(b, loc, truncateToInt(b, loc, x, i64), to);
  // The upper half of u64 is reached by an offset.
  Value half = constantScalar(b, loc, x.getType(), std::ldexp(1.0, 63));
  Value isUpper =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, x, half);
  Value offset = arith::SubFOp::create(b, loc, x, half);
  Value y = truncateToInt(
      b, loc, arith::SelectOp::create(b, loc, isUpper, offset, x), i64);
  Value top = arith::ConstantOp::create(
      b, loc, b.getIntegerAttr(i64, APInt::getSignedMinValue(64)));
  return arith::SelectOp::create(b, loc, isUpper,
                                 arith::XOrIOp::create(b, loc, y, top), y);
}

static Value castFloat(OpBuilder &b, Location loc, Value x, FloatType to) {
  auto from = cast<FloatType>(x.getType());
  if (from == to)
    return x;
  // f16 and bf16 meet in f32.
  if (from.getWidth() == to.getWidth())
    x = arith::ExtFOp::create(b, loc, b.getF32Type(), x);
  if (cast<FloatType>(x.getType()).getWidth() < to.getWidth())
    return arith::ExtFOp::create(b, loc, to, x);
  return arith::TruncFOp::create(b, loc, to, x);
}

static Value castIntToFloat(OpBuilder &b, Location loc, Value x, Type from,
                            FloatType to) {
  Type wide = to.getWidth() < 32 ? b.getF32Type() : to;
  Value y = isUnsigned(from)
                ? arith::UIToFPOp::create(b, loc, wide, x).getResult()
                : arith::SIToFPOp::create(b, loc, wide, x).getResult();
  return castFloat(b, loc, y, to);
}

/// Every type but the small floats, from compute type to compute type.
Value quantc::convertScalar(OpBuilder &b, Location loc, Value x, Type from,
                            Type to) {
  auto toFloat = dyn_cast<FloatType>(getComputeType(to));
  if (isa<FloatType>(x.getType())) {
    if (toFloat)
      return castFloat(b, loc, x, toFloat);
    if (to.isInteger(1))
      // NaN is true.
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, x,
                                   constantScalar(b, loc, x.getType(), 0));
    return castFloatToInt(b, loc, x, to);
  }
  if (toFloat)
    return castIntToFloat(b, loc, x, from, toFloat);
  if (to.isInteger(1))
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x,
                                 constantScalar(b, loc, x.getType(), 0));
  Type storage = getStorageType(to);
  if (x.getType().getIntOrFloatBitWidth() < storage.getIntOrFloatBitWidth())
    x = isUnsigned(from)
            ? arith::ExtUIOp::create(b, loc, storage, x).getResult()
            : arith::ExtSIOp::create(b, loc, storage, x).getResult();
  return from == to ? x : narrowInt(b, loc, x, to);
}

Value quantc::buildCast(OpBuilder &b, Location loc, Value stored, Type from,
                        Type to, bool saturate, qnn::RoundMode roundMode) {
  Value x = convertScalar(b, loc, loadScalar(b, loc, stored, from), from, to);
  auto toFloat = dyn_cast<FloatType>(to);
  if (toFloat && toFloat.getWidth() <= 8)
    return encodeSmallFloat(b, loc, x, toFloat, saturate, roundMode);
  return storeScalar(b, loc, x, to);
}
