//===- Detection.cpp - Unpooling and samples of regions -------------------===//

#include "../LoopBuilder.h"
#include "MaxRoiPool.h"
#include "NonMaxSuppression.h"
#include "Windows.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;

//===- unpooling ----------------------------------------------------------===//

/// Dimension `i` of `x` as a list of one.
static Value dimOf(NodeContext &ctx, Value x, int64_t i) {
  return ctx.create<qnn::ShapeOp>(x, i, i + 1);
}

/// X, indices, output_shape?: each element goes where its index says, into
/// zeros.
static LogicalResult importMaxUnpool(NodeContext &ctx) {
  Value x = ctx.input(0);
  int64_t rank = ctx.inputType(0).getRank();
  if (rank < 3)
    return ctx.emitError("its input must be (N, C, spatial...)");
  auto window = readWindow(ctx, rank - 2);
  SmallVector<int64_t> kernel = ctx.getInts("kernel_shape");
  if (!window || int64_t(kernel.size()) != rank - 2 ||
      int64_t(window->strides.size()) != rank - 2 ||
      int64_t(window->pads.size()) != 2 * (rank - 2))
    return ctx.emitError("its kernel, strides and pads must be those of its "
                         "spatial dimensions");
  // Indices count in the shape that the window gives; a larger one that is
  // asked for has more zeros at its ends.
  SmallVector<Value> dims = {dimOf(ctx, x, 0), dimOf(ctx, x, 1)};
  for (int64_t i = 0; i < rank - 2; ++i) {
    Value size = ctx.binary(BinaryKind::mul, dimOf(ctx, x, i + 2),
                            ctx.i64List(window->strides[i]));
    int64_t more = kernel[i] - window->strides[i] - window->pads[i] -
                   window->pads[i + rank - 2];
    dims.push_back(ctx.binary(BinaryKind::add, size, ctx.i64List(more)));
  }
  IntegerAttr front = ctx.builder.getI64IntegerAttr(0);
  Value shape = ctx.create<qnn::ConcatOp>(dims, front);
  Value zero = ctx.scalar(ctx.inputElementType(0), 0);
  Value zeros = ctx.create<qnn::ExpandOp>(zero, shape);
  Value filled = ctx.create<qnn::ScatterElementsOp>(
      qnn::ScatterReduction::none, ctx.reshape(zeros, {-1}),
      ctx.reshape(ctx.input(1), {-1}), ctx.reshape(x, {-1}), int64_t(0));
  Value result = ctx.create<qnn::ReshapeOp>(filled, shape, /*allowzero=*/true);
  if (ctx.hasInput(2)) {
    SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    Value more = ctx.binary(BinaryKind::sub, ctx.input(2), shape);
    Value pads = ctx.create<qnn::ConcatOp>(
        ValueRange{ctx.i64List(SmallVector<int64_t>(rank, 0)), more}, front);
    result = ctx.create<qnn::PadOp>(qnn::PadMode::constant, result, pads,
                                    ctx.i64List(axes), zero);
  }
  return ctx.setOutput(0, result);
}

//===- RoiAlign -----------------------------------------------------------===//

namespace {
/// Samples a grid of points in each region, between the pixels.
class RegionSampler {
public:
  explicit RegionSampler(NodeContext &ctx)
      : ctx(ctx), type(ctx.inputElementType(0)) {}
  LogicalResult run();

private:
  /// Where the points of each region (rows) lie along one axis: the pixels
  /// before and behind, their weights, and whether a point is near the image.
  struct Places {
    Value low, high, lowWeight, highWeight, isInside;
    /// How many points there are in a bin, at most (a list of one).
    Value steps;
    /// How many of them each region (rows, 1) has, and whether a point is one
    /// of them; null if regions do not differ.
    Value counts, isPoint;
  };

  Value number(double v) { return ctx.scalar(type, v); }
  Value binary(BinaryKind kind, Value a, Value b) {
    return ctx.binary(kind, a, b);
  }
  Value add(Value a, Value b) { return binary(BinaryKind::add, a, b); }
  Value sub(Value a, Value b) { return binary(BinaryKind::sub, a, b); }
  Value mul(Value a, Value b) { return binary(BinaryKind::mul, a, b); }
  Value compare(qnn::CompareKind kind, Value a, Value b) {
    return ctx.create<qnn::CompareOp>(kind, a, b);
  }
  Value select(Value c, Value a, Value b) {
    return ctx.create<qnn::SelectOp>(c, a, b);
  }
  /// The points of all bins between `start` and `start + length`.
  Value spread(Value start, Value length, int64_t bins, Places &places);
  /// The same, as many as the region's size asks for.
  Value spreadBySize(Value start, Value length, int64_t bins, Places &places);
  Places locate(int64_t axis, int64_t bins);
  /// One value of all points (regions, rows, columns, C) of each bin.
  Value pool(Value points, const Places &y, const Places &x, int64_t height,
             int64_t width, Value channels, bool isMax);
  /// One corner of each point, times its weight: (regions, rows, columns, C).
  Value sample(Value pixels, Value row, Value column, Value rowWeight,
               Value columnWeight);

  NodeContext &ctx;
  Type type;
  int64_t ratio = 0;
  Value firstPixel; // of each region's image
};
} // namespace

Value RegionSampler::spread(Value start, Value length, int64_t bins,
                            Places &places) {
  places.steps = ctx.i64List(ratio);
  // Point k is in the middle of part k of all parts of all bins.
  Value parts = ctx.castTo(ctx.create<qnn::RangeOp>(ctx.i64Scalar(0),
                                                    ctx.i64Scalar(bins * ratio),
                                                    ctx.i64Scalar(1)),
                           type);
  Value fractions = mul(add(parts, number(0.5)), number(1.0 / (bins * ratio)));
  return add(start, mul(length, fractions));
}

Value RegionSampler::spreadBySize(Value start, Value length, int64_t bins,
                                  Places &places) {
  Value size = binary(BinaryKind::div, length, number(bins));
  places.counts =
      binary(BinaryKind::max, ctx.unary(qnn::UnaryKind::ceil, size), number(0));
  // Each bin has room for the points of the region that has the most.
  Value most = ctx.create<qnn::ReduceOp>(qnn::ReduceKind::max, places.counts,
                                         Value(), /*keepdims=*/false,
                                         /*noop_with_empty_axes=*/false);
  most = binary(BinaryKind::max, most, number(1));
  Value steps = ctx.castTo(most, ctx.builder.getI64Type());
  places.steps = ctx.reshape(steps, {1});
  Value end = mul(steps, ctx.i64Scalar(bins));
  Value parts = ctx.castTo(
      ctx.create<qnn::RangeOp>(ctx.i64Scalar(0), end, ctx.i64Scalar(1)), type);
  Value bin =
      ctx.unary(qnn::UnaryKind::floor, binary(BinaryKind::div, parts, most));
  Value step = sub(parts, mul(bin, most));
  places.isPoint = compare(qnn::CompareKind::less, step, places.counts);
  Value distance = binary(BinaryKind::div, size,
                          binary(BinaryKind::max, places.counts, number(1)));
  return add(start, add(mul(bin, size), mul(add(step, number(0.5)), distance)));
}

/// `axis` 0 is y, 1 is x; regions are (x1, y1, x2, y2).
RegionSampler::Places RegionSampler::locate(int64_t axis, int64_t bins) {
  using qnn::CompareKind;
  bool isAligned =
      ctx.opset >= 16 && ctx.getString("coordinate_transformation_mode",
                                       "half_pixel") == "half_pixel";
  Value scale = number(ctx.getFloat("spatial_scale", 1));
  Value offset = number(isAligned ? 0.5 : 0);
  auto border = [&](int64_t i) {
    Value column = ctx.create<qnn::GatherOp>(ctx.input(1), ctx.i64List(i),
                                             ctx.builder.getI64IntegerAttr(1));
    return sub(mul(column, scale), offset);
  };
  Value start = border(1 - axis), end = border(3 - axis);
  Value length = sub(end, start);
  if (!isAligned)
    length = binary(BinaryKind::max, length, number(1));
  Places result;
  Value place = ratio ? spread(start, length, bins, result)
                      : spreadBySize(start, length, bins, result);
  Value size =
      ctx.castTo(ctx.reshape(dimOf(ctx, ctx.input(0), axis + 2), {}), type);
  Value last = sub(size, number(1));
  result.isInside =
      binary(BinaryKind::logical_and,
             compare(CompareKind::greater_or_equal, place, number(-1)),
             compare(CompareKind::less_or_equal, place, size));
  place =
      binary(BinaryKind::min, binary(BinaryKind::max, place, number(0)), last);
  Value low = ctx.unary(qnn::UnaryKind::floor, place);
  Value high = binary(BinaryKind::min, add(low, number(1)), last);
  Type i64 = ctx.builder.getI64Type();
  result.low = ctx.castTo(low, i64);
  result.high = ctx.castTo(high, i64);
  result.highWeight = sub(place, low);
  result.lowWeight = sub(number(1), result.highWeight);
  return result;
}

Value RegionSampler::sample(Value pixels, Value row, Value column,
                            Value rowWeight, Value columnWeight) {
  auto unsqueeze = [&](Value v, int64_t axis) {
    return ctx.create<qnn::UnsqueezeOp>(v, ctx.i64List(axis));
  };
  Value width = dimOf(ctx, ctx.input(0), 3);
  Value index = add(mul(unsqueeze(row, 2), width), unsqueeze(column, 1));
  index = add(index, firstPixel);
  Value values = ctx.create<qnn::GatherOp>(pixels, index,
                                           ctx.builder.getI64IntegerAttr(0));
  Value weight = mul(unsqueeze(rowWeight, 2), unsqueeze(columnWeight, 1));
  return mul(values, unsqueeze(weight, 3));
}

Value RegionSampler::pool(Value points, const Places &y, const Places &x,
                          int64_t height, int64_t width, Value channels,
                          bool isMax) {
  IntegerAttr front = ctx.builder.getI64IntegerAttr(0);
  auto unsqueeze = [&](Value v, ArrayRef<int64_t> axes) {
    return ctx.create<qnn::UnsqueezeOp>(v, ctx.i64List(axes));
  };
  Value count;
  if (y.counts) {
    Value isPoint =
        binary(BinaryKind::logical_and, unsqueeze(y.isPoint, {2, 3}),
               unsqueeze(x.isPoint, {1, 3}));
    points =
        select(isPoint, points,
               number(isMax ? -std::numeric_limits<float>::infinity() : 0));
    count = unsqueeze(mul(y.counts, x.counts), {2, 3});
  }
  Value shape = ctx.create<qnn::ConcatOp>(
      ValueRange{dimOf(ctx, ctx.input(1), 0), ctx.i64List(height), y.steps,
                 ctx.i64List(width), x.steps, channels},
      front);
  points = ctx.create<qnn::ReshapeOp>(points, shape, /*allowzero=*/true);
  Value pooled =
      ctx.create<qnn::ReduceOp>(isMax   ? qnn::ReduceKind::max
                                : count ? qnn::ReduceKind::sum
                                        : qnn::ReduceKind::mean,
                                points, ctx.i64List({2, 4}), /*keepdims=*/false,
                                /*noop_with_empty_axes=*/false);
  if (!count)
    return pooled;
  // A region without a point has nothing.
  if (isMax)
    return select(compare(qnn::CompareKind::greater, count, number(0)), pooled,
                  number(0));
  return binary(BinaryKind::div, pooled,
                binary(BinaryKind::max, count, number(1)));
}

/// X (N, C, H, W), rois (R, 4), batch_indices (R).
LogicalResult RegionSampler::run() {
  RankedTensorType rois = ctx.inputType(1);
  if (ctx.inputType(0).getRank() != 4 || rois.getRank() != 2 ||
      (!rois.isDynamicDim(1) && rois.getDimSize(1) != 4) ||
      ctx.inputType(2).getRank() != 1)
    return ctx.emitError("X must be (N, C, H, W), rois (R, 4), batch_indices "
                         "(R)");
  ratio = ctx.getInt("sampling_ratio", 0);
  int64_t height = ctx.getInt("output_height", 1);
  int64_t width = ctx.getInt("output_width", 1);
  if (ratio < 0 || ratio > 1024 || height < 1 || width < 1)
    return ctx.emitError("sampling_ratio or the output's size is out of range");
  std::string mode = ctx.getString("mode", "avg");
  if (mode != "avg" && mode != "max")
    return ctx.emitError("mode '" + mode + "' is unknown");
  if (failed(checkIndicesWhenRun(ctx, ctx.input(2), dimOf(ctx, ctx.input(0), 0),
                                 " (RoiAlign): an image's index is out of "
                                 "range")))
    return failure();
  bool isMax = mode == "max";
  // Pixels as rows of channels.
  Value x = ctx.input(0);
  Value channels = dimOf(ctx, x, 1);
  IntegerAttr front = ctx.builder.getI64IntegerAttr(0);
  Value pixels = ctx.create<qnn::ReshapeOp>(
      ctx.transpose(x, {0, 2, 3, 1}),
      ctx.create<qnn::ConcatOp>(ValueRange{ctx.i64List(-1), channels}, front),
      /*allowzero=*/true);
  Value imageSize = mul(dimOf(ctx, x, 2), dimOf(ctx, x, 3));
  firstPixel = ctx.reshape(
      mul(ctx.castTo(ctx.input(2), ctx.builder.getI64Type()), imageSize),
      {-1, 1, 1});
  Places y = locate(0, height), z = locate(1, width);
  Value corners[] = {
      sample(pixels, y.low, z.low, y.lowWeight, z.lowWeight),
      sample(pixels, y.low, z.high, y.lowWeight, z.highWeight),
      sample(pixels, y.high, z.low, y.highWeight, z.lowWeight),
      sample(pixels, y.high, z.high, y.highWeight, z.highWeight)};
  Value points = corners[0];
  for (Value corner : ArrayRef(corners).drop_front())
    points = binary(isMax ? BinaryKind::max : BinaryKind::add, points, corner);
  auto unsqueeze = [&](Value v, ArrayRef<int64_t> axes) {
    return ctx.create<qnn::UnsqueezeOp>(v, ctx.i64List(axes));
  };
  Value isInside =
      binary(BinaryKind::logical_and, unsqueeze(y.isInside, {2, 3}),
             unsqueeze(z.isInside, {1, 3}));
  points = select(isInside, points, number(0));
  Value pooled = pool(points, y, z, height, width, channels, isMax);
  return ctx.setOutput(0, ctx.transpose(pooled, {0, 3, 1, 2}));
}

void quantc::onnx_import::registerDetectionRules(RuleRegistry &registry) {
  registry.add(kOnnx, "NonMaxSuppression", 10, importNonMaxSuppression);
  registry.add(kOnnx, "MaxRoiPool", 1, importMaxRoiPool);
  registry.add(kOnnx, "MaxUnpool", 9, importMaxUnpool);
  registry.add(kOnnx, "RoiAlign", 10,
               [](NodeContext &ctx) { return RegionSampler(ctx).run(); });
}
