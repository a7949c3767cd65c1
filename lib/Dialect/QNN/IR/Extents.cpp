//===- Extents.cpp - Where dynamic dimensions come from -------------------===//

#include "IntegerEvaluator.h"

#include "quantc/Dialect/QNN/IR/ContractionOps.h"
#include "quantc/Dialect/QNN/IR/NormalizationOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/IR/ReductionOps.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/IR/WeightOnlyOps.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

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
    result = followExtent(cast<OpResult>(tensor), dim);
    leave();
  }
  if (!result.isKnown)
    result = KnownInt::term(tensor, dim, /*isElement=*/false);
  extents[{tensor, dim}] = result;
  return result;
}

/// Where operands meet that are known to be equally long, or a single one
/// decides.
KnownInt IntegerEvaluator::followBroadcast(ValueRange operands, int64_t rank,
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

KnownInt IntegerEvaluator::followGather(GatherOp op, int64_t dim) {
  int64_t axis = op.getAxis(), rank = op.getIndices().getType().getRank();
  if (dim >= axis && dim < axis + rank)
    return getExtent(op.getIndices(), dim - axis);
  return getExtent(op.getInput(), dim < axis ? dim : dim - rank + 1);
}

KnownInt IntegerEvaluator::followReshape(ReshapeOp op, int64_t dim) {
  KnownInts shape = evaluate(op.getShape());
  if (!shape)
    return KnownInt::unknown();
  Value input = op.getInput();
  int64_t rank = typeOf(input).getRank();
  auto resolve = [&](int64_t i) {
    const KnownInt &asked = (*shape)[i];
    if (asked.isConstant(0) && !op.getAllowzero() && i < rank)
      return getExtent(input, i);
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
    KnownInt extent = getExtent(input, i);
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
KnownInt IntegerEvaluator::followRange(RangeOp op) {
  KnownInts start = evaluate(op.getStart()), limit = evaluate(op.getLimit());
  auto delta = getConstantInts(op.getDelta());
  if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 ||
      delta->size() != 1 || delta->front() != 1)
    return KnownInt::unknown();
  KnownInt size = limit->front().plus(start->front(), -1);
  return size.isNeverNegative() ? size : KnownInt::unknown();
}

KnownInt IntegerEvaluator::followExpand(ExpandOp op, int64_t dim) {
  RankedTensorType from = typeOf(op.getInput()), to = typeOf(op.getOutput());
  KnownInts shape = evaluate(op.getShape());
  int64_t own = dim - (to.getRank() - from.getRank());
  KnownInt extent =
      own >= 0 ? getExtent(op.getInput(), own) : KnownInt::constant(1);
  int64_t asked = shape ? dim - (to.getRank() - int64_t(shape->size())) : -1;
  if (!shape || asked < 0)
    return shape ? extent : KnownInt::unknown();
  const KnownInt &wanted = (*shape)[asked];
  if (wanted.isConstant(1) || wanted == extent)
    return extent;
  return extent.isConstant(1) && wanted.isNeverNegative() ? wanted
                                                          : KnownInt::unknown();
}

KnownInt IntegerEvaluator::followExtent(OpResult result, int64_t dim) {
  Operation *op = result.getOwner();
  int64_t rank = typeOf(result).getRank();
  if (op->hasTrait<ElementwiseTrait>())
    return followBroadcast(op->getOperands(), rank, dim);
  /// The axes that a list names, as positions below `rank`.
  auto has = [&](Value list, int64_t rank, int64_t d) -> std::optional<bool> {
    auto axes = getConstantInts(list);
    if (!axes)
      return std::nullopt;
    return llvm::any_of(
        *axes, [&](int64_t axis) { return normalizeAxis(axis, rank) == d; });
  };
  return llvm::TypeSwitch<Operation *, KnownInt>(op)
      .Case<QuantizeOp, DequantizeOp, RequantizeOp, ObserveOp, SoftmaxOp,
            NormalizeOp>(
          [&](auto same) { return getExtent(same.getInput(), dim); })
      .Case([&](TransposeOp transpose) {
        return getExtent(transpose.getInput(), transpose.getPermutation()[dim]);
      })
      .Case([&](GatherOp gather) { return followGather(gather, dim); })
      .Case([&](ReshapeOp reshape) { return followReshape(reshape, dim); })
      .Case([&](RangeOp range) { return followRange(range); })
      .Case([&](ExpandOp expand) { return followExpand(expand, dim); })
      .Case([&](UnsqueezeOp unsqueeze) {
        int64_t own = 0;
        for (int64_t d = 0; d < dim; ++d) {
          auto isNew = has(unsqueeze.getAxes(), rank, d);
          if (!isNew)
            return KnownInt::unknown();
          own += !*isNew;
        }
        return getExtent(unsqueeze.getInput(), own);
      })
      .Case([&](SqueezeOp squeeze) {
        int64_t inputRank = squeeze.getInput().getType().getRank();
        for (int64_t d = 0, kept = 0; d < inputRank; ++d) {
          auto isGone = has(squeeze.getAxes(), inputRank, d);
          if (!isGone)
            return KnownInt::unknown();
          if (!*isGone && kept++ == dim)
            return getExtent(squeeze.getInput(), d);
        }
        return KnownInt::unknown();
      })
      .Case([&](SliceOp slice) {
        auto isCut = has(slice.getAxes(), rank, dim);
        return isCut && !*isCut ? getExtent(slice.getInput(), dim)
                                : KnownInt::unknown();
      })
      .Case([&](ReduceOp reduce) {
        if (!reduce.getKeepdims() || !reduce.getAxes())
          return KnownInt::unknown();
        auto axes = getConstantInts(reduce.getAxes());
        auto isReduced = has(reduce.getAxes(), rank, dim);
        return axes && !axes->empty() && !*isReduced
                   ? getExtent(reduce.getInput(), dim)
                   : KnownInt::unknown();
      })
      .Case([&](ConcatOp concat) {
        // The others are checked to be the first one's.
        KnownInt sum = getExtent(concat.getInputs().front(), dim);
        if (dim == int64_t(concat.getAxis()))
          for (Value input : concat.getInputs().drop_front())
            sum = sum.plus(getExtent(input, dim));
        return sum;
      })
      .Case([&](AppendOp append) {
        if (result.getResultNumber() == 0)
          return getExtent(append.getBuffer(), dim);
        KnownInt added = getExtent(append.getInput(), dim);
        if (dim != int64_t(append.getAxis()))
          return added;
        KnownInts length = evaluate(append.getLength());
        return length ? added.plus(length->front()) : KnownInt::unknown();
      })
      .Case([&](MatMulOp matmul) {
        int64_t left = matmul.getLhs().getType().getRank(),
                right = matmul.getRhs().getType().getRank();
        if (left < 2 || right < 2)
          return KnownInt::unknown();
        if (dim == rank - 2)
          return getExtent(matmul.getLhs(), left - 2);
        if (dim == rank - 1)
          return getExtent(matmul.getRhs(), right - 1);
        return followBroadcast({matmul.getLhs(), matmul.getRhs()}, rank, dim);
      })
      .Case([&](WeightOnlyMatMulOp matmul) {
        return dim == rank - 1 ? KnownInt::unknown()
                               : getExtent(matmul.getInput(), dim);
      })
      .Default(KnownInt::unknown());
}

KnownInt KnownInt::extent(Value tensor, int64_t dim) {
  return IntegerEvaluator().getExtent(tensor, dim);
}
