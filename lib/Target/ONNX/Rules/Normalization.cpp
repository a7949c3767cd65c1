//===- Normalization.cpp - Normalizations ---------------------------------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::NormalizeKind;
using qnn::ReduceKind;

/// Output, mean and 1 / deviation; empty after an error.
static SmallVector<Value> normalize(NodeContext &ctx, NormalizeKind kind,
                                    Value x, Value scale, Value bias,
                                    int64_t axis, double epsilon) {
  auto type = dyn_cast_if_present<RankedTensorType>(x ? x.getType() : Type());
  if (!type)
    return {};
  auto normalized = qnn::normalizeAxis(axis, type.getRank());
  if (!normalized) {
    (void)ctx.emitError("axis " + Twine(axis) + " is no dimension of " +
                        Twine(type.getRank()));
    return {};
  }
  // ONNX keeps statistics in f32 (stash_type 1) whatever the input's type.
  return ctx.createMulti<qnn::NormalizeOp>(3, kind, x, scale, bias, *normalized,
                                           APFloat(epsilon),
                                           ctx.builder.getF32Type());
}

static LogicalResult importLayerNorm(NodeContext &ctx) {
  return ctx.setOutputs(normalize(
      ctx, NormalizeKind::layer, ctx.input(0), ctx.input(1), ctx.input(2),
      ctx.getInt("axis", -1), ctx.getFloat("epsilon", 1e-5f)));
}

static LogicalResult importRMSNorm(NodeContext &ctx) {
  auto results =
      normalize(ctx, NormalizeKind::rms, ctx.input(0), ctx.input(1), Value(),
                ctx.getInt("axis", -1), ctx.getFloat("epsilon", 1e-5f));
  return results.empty() ? failure() : ctx.setOutput(0, results[0]);
}

/// ONNX Runtime's name for RMS normalization from when ONNX had none; it may
/// give the reciprocal deviation as output 1.
static LogicalResult importSimplifiedLayerNorm(NodeContext &ctx) {
  auto results =
      normalize(ctx, NormalizeKind::rms, ctx.input(0), ctx.input(1), Value(),
                ctx.getInt("axis", -1), ctx.getFloat("epsilon", 1e-5f));
  if (results.empty() || failed(ctx.setOutput(0, results[0])))
    return failure();
  return ctx.setOutput(1, results[2]);
}

/// `parameter`, one element per channel, shaped to broadcast along dimension 1
/// of `rank` dimensions.
static Value perChannel(NodeContext &ctx, Value parameter, int64_t rank) {
  SmallVector<int64_t> shape(std::max<int64_t>(rank - 1, 1), 1);
  shape[0] = -1;
  return ctx.reshape(parameter, shape);
}

/// `value` in the shape of `like`.
static Value reshapeLike(NodeContext &ctx, Value value, Value like) {
  if (!value || !like)
    return {};
  int64_t rank = cast<RankedTensorType>(like.getType()).getRank();
  Value shape = ctx.create<qnn::ShapeOp>(like, ctx.builder.getI64IntegerAttr(0),
                                         ctx.builder.getI64IntegerAttr(rank));
  return ctx.create<qnn::ReshapeOp>(value, shape, /*allowzero=*/true);
}

static LogicalResult importInstanceNorm(NodeContext &ctx) {
  Value x = ctx.input(0);
  if (ctx.inputType(0).getRank() < 3)
    return ctx.emitError("its input needs a batch, channels and dimensions");
  // One row per channel, so that the statistics are those of rows.
  auto results = normalize(
      ctx, NormalizeKind::layer, ctx.reshape(x, {0, 0, -1}),
      ctx.reshape(ctx.input(1), {-1, 1}), ctx.reshape(ctx.input(2), {-1, 1}), 2,
      ctx.getFloat("epsilon", 1e-5f));
  return results.empty() ? failure()
                         : ctx.setOutput(0, reshapeLike(ctx, results[0], x));
}

/// Scale and bias hold one element per group before opset 21, then one per
/// channel.
static LogicalResult importGroupNorm(NodeContext &ctx) {
  Value x = ctx.input(0), scale = ctx.input(1), bias = ctx.input(2);
  int64_t rank = ctx.inputType(0).getRank();
  int64_t groups = ctx.getInt("num_groups");
  if (rank < 2 || groups < 1)
    return ctx.emitError("needs channels and a positive num_groups");
  bool perGroup = ctx.opset < 21;
  auto results =
      normalize(ctx, NormalizeKind::layer, ctx.reshape(x, {0, groups, -1}),
                perGroup ? ctx.reshape(scale, {-1, 1}) : Value(),
                perGroup ? ctx.reshape(bias, {-1, 1}) : Value(), 2,
                ctx.getFloat("epsilon", 1e-5f));
  if (results.empty())
    return failure();
  Value y = reshapeLike(ctx, results[0], x);
  if (!perGroup) {
    y = ctx.binary(BinaryKind::mul, y, perChannel(ctx, scale, rank));
    y = ctx.binary(BinaryKind::add, y, perChannel(ctx, bias, rank));
  }
  return ctx.setOutput(0, y);
}

/// With the statistics of the batch, which also move the running ones.
static LogicalResult importTrainingBatchNorm(NodeContext &ctx) {
  Value x = ctx.input(0);
  Type element = ctx.inputElementType(0);
  Type statistics = ctx.inputElementType(3);
  int64_t rank = ctx.inputType(0).getRank();
  SmallVector<int64_t> others;
  for (int64_t d = 0; d < rank; ++d)
    if (d != 1)
      others.push_back(d);
  Value wide = ctx.castTo(x, statistics);
  auto meanOf = [&](Value v) {
    return ctx.create<qnn::ReduceOp>(ReduceKind::mean, v, ctx.i64List(others),
                                     /*keepdims=*/false, /*noop=*/false);
  };
  Value mean = meanOf(wide);
  Value centered =
      ctx.binary(BinaryKind::sub, wide, perChannel(ctx, mean, rank));
  Value variance = meanOf(ctx.binary(BinaryKind::mul, centered, centered));
  Value y = ctx.create<qnn::BatchNormOp>(
      ctx.castTo(x, element), ctx.input(1), ctx.input(2), mean, variance,
      APFloat(ctx.getFloat("epsilon", 1e-5f)));
  double momentum = ctx.getFloat("momentum", 0.9f);
  auto move = [&](Value running, Value current) {
    return ctx.binary(
        BinaryKind::add,
        ctx.binary(BinaryKind::mul, running, ctx.scalar(statistics, momentum)),
        ctx.binary(BinaryKind::mul, current,
                   ctx.scalar(statistics, 1 - momentum)));
  };
  if (failed(ctx.setOutput(0, y)) ||
      failed(ctx.setOutput(1, move(ctx.input(3), mean))))
    return failure();
  return ctx.setOutput(2, move(ctx.input(4), variance));
}

static LogicalResult importBatchNorm(NodeContext &ctx) {
  // Before opset 14, asking for the statistics meant training.
  if (ctx.opset < 14 ? ctx.hasOutput(1) : ctx.getInt("training_mode", 0) != 0)
    return importTrainingBatchNorm(ctx);
  if (ctx.opset < 9 && ctx.getInt("spatial", 1) == 0)
    return ctx.emitError("spatial=0 is not supported");
  return ctx.setOutput(
      0, ctx.create<qnn::BatchNormOp>(ctx.input(0), ctx.input(1), ctx.input(2),
                                      ctx.input(3), ctx.input(4),
                                      APFloat(ctx.getFloat("epsilon", 1e-5f))));
}

/// A norm of 0 gives 0.
static LogicalResult importLpNorm(NodeContext &ctx) {
  Value x = ctx.input(0);
  int64_t p = ctx.getInt("p", 2);
  if (p != 1 && p != 2)
    return ctx.emitError("p must be 1 or 2, but is " + Twine(p));
  Value norm = ctx.create<qnn::ReduceOp>(
      p == 1 ? ReduceKind::l1 : ReduceKind::l2, x,
      ctx.i64List({ctx.getInt("axis", -1)}), /*keepdims=*/true, /*noop=*/false);
  Value zero = ctx.scalar(ctx.inputElementType(0), 0);
  Value isZero =
      ctx.create<qnn::CompareOp>(qnn::CompareKind::equal, norm, zero);
  return ctx.setOutput(
      0, ctx.create<qnn::SelectOp>(isZero, zero,
                                   ctx.binary(BinaryKind::div, x, norm)));
}

static LogicalResult importLRN(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::LocalResponseNormOp>(
                              ctx.input(0), ctx.getInt("size"),
                              APFloat(ctx.getFloat("alpha", 1e-4f)),
                              APFloat(ctx.getFloat("beta", 0.75f)),
                              APFloat(ctx.getFloat("bias", 1.0))));
}

/// input + skip (+ bias), normalized; the sum itself may be output 3.
static LogicalResult importSkipNorm(NodeContext &ctx, NormalizeKind kind) {
  bool layer = kind == NormalizeKind::layer;
  Value beta = layer ? ctx.input(3) : Value();
  Value bias = ctx.input(layer ? 4 : 3);
  Value sum = ctx.binary(BinaryKind::add, ctx.input(0), ctx.input(1));
  if (bias)
    sum = ctx.binary(BinaryKind::add, sum, bias);
  auto results = normalize(ctx, kind, sum, ctx.input(2), beta, -1,
                           ctx.getFloat("epsilon", 1e-12f));
  if (failed(ctx.setOutputs(results)))
    return failure();
  return ctx.setOutput(3, sum);
}

void quantc::onnx_import::registerNormalizationRules(RuleRegistry &registry) {
  registry.add(kOnnx, "LayerNormalization", 1, importLayerNorm);
  registry.add(kOnnx, "RMSNormalization", 23, importRMSNorm);
  registry.add(kOnnx, "InstanceNormalization", 6, importInstanceNorm);
  registry.add(kOnnx, "GroupNormalization", 18, importGroupNorm);
  registry.add(kOnnx, "BatchNormalization", 7, importBatchNorm);
  registry.add(kOnnx, "LpNormalization", 1, importLpNorm);
  registry.add(kOnnx, "LRN", 1, importLRN);
  registry.add(kOnnx, "SimplifiedLayerNormalization", 1,
               importSimplifiedLayerNorm);
  registry.add(kMicrosoft, "SimplifiedLayerNormalization", 1,
               importSimplifiedLayerNorm, /*numRequired=*/2);
  registry.add(kMicrosoft, "SkipLayerNormalization", 1, [](NodeContext &ctx) {
    return importSkipNorm(ctx, NormalizeKind::layer);
  });
  registry.add(
      kMicrosoft, "SkipSimplifiedLayerNormalization", 1,
      [](NodeContext &ctx) { return importSkipNorm(ctx, NormalizeKind::rms); });
}
