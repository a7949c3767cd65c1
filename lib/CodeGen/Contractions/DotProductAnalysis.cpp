//===- DotProductAnalysis.cpp - Products that run over words --------------===//

#include "DotProductAnalysis.h"

#include "CodeGen/Target/Expressions.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

/// What `value` extends, and whether as a signed number.
static std::optional<std::pair<Value, bool>> matchExtension(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !isa<arith::ExtSIOp, arith::ExtUIOp>(op) ||
      !value.getType().isInteger(32) ||
      !op->getOperand(0).getType().isInteger(8))
    return std::nullopt;
  return std::make_pair(op->getOperand(0), isa<arith::ExtSIOp>(op));
}

/// Matches `extend(element)` or `extend(element) - zero point`.
static FailureOr<QuantizedFactor>
matchFactor(KernelEmitter &e, linalg::LinalgOp root, const LoopGroups &groups,
            ArrayRef<unsigned> rows, ArrayRef<unsigned> columns,
            const FactorExpression &expression) {
  QuantizedFactor factor;
  Value value = expression.result, zero;
  if (auto difference = value.getDefiningOp<arith::SubIOp>()) {
    value = difference.getLhs();
    zero = difference.getRhs();
  }
  auto element = matchExtension(value);
  if (!element || element->first != expression.element)
    return failure();
  factor.isSigned = element->second;
  if (!zero || matchPattern(zero, m_Zero()))
    return factor;
  if (expression.parameters.empty()) {
    llvm::DenseMap<Value, Value> known;
    for (auto [argument, scalar] : expression.scalars)
      known[argument] = scalar;
    factor.zeroPoint = emitExpression(e, zero, /*lanes=*/0, known);
    return factor;
  }
  // One for each row or column.
  OpOperand *operand = expression.parameters.front();
  auto stored = matchExtension(zero);
  if (expression.parameters.size() != 1 || !stored ||
      stored->first != root.getMatchingBlockArgument(operand))
    return failure();
  factor.areZeroPointsSigned = stored->second;
  Access access =
      Access::get(e, operand->get(), root.getMatchingIndexingMap(operand));
  if (!access.strideOfGroup(e, rows) || !access.strideOfGroup(e, columns))
    return failure();
  factor.zeroPoints = access.getMatrix(e, groups, rows, columns);
  return factor;
}

/// Moves the elements and the zero point of `factor` to the other signedness.
static void flip(KernelEmitter &e, QuantizedFactor &factor) {
  factor.isFlipped = true;
  if (factor.zeroPoints.buffer)
    return;
  Value offset = arith::ConstantOp::create(
      e.b, e.loc, e.b.getI32IntegerAttr(factor.getFlipOffset()));
  factor.zeroPoint =
      factor.zeroPoint
          ? e.b.createOrFold<arith::AddIOp>(e.loc, factor.zeroPoint, offset)
          : offset;
  if (matchPattern(factor.zeroPoint, m_Zero()))
    factor.zeroPoint = nullptr;
}

Value quantc::getRounded(const FactorExpression &factor) {
  if (!factor.element.hasOneUse() || !factor.element.getType().isF32())
    return nullptr;
  auto round = dyn_cast<arith::TruncFOp>(*factor.element.user_begin());
  return round && round.getType().isBF16() ? round.getResult() : Value();
}

/// Whether `factor` is an element of bf16, or one that is rounded to it.
static bool isFloatOfWord(const FactorExpression &factor) {
  auto extend = factor.result.getDefiningOp<arith::ExtFOp>();
  return extend && extend.getIn().getType().isBF16() &&
         extend.getType().isF32() &&
         (extend.getIn() == factor.element ||
          extend.getIn() == getRounded(factor));
}

/// Leaves the elements of both factors of `problem`.
static void reduceToElements(GemmProblem &problem) {
  for (FactorExpression *factor : {&problem.factorA, &problem.factorB})
    *factor = FactorExpression{factor->element, factor->element, {}, {}};
}

static DotProduct matchFloatPairs(const VectorUnit &unit,
                                  GemmProblem &problem) {
  if (!isFloatOfWord(problem.factorA) || !isFloatOfWord(problem.factorB))
    return {};
  DotProduct dot = DotProduct::chooseFloats(
      unit,
      KernelEmitter::asConstant(problem.m).value_or(ShapedType::kDynamic));
  if (dot)
    reduceToElements(problem);
  return dot;
}

DotProduct quantc::matchDotProduct(KernelEmitter &e, linalg::LinalgOp root,
                                   const LoopGroups &groups,
                                   const VectorUnit &unit,
                                   GemmProblem &problem) {
  FailureOr<QuantizedFactor> a =
      matchFactor(e, root, groups, groups.m, groups.k, problem.factorA);
  FailureOr<QuantizedFactor> b =
      matchFactor(e, root, groups, groups.k, groups.n, problem.factorB);
  if (failed(a) || failed(b))
    return matchFloatPairs(unit, problem);
  DotProduct dot = DotProduct::choose(
      unit, a->isSigned, b->isSigned,
      e.asConstant(problem.m).value_or(ShapedType::kDynamic));
  if (!dot)
    return {};
  // Zero points of columns are read as vectors.
  if (b->zeroPoints.buffer && !e.isConstant(b->zeroPoints.columnStride, 1))
    return {};
  if (!dot.takesDifferences()) {
    if (a->isSigned != dot.isLhsSigned)
      flip(e, *a);
    if (b->isSigned != dot.isRhsSigned)
      flip(e, *b);
  }
  problem.quantizedA = *a;
  problem.quantizedB = *b;
  reduceToElements(problem);
  return dot;
}
