//===- MovementOps.cpp - Inference and folds of the ops that move elements ===//
//
// The ops of TensorOps.td that select, repeat, join or pad; reshape, transpose
// and shape are in TensorOps.cpp.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "llvm/Support/InterleavedRange.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// The number of elements of a list operand, which must be static: it decides
/// the result's rank.
static FailureOr<int64_t> getListSize(std::optional<Location> loc, Value list,
                                      StringRef name) {
  RankedTensorType type = typeOf(list);
  if (type.getRank() == 0)
    return 1;
  if (type.getRank() != 1 || type.isDynamicDim(0))
    return emitOptionalError(loc, name, " must be a list of static length, ",
                             "got ", type);
  return type.getDimSize(0);
}

/// Constant axes, normalized and checked to be different; nothing when they
/// are not constant.
static FailureOr<std::optional<SmallVector<int64_t>>>
normalizeAxes(std::optional<Location> loc, Value axes, int64_t rank) {
  auto ints = getConstantInts(axes);
  if (!ints)
    return std::optional<SmallVector<int64_t>>();
  SmallVector<bool> seen(rank, false);
  for (int64_t &axis : *ints) {
    auto normalized = normalizeAxis(axis, rank);
    if (!normalized)
      return emitOptionalError(loc, "axis ", axis, " is out of range for rank ",
                               rank);
    if (seen[*normalized])
      return emitOptionalError(loc, "axis ", axis, " is there twice");
    seen[*normalized] = true;
    axis = *normalized;
  }
  return std::optional(std::move(*ints));
}

/// The same constant elements in another shape.
static OpFoldResult foldReshape(Attribute input, RankedTensorType type) {
  if (!type.hasStaticShape())
    return {};
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(input))
    return dense.reshape(type);
  if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(input))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  return {};
}

//===- squeeze, unsqueeze -------------------------------------------------===//

LogicalResult SqueezeOp::inferReturnTypes(MLIRContext *,
                                          std::optional<Location> loc,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  auto count = getListSize(loc, adaptor.getAxes(), "axes");
  auto axes = normalizeAxes(loc, adaptor.getAxes(), input.getRank());
  if (failed(count) || failed(axes))
    return failure();
  if (*count > input.getRank())
    return emitOptionalError(loc, "cannot remove ", *count, " dimensions from ",
                             input);
  SmallVector<int64_t> shape;
  if (!*axes) {
    shape.assign(input.getRank() - *count, ShapedType::kDynamic);
  } else {
    for (int64_t i = 0; i < input.getRank(); ++i) {
      if (!llvm::is_contained(**axes, i))
        shape.push_back(input.getDimSize(i));
      else if (!input.isDynamicDim(i) && input.getDimSize(i) != 1)
        return emitOptionalError(loc, "cannot remove dimension ", i, " of ",
                                 input, ": its extent is not 1");
    }
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

OpFoldResult SqueezeOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto result = foldReshape(adaptor.getInput(), getType()))
    return result;
  return foldKnownInts(*this);
}

LogicalResult UnsqueezeOp::inferReturnTypes(MLIRContext *,
                                            std::optional<Location> loc,
                                            Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  auto count = getListSize(loc, adaptor.getAxes(), "axes");
  if (failed(count))
    return failure();
  int64_t rank = input.getRank() + *count;
  auto axes = normalizeAxes(loc, adaptor.getAxes(), rank);
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape(rank, ShapedType::kDynamic);
  if (*axes) {
    const int64_t *next = input.getShape().begin();
    for (int64_t i = 0; i < rank; ++i)
      shape[i] = llvm::is_contained(**axes, i) ? 1 : *next++;
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

OpFoldResult UnsqueezeOp::fold(FoldAdaptor adaptor) {
  if (auto result = foldReshape(adaptor.getInput(), getType()))
    return result;
  return foldKnownInts(*this);
}

//===- expand, tile -------------------------------------------------------===//

LogicalResult ExpandOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  auto rank = getListSize(loc, adaptor.getShape(), "shape");
  if (failed(rank))
    return failure();
  SmallVector<int64_t> dims(*rank, ShapedType::kDynamic);
  if (auto known = getKnownDims(adaptor.getShape()))
    dims = *known;
  for (int64_t d : dims)
    if (d < 0 && !ShapedType::isDynamic(d))
      return emitOptionalError(loc, "shape has the negative dimension ", d);
  auto shape = broadcastShapes(input.getShape(), dims);
  if (failed(shape))
    return emitOptionalError(loc, input, " does not broadcast to [",
                             llvm::interleaved(dims), "]");
  // An extent that only one side knows to be above 1 (broadcastShapes decides
  // that), or which may be 1 on either.
  types.push_back(RankedTensorType::get(*shape, input.getElementType()));
  return success();
}

/// A constant with one value may stand for as many elements as this: in a
/// library it has them all.
static constexpr int64_t kMaxSplat = 1 << 24;

/// Whether a tensor of static shape has at most `limit` elements; the product
/// of its sizes may wrap.
static bool hasAtMost(RankedTensorType type, int64_t limit) {
  int64_t count = 1;
  for (int64_t size : type.getShape())
    if (llvm::MulOverflow(count, size, count))
      return false;
  return count <= limit;
}

OpFoldResult ExpandOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType() && getType().hasStaticShape())
    return getInput();
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(adaptor.getInput());
      dense && dense.isSplat() && getType().hasStaticShape() &&
      hasAtMost(getType(), kMaxSplat))
    return dense.resizeSplat(getType());
  return foldKnownInts(*this);
}

LogicalResult TileOp::inferReturnTypes(MLIRContext *,
                                       std::optional<Location> loc,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  SmallVector<int64_t> shape(input.getRank(), ShapedType::kDynamic);
  if (auto repeats = getKnownDims(adaptor.getRepeats())) {
    if (int64_t(repeats->size()) != input.getRank())
      return emitOptionalError(loc, "there are ", repeats->size(),
                               " repeats for ", input);
    for (auto [dim, extent, n] : llvm::zip(shape, input.getShape(), *repeats)) {
      if (n < 0 && !ShapedType::isDynamic(n))
        return emitOptionalError(loc, "cannot repeat ", n, " times");
      if (n == 0 || extent == 0)
        dim = 0;
      else if (!ShapedType::isDynamic(n) && !ShapedType::isDynamic(extent) &&
               llvm::MulOverflow(n, extent, dim))
        return emitOptionalError(loc, "the result is too large");
    }
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

OpFoldResult TileOp::fold(FoldAdaptor) {
  auto repeats = getConstantInts(getRepeats());
  if (repeats && llvm::all_of(*repeats, [](int64_t n) { return n == 1; }) &&
      getInput().getType() == getType())
    return getInput();
  return {};
}

//===- concat -------------------------------------------------------------===//

SmallVector<unsigned> ConcatOp::getDataOperands() {
  return llvm::to_vector(llvm::seq<unsigned>(0, getNumOperands()));
}

LogicalResult AppendOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  RankedTensorType buffer = typeOf(adaptor.getBuffer());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= buffer.getRank())
    return emitOptionalError(loc, "axis ", axis, " is out of range for ",
                             buffer);
  SmallVector<int64_t> shape(buffer.getShape()), given(input.getShape());
  shape[axis] = ShapedType::kDynamic;
  bool fits = input.getRank() == buffer.getRank() &&
              input.getElementType() == buffer.getElementType();
  if (fits) {
    given[axis] = ShapedType::kDynamic;
    fits = given == shape && llvm::count(shape, ShapedType::kDynamic) == 1;
  }
  if (!fits)
    return emitOptionalError(loc, "cannot append ", input, " to ", buffer,
                             ": all dimensions but axis ", axis,
                             " must be known and equal");
  types.assign({buffer, buffer.clone(shape)});
  return success();
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  if (adaptor.getInputs().empty())
    return emitOptionalError(loc, "there is nothing to join");
  RankedTensorType first = typeOf(adaptor.getInputs().front());
  int64_t axis = adaptor.getAxis();
  if (axis < 0 || axis >= first.getRank())
    return emitOptionalError(loc, "axis ", axis, " is out of range for ",
                             first);
  SmallVector<int64_t> shape(first.getShape());
  for (Value input : adaptor.getInputs().drop_front()) {
    RankedTensorType type = typeOf(input);
    if (type.getRank() != first.getRank() ||
        type.getElementType() != first.getElementType())
      return emitOptionalError(loc, "cannot join ", first, " and ", type);
    for (auto [i, dims] : llvm::enumerate(llvm::zip(shape, type.getShape()))) {
      auto &[mine, other] = dims;
      bool dynamic =
          ShapedType::isDynamic(mine) || ShapedType::isDynamic(other);
      if (int64_t(i) == axis) {
        if (dynamic)
          mine = ShapedType::kDynamic;
        else if (llvm::AddOverflow(mine, other, mine))
          return emitOptionalError(loc, "the result is too large");
      } else if (ShapedType::isDynamic(mine)) {
        mine = other;
      } else if (!dynamic && mine != other) {
        return emitOptionalError(loc, "cannot join ", first, " and ", type,
                                 " along axis ", axis, ": dimension ", i,
                                 " differs");
      }
    }
  }
  types.push_back(RankedTensorType::get(shape, first.getElementType()));
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  if (getInputs().size() == 1 && getInputs().front().getType() == getType())
    return getInputs().front();
  return foldKnownInts(*this);
}

//===- slice --------------------------------------------------------------===//

LogicalResult SliceOp::inferReturnTypes(MLIRContext *,
                                        std::optional<Location> loc,
                                        Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  auto axes = normalizeAxes(loc, adaptor.getAxes(), input.getRank());
  if (failed(axes))
    return failure();
  if (!*axes) {
    types.push_back(RankedTensorType::get(
        SmallVector<int64_t>(input.getRank(), ShapedType::kDynamic),
        input.getElementType()));
    return success();
  }
  auto starts = getKnownDims(adaptor.getStarts());
  auto ends = getKnownDims(adaptor.getEnds());
  auto steps = getKnownDims(adaptor.getSteps());
  for (auto &list : {starts, ends, steps})
    if (list && list->size() != (*axes)->size())
      return emitOptionalError(loc, "starts, ends, axes and steps differ in "
                                    "length");
  SmallVector<int64_t> shape(input.getShape());
  for (auto [i, axis] : llvm::enumerate(**axes)) {
    constexpr int64_t unknown = ShapedType::kDynamic;
    int64_t start = starts ? (*starts)[i] : unknown;
    int64_t end = ends ? (*ends)[i] : unknown;
    int64_t step = steps ? (*steps)[i] : unknown;
    if (step == 0)
      return emitOptionalError(loc, "a step is 0");
    // INT64_MIN is also a way to say "from (or to) the front"; it takes the
    // run-time path then, which is right as well.
    if (start == unknown || end == unknown || step == unknown ||
        ShapedType::isDynamic(shape[axis]))
      shape[axis] = unknown;
    else
      shape[axis] = normalizeSlice(start, end, step, shape[axis]).size;
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  // The whole, forward.
  auto steps = getConstantInts(getSteps());
  if (getInput().getType() == getType() && getType().hasStaticShape() &&
      steps && llvm::all_of(*steps, [](int64_t s) { return s == 1; }))
    return getInput();
  return foldKnownInts(*this);
}

//===- pad ----------------------------------------------------------------===//

SmallVector<unsigned> PadOp::getFillOperands() {
  return {getValueMutable().getOperandNumber()};
}

LogicalResult PadOp::inferReturnTypes(MLIRContext *,
                                      std::optional<Location> loc,
                                      Adaptor adaptor,
                                      SmallVectorImpl<Type> &types) {
  RankedTensorType input = typeOf(adaptor.getInput());
  if (typeOf(adaptor.getValue()).getElementType() != input.getElementType())
    return emitOptionalError(loc, "the padding value's type differs from ",
                             input.getElementType());
  auto axes = normalizeAxes(loc, adaptor.getAxes(), input.getRank());
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape(input.getRank(), ShapedType::kDynamic);
  if (*axes) {
    shape.assign(input.getShape().begin(), input.getShape().end());
    auto pads = getConstantInts(adaptor.getPads());
    size_t n = (*axes)->size();
    if (pads && pads->size() != 2 * n)
      return emitOptionalError(loc, "there are ", pads->size(), " pads for ", n,
                               " axes");
    for (auto [i, axis] : llvm::enumerate(**axes)) {
      if (!pads) {
        shape[axis] = ShapedType::kDynamic;
        continue;
      }
      if (ShapedType::isDynamic(shape[axis]))
        continue;
      if (llvm::AddOverflow(shape[axis], (*pads)[i], shape[axis]) ||
          llvm::AddOverflow(shape[axis], (*pads)[n + i], shape[axis]))
        return emitOptionalError(loc, "the result is too large");
      if (shape[axis] < 0)
        return emitOptionalError(loc, "padding removes more of dimension ",
                                 axis, " than there is");
    }
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

//===- range --------------------------------------------------------------===//

LogicalResult RangeOp::inferReturnTypes(MLIRContext *,
                                        std::optional<Location> loc,
                                        Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  for (Value v : {adaptor.getStart(), adaptor.getLimit(), adaptor.getDelta()})
    if (typeOf(v).getNumElements() != 1)
      return emitOptionalError(loc, "start, limit and delta must be scalars");
  int64_t size = ShapedType::kDynamic;
  auto start = getConstantInts(adaptor.getStart());
  auto limit = getConstantInts(adaptor.getLimit());
  auto delta = getConstantInts(adaptor.getDelta());
  if (delta && (*delta)[0] == 0)
    return emitOptionalError(loc, "delta is 0");
  if (start && limit && delta) {
    int64_t distance;
    if (llvm::SubOverflow((*limit)[0], (*start)[0], distance))
      return emitOptionalError(loc, "the result is too large");
    size = std::max<int64_t>(0, llvm::divideCeilSigned(distance, (*delta)[0]));
  }
  types.push_back(RankedTensorType::get(
      {size}, typeOf(adaptor.getStart()).getElementType()));
  return success();
}

OpFoldResult RangeOp::fold(FoldAdaptor) { return foldKnownInts(*this); }

//===- reverse_sequence ---------------------------------------------------===//

LogicalResult
ReverseSequenceOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                    Adaptor adaptor,
                                    SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult ReverseSequenceOp::verify() {
  int64_t rank = getInput().getType().getRank();
  int64_t time = getTimeAxis(), batch = getBatchAxis();
  if (time < 0 || time >= rank || batch < 0 || batch >= rank || time == batch)
    return emitOpError("axes ")
           << time << " and " << batch << " are no two dimensions of "
           << getInput().getType();
  return success();
}
