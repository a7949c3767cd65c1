//===- ContribQuantization.cpp - Quantized ops of com.microsoft -----------===//
//
// Most are float functions between quantized tensors: they dequantize, apply
// the function and quantize, which folding can make integer code of later.
//
//===----------------------------------------------------------------------===//

#include "QuantizationRules.h"
#include "Windows.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::UnaryKind;

/// A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point.
static void addBinary(RuleRegistry &registry, StringRef op, BinaryKind kind) {
  registry.add(kMicrosoft, op, 1, [=](NodeContext &ctx) {
    Value a = dequantize(ctx, ctx.input(0), ctx.input(1), ctx.input(2));
    Value b = dequantize(ctx, ctx.input(3), ctx.input(4), ctx.input(5));
    return ctx.setOutput(0, quantize(ctx, ctx.binary(kind, a, b), ctx.input(6),
                                     ctx.input(7), ctx.inputElementType(0)));
  });
}

/// X, X_scale, X_zero_point, Y_scale, Y_zero_point.
static void addUnary(RuleRegistry &registry, StringRef op, UnaryKind kind,
                     double alpha) {
  registry.add(kMicrosoft, op, 1, [=](NodeContext &ctx) {
    Value x = dequantize(ctx, ctx.input(0), ctx.input(1), ctx.input(2));
    Value y = ctx.unary(kind, x, ctx.getFloat("alpha", alpha));
    return ctx.setOutput(0, quantize(ctx, y, ctx.input(3), ctx.input(4),
                                     ctx.inputElementType(0)));
  });
}

/// condition, X, x_scale, x_zp, Y, y_scale, y_zp, z_scale, z_zp.
static LogicalResult importQLinearWhere(NodeContext &ctx) {
  Value x = dequantize(ctx, ctx.input(1), ctx.input(2), ctx.input(3));
  Value y = dequantize(ctx, ctx.input(4), ctx.input(5), ctx.input(6));
  Value z = ctx.create<qnn::SelectOp>(ctx.input(0), x, y);
  return ctx.setOutput(
      0, quantize(ctx, z, ctx.input(7), ctx.input(8), ctx.inputElementType(1)));
}

/// Y_scale, Y_zero_point, then X, X_scale, X_zero_point of each part.
static LogicalResult importQLinearConcat(NodeContext &ctx) {
  size_t count = ctx.numInputs() < 5 ? 0 : (ctx.numInputs() - 2) / 3;
  if (count == 0 || 2 + 3 * count != ctx.numInputs() || !ctx.hasInput(2))
    return ctx.emitError("it needs three inputs for each part");
  auto axis =
      qnn::normalizeAxis(ctx.getInt("axis"), ctx.inputType(2).getRank());
  if (!axis)
    return ctx.emitError("its axis is out of range");
  SmallVector<Value> parts;
  for (size_t i = 0; i < count; ++i) {
    Value part = dequantize(ctx, ctx.input(2 + 3 * i), ctx.input(3 + 3 * i),
                            ctx.input(4 + 3 * i));
    parts.push_back(quantize(ctx, part, ctx.input(0), ctx.input(1),
                             ctx.inputElementType(1)));
  }
  return ctx.setOutput(0, ctx.create<qnn::ConcatOp>(
                              parts, ctx.builder.getI64IntegerAttr(*axis)));
}

/// Whether the node's data has its channels last: an error, for now.
static bool isChannelsLast(NodeContext &ctx) {
  if (!ctx.getInt("channels_last"))
    return false;
  (void)ctx.emitError("channels_last is not supported");
  return true;
}

/// X, x_scale, x_zero_point, y_scale, y_zero_point.
static LogicalResult importQLinearAveragePool(NodeContext &ctx) {
  if (isChannelsLast(ctx))
    return failure();
  Value x = dequantize(ctx, ctx.input(0), ctx.input(1), ctx.input(2));
  return ctx.setOutput(0, quantize(ctx, createAveragePool(ctx, x), ctx.input(3),
                                   ctx.input(4), ctx.inputElementType(0)));
}

static LogicalResult importQLinearGlobalAveragePool(NodeContext &ctx) {
  if (isChannelsLast(ctx))
    return failure();
  if (ctx.inputType(0).getRank() < 3)
    return ctx.emitError("the input must be (N, C, spatial...)");
  Value x = dequantize(ctx, ctx.input(0), ctx.input(1), ctx.input(2));
  SmallVector<int64_t> axes =
      llvm::to_vector(llvm::seq<int64_t>(2, ctx.inputType(0).getRank()));
  Value y = ctx.create<qnn::ReduceOp>(qnn::ReduceKind::mean, x,
                                      ctx.i64List(axes), /*keepdims=*/true,
                                      /*noop_with_empty_axes=*/false);
  return ctx.setOutput(
      0, quantize(ctx, y, ctx.input(3), ctx.input(4), ctx.inputElementType(0)));
}

/// Up to opset 12 all dimensions from the axis on are one.
static LogicalResult importQLinearSoftmax(NodeContext &ctx) {
  bool flatten = ctx.getInt("opset", 13) < 13;
  auto axis = qnn::normalizeAxis(ctx.getInt("axis", flatten ? 1 : -1),
                                 ctx.inputType(0).getRank());
  if (!axis)
    return ctx.emitError("axis is outside of the input's rank");
  Value x = dequantize(ctx, ctx.input(0), ctx.input(1), ctx.input(2));
  Value y =
      ctx.create<qnn::SoftmaxOp>(qnn::SoftmaxKind::softmax, x, *axis, flatten);
  return ctx.setOutput(
      0, quantize(ctx, y, ctx.input(3), ctx.input(4), ctx.inputElementType(0)));
}

/// Adds input `i`, if it is given.
static Value addBias(NodeContext &ctx, Value x, size_t i) {
  return ctx.hasInput(i) ? ctx.binary(BinaryKind::add, x, ctx.input(i)) : x;
}

/// The accumulator (i32) as real numbers, then with the optional bias.
static Value scaleAccumulator(NodeContext &ctx, Value acc, Value scale,
                              size_t bias) {
  if (!acc || !scale)
    return {};
  Value real = ctx.castTo(acc, ctx.builder.getF32Type());
  return addBias(ctx, ctx.binary(BinaryKind::mul, real, scale), bias);
}

/// A, B, a_scale, b_scale, a_zero_point?, b_zero_point?, bias?.
static LogicalResult importMatMulIntegerToFloat(NodeContext &ctx) {
  Value acc = ctx.create<qnn::MatMulOp>(ctx.input(0), ctx.input(1),
                                        ctx.input(4), ctx.input(5));
  Value scale = combineScales(ctx, ctx.input(2), ctx.input(3), Value());
  return ctx.setOutput(0, scaleAccumulator(ctx, acc, scale, 6));
}

/// A (float), B, b_scale, b_zero_point?, bias?.
static LogicalResult importDynamicQuantizeMatMul(NodeContext &ctx) {
  SmallVector<Value> a =
      ctx.createMulti<qnn::DynamicQuantizeOp>(3, ctx.input(0));
  if (a.empty())
    return failure();
  Value acc = ctx.create<qnn::MatMulOp>(a[0], ctx.input(1), a[2], ctx.input(3));
  Value scale = combineScales(ctx, a[1], ctx.input(2), Value());
  return ctx.setOutput(0, scaleAccumulator(ctx, acc, scale, 4));
}

/// `x` with its last two dimensions exchanged if `flag`.
static Value transposeIf(NodeContext &ctx, Value x, bool flag) {
  if (!x || !flag)
    return x;
  int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  auto permutation = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (rank >= 2)
    std::swap(permutation[rank - 1], permutation[rank - 2]);
  return ctx.transpose(x, permutation);
}

/// A, a_scale, a_zp, B, b_scale, b_zp, C?, y_scale?, y_zp?. C is i32, in units
/// of a_scale · b_scale.
static LogicalResult importQGemm(NodeContext &ctx) {
  Value a = transposeIf(ctx, ctx.input(0), ctx.getInt("transA"));
  Value b = transposeIf(ctx, ctx.input(3), ctx.getInt("transB"));
  Value acc = ctx.create<qnn::MatMulOp>(a, b, ctx.input(2), ctx.input(5));
  acc = addBias(ctx, acc, 6);
  Value scale = combineScales(ctx, ctx.input(1), ctx.input(4), Value());
  double alpha = ctx.getFloat("alpha", 1);
  Type f32 = ctx.builder.getF32Type();
  if (alpha != 1)
    scale = ctx.binary(BinaryKind::mul, ctx.scalar(f32, alpha), scale);
  if (!ctx.hasInput(7))
    return ctx.setOutput(
        0, scaleAccumulator(ctx, acc, scale, /*bias=*/ctx.numInputs()));
  scale = ctx.binary(BinaryKind::div, scale, ctx.input(7));
  Type element =
      ctx.hasInput(8) ? ctx.inputElementType(8) : ctx.inputElementType(0);
  return ctx.setOutput(
      0, requantize(ctx, acc, scale, ctx.input(8), element, /*axis=*/1));
}

void onnx_import::registerContribQuantizationRules(RuleRegistry &registry) {
  addBinary(registry, "QLinearAdd", BinaryKind::add);
  addBinary(registry, "QLinearMul", BinaryKind::mul);
  addUnary(registry, "QLinearSigmoid", UnaryKind::sigmoid, 0);
  addUnary(registry, "QLinearLeakyRelu", UnaryKind::leaky_relu, 0.01f);
  registry.add(kMicrosoft, "QLinearAveragePool", 1, importQLinearAveragePool,
               /*numRequired=*/2);
  registry.add(kMicrosoft, "QLinearGlobalAveragePool", 1,
               importQLinearGlobalAveragePool, /*numRequired=*/2);
  registry.add(kMicrosoft, "QLinearSoftmax", 1, importQLinearSoftmax,
               /*numRequired=*/2);
  registry.add(kMicrosoft, "QLinearConcat", 1, importQLinearConcat,
               /*numRequired=*/2);
  registry.add(kMicrosoft, "QLinearWhere", 1, importQLinearWhere,
               /*numRequired=*/3);
  registry.add(kMicrosoft, "MatMulIntegerToFloat", 1,
               importMatMulIntegerToFloat, /*numRequired=*/4);
  registry.add(kMicrosoft, "DynamicQuantizeMatMul", 1,
               importDynamicQuantizeMatMul, /*numRequired=*/3);
  registry.add(kMicrosoft, "QGemm", 1, importQGemm, /*numRequired=*/5);
}
