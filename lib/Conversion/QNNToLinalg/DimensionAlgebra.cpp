//===- DimensionAlgebra.cpp - Products of dimensions ----------------------===//

#include "DimensionAlgebra.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace quantc;

static void collectFactors(Value value, DimensionProduct &product) {
  if (auto constant = getConstantIntValue(value)) {
    product.constant *= *constant;
    return;
  }
  if (auto mul = value.getDefiningOp<arith::MulIOp>()) {
    collectFactors(mul.getLhs(), product);
    collectFactors(mul.getRhs(), product);
    return;
  }
  product.values.push_back(value);
}

static void sortValues(SmallVectorImpl<Value> &values) {
  llvm::sort(values, [](Value a, Value b) {
    return a.getAsOpaquePointer() < b.getAsOpaquePointer();
  });
}

DimensionProduct::DimensionProduct(OpFoldResult size) {
  if (auto constantSize = getConstantIntValue(size))
    constant = *constantSize;
  else
    collectFactors(cast<Value>(size), *this);
  sortValues(values);
}

DimensionProduct
DimensionProduct::operator*(const DimensionProduct &other) const {
  DimensionProduct result = *this;
  result.constant *= other.constant;
  llvm::append_range(result.values, other.values);
  sortValues(result.values);
  return result;
}

std::optional<DimensionProduct>
DimensionProduct::dividedBy(const DimensionProduct &other) const {
  if (other.constant == 0 || constant % other.constant != 0)
    return std::nullopt;
  DimensionProduct result = *this;
  result.constant /= other.constant;
  for (Value v : other.values) {
    auto *it = llvm::find(result.values, v);
    if (it == result.values.end())
      return std::nullopt;
    result.values.erase(it);
  }
  return result;
}

OpFoldResult quantc::multiplySizes(OpBuilder &b, Location loc, OpFoldResult x,
                                   OpFoldResult y) {
  auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
  if (cx && cy)
    return b.getIndexAttr(*cx * *cy);
  if (cx && *cx == 1)
    return y;
  if (cy && *cy == 1)
    return x;
  Value vx = materialize(b, loc, x), vy = materialize(b, loc, y);
  Value searched = cx ? vy : vx;
  Block *block = b.getInsertionBlock();
  for (Operation *user : searched.getUsers()) {
    auto mul = dyn_cast<arith::MulIOp>(user);
    if (!mul || mul->getBlock() != block ||
        (b.getInsertionPoint() != block->end() &&
         !mul->isBeforeInBlock(&*b.getInsertionPoint())))
      continue;
    auto same = [](Value a, Value b) {
      return a == b || (getConstantIntValue(a) &&
                        getConstantIntValue(a) == getConstantIntValue(b));
    };
    if ((same(mul.getLhs(), vx) && same(mul.getRhs(), vy)) ||
        (same(mul.getLhs(), vy) && same(mul.getRhs(), vx)))
      return mul.getResult();
  }
  return arith::MulIOp::create(b, loc, vx, vy).getResult();
}

OpFoldResult DimensionProduct::build(OpBuilder &b, Location loc) const {
  OpFoldResult result = b.getIndexAttr(constant);
  for (Value v : values)
    result = multiplySizes(b, loc, result, v);
  return result;
}

std::optional<ReshapeGroups> quantc::matchReshape(ArrayRef<OpFoldResult> from,
                                                  ArrayRef<OpFoldResult> to) {
  ReshapeGroups groups;
  int64_t i = 0, j = 0, n = from.size(), m = to.size();
  while (i < n && j < m) {
    DimensionProduct in(from[i]), out(to[j]);
    ReassociationIndices inGroup{i++}, outGroup{j++};
    while (!(in == out)) {
      // Extend the side that is a divisor of the other.
      if (out.dividedBy(in) && i < n) {
        in = in * DimensionProduct(from[i]);
        inGroup.push_back(i++);
      } else if (in.dividedBy(out) && j < m) {
        out = out * DimensionProduct(to[j]);
        outGroup.push_back(j++);
      } else {
        return std::nullopt;
      }
    }
    groups.input.push_back(inGroup);
    groups.output.push_back(outGroup);
  }
  // What is left must be ones; they join the last group.
  for (; i < n; ++i) {
    if (!isConstantIntValue(from[i], 1) || groups.input.empty())
      return std::nullopt;
    groups.input.back().push_back(i);
  }
  for (; j < m; ++j) {
    if (!isConstantIntValue(to[j], 1) || groups.output.empty())
      return std::nullopt;
    groups.output.back().push_back(j);
  }
  return groups;
}
