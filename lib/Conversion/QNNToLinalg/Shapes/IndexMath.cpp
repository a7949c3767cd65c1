//===- IndexMath.cpp - Index arithmetic and checks of indices -------------===//

#include "IndexMath.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

Value IndexMath::constant(int64_t v) const { return constantIndex(b, loc, v); }
Value IndexMath::add(Value x, Value y) const {
  return b.createOrFold<arith::AddIOp>(loc, x, y);
}
Value IndexMath::sub(Value x, Value y) const {
  return b.createOrFold<arith::SubIOp>(loc, x, y);
}
Value IndexMath::mul(Value x, Value y) const {
  return b.createOrFold<arith::MulIOp>(loc, x, y);
}
Value IndexMath::div(Value x, Value y) const {
  return b.createOrFold<arith::DivSIOp>(loc, x, y);
}
Value IndexMath::rem(Value x, Value y) const {
  return b.createOrFold<arith::RemSIOp>(loc, x, y);
}
Value IndexMath::min(Value x, Value y) const {
  return b.createOrFold<arith::MinSIOp>(loc, x, y);
}
Value IndexMath::max(Value x, Value y) const {
  return b.createOrFold<arith::MaxSIOp>(loc, x, y);
}
Value IndexMath::compare(arith::CmpIPredicate predicate, Value x,
                         Value y) const {
  return b.createOrFold<arith::CmpIOp>(loc, predicate, x, y);
}
Value IndexMath::equal(Value x, Value y) const {
  return compare(arith::CmpIPredicate::eq, x, y);
}
Value IndexMath::less(Value x, Value y) const {
  return compare(arith::CmpIPredicate::slt, x, y);
}
Value IndexMath::select(Value condition, Value x, Value y) const {
  return b.createOrFold<arith::SelectOp>(loc, condition, x, y);
}
Value IndexMath::logicalAnd(Value x, Value y) const {
  return b.createOrFold<arith::AndIOp>(loc, x, y);
}
Value IndexMath::logicalOr(Value x, Value y) const {
  return b.createOrFold<arith::OrIOp>(loc, x, y);
}

Value IndexMath::fromFront(Value i, Value extent) const {
  return select(less(i, constant(0)), add(i, extent), i);
}

SmallVector<Value> IndexMath::extractAll(Value list) const {
  auto type = cast<RankedTensorType>(list.getType());
  SmallVector<Value> values;
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i)
    values.push_back(extractIndex(b, loc, list, i));
  return values;
}

Value IndexMath::toIndex(Value integer) const {
  return b.createOrFold<arith::IndexCastOp>(loc, b.getIndexType(), integer);
}

Value quantc::createRemapped(OpBuilder &b, Location loc,
                             RankedTensorType resultType,
                             ArrayRef<OpFoldResult> dims, Value input,
                             RemapBody body) {
  return createIndexed(
      b, loc, resultType, dims,
      [&](OpBuilder &nested, Location l, ValueRange indices) -> Value {
        return tensor::ExtractOp::create(nested, l, input,
                                         body(IndexMath{nested, l}, indices));
      });
}

std::optional<int64_t> quantc::getConstantIndex(Value v) {
  APInt value;
  if (!matchPattern(v, m_ConstantInt(&value)))
    return std::nullopt;
  return value.getSExtValue();
}

void quantc::checkRange(OpBuilder &b, Location loc, Value tensor, Value low,
                        Value high, const Twine &message) {
  auto type = cast<RankedTensorType>(tensor.getType());
  int64_t rank = type.getRank();
  auto isInside = [&](OpBuilder &nested, Location l, Value v) {
    IndexMath m{nested, l};
    Value i = m.toIndex(v);
    return m.logicalAnd(m.compare(arith::CmpIPredicate::sge, i, low),
                        m.less(i, high));
  };
  if (rank == 0) {
    Value v = tensor::ExtractOp::create(b, loc, tensor, ValueRange());
    createCheck(b, loc, isInside(b, loc, v), message);
    return;
  }
  // A conjunction over all elements, as a byte.
  auto i8 = b.getI8Type();
  Value init = createFilled(b, loc, RankedTensorType::get({}, i8), {},
                            constantScalar(b, loc, i8, 1));
  AffineMap scalar = AffineMap::get(rank, 0, b.getContext());
  auto all = linalg::GenericOp::create(
      b, loc, init.getType(), tensor, init,
      {b.getMultiDimIdentityMap(rank), scalar},
      SmallVector<utils::IteratorType>(rank, utils::IteratorType::reduction),
      [&](OpBuilder &nested, Location l, ValueRange args) {
        Value ok =
            arith::ExtUIOp::create(nested, l, i8, isInside(nested, l, args[0]));
        linalg::YieldOp::create(
            nested, l,
            arith::AndIOp::create(nested, l, ok, args[1]).getResult());
      });
  Value ok = tensor::ExtractOp::create(b, loc, all.getResult(0), ValueRange());
  Value zero = constantScalar(b, loc, i8, 0);
  createCheck(b, loc,
              arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, ok, zero),
              message);
}

Value quantc::refineType(OpBuilder &b, Location loc, Value tensor) {
  SmallVector<int64_t> shape;
  for (OpFoldResult dim : getDims(b, loc, tensor))
    shape.push_back(getConstantIntValue(dim).value_or(ShapedType::kDynamic));
  return castTo(b, loc, tensor,
                cast<RankedTensorType>(tensor.getType()).clone(shape));
}
