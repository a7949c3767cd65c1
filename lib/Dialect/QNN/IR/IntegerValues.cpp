//===- IntegerValues.cpp - What is known of integer tensors ---------------===//

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/IndexingOps.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// Shapes and lists of axes are small. What is larger is data.
static constexpr int64_t kMaxElements = 256;

//===- scalar functions ---------------------------------------------------===//

/// `value` as an element of an integer type: wrapped, and extended again.
static int64_t wrap(int64_t value, Type type) {
  unsigned width = cast<IntegerType>(type).getWidth();
  if (width >= 64)
    return value;
  APInt bits(64, value);
  bits = bits.trunc(width);
  return type.isUnsignedInteger() || width == 1 ? int64_t(bits.getZExtValue())
                                                : bits.getSExtValue();
}

static KnownInt applyBinary(BinaryKind kind, const KnownInt &a,
                            const KnownInt &b, Type type) {
  if (!a.isConstant() || !b.isConstant()) {
    // What leaves the other side as it is.
    if (kind == BinaryKind::add && a.isConstant(0))
      return b;
    if ((kind == BinaryKind::add || kind == BinaryKind::sub) && b.isConstant(0))
      return a;
    if (kind == BinaryKind::mul && a.isConstant(1))
      return b;
    if ((kind == BinaryKind::mul || kind == BinaryKind::div) && b.isConstant(1))
      return a;
    if (kind == BinaryKind::mul && (a.isConstant(0) || b.isConstant(0)))
      return KnownInt::constant(0);
    // Narrower sums wrap elsewhere.
    if (!type.isInteger(64))
      return KnownInt::unknown();
    if (kind == BinaryKind::add)
      return a.plus(b);
    if (kind == BinaryKind::sub)
      return a.plus(b, -1);
    if (kind == BinaryKind::mul && (a.isConstant() || b.isConstant()))
      return a.isConstant() ? KnownInt::constant(0).plus(b, a.getConstant())
                            : KnownInt::constant(0).plus(a, b.getConstant());
    return KnownInt::unknown();
  }
  int64_t x = a.getConstant(), y = b.getConstant();
  auto result = [&](int64_t v) { return KnownInt::constant(wrap(v, type)); };
  switch (kind) {
  case BinaryKind::add:
    return result(int64_t(uint64_t(x) + uint64_t(y)));
  case BinaryKind::sub:
    return result(int64_t(uint64_t(x) - uint64_t(y)));
  case BinaryKind::mul:
    return result(int64_t(uint64_t(x) * uint64_t(y)));
  case BinaryKind::div:
    if (y == 0 || y == -1)
      return y == 0 ? KnownInt::unknown() : result(int64_t(-uint64_t(x)));
    return result(x / y);
  case BinaryKind::mod:
    if (y == 0 || y == -1)
      return y == 0 ? KnownInt::unknown() : result(0);
    return result(x % y != 0 && (x % y < 0) != (y < 0) ? x % y + y : x % y);
  case BinaryKind::min:
    return result(std::min(x, y));
  case BinaryKind::max:
    return result(std::max(x, y));
  case BinaryKind::logical_and:
  case BinaryKind::bitwise_and:
    return result(x & y);
  case BinaryKind::logical_or:
  case BinaryKind::bitwise_or:
    return result(x | y);
  case BinaryKind::logical_xor:
  case BinaryKind::bitwise_xor:
    return result(x ^ y);
  default:
    return KnownInt::unknown();
  }
}

static KnownInt applyCompare(CompareKind kind, const KnownInt &a,
                             const KnownInt &b) {
  auto result = [](bool v) { return KnownInt::constant(v); };
  if (kind == CompareKind::equal) {
    if (a == b)
      return result(true);
    if ((a.isNeverNegative() && b.isConstant() && b.getConstant() < 0) ||
        (b.isNeverNegative() && a.isConstant() && a.getConstant() < 0))
      return result(false);
  }
  if (!a.isConstant() || !b.isConstant())
    return KnownInt::unknown();
  int64_t x = a.getConstant(), y = b.getConstant();
  switch (kind) {
  case CompareKind::equal:
    return result(x == y);
  case CompareKind::less:
    return result(x < y);
  case CompareKind::less_or_equal:
    return result(x <= y);
  case CompareKind::greater:
    return result(x > y);
  case CompareKind::greater_or_equal:
    return result(x >= y);
  }
  return KnownInt::unknown();
}

static KnownInt applyUnary(UnaryKind kind, const KnownInt &a, Type type) {
  if (!a.isConstant())
    return KnownInt::unknown();
  int64_t x = a.getConstant();
  switch (kind) {
  case UnaryKind::neg:
    return KnownInt::constant(wrap(int64_t(-uint64_t(x)), type));
  case UnaryKind::abs:
    return KnownInt::constant(wrap(x < 0 ? int64_t(-uint64_t(x)) : x, type));
  case UnaryKind::logical_not:
    return KnownInt::constant(!x);
  default:
    return KnownInt::unknown();
  }
}

//===- lists --------------------------------------------------------------===//

KnownInts IntegerEvaluator::evaluate(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() ||
      !isa<IntegerType>(type.getElementType()) ||
      type.getNumElements() > kMaxElements)
    return std::nullopt;
  if (auto ints = getConstantInts(value)) {
    SmallVector<KnownInt> result;
    for (int64_t v : *ints)
      result.push_back(KnownInt::constant(v));
    return result;
  }
  auto found = lists.find(value);
  if (found != lists.end())
    return found->second;
  KnownInts result;
  if (auto op = value.getDefiningOp<IntegerOpInterface>(); op && enter()) {
    result = op.evaluateIntegers(*this);
    leave();
  }
  if (!result || int64_t(result->size()) != type.getNumElements())
    result.emplace(type.getNumElements());
  // What is known of nothing else is known as itself.
  if (type.getElementType().isInteger(64))
    for (auto [i, element] : llvm::enumerate(*result))
      if (!element.isKnown)
        element = KnownInt::term(value, i, /*isElement=*/true);
  lists[value] = *result;
  return result;
}

KnownInts IntegerEvaluator::evaluateElements(
    Operation *op, llvm::function_ref<KnownInt(ArrayRef<KnownInt>)> function) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  int64_t size = type.getNumElements();
  SmallVector<SmallVector<KnownInt>> operands;
  for (Value operand : op->getOperands()) {
    KnownInts ints = evaluate(operand);
    if (!ints)
      return std::nullopt;
    if (ints->size() == 1)
      ints->resize(size, ints->front());
    else if (cast<RankedTensorType>(operand.getType()).getShape() !=
             type.getShape())
      return std::nullopt;
    operands.push_back(std::move(*ints));
  }
  SmallVector<KnownInt> result;
  for (int64_t i = 0; i < size; ++i) {
    SmallVector<KnownInt, 3> scalars;
    for (const SmallVector<KnownInt> &operand : operands)
      scalars.push_back(operand[i]);
    result.push_back(function(scalars));
  }
  return result;
}

//===- ops ----------------------------------------------------------------===//

KnownInts UnaryOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  return evaluator.evaluateElements(*this, [&](ArrayRef<KnownInt> x) {
    return applyUnary(getKind(), x[0], getElementTypeOrSelf(getOutput()));
  });
}

KnownInts BinaryOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  return evaluator.evaluateElements(*this, [&](ArrayRef<KnownInt> x) {
    return applyBinary(getKind(), x[0], x[1],
                       getElementTypeOrSelf(getOutput()));
  });
}

KnownInts CompareOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  return evaluator.evaluateElements(*this, [&](ArrayRef<KnownInt> x) {
    return applyCompare(getKind(), x[0], x[1]);
  });
}

KnownInts SelectOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  return evaluator.evaluateElements(*this, [&](ArrayRef<KnownInt> x) {
    if (x[0].isConstant())
      return x[0].getConstant() ? x[1] : x[2];
    return x[1] == x[2] ? x[1] : KnownInt::unknown();
  });
}

KnownInts CastOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  Type type = getElementTypeOrSelf(getOutput());
  return evaluator.evaluateElements(*this, [&](ArrayRef<KnownInt> x) {
    if (x[0].isConstant())
      return KnownInt::constant(type.isInteger(1)
                                    ? x[0].getConstant() != 0
                                    : wrap(x[0].getConstant(), type));
    return type.getIntOrFloatBitWidth() < 32 || !x[0].isNeverNegative()
               ? KnownInt::unknown()
               : x[0];
  });
}

KnownInts ShapeOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  SmallVector<KnownInt> result;
  for (int64_t i = getStart(); i < int64_t(getEnd()); ++i)
    result.push_back(evaluator.getExtent(getInput(), i));
  return result;
}

KnownInts ExpandOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  KnownInts ints = evaluator.evaluate(getInput());
  if (!ints || ints->size() != 1)
    return std::nullopt;
  ints->resize(getOutput().getType().getNumElements(), ints->front());
  return ints;
}

KnownInts GatherOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  if (getInput().getType().getRank() != 1)
    return std::nullopt;
  KnownInts data = evaluator.evaluate(getInput()),
            indices = evaluator.evaluate(getIndices());
  if (!data || !indices)
    return std::nullopt;
  SmallVector<KnownInt> result;
  for (const KnownInt &i : *indices) {
    auto at = i.isConstant() ? normalizeAxis(i.getConstant(), data->size())
                             : std::nullopt;
    result.push_back(at ? (*data)[*at] : KnownInt::unknown());
  }
  return result;
}

KnownInts SliceOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  if (getInput().getType().getRank() != 1)
    return std::nullopt;
  KnownInts data = evaluator.evaluate(getInput());
  auto starts = getConstantInts(getStarts());
  auto ends = getConstantInts(getEnds());
  auto steps = getConstantInts(getSteps());
  if (!data || !starts || !ends || !steps || starts->size() != 1 ||
      ends->size() != 1 || steps->size() != 1)
    return std::nullopt;
  SliceRange range =
      normalizeSlice((*starts)[0], (*ends)[0], (*steps)[0], data->size());
  SmallVector<KnownInt> result;
  for (int64_t i = 0; i < range.size; ++i)
    result.push_back((*data)[range.start + i * range.step]);
  return result;
}

KnownInts ConcatOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  SmallVector<KnownInt> result;
  for (Value input : getInputs()) {
    if (cast<RankedTensorType>(input.getType()).getRank() != 1)
      return std::nullopt;
    KnownInts part = evaluator.evaluate(input);
    if (!part)
      return std::nullopt;
    llvm::append_range(result, *part);
  }
  return result;
}

KnownInts RangeOp::evaluateIntegers(IntegerEvaluator &evaluator) {
  auto start = getConstantInts(getStart());
  auto delta = getConstantInts(getDelta());
  if (!start || !delta || start->size() != 1 || delta->size() != 1)
    return std::nullopt;
  SmallVector<KnownInt> result;
  for (int64_t i = 0, e = getType().getDimSize(0); i < e; ++i)
    result.push_back(KnownInt::constant((*start)[0] + i * (*delta)[0]));
  return result;
}

//===- what is known
//--------------------------------------------------------===//

KnownInt KnownInt::term(Value tensor, int64_t index, bool isElement) {
  KnownInt k = constant(0);
  k.terms.push_back({tensor, index, isElement, 1});
  return k;
}

bool KnownInt::isNeverNegative() const {
  // No memory holds so many indices that larger factors are needed to leave the
  // range of 64 bits.
  constexpr int64_t maxFactor = 1 << 15;
  return isKnown && number >= 0 && llvm::all_of(terms, [](const Term &term) {
           return !term.isElement && term.factor > 0 &&
                  term.factor <= maxFactor;
         });
}

KnownInt KnownInt::plus(const KnownInt &other, int64_t factor) const {
  if (!isKnown || !other.isKnown)
    return unknown();
  auto times = [](int64_t a, int64_t b) {
    return int64_t(uint64_t(a) * uint64_t(b));
  };
  auto sum = [](int64_t a, int64_t b) {
    return int64_t(uint64_t(a) + uint64_t(b));
  };
  KnownInt result = *this;
  result.number = sum(number, times(other.number, factor));
  for (Term term : other.terms) {
    term.factor = times(term.factor, factor);
    auto *same = llvm::find_if(
        result.terms, [&](const Term &own) { return own.isLike(term); });
    if (same == result.terms.end())
      result.terms.push_back(term);
    else
      same->factor = sum(same->factor, term.factor);
  }
  llvm::erase_if(result.terms, [](const Term &t) { return t.factor == 0; });
  llvm::sort(result.terms, [](const Term &a, const Term &b) {
    return std::make_tuple(a.tensor.getAsOpaquePointer(), a.index,
                           a.isElement) <
           std::make_tuple(b.tensor.getAsOpaquePointer(), b.index, b.isElement);
  });
  return result;
}

KnownInts qnn::getKnownInts(Value value) {
  return IntegerEvaluator().evaluate(value);
}

std::optional<SmallVector<int64_t>> qnn::getKnownDims(Value value) {
  KnownInts ints = getKnownInts(value);
  if (!ints)
    return std::nullopt;
  SmallVector<int64_t> dims;
  for (const KnownInt &v : *ints)
    dims.push_back(v.isConstant() ? v.getConstant() : ShapedType::kDynamic);
  return dims;
}

OpFoldResult qnn::foldKnownInts(Operation *op) {
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || !type.hasStaticShape() ||
      !isa<IntegerType>(type.getElementType()))
    return {};
  KnownInts ints = getKnownInts(op->getResult(0));
  if (!ints ||
      !llvm::all_of(*ints, [](const KnownInt &v) { return v.isConstant(); }))
    return {};
  SmallVector<APInt> values;
  for (const KnownInt &v : *ints)
    values.emplace_back(type.getElementTypeBitWidth(), v.getConstant(),
                        /*isSigned=*/false, /*implicitTrunc=*/true);
  return DenseElementsAttr::get(type, values);
}
