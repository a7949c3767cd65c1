//===- Extents.cpp - Where dynamic dimensions come from -------------------===//

#include "quantc/Dialect/QNN/IR/ContractionOps.h"
#include "quantc/Dialect/QNN/IR/IndexingOps.h"
#include "quantc/Dialect/QNN/IR/ReductionOps.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/IR/WeightOnlyOps.h"

#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// The first dimension of the model's arguments that has this one's name: equal
/// names mean equal sizes, which the entry point checks.
static std::pair<BlockArgument, int64_t> findNamesake(BlockArgument argument,
                                                      int64_t dim) {
  auto func =
      dyn_cast_or_null<FunctionOpInterface>(argument.getOwner()->getParentOp());
  if (!func || !argument.getOwner()->isEntryBlock())
    return {argument, dim};
  auto nameOf = [&](BlockArgument a, int64_t i) -> StringRef {
    auto names = func.getArgAttrOfType<ArrayAttr>(a.getArgNumber(), "qnn.dims");
    auto name = names && i < int64_t(names.size())
                    ? dyn_cast<StringAttr>(names[i])
                    : StringAttr();
    return name ? name.getValue() : "";
  };
  StringRef name = nameOf(argument, dim);
  if (name.empty())
    return {argument, dim};
  for (BlockArgument other : argument.getOwner()->getArguments()) {
    auto type = dyn_cast<RankedTensorType>(other.getType());
    for (int64_t i = 0; type && i < type.getRank(); ++i)
      if (type.isDynamicDim(i) && nameOf(other, i) == name)
        return {other, i};
  }
  return {argument, dim};
}

KnownInt IntegerEvaluator::getExtent(Value tensor, int64_t dim) {
  RankedTensorType type = typeOf(tensor);
  if (!type.isDynamicDim(dim))
    return KnownInt::constant(type.getDimSize(dim));
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    auto [namesake, position] = findNamesake(argument, dim);
    return KnownInt::term(namesake, position, /*isElement=*/false);
  }
  auto found = extents.find({tensor, dim});
  if (found != extents.end())
    return found->second;
  KnownInt result;
  if (enter()) {
    auto opResult = cast<OpResult>(tensor);
    Operation *op = opResult.getOwner();
    if (op->hasTrait<ElementwiseTrait>())
      result = getBroadcastExtent(op->getOperands(), type.getRank(), dim);
    else if (auto follows = dyn_cast<ExtentOpInterface>(op))
      result = follows.getResultExtent(opResult.getResultNumber(), dim, *this);
    leave();
  }
  if (!result.isKnown)
    result = KnownInt::term(tensor, dim, /*isElement=*/false);
  extents[{tensor, dim}] = result;
  return result;
}

KnownInt IntegerEvaluator::getBroadcastExtent(ValueRange operands, int64_t rank,
                                              int64_t dim) {
  KnownInt result;
  for (Value operand : operands) {
    RankedTensorType type = typeOf(operand);
    int64_t own = dim - (rank - type.getRank());
    if (own < 0 || type.getDimSize(own) == 1)
      continue;
    KnownInt extent = getExtent(operand, own);
    if (result.isKnown && !(result == extent))
      return KnownInt::unknown();
    result = extent;
  }
  return result;
}

KnownInt KnownInt::extent(Value tensor, int64_t dim) {
  return IntegerEvaluator().getExtent(tensor, dim);
}

//===- ops ----------------------------------------------------------------===//

/// Whether `list` names dimension `dim` of `rank`; nothing if it is not known.
static std::optional<bool> hasAxis(Value list, int64_t rank, int64_t dim) {
  auto axes = getConstantInts(list);
  if (!axes)
    return std::nullopt;
  return llvm::any_of(
      *axes, [&](int64_t axis) { return normalizeAxis(axis, rank) == dim; });
}

KnownInt TransposeOp::getResultExtent(unsigned, int64_t dim,
                                      IntegerEvaluator &evaluator) {
  return evaluator.getExtent(getInput(), getPermutation()[dim]);
}

KnownInt GatherOp::getResultExtent(unsigned, int64_t dim,
                                   IntegerEvaluator &evaluator) {
  int64_t axis = getAxis(), rank = getIndices().getType().getRank();
  if (dim >= axis && dim < axis + rank)
    return evaluator.getExtent(getIndices(), dim - axis);
  return evaluator.getExtent(getInput(), dim < axis ? dim : dim - rank + 1);
}

KnownInt ReshapeOp::getResultExtent(unsigned, int64_t dim,
                                    IntegerEvaluator &evaluator) {
  KnownInts shape = evaluator.evaluate(getShape());
  if (!shape)
    return KnownInt::unknown();
  Value input = getInput();
  int64_t rank = typeOf(input).getRank();
  auto resolve = [&](int64_t i) {
    const KnownInt &asked = (*shape)[i];
    if (asked.isConstant(0) && !getAllowzero() && i < rank)
      return evaluator.getExtent(input, i);
    return asked.isNeverNegative() ? asked : KnownInt::unknown();
  };
  if (!(*shape)[dim].isConstant(-1))
    return resolve(dim);
  // What the other dimensions leave of the input's.
  int64_t from = 1, to = 1;
  SmallVector<KnownInt> rest;
  auto multiply = [](int64_t &product, const KnownInt &factor) {
    return factor.getConstant() > 0 &&
           !llvm::MulOverflow(product, factor.getConstant(), product);
  };
  for (int64_t i = 0; i < rank; ++i) {
    KnownInt extent = evaluator.getExtent(input, i);
    if (!extent.isConstant())
      rest.push_back(extent);
    else if (!multiply(from, extent))
      return KnownInt::unknown();
  }
  for (int64_t i = 0, e = shape->size(); i < e; ++i) {
    if (i == dim)
      continue;
    KnownInt extent = resolve(i);
    if (extent.isConstant()) {
      if (!multiply(to, extent))
        return KnownInt::unknown();
      continue;
    }
    auto *same = llvm::find(rest, extent);
    if (same == rest.end())
      return KnownInt::unknown();
    rest.erase(same);
  }
  if (rest.size() != 1 || from % to != 0)
    return KnownInt::unknown();
  return KnownInt::constant(0).plus(rest.front(), from / to);
}

/// From one number to the next: as many as lie between.
KnownInt RangeOp::getResultExtent(unsigned, int64_t,
                                  IntegerEvaluator &evaluator) {
  KnownInts start = evaluator.evaluate(getStart()),
            limit = evaluator.evaluate(getLimit());
  auto delta = getConstantInts(getDelta());
  if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 ||
      delta->size() != 1 || delta->front() != 1)
    return KnownInt::unknown();
  KnownInt size = limit->front().plus(start->front(), -1);
  return size.isNeverNegative() ? size : KnownInt::unknown();
}

KnownInt ExpandOp::getResultExtent(unsigned, int64_t dim,
                                   IntegerEvaluator &evaluator) {
  RankedTensorType from = typeOf(getInput()), to = typeOf(getOutput());
  KnownInts shape = evaluator.evaluate(getShape());
  int64_t own = dim - (to.getRank() - from.getRank());
  KnownInt extent =
      own >= 0 ? evaluator.getExtent(getInput(), own) : KnownInt::constant(1);
  int64_t asked = shape ? dim - (to.getRank() - int64_t(shape->size())) : -1;
  if (!shape || asked < 0)
    return shape ? extent : KnownInt::unknown();
  const KnownInt &wanted = (*shape)[asked];
  if (wanted.isConstant(1) || wanted == extent)
    return extent;
  return extent.isConstant(1) && wanted.isNeverNegative() ? wanted
                                                          : KnownInt::unknown();
}

KnownInt UnsqueezeOp::getResultExtent(unsigned, int64_t dim,
                                      IntegerEvaluator &evaluator) {
  int64_t own = 0;
  for (int64_t d = 0; d < dim; ++d) {
    auto isNew = hasAxis(getAxes(), typeOf(getOutput()).getRank(), d);
    if (!isNew)
      return KnownInt::unknown();
    own += !*isNew;
  }
  return evaluator.getExtent(getInput(), own);
}

KnownInt SqueezeOp::getResultExtent(unsigned, int64_t dim,
                                    IntegerEvaluator &evaluator) {
  int64_t rank = getInput().getType().getRank();
  for (int64_t d = 0, kept = 0; d < rank; ++d) {
    auto isGone = hasAxis(getAxes(), rank, d);
    if (!isGone)
      return KnownInt::unknown();
    if (!*isGone && kept++ == dim)
      return evaluator.getExtent(getInput(), d);
  }
  return KnownInt::unknown();
}

KnownInt SliceOp::getResultExtent(unsigned, int64_t dim,
                                  IntegerEvaluator &evaluator) {
  auto isCut = hasAxis(getAxes(), typeOf(getOutput()).getRank(), dim);
  return isCut && !*isCut ? evaluator.getExtent(getInput(), dim)
                          : KnownInt::unknown();
}

KnownInt ReduceOp::getResultExtent(unsigned, int64_t dim,
                                   IntegerEvaluator &evaluator) {
  if (!getKeepdims() || !getAxes())
    return KnownInt::unknown();
  auto axes = getConstantInts(getAxes());
  auto isReduced = hasAxis(getAxes(), typeOf(getOutput()).getRank(), dim);
  return axes && !axes->empty() && !*isReduced
             ? evaluator.getExtent(getInput(), dim)
             : KnownInt::unknown();
}

KnownInt ConcatOp::getResultExtent(unsigned, int64_t dim,
                                   IntegerEvaluator &evaluator) {
  // The others are checked to be the first one's.
  KnownInt sum = evaluator.getExtent(getInputs().front(), dim);
  if (dim == int64_t(getAxis()))
    for (Value input : getInputs().drop_front())
      sum = sum.plus(evaluator.getExtent(input, dim));
  return sum;
}

KnownInt AppendOp::getResultExtent(unsigned result, int64_t dim,
                                   IntegerEvaluator &evaluator) {
  if (result == 0)
    return evaluator.getExtent(getBuffer(), dim);
  KnownInt added = evaluator.getExtent(getInput(), dim);
  if (dim != int64_t(getAxis()))
    return added;
  KnownInts length = evaluator.evaluate(getLength());
  return length ? added.plus(length->front()) : KnownInt::unknown();
}

KnownInt MatMulOp::getResultExtent(unsigned, int64_t dim,
                                   IntegerEvaluator &evaluator) {
  int64_t left = getLhs().getType().getRank(),
          right = getRhs().getType().getRank(),
          rank = typeOf(getOutput()).getRank();
  if (left < 2 || right < 2)
    return KnownInt::unknown();
  if (dim == rank - 2)
    return evaluator.getExtent(getLhs(), left - 2);
  if (dim == rank - 1)
    return evaluator.getExtent(getRhs(), right - 1);
  return evaluator.getBroadcastExtent({getLhs(), getRhs()}, rank, dim);
}

KnownInt WeightOnlyMatMulOp::getResultExtent(unsigned, int64_t dim,
                                             IntegerEvaluator &evaluator) {
  return dim == typeOf(getOutput()).getRank() - 1
             ? KnownInt::unknown()
             : evaluator.getExtent(getInput(), dim);
}
