//===- ContractionOps.cpp - Matrix products -------------------------------===//

#include "quantc/Dialect/QNN/IR/ContractionOps.h"

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringExtras.h"

#include <map>

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ContractionOps.cpp.inc"

//===- matmul -------------------------------------------------------------===//

LogicalResult MatMulOp::inferReturnTypes(MLIRContext *ctx,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto lhs = cast<RankedTensorType>(adaptor.getLhs().getType());
  auto rhs = cast<RankedTensorType>(adaptor.getRhs().getType());
  if (lhs.getRank() == 0 || rhs.getRank() == 0)
    return emitOptionalError(loc,
                             "operands must have a dimension at least, got ",
                             lhs, " and ", rhs);
  SmallVector<int64_t> a(lhs.getShape()), b(rhs.getShape());
  bool row = a.size() == 1, column = b.size() == 1;
  if (row)
    a.insert(a.begin(), 1);
  if (column)
    b.push_back(1);
  int64_t ka = a.back(), kb = b[b.size() - 2];
  if (!ShapedType::isDynamic(ka) && !ShapedType::isDynamic(kb) && ka != kb)
    return emitOptionalError(loc, "inner dimensions differ: ", lhs, " and ",
                             rhs);
  auto batch =
      broadcastShapes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (failed(batch))
    return emitOptionalError(loc, "batch dimensions do not broadcast: ", lhs,
                             " and ", rhs);
  if (!row)
    batch->push_back(a[a.size() - 2]);
  if (!column)
    batch->push_back(b.back());
  Type element = lhs.getElementType();
  if (element.isInteger(8) || adaptor.getLhsZeroPoint())
    element = IntegerType::get(ctx, 32);
  types.push_back(RankedTensorType::get(*batch, element));
  return success();
}

LogicalResult MatMulOp::canonicalize(MatMulOp op, PatternRewriter &rewriter) {
  bool dropped = false;
  rewriter.startOpModification(op);
  dropped |= dropZeros(op.getLhsZeroPointMutable());
  dropped |= dropZeros(op.getRhsZeroPointMutable());
  dropped |=
      makeSigned(rewriter, op.getRhsMutable(), op.getRhsZeroPointMutable());
  if (!dropped) {
    rewriter.cancelOpModification(op);
    return failure();
  }
  rewriter.finalizeOpModification(op);
  return success();
}

SmallVector<unsigned> MatMulOp::getQuantizableOperands() { return {0, 1}; }

std::optional<int64_t> MatMulOp::getChannelAxis(unsigned index) {
  int64_t rank = getRhs().getType().getRank();
  if (index == 1 && rank >= 2)
    return rank - 1;
  return std::nullopt;
}

std::optional<int64_t> MatMulOp::getResultChannelAxis() {
  if (getRhs().getType().getRank() < 2)
    return std::nullopt;
  return getType().getRank() - 1;
}

std::optional<int64_t> MatMulOp::getSummedAxis(unsigned index) {
  if (index == 0)
    return getLhs().getType().getRank() - 1;
  return std::max<int64_t>(0, getRhs().getType().getRank() - 2);
}

int64_t MatMulOp::getNumSummed() {
  RankedTensorType rhs = getRhs().getType();
  int64_t own = getLhs().getType().getShape().back();
  return ShapedType::isDynamic(own)
             ? rhs.getDimSize(std::max<int64_t>(0, rhs.getRank() - 2))
             : own;
}

Value MatMulOp::buildQuantized(OpBuilder &builder, ArrayRef<Value> operands,
                               ArrayRef<Value> zeroPoints, Value bias) {
  Value acc = MatMulOp::create(builder, getLoc(), operands[0], operands[1],
                               zeroPoints[0], zeroPoints[1]);
  return bias ? BinaryOp::create(builder, getLoc(), BinaryKind::add, acc, bias)
              : acc;
}

//===- einsum -------------------------------------------------------------===//

namespace {
/// The names of one operand's dimensions: the ellipsis, if any, is '.'.
using Term = std::string;
} // namespace

/// Splits "ab, ...c" into "ab" and ".c"; nothing on a stray character.
static std::optional<SmallVector<Term>> splitTerms(StringRef text) {
  SmallVector<Term> terms(1);
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == ' ')
      continue;
    if (c == ',') {
      terms.emplace_back();
    } else if (text.substr(i).starts_with("...") &&
               !StringRef(terms.back()).contains('.')) {
      terms.back() += '.';
      i += 2;
    } else if (llvm::isAlpha(c)) {
      terms.back() += c;
    } else {
      return std::nullopt;
    }
  }
  return terms;
}

/// The result of an equation without "->".
static Term getImplicitResult(ArrayRef<Term> terms) {
  std::map<char, int> occurrences;
  for (const Term &term : terms)
    for (char c : term)
      ++occurrences[c];
  // '.' precedes the letters, as it must.
  Term result;
  for (auto [c, n] : occurrences)
    if (n == 1 || c == '.')
      result += c;
  return result;
}

FailureOr<EinsumOp::Loops> EinsumOp::parseEquation(StringRef equation,
                                                   ArrayRef<int64_t> ranks) {
  auto [left, right] = equation.split("->");
  auto terms = splitTerms(left);
  if (!terms || terms->size() != ranks.size())
    return failure();
  std::optional<SmallVector<Term>> results =
      equation.contains("->") ? splitTerms(right)
                              : SmallVector<Term>{getImplicitResult(*terms)};
  if (!results || results->size() != 1)
    return failure();
  int64_t ellipsis = 0;
  for (auto [term, rank] : llvm::zip(*terms, ranks)) {
    bool hasEllipsis = StringRef(term).contains('.');
    int64_t rest = rank - int64_t(term.size()) + hasEllipsis;
    if (rest < 0 || (!hasEllipsis && rest != 0))
      return failure();
    ellipsis = std::max(ellipsis, rest);
  }

  Loops loops;
  std::map<char, int64_t> firstLoop;
  auto loopOf = [&](char c) {
    auto [it, isNew] = firstLoop.try_emplace(c, loops.count);
    if (isNew)
      loops.count += c == '.' ? ellipsis : 1;
    return it->second;
  };
  /// An ellipsis that stands for `covered` dimensions has the last of its
  /// loops.
  auto addTerm = [&](const Term &term, int64_t covered) {
    SmallVector<int64_t> dims;
    for (char c : term) {
      int64_t first = loopOf(c);
      if (c != '.') {
        dims.push_back(first);
        continue;
      }
      for (int64_t i = ellipsis - covered; i < ellipsis; ++i)
        dims.push_back(first + i);
    }
    loops.dims.push_back(std::move(dims));
  };
  const Term &result = results->front();
  for (char c : result)
    if (llvm::count(result, c) != 1 ||
        llvm::none_of(*terms,
                      [&](const Term &t) { return StringRef(t).contains(c); }))
      return failure();
  addTerm(result, ellipsis);
  for (auto [term, rank] : llvm::zip(*terms, ranks))
    addTerm(term, rank - int64_t(term.size()) + 1);
  std::rotate(loops.dims.begin(), loops.dims.begin() + 1, loops.dims.end());
  return loops;
}

FailureOr<EinsumOp::Loops> EinsumOp::getLoops() {
  SmallVector<int64_t> ranks;
  for (Value v : getInputs())
    ranks.push_back(cast<RankedTensorType>(v.getType()).getRank());
  return parseEquation(getEquation(), ranks);
}

LogicalResult EinsumOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  if (adaptor.getInputs().empty())
    return emitOptionalError(loc, "an einsum needs an operand");
  SmallVector<int64_t> ranks;
  for (Value v : adaptor.getInputs())
    ranks.push_back(cast<RankedTensorType>(v.getType()).getRank());
  auto loops = parseEquation(adaptor.getEquation(), ranks);
  if (failed(loops))
    return emitOptionalError(loc, "the equation '", adaptor.getEquation(),
                             "' is malformed or does not fit the operands");
  SmallVector<int64_t> extents(loops->count, 1);
  for (auto [v, dims] : llvm::zip(adaptor.getInputs(), loops->dims)) {
    auto type = cast<RankedTensorType>(v.getType());
    for (auto [loop, size] : llvm::zip(dims, type.getShape())) {
      auto joined = broadcastShapes(extents[loop], size);
      if (failed(joined))
        return emitOptionalError(loc, "a dimension of ", type,
                                 " differs from one of the same name: ", size,
                                 " and ", extents[loop]);
      extents[loop] = joined->front();
    }
  }
  SmallVector<int64_t> shape;
  for (int64_t loop : loops->dims.back())
    shape.push_back(extents[loop]);
  types.push_back(RankedTensorType::get(
      shape, cast<RankedTensorType>(adaptor.getInputs().front().getType())
                 .getElementType()));
  return success();
}
