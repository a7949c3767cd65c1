//===- BinaryFunctions.cpp - Scalar functions of two arguments, casts -----===//

#include "ScalarFunctions.h"
#include "SmallFloat.h"

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
    Value q =
        math::FloorOp::create(b, loc, arith::DivFOp::create(b, loc, x, y));
    return arith::SubFOp::create(b, loc, x,
                                 arith::MulFOp::create(b, loc, q, y));
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
    if (isUnsignedType)
      return arith::DivUIOp::create(b, loc, x, y);
    return arith::DivSIOp::create(b, loc, x, y);
  case BinaryKind::fmod:
    if (isUnsignedType)
      return arith::RemUIOp::create(b, loc, x, y);
    return arith::RemSIOp::create(b, loc, x, y);
  case BinaryKind::mod: {
    if (isUnsignedType)
      return arith::RemUIOp::create(b, loc, x, y);
    // The remainder takes the divisor's sign.
    Value r = arith::RemSIOp::create(b, loc, x, y);
    Value zero = constantScalar(b, loc, x.getType(), 0);
    Value nonzero =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, r, zero);
    Value mixed =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                              arith::XOrIOp::create(b, loc, r, y), zero);
    Value fix = arith::AndIOp::create(b, loc, nonzero, mixed);
    return arith::SelectOp::create(b, loc, fix,
                                   arith::AddIOp::create(b, loc, r, y), r);
  }
  case BinaryKind::shift_left:
  case BinaryKind::shift_right: {
    // A shift by the width or more gives 0; the instruction would not.
    Value width = constantScalar(b, loc, x.getType(),
                                 x.getType().getIntOrFloatBitWidth());
    Value fits =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, y, width);
    Value zero = constantScalar(b, loc, x.getType(), 0);
    Value by = arith::SelectOp::create(b, loc, fits, y, zero);
    Value shifted = kind == BinaryKind::shift_left
                        ? arith::ShLIOp::create(b, loc, x, by).getResult()
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
  if (isa<FloatType>(lhs))
    return !bits;
  return kind != BinaryKind::prelu;
}

Value quantc::buildBinary(OpBuilder &b, Location loc, BinaryKind kind, Value x,
                          Value y, Type lhsType, Type rhsType) {
  if (kind == BinaryKind::pow) {
    // Integers go through f64, which is exact for what fits 53 bits.
    Type compute =
        isa<FloatType>(x.getType()) ? x.getType() : Type(b.getF64Type());
    if (compute.getIntOrFloatBitWidth() < 32)
      compute = b.getF32Type();
    Value fx = buildCast(b, loc, x, lhsType, compute, true, "up");
    Value fy = buildCast(b, loc, y, rhsType, compute, true, "up");
    Value r = math::PowFOp::create(b, loc, fx, fy);
    return buildCast(b, loc, r, compute, lhsType, true, "up");
  }
  auto fp = dyn_cast<FloatType>(x.getType());
  if (!fp)
    return buildIntBinary(b, loc, kind, x, y, isUnsigned(lhsType));
  return buildFloatBinary(b, loc, kind, x, y);
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

Value quantc::buildCast(OpBuilder &b, Location loc, Value stored, Type from,
                        Type to, bool saturate, StringRef roundMode) {
  Value x = loadScalar(b, loc, stored, from);
  auto toFloat = dyn_cast<FloatType>(to);
  if (auto fp = dyn_cast<FloatType>(x.getType())) {
    if (toFloat) {
      Type compute = getComputeType(to);
      unsigned have = fp.getWidth(), want = compute.getIntOrFloatBitWidth();
      // f16 and bf16 meet in f32.
      if (have == want && fp != compute) {
        x = arith::ExtFOp::create(b, loc, b.getF32Type(), x);
        have = 32;
      }
      if (have < want)
        x = arith::ExtFOp::create(b, loc, compute, x);
      else if (have > want)
        x = arith::TruncFOp::create(b, loc, compute, x);
      if (toFloat.getWidth() <= 8)
        return encodeSmallFloat(b, loc, x, toFloat, saturate, roundMode);
      return x;
    }
    if (to.isInteger(1)) {
      Value zero = constantScalar(b, loc, fp, 0);
      Value nonzero =
          arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, x, zero);
      return storeScalar(b, loc, nonzero, to);
    }
    Type storage = getStorageType(to);
    if (isUnsigned(to))
      return arith::FPToUIOp::create(b, loc, storage, x);
    return arith::FPToSIOp::create(b, loc, storage, x);
  }
  if (toFloat) {
    Type compute = getComputeType(to);
    x = isUnsigned(from)
            ? arith::UIToFPOp::create(b, loc, compute, x).getResult()
            : arith::SIToFPOp::create(b, loc, compute, x).getResult();
    if (toFloat.getWidth() <= 8)
      return encodeSmallFloat(b, loc, x, toFloat, saturate, roundMode);
    return x;
  }
  if (to.isInteger(1)) {
    Value zero = constantScalar(b, loc, x.getType(), 0);
    Value nonzero =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x, zero);
    return storeScalar(b, loc, nonzero, to);
  }
  Type storage = getStorageType(to);
  unsigned have = x.getType().getIntOrFloatBitWidth();
  unsigned want = storage.getIntOrFloatBitWidth();
  if (have < want)
    return isUnsigned(from)
               ? arith::ExtUIOp::create(b, loc, storage, x).getResult()
               : arith::ExtSIOp::create(b, loc, storage, x).getResult();
  if (have > want)
    return arith::TruncIOp::create(b, loc, storage, x);
  return x;
}
