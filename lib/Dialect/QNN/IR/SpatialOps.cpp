//===- SpatialOps.cpp - Resampling images, and signals --------------------===//

#include "quantc/Dialect/QNN/IR/SpatialOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/SpatialOps.cpp.inc"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

//===- resize -------------------------------------------------------------===//

/// The elements of a constant float tensor.
static std::optional<SmallVector<double>> getConstantFloats(Value value) {
  DenseFPElementsAttr attr;
  if (!value || !matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  SmallVector<double> result;
  for (APFloat v : attr.getValues<APFloat>())
    result.push_back(v.convertToDouble());
  return result;
}

/// Outside of the image is another value, which need not be quantized.
SmallVector<unsigned> ResizeOp::getDataOperands() {
  if (getKind() == Interpolation::nearest &&
      getCoordinates() != ResizeCoordinates::tf_crop_and_resize)
    return {0};
  return {};
}

LogicalResult ResizeOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  auto input = typeOf(op.getInput());
  SmallVector<int64_t> shape(input.getShape());
  auto scales = getConstantFloats(op.getScales());
  auto sizes = getConstantInts(op.getSizes());
  size_t count = op.getAxes().size();
  if ((scales && scales->size() != count) || (sizes && sizes->size() != count))
    return emitOptionalError(loc, "scales or sizes must hold ", count,
                             " numbers");
  for (int64_t axis : op.getAxes())
    if (axis < 0 || axis >= input.getRank())
      return emitOptionalError(loc, "axis ", axis, " is none of ", input);
  // With a policy the sizes are bounds, and one scale fits them all.
  std::optional<double> common;
  if (op.getPolicy() != ResizePolicy::stretch && sizes) {
    for (auto [axis, size] : llvm::zip(op.getAxes(), *sizes)) {
      if (input.isDynamicDim(axis) || input.getDimSize(axis) == 0) {
        common = 0;
        break;
      }
      double scale = double(size) / input.getDimSize(axis);
      if (!common)
        common = scale;
      common = op.getPolicy() == ResizePolicy::not_larger
                   ? std::min(*common, scale)
                   : std::max(*common, scale);
    }
  }
  for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
    int64_t size = input.getDimSize(axis);
    shape[axis] = ShapedType::kDynamic;
    std::optional<double> scaled;
    if (scales && ShapedType::isStatic(size))
      scaled = std::floor(float(size) * float((*scales)[i]));
    else if (scales && (*scales)[i] == 1)
      shape[axis] = size;
    else if (sizes && op.getPolicy() == ResizePolicy::stretch)
      shape[axis] = (*sizes)[i];
    else if (common && *common > 0)
      scaled = std::floor(*common * size + 0.5);
    // A NaN is none, either.
    if (scaled && !(*scaled < 0x1p63))
      return emitOptionalError(loc, "dimension ", axis,
                               " gets a size beyond 64 bits");
    if (scaled)
      shape[axis] = *scaled;
    if (ShapedType::isStatic(shape[axis]) && shape[axis] < 0)
      return emitOptionalError(loc, "dimension ", axis,
                               " gets the negative size ", shape[axis]);
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

LogicalResult ResizeOp::verify() {
  if (bool(getScales()) == bool(getSizes()))
    return emitOpError("needs either scales or sizes");
  for (Value list : {getRoi(), getScales(), getSizes()})
    if (list && typeOf(list).getRank() != 1)
      return emitOpError("roi, scales and sizes must be lists, got ")
             << list.getType();
  if (getCoordinates() == ResizeCoordinates::tf_crop_and_resize && !getRoi())
    return emitOpError("tf_crop_and_resize needs a roi");
  return success();
}

//===- grid_sample --------------------------------------------------------===//

LogicalResult GridSampleOp::inferReturnTypes(MLIRContext *,
                                             std::optional<Location> loc,
                                             Adaptor op,
                                             SmallVectorImpl<Type> &types) {
  auto input = typeOf(op.getInput()), grid = typeOf(op.getGrid());
  if (input.getRank() < 3 || grid.getRank() != input.getRank())
    return emitOptionalError(
        loc,
        "input (N, C, spatial...) and grid (N, spatial..., coordinates) "
        "must have one rank, got ",
        input, " and ", grid);
  SmallVector<int64_t> shape(input.getShape().take_front(2));
  if (ShapedType::isDynamic(shape[0]))
    shape[0] = grid.getDimSize(0);
  llvm::append_range(shape, grid.getShape().drop_front().drop_back());
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

LogicalResult GridSampleOp::verify() {
  int64_t spatial = getInput().getType().getRank() - 2;
  int64_t last = getGrid().getType().getShape().back();
  if (last != spatial)
    return emitOpError("the grid's last dimension must hold ")
           << spatial << " coordinates, got " << getGrid().getType();
  return success();
}

//===- col2im -------------------------------------------------------------===//

LogicalResult Col2ImOp::inferReturnTypes(MLIRContext *,
                                         std::optional<Location> loc,
                                         Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  auto input = typeOf(op.getInput()), image = typeOf(op.getImageShape());
  size_t spatial = op.getStrides().size();
  if (input.getRank() != 3 || image.getRank() != 1 ||
      image.getDimSize(0) != int64_t(spatial) ||
      op.getDilations().size() != spatial || op.getPads().size() != 2 * spatial)
    return emitOptionalError(loc,
                             "expects (N, C * block, windows) and an image "
                             "shape of as many numbers as strides, got ",
                             input, " and ", image);
  SmallVector<int64_t> shape{input.getDimSize(0), ShapedType::kDynamic};
  auto block = getConstantInts(op.getBlockShape());
  if (block && !input.isDynamicDim(1)) {
    int64_t elements = 1;
    for (int64_t b : *block)
      elements *= b;
    if (elements < 1 || input.getDimSize(1) % elements)
      return emitOptionalError(loc, "the block's ", elements,
                               " elements do not divide dimension 1 of ",
                               input);
    shape[1] = input.getDimSize(1) / elements;
  }
  if (auto sizes = getConstantInts(op.getImageShape()))
    llvm::append_range(shape, *sizes);
  else
    shape.append(spatial, ShapedType::kDynamic);
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

//===- signals ------------------------------------------------------------===//

LogicalResult DftOp::inferReturnTypes(MLIRContext *,
                                      std::optional<Location> loc, Adaptor op,
                                      SmallVectorImpl<Type> &types) {
  auto input = typeOf(op.getInput());
  int64_t rank = input.getRank();
  if (rank < 2)
    return emitOptionalError(loc, "expects a dimension before the last, got ",
                             input);
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = op.getInverse() && op.getOnesided() ? 1 : 2;
  SmallVector<int64_t> axes{rank - 2};
  if (op.getAxis()) {
    auto constant = getConstantInts(op.getAxis());
    if (constant && constant->size() == 1) {
      auto axis = normalizeAxis(constant->front(), rank);
      if (!axis || *axis == rank - 1)
        return emitOptionalError(loc, "axis ", constant->front(),
                                 " is no signal dimension of ", input);
      axes = {*axis};
    } else {
      axes = llvm::to_vector(llvm::seq<int64_t>(0, rank - 1));
    }
  }
  for (int64_t axis : axes) {
    if (axes.size() > 1) {
      shape[axis] = ShapedType::kDynamic;
      continue;
    }
    int64_t length = shape[axis];
    if (op.getOnesided() && op.getInverse() && ShapedType::isStatic(length))
      length = 2 * (length - 1);
    if (op.getLength()) {
      auto constant = getConstantInts(op.getLength());
      length = constant && constant->size() == 1 ? constant->front()
                                                 : ShapedType::kDynamic;
      if (ShapedType::isStatic(length) && length < 1)
        return emitOptionalError(loc, "the length must be positive, got ",
                                 length);
    }
    if (op.getOnesided() && !op.getInverse() && ShapedType::isStatic(length))
      length = length / 2 + 1;
    shape[axis] = length;
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

LogicalResult DftOp::verify() {
  int64_t last = getInput().getType().getShape().back();
  if (last != 1 && last != 2)
    return emitOpError("the last dimension must be 1 (real) or 2 (complex), "
                       "got ")
           << getInput().getType();
  return success();
}

LogicalResult StftOp::inferReturnTypes(MLIRContext *,
                                       std::optional<Location> loc, Adaptor op,
                                       SmallVectorImpl<Type> &types) {
  auto signal = typeOf(op.getSignal());
  if (signal.getRank() != 3)
    return emitOptionalError(loc, "expects (N, length, 1 or 2), got ", signal);
  int64_t length = ShapedType::kDynamic, frames = ShapedType::kDynamic;
  if (op.getFrameLength()) {
    auto constant = getConstantInts(op.getFrameLength());
    if (constant && constant->size() == 1)
      length = constant->front();
  } else if (op.getWindow()) {
    length = typeOf(op.getWindow()).getShape().back();
  }
  auto step = getConstantInts(op.getFrameStep());
  if (step && (step->size() != 1 || step->front() < 1))
    return emitOptionalError(loc, "the frame step must be positive");
  if (step && ShapedType::isStatic(length) && !signal.isDynamicDim(1)) {
    if (length < 1 || length > signal.getDimSize(1))
      return emitOptionalError(loc, "frames of ", length,
                               " elements do not fit into ", signal);
    frames = (signal.getDimSize(1) - length) / step->front() + 1;
  }
  int64_t bins = length;
  if (op.getOnesided() && ShapedType::isStatic(length))
    bins = length / 2 + 1;
  types.push_back(RankedTensorType::get({signal.getDimSize(0), frames, bins, 2},
                                        signal.getElementType()));
  return success();
}

LogicalResult StftOp::verify() {
  int64_t last = getSignal().getType().getShape().back();
  if (last != 1 && last != 2)
    return emitOpError("the last dimension must be 1 (real) or 2 (complex), "
                       "got ")
           << getSignal().getType();
  if (!getWindow() && !getFrameLength())
    return emitOpError("needs a window or a frame length");
  return success();
}
