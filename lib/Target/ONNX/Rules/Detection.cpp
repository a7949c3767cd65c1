//===- Detection.cpp - Unpooling and samples of regions -------------------===//

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
  Places locate(int64_t axis, int64_t bins);
  /// One corner of each point, times its weight: (regions, rows, columns, C).
  Value sample(Value pixels, Value row, Value column, Value rowWeight,
               Value columnWeight);

  NodeContext &ctx;
  Type type;
  int64_t ratio = 0;
  Value firstPixel; // of each region's image
};
} // namespace

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
  // Point k is in the middle of part k of all parts of all bins.
  Value parts = ctx.castTo(ctx.create<qnn::RangeOp>(ctx.i64Scalar(0),
                                                    ctx.i64Scalar(bins * ratio),
                                                    ctx.i64Scalar(1)),
                           type);
  Value fractions = mul(add(parts, number(0.5)), number(1.0 / (bins * ratio)));
  Value place = add(start, mul(length, fractions));
  Value size =
      ctx.castTo(ctx.reshape(dimOf(ctx, ctx.input(0), axis + 2), {}), type);
  Value last = sub(size, number(1));
  Places result;
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

/// X (N, C, H, W), rois (R, 4), batch_indices (R).
LogicalResult RegionSampler::run() {
  if (ctx.inputType(0).getRank() != 4 || ctx.inputType(1).getRank() != 2 ||
      ctx.inputType(2).getRank() != 1)
    return ctx.emitError("X must be (N, C, H, W), rois (R, 4), batch_indices "
                         "(R)");
  ratio = ctx.getInt("sampling_ratio", 0);
  int64_t height = ctx.getInt("output_height", 1);
  int64_t width = ctx.getInt("output_width", 1);
  if (ratio < 1 || ratio > 1024 || height < 1 || width < 1)
    return ctx.emitError("sampling_ratio must be given: a number of samples "
                         "that depends on the regions is not supported");
  std::string mode = ctx.getString("mode", "avg");
  if (mode != "avg" && mode != "max")
    return ctx.emitError("mode '" + mode + "' is unknown");
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
  Value shape = ctx.create<qnn::ConcatOp>(
      ValueRange{dimOf(ctx, ctx.input(1), 0),
                 ctx.i64List({height, ratio, width, ratio}), channels},
      front);
  points = ctx.create<qnn::ReshapeOp>(points, shape, /*allowzero=*/true);
  Value pooled = ctx.create<qnn::ReduceOp>(
      isMax ? qnn::ReduceKind::max : qnn::ReduceKind::mean, points,
      ctx.i64List({2, 4}), /*keepdims=*/false, /*noop_with_empty_axes=*/false);
  return ctx.setOutput(0, ctx.transpose(pooled, {0, 3, 1, 2}));
}

void quantc::onnx_import::registerDetectionRules(RuleRegistry &registry) {
  registry.add(kOnnx, "NonMaxSuppression", 10, importNonMaxSuppression);
  registry.add(kOnnx, "MaxUnpool", 9, importMaxUnpool);
  registry.add(kOnnx, "RoiAlign", 10,
               [](NodeContext &ctx) { return RegionSampler(ctx).run(); });
}
