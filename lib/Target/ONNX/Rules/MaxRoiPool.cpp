//===- MaxRoiPool.cpp - The maxima of parts of regions --------------------===//
//
// Each part of a region is a mask over the image's rows and one over its
// columns: maxima along one, then along the other.
//
//===----------------------------------------------------------------------===//

#include "MaxRoiPool.h"

#include "../LoopBuilder.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using llvm::formatv;

/// Text that gives, along axis `name`, the mask (regions, parts, pixels) and
/// whether a part has a pixel (regions, parts).
static std::string locateParts(StringRef name, int64_t parts, int64_t dim) {
  return formatv(R"(
  {0}_first = Mul({0}_from, scale)
  {0}_end = Mul({0}_to, scale)
  {0}_first_size = Abs({0}_first)
  {0}_end_size = Abs({0}_end)
  {0}_first_half = Add({0}_first_size, half)
  {0}_end_half = Add({0}_end_size, half)
  {0}_first_floor = Floor({0}_first_half)
  {0}_end_floor = Floor({0}_end_half)
  {0}_first_sign = Sign({0}_first)
  {0}_end_sign = Sign({0}_end)
  {0}_start = Mul({0}_first_floor, {0}_first_sign)
  {0}_last = Mul({0}_end_floor, {0}_end_sign)
  {0}_reach = Sub({0}_last, {0}_start)
  {0}_open = Add({0}_reach, one)
  {0}_length = Max({0}_open, one)
  {0}_parts = Constant <value_float = {1}.0> ()
  {0}_part = Div({0}_length, {0}_parts)
  {0}_numbers = Range(zero, {0}_parts, one)
  {0}_next = Add({0}_numbers, one)
  {0}_low_place = Mul({0}_numbers, {0}_part)
  {0}_high_place = Mul({0}_next, {0}_part)
  {0}_low_floor = Floor({0}_low_place)
  {0}_high_ceil = Ceil({0}_high_place)
  {0}_low_shifted = Add({0}_low_floor, {0}_start)
  {0}_high_shifted = Add({0}_high_ceil, {0}_start)
  {0}_size_list = Shape <start = {2}, end = {3}> (x)
  {0}_size_wide = Squeeze({0}_size_list)
  {0}_size = Cast <to = 1> ({0}_size_wide)
  {0}_low = Clip({0}_low_shifted, zero, {0}_size)
  {0}_high = Clip({0}_high_shifted, zero, {0}_size)
  {0}_has = Less({0}_low, {0}_high)
  {0}_pixels = Range(zero, {0}_size, one)
  {0}_low_column = Unsqueeze({0}_low, last_axis)
  {0}_high_column = Unsqueeze({0}_high, last_axis)
  {0}_from_low = GreaterOrEqual({0}_pixels, {0}_low_column)
  {0}_to_high = Less({0}_pixels, {0}_high_column)
  {0}_mask = And({0}_from_low, {0}_to_high))",
                 name, parts, dim, dim + 1);
}

/// X (N, C, H, W), rois (R, 5): an image, and x1, y1, x2, y2 in it.
LogicalResult quantc::onnx_import::importMaxRoiPool(NodeContext &ctx) {
  SmallVector<int64_t> parts = ctx.getInts("pooled_shape");
  RankedTensorType rois = ctx.inputType(1);
  if (ctx.inputType(0).getRank() != 4 || rois.getRank() != 2 ||
      (!rois.isDynamicDim(1) && rois.getDimSize(1) != 5) || parts.size() != 2 ||
      // Far beyond the images that there are: each part has a mask of it.
      llvm::any_of(parts, [](int64_t n) { return n < 1 || n > (1 << 15); }))
    return ctx.emitError(
        "X must be (N, C, H, W), rois (R, 5), and pooled_shape "
        "two numbers from 1 to 32768");
  auto range = [&](int64_t v) { return ctx.i64List(v); };
  Value images = ctx.create<qnn::SliceOp>(ctx.input(1), range(0), range(1),
                                          range(1), range(1));
  Value count = ctx.create<qnn::ShapeOp>(ctx.input(0), 0, 1);
  if (failed(checkIndicesWhenRun(
          ctx, images, count,
          " (MaxRoiPool): an image's index is out of range")))
    return failure();
  return ctx.expandFunction(formatv(R"(<domain: "", opset_import: ["" : 21]>
MaxRoiPool <spatial_scale: float = 1.0> (x_given, rois_given) => (y) {{
  x = Cast <to = 1> (x_given)
  rois = Cast <to = 1> (rois_given)
  scale = Constant <value_float: float = @spatial_scale> ()
  zero = Constant <value_float = 0.0> ()
  one = Constant <value_float = 1.0> ()
  half = Constant <value_float = 0.5> ()
  least = Constant <value_float = -3.4028234663852886e38> ()
  last_axis = Constant <value_ints = [-1]> ()
  image, w_from, h_from, w_to, h_to = Split <axis = 1, num_outputs = 5> (rois)
{0}{1}
  image_wide = Cast <to = 7> (image)
  flat = Constant <value_ints = [-1]> ()
  images = Reshape(image_wide, flat)
  planes = Gather <axis = 0> (x, images)
  w_mask_axes = Constant <value_ints = [1, 2]> ()
  w_plane_axes = Constant <value_ints = [3]> ()
  w_masks = Unsqueeze(w_mask, w_mask_axes)
  w_planes = Unsqueeze(planes, w_plane_axes)
  w_values = Where(w_masks, w_planes, least)
  w_max = ReduceMax <keepdims = 0> (w_values, last_axis)
  h_mask_axes = Constant <value_ints = [1, 4]> ()
  h_plane_axes = Constant <value_ints = [2]> ()
  h_max_axes = Constant <value_ints = [3]> ()
  h_masks = Unsqueeze(h_mask, h_mask_axes)
  h_planes = Unsqueeze(w_max, h_plane_axes)
  h_values = Where(h_masks, h_planes, least)
  maxima = ReduceMax <keepdims = 0> (h_values, h_max_axes)
  h_has_axes = Constant <value_ints = [1, 3]> ()
  h_parts_has = Unsqueeze(h_has, h_has_axes)
  w_parts_has = Unsqueeze(w_has, w_mask_axes)
  has = And(h_parts_has, w_parts_has)
  pooled = Where(has, maxima, zero)
  y = CastLike(pooled, x_given)
})",
                                    locateParts("h", parts[0], 2),
                                    locateParts("w", parts[1], 3))
                                .str());
}
