//===- Spatial.cpp - Resize, sampling, detection and signal ops -----------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

/// An optional input that models leave out by passing an empty tensor.
static Value nonEmpty(NodeContext &ctx, size_t i) {
  if (!ctx.hasInput(i) ||
      (ctx.inputType(i).getRank() == 1 && ctx.inputType(i).getDimSize(0) == 0))
    return {};
  return ctx.input(i);
}

static std::optional<qnn::Interpolation> readMode(NodeContext &ctx,
                                                  StringRef mode) {
  if (mode == "nearest")
    return qnn::Interpolation::nearest;
  if (mode == "linear" || mode == "bilinear")
    return qnn::Interpolation::linear;
  if (mode == "cubic" || mode == "bicubic")
    return qnn::Interpolation::cubic;
  (void)ctx.emitError("mode '" + mode + "' is unknown");
  return std::nullopt;
}

static UnitAttr unit(NodeContext &ctx, bool value) {
  return value ? ctx.builder.getUnitAttr() : UnitAttr();
}

static Value createResize(NodeContext &ctx, Value roi, Value scales,
                          Value sizes, qnn::ResizeCoordinatesAttr coordinates,
                          qnn::ResizeRoundingAttr rounding) {
  auto mode = readMode(ctx, ctx.getString("mode", "nearest"));
  auto policy =
      ctx.getWord<qnn::ResizePolicyAttr>("keep_aspect_ratio_policy", "stretch");
  if (!mode || !coordinates || !rounding || !policy)
    return {};
  if (scales && sizes)
    scales = {};
  int64_t rank = ctx.inputType(0).getRank();
  SmallVector<int64_t> axes = ctx.getInts("axes");
  if (axes.empty())
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  for (int64_t &axis : axes) {
    auto normal = qnn::normalizeAxis(axis, rank);
    if (!normal) {
      (void)ctx.emitError("axis " + Twine(axis) + " is out of range");
      return {};
    }
    axis = *normal;
  }
  Builder &b = ctx.builder;
  if (coordinates.getValue() != qnn::ResizeCoordinates::tf_crop_and_resize)
    roi = {};
  return ctx.create<qnn::ResizeOp>(
      qnn::InterpolationAttr::get(ctx.getContext(), *mode), ctx.input(0), roi,
      scales, sizes, b.getDenseI64ArrayAttr(axes), coordinates, rounding,
      policy, b.getF64FloatAttr(ctx.getFloat("cubic_coeff_a", -0.75)),
      b.getF64FloatAttr(ctx.getFloat("extrapolation_value", 0)),
      unit(ctx, ctx.getInt("exclude_outside")),
      unit(ctx, ctx.getInt("antialias")));
}

static LogicalResult importResize(NodeContext &ctx) {
  return ctx.setOutput(
      0, createResize(ctx, nonEmpty(ctx, 1), nonEmpty(ctx, 2), nonEmpty(ctx, 3),
                      ctx.getWord<qnn::ResizeCoordinatesAttr>(
                          "coordinate_transformation_mode", "half_pixel"),
                      ctx.getWord<qnn::ResizeRoundingAttr>(
                          "nearest_mode", "round_prefer_floor")));
}

/// Resize-10 and Upsample have one way to find coordinates.
static Value createUpsample(NodeContext &ctx, Value scales) {
  using namespace qnn;
  MLIRContext *context = ctx.getContext();
  return createResize(
      ctx, Value(), scales, Value(),
      ResizeCoordinatesAttr::get(context, ResizeCoordinates::asymmetric),
      ResizeRoundingAttr::get(context, ResizeRounding::floor));
}

static LogicalResult importUpsample(NodeContext &ctx) {
  return ctx.setOutput(0, createUpsample(ctx, ctx.input(1)));
}

/// Upsample-7 has the scales as an attribute.
static LogicalResult importUpsample7(NodeContext &ctx) {
  SmallVector<float> scales;
  for (double s : ctx.getFloats("scales"))
    scales.push_back(s);
  auto type =
      RankedTensorType::get({int64_t(scales.size())}, ctx.builder.getF32Type());
  Value constant = ctx.constant(DenseElementsAttr::get(type, ArrayRef(scales)));
  return ctx.setOutput(0, createUpsample(ctx, constant));
}

static LogicalResult importGridSample(NodeContext &ctx) {
  auto mode = readMode(ctx, ctx.getString("mode", "linear"));
  auto padding = ctx.getWord<qnn::GridPaddingAttr>("padding_mode", "zeros");
  if (!mode || !padding)
    return failure();
  return ctx.setOutput(
      0, ctx.create<qnn::GridSampleOp>(
             qnn::InterpolationAttr::get(ctx.getContext(), *mode), ctx.input(0),
             ctx.input(1), padding, unit(ctx, ctx.getInt("align_corners"))));
}

/// The places at which a grid of `count` (a list of one) points samples -1...1:
/// in the middles of `count` parts, or from end to end.
static Value gridPlaces(NodeContext &ctx, Value count, bool alignCorners,
                        Type type) {
  using qnn::BinaryKind;
  auto number = [&](double v) { return ctx.scalar(type, v); };
  auto binary = [&](BinaryKind kind, Value a, Value b) {
    return ctx.binary(kind, a, b);
  };
  Value steps = ctx.castTo(ctx.create<qnn::RangeOp>(ctx.i64Scalar(0),
                                                    ctx.reshape(count, {}),
                                                    ctx.i64Scalar(1)),
                           type);
  Value size = ctx.castTo(count, type);
  if (!alignCorners) {
    // (2 i + 1) / n - 1.
    Value odd = binary(BinaryKind::add,
                       binary(BinaryKind::mul, steps, number(2)), number(1));
    return binary(BinaryKind::sub, binary(BinaryKind::div, odd, size),
                  number(1));
  }
  // 2 i / (n - 1) - 1; a single point is at -1, where its step does not matter.
  Value last = binary(BinaryKind::max, binary(BinaryKind::sub, size, number(1)),
                      number(1));
  Value doubled = binary(BinaryKind::mul, steps, number(2));
  return binary(BinaryKind::sub, binary(BinaryKind::div, doubled, last),
                number(1));
}

/// theta (N, d, d + 1) times each point (x, y, ..., 1) of a grid of `size`
/// (N, C, ..., H, W).
static LogicalResult importAffineGrid(NodeContext &ctx) {
  RankedTensorType theta = ctx.inputType(0), size = ctx.inputType(1);
  if (theta.getRank() != 3 || size.getRank() != 1 || size.isDynamicDim(0) ||
      (size.getDimSize(0) != 4 && size.getDimSize(0) != 5))
    return ctx.emitError("theta must have rank 3 and size 4 or 5 elements");
  int64_t spatial = size.getDimSize(0) - 2;
  for (auto [dim, expected] :
       {std::pair<int64_t, int64_t>(1, spatial), {2, spatial + 1}})
    if (!theta.isDynamicDim(dim) && theta.getDimSize(dim) != expected)
      return ctx.emitError("theta must have " + Twine(spatial) + " rows of " +
                           Twine(spatial + 1));
  Type type = theta.getElementType();
  bool alignCorners = ctx.getInt("align_corners");
  // Column j of theta, as (N, 1, ..., 1, d).
  auto column = [&](int64_t j) {
    Value values = ctx.create<qnn::GatherOp>(ctx.input(0), ctx.i64Scalar(j),
                                             ctx.builder.getI64IntegerAttr(2));
    return ctx.create<qnn::UnsqueezeOp>(
        values,
        ctx.i64List(llvm::to_vector(llvm::seq<int64_t>(1, spatial + 1))));
  };
  Value sum = column(spatial);
  for (int64_t j = 0; j < spatial; ++j) {
    // x comes first in theta and last in the size.
    int64_t axis = spatial - 1 - j;
    Value count = ctx.create<qnn::SliceOp>(
        ctx.castTo(ctx.input(1), ctx.builder.getI64Type()),
        ctx.i64List(axis + 2), ctx.i64List(axis + 3), ctx.i64List(int64_t(0)),
        ctx.i64List(1));
    Value places = gridPlaces(ctx, count, alignCorners, type);
    // As (1, ..., n, ..., 1, 1).
    SmallVector<int64_t> shape(spatial + 2, 1);
    shape[axis + 1] = -1;
    Value term =
        ctx.binary(qnn::BinaryKind::mul, ctx.reshape(places, shape), column(j));
    sum = ctx.binary(qnn::BinaryKind::add, sum, term);
  }
  return ctx.setOutput(0, sum);
}

static LogicalResult importCol2Im(NodeContext &ctx) {
  if (ctx.inputType(1).getRank() != 1 || ctx.inputType(1).isDynamicDim(0))
    return ctx.emitError("the number of dimensions in image_shape must be "
                         "static");
  int64_t spatial = ctx.inputType(1).getDimSize(0);
  SmallVector<int64_t> ones(spatial, 1), zeros(2 * spatial, 0);
  Builder &b = ctx.builder;
  return ctx.setOutput(
      0, ctx.create<qnn::Col2ImOp>(
             ctx.input(0), ctx.input(1), ctx.input(2),
             b.getDenseI64ArrayAttr(ctx.getInts("strides", ones)),
             b.getDenseI64ArrayAttr(ctx.getInts("dilations", ones)),
             b.getDenseI64ArrayAttr(ctx.getInts("pads", zeros))));
}

/// DFT-17 has the axis as an attribute.
static LogicalResult importDft(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  Value axis = ctx.input(2);
  if (ctx.opset < 20) {
    axis = ctx.i64Scalar(ctx.getInt("axis", 1));
  } else if (!axis) {
    axis = ctx.i64Scalar(rank - 2);
  }
  return ctx.setOutput(
      0, ctx.create<qnn::DftOp>(ctx.input(0), ctx.input(1), axis,
                                unit(ctx, ctx.getInt("inverse")),
                                unit(ctx, ctx.getInt("onesided"))));
}

static LogicalResult importStft(NodeContext &ctx) {
  // PyTorch writes a real signal without a last dimension of 1.
  Value signal = ctx.input(0);
  if (ctx.inputType(0).getRank() == 2)
    signal = ctx.create<qnn::UnsqueezeOp>(signal, ctx.i64List(2));
  return ctx.setOutput(0, ctx.create<qnn::StftOp>(
                              signal, ctx.input(1), ctx.input(2), ctx.input(3),
                              unit(ctx, ctx.getInt("onesided", 1))));
}

void quantc::onnx_import::registerSpatialRules(RuleRegistry &registry) {
  registry.add(kOnnx, "Resize", 10, importUpsample);
  registry.add(kOnnx, "Resize", 11, importResize);
  registry.add(kOnnx, "Upsample", 7, importUpsample7);
  registry.add(kOnnx, "Upsample", 9, importUpsample);
  registry.add(kOnnx, "GridSample", 16, importGridSample);
  registry.add(kMicrosoft, "GridSample", 1, importGridSample,
               /*numRequired=*/2);
  registry.add(kOnnx, "AffineGrid", 20, importAffineGrid);
  registry.add(kOnnx, "Col2Im", 18, importCol2Im);
  registry.add(kOnnx, "DFT", 17, importDft);
  registry.add(kOnnx, "STFT", 17, importStft);
}
