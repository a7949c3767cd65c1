//===- ReductionOps.cpp - Reductions, softmax, sorting and running sums ---===//

#include "quantc/Dialect/QNN/IR/ReductionOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ReductionOps.cpp.inc"

/// An `axis` attribute must already count from the front.
static LogicalResult verifyAxis(Operation *op, int64_t axis,
                                RankedTensorType type) {
  if (axis < 0 || axis >= type.getRank())
    return op->emitOpError("axis ") << axis << " is no dimension of " << type;
  return success();
}

static RankedTensorType indexResult(MLIRContext *ctx, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, IntegerType::get(ctx, 64));
}

//===- reduce -------------------------------------------------------------===//

/// The largest and the smallest element are the same before and after
/// quantization.
SmallVector<unsigned> ReduceOp::getDataOperands() {
  if (getKind() == ReduceKind::max || getKind() == ReduceKind::min)
    return {0};
  return {};
}

SmallVector<unsigned> ReduceOp::getHomogeneousOperands() {
  switch (getKind()) {
  case ReduceKind::sum:
  case ReduceKind::mean:
  case ReduceKind::max:
  case ReduceKind::min:
  case ReduceKind::l1:
  case ReduceKind::l2:
    return {0};
  default:
    return {};
  }
}

std::optional<int64_t> ReduceOp::getFactorAxis(unsigned, int64_t axis) {
  std::optional<SmallVector<int64_t>> axes;
  if (getAxes())
    axes = getConstantInts(getAxes());
  if (!axes || axes->empty())
    return std::nullopt;
  int64_t rank = getInput().getType().getRank(), before = 0;
  for (int64_t reduced : *axes) {
    auto normalized = normalizeAxis(reduced, rank);
    if (!normalized || *normalized == axis)
      return std::nullopt;
    before += *normalized < axis;
  }
  return getKeepdims() ? axis : axis - before;
}

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  int64_t rank = input.getRank();
  std::optional<SmallVector<int64_t>> axes = SmallVector<int64_t>();
  int64_t count = 0; // of axes; dynamic if unknown
  if (Value list = adaptor.getAxes()) {
    auto listType = cast<RankedTensorType>(list.getType());
    if (listType.getRank() > 1)
      return emitOptionalError(loc, "axes must be a list, got ", listType);
    count = listType.getRank() == 0 ? 1 : listType.getDimSize(0);
    axes = count == 0 ? axes : getConstantInts(list);
  }
  bool keep = adaptor.getKeepdims();
  if (!axes) {
    int64_t resultRank = rank;
    if (!keep) {
      if (ShapedType::isDynamic(count))
        return emitOptionalError(loc, "the rank of the result is unknown: the "
                                      "number of axes is not static");
      resultRank -= count;
      if (resultRank < 0)
        return emitOptionalError(loc, count, " axes of ", input);
    }
    types.push_back(RankedTensorType::get(
        SmallVector<int64_t>(resultRank, ShapedType::kDynamic),
        input.getElementType()));
    return success();
  }
  if (axes->empty() && adaptor.getNoopWithEmptyAxes()) {
    types.push_back(input);
    return success();
  }
  SmallVector<bool> reduced(rank, axes->empty());
  for (int64_t axis : *axes) {
    auto normalized = normalizeAxis(axis, rank);
    if (!normalized)
      return emitOptionalError(loc, "axis ", axis, " is no dimension of ",
                               input);
    reduced[*normalized] = true;
  }
  SmallVector<int64_t> shape;
  for (int64_t d = 0; d < rank; ++d)
    if (!reduced[d] || keep)
      shape.push_back(reduced[d] ? 1 : input.getDimSize(d));
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

LogicalResult ReduceOp::verify() {
  Type element = getInput().getType().getElementType();
  if (element.isInteger(1) && getKind() != ReduceKind::max &&
      getKind() != ReduceKind::min)
    return emitOpError("bool has no ") << stringifyReduceKind(getKind());
  return success();
}

OpFoldResult ReduceOp::fold(FoldAdaptor) {
  // No axes at all: the identity for every kind that is one on one element.
  if (!getNoopWithEmptyAxes() || getInput().getType() != getType())
    return {};
  if (getAxes() && cast<RankedTensorType>(getAxes().getType()).getNumElements())
    return {};
  switch (getKind()) {
  case ReduceKind::sum:
  case ReduceKind::mean:
  case ReduceKind::max:
  case ReduceKind::min:
  case ReduceKind::prod:
    return getInput();
  default:
    return {};
  }
}

//===- arg_reduce ---------------------------------------------------------===//

LogicalResult ArgReduceOp::inferReturnTypes(MLIRContext *ctx,
                                            std::optional<Location>,
                                            Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  SmallVector<int64_t> shape;
  for (int64_t d = 0; d < input.getRank(); ++d)
    if (d != int64_t(adaptor.getAxis()))
      shape.push_back(input.getDimSize(d));
    else if (adaptor.getKeepdims())
      shape.push_back(1);
  types.push_back(indexResult(ctx, shape));
  return success();
}

LogicalResult ArgReduceOp::verify() {
  return verifyAxis(*this, getAxis(), getInput().getType());
}

//===- softmax ------------------------------------------------------------===//

LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *,
                                          std::optional<Location>,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

int64_t SoftmaxOp::getRowAxis() { return getAxis(); }

void SoftmaxOp::setRowAxis(int64_t axis) { setAxis(axis); }

LogicalResult SoftmaxOp::verify() {
  return verifyAxis(*this, getAxis(), getInput().getType());
}

//===- cumulate -----------------------------------------------------------===//

LogicalResult CumulateOp::inferReturnTypes(MLIRContext *,
                                           std::optional<Location> loc,
                                           Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  if (input.getRank() == 0)
    return emitOptionalError(loc, "a scalar has no axis to accumulate along");
  auto axis = getConstantInts(adaptor.getAxis());
  if (axis &&
      (axis->size() != 1 || !normalizeAxis(axis->front(), input.getRank())))
    return emitOptionalError(loc, "axis is no dimension of ", input);
  types.push_back(input);
  return success();
}

//===- top_k --------------------------------------------------------------===//

LogicalResult TopKOp::inferReturnTypes(MLIRContext *ctx,
                                       std::optional<Location> loc,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= input.getRank())
    return emitOptionalError(loc, "axis ", axis, " is no dimension of ", input);
  SmallVector<int64_t> shape(input.getShape());
  auto k = getConstantInts(adaptor.getK());
  if (k && (k->size() != 1 || k->front() < 0 ||
            (!input.isDynamicDim(axis) && k->front() > shape[axis])))
    return emitOptionalError(loc, "k does not lie between 0 and dimension ",
                             axis, " of ", input);
  shape[axis] = k ? k->front() : ShapedType::kDynamic;
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  types.push_back(indexResult(ctx, shape));
  return success();
}

LogicalResult TopKOp::verify() {
  return verifyAxis(*this, getAxis(), getInput().getType());
}

//===- unique -------------------------------------------------------------===//

LogicalResult UniqueOp::inferReturnTypes(MLIRContext *ctx,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  int64_t slices = ShapedType::kDynamic;
  if (auto axis = adaptor.getAxis()) {
    int64_t a = *axis;
    if (a < 0 || a >= input.getRank())
      return emitOptionalError(loc, "axis ", a, " is no dimension of ", input);
    shape = llvm::to_vector(input.getShape());
    slices = shape[a];
    shape[a] = ShapedType::kDynamic;
  } else if (input.hasStaticShape()) {
    slices = input.getNumElements();
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  types.push_back(indexResult(ctx, {ShapedType::kDynamic}));
  types.push_back(indexResult(ctx, {slices}));
  types.push_back(indexResult(ctx, {ShapedType::kDynamic}));
  return success();
}

LogicalResult UniqueOp::verify() {
  if (getAxis())
    return verifyAxis(*this, *getAxis(), getInput().getType());
  return success();
}
