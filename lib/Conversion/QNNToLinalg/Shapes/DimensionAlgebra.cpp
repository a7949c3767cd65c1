//===- DimensionAlgebra.cpp - Products and sums of dimensions -------------===//

#include "DimensionAlgebra.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

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

DimensionProduct::DimensionProduct(OpFoldResult size) {
  if (auto constantSize = getConstantIntValue(size))
    constant = *constantSize;
  else
    collectFactors(cast<Value>(size), *this);
}

DimensionProduct
DimensionProduct::operator*(const DimensionProduct &other) const {
  DimensionProduct result = *this;
  result.constant *= other.constant;
  llvm::append_range(result.values, other.values);
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

bool quantc::isBefore(Operation *op, OpBuilder &b) {
  return op->getBlock() == b.getInsertionBlock() &&
         (b.getInsertionPoint() == op->getBlock()->end() ||
          op->isBeforeInBlock(&*b.getInsertionPoint()));
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
  for (Operation *user : searched.getUsers()) {
    auto mul = dyn_cast<arith::MulIOp>(user);
    if (!mul || !isBefore(mul, b))
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

//===- sums ---------------------------------------------------------------===//

static bool isWide(Type type) { return type.isIndex() || type.isInteger(64); }

DimensionSum::DimensionSum(OpFoldResult size) {
  if (auto known = getConstantIntValue(size)) {
    constant = *known;
    return;
  }
  auto value = cast<Value>(size);
  Operation *op = value.getDefiningOp();
  auto operand = [&](unsigned i) { return DimensionSum(op->getOperand(i)); };
  if (op && isWide(value.getType())) {
    if (isa<arith::IndexCastOp>(op) && isWide(op->getOperand(0).getType())) {
      *this = operand(0);
      return;
    }
    if (isa<arith::AddIOp>(op)) {
      *this = operand(0).plus(operand(1));
      return;
    }
    if (isa<arith::SubIOp>(op)) {
      *this = operand(0).plus(operand(1), -1);
      return;
    }
    if (isa<arith::MulIOp>(op))
      for (unsigned side : {0, 1})
        if (auto factor = getConstantIntValue(op->getOperand(side))) {
          *this = DimensionSum().plus(operand(1 - side), *factor);
          return;
        }
  }
  terms.push_back({value, 1});
}

DimensionSum DimensionSum::plus(const DimensionSum &other,
                                int64_t factor) const {
  auto add = [](int64_t a, int64_t b) {
    return int64_t(uint64_t(a) + uint64_t(b));
  };
  auto multiply = [](int64_t a, int64_t b) {
    return int64_t(uint64_t(a) * uint64_t(b));
  };
  DimensionSum sum = *this;
  sum.constant = add(constant, multiply(other.constant, factor));
  for (auto [value, times] : other.terms) {
    auto *own = llvm::find_if(sum.terms, [value = value](const auto &term) {
      return term.first == value;
    });
    if (own == sum.terms.end())
      sum.terms.push_back({value, multiply(times, factor)});
    else
      own->second = add(own->second, multiply(times, factor));
  }
  llvm::erase_if(sum.terms, [](const auto &term) { return term.second == 0; });
  return sum;
}

bool DimensionSum::operator==(const DimensionSum &other) const {
  DimensionSum rest = plus(other, -1);
  return rest.constant == 0 && rest.terms.empty();
}

/// Whether the run ends before if `value` is negative.
static bool isCheckedNotNegative(OpBuilder &b, Value value) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (isa<arith::IndexCastOp>(user))
      return isCheckedNotNegative(b, user->getResult(0));
    auto compare = dyn_cast<arith::CmpIOp>(user);
    return compare && compare.getPredicate() == arith::CmpIPredicate::sge &&
           compare.getLhs() == value &&
           isConstantIntValue(compare.getRhs(), 0) &&
           llvm::any_of(compare->getUsers(), [&](Operation *check) {
             return isa<cf::AssertOp>(check) && isBefore(check, b);
           });
  });
}

bool DimensionSum::isNeverNegative(OpBuilder &b) const {
  return constant >= 0 && llvm::all_of(terms, [&](const auto &term) {
           auto [value, factor] = term;
           return factor >= 0 &&
                  (value.template getDefiningOp<tensor::DimOp>() ||
                   isCheckedNotNegative(b, value));
         });
}

Value quantc::castToIndex(OpBuilder &b, Location loc, Value integer) {
  if (integer.getType().isIndex())
    return integer;
  if (auto constant = getConstantIntValue(integer))
    return constantIndex(b, loc, *constant);
  if (auto cast = integer.getDefiningOp<arith::IndexCastOp>())
    return cast.getIn();
  // Right where the integer is defined, so that all later users may share it.
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(integer);
  if (b.getInsertionPoint() != b.getInsertionBlock()->end())
    if (auto next = dyn_cast<arith::IndexCastOp>(*b.getInsertionPoint()))
      if (next.getIn() == integer && next.getType().isIndex())
        return next;
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), integer);
}

OpFoldResult DimensionSum::build(OpBuilder &b, Location loc) const {
  if (terms.empty())
    return b.getIndexAttr(constant);
  auto [value, factor] = terms.front();
  Value first = castToIndex(b, loc, value);
  if (constant == 0 && terms.size() == 1 && factor == 1)
    return first;
  for (Operation *user : first.getUsers())
    if (isa<arith::AddIOp, arith::SubIOp>(user) &&
        user->getResult(0).getType().isIndex() && isBefore(user, b) &&
        DimensionSum(OpFoldResult(user->getResult(0))) == *this)
      return user->getResult(0);
  Value sum;
  auto add = [&](Value value) {
    sum = sum ? arith::AddIOp::create(b, loc, sum, value).getResult() : value;
  };
  for (auto [value, times] : terms)
    add(materialize(b, loc,
                    multiplySizes(b, loc, b.getIndexAttr(times),
                                  castToIndex(b, loc, value))));
  if (constant != 0)
    add(constantIndex(b, loc, constant));
  return sum;
}

DimensionSum DimensionSum::floorDividedBy(OpBuilder &b, Location loc,
                                          int64_t divisor) const {
  if (divisor == 1)
    return *this;
  DimensionSum whole, rest = *this;
  whole.constant = llvm::divideFloorSigned(constant, divisor);
  rest.constant = constant - whole.constant * divisor;
  if (llvm::all_of(terms, [&](const auto &term) {
        return term.second % divisor == 0;
      })) {
    for (auto [value, factor] : terms)
      whole.terms.push_back({value, factor / divisor});
    return whole;
  }
  Value dividend = materialize(b, loc, rest.build(b, loc));
  for (Operation *user : dividend.getUsers())
    if (isa<arith::FloorDivSIOp>(user) && user->getOperand(0) == dividend &&
        isConstantIntValue(user->getOperand(1), divisor) && isBefore(user, b))
      return whole.plus(DimensionSum(user->getResult(0)));
  Value quotient = arith::FloorDivSIOp::create(b, loc, dividend,
                                               constantIndex(b, loc, divisor));
  return whole.plus(DimensionSum(quotient));
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
