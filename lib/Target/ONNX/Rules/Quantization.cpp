//===- Quantization.cpp - Quantize, dequantize and integer products -------===//

#include "QuantizationRules.h"
#include "Windows.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;

//===- what the rules share -----------------------------------------------===//

bool onnx_import::isSingle(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 0 ||
         (type.getRank() == 1 && type.getDimSize(0) == 1);
}

/// The attribute `axis` for a scale that needs one.
static IntegerAttr axisAttr(NodeContext &ctx, Value scale, int64_t axis) {
  if (!scale || isSingle(scale))
    return {};
  return ctx.builder.getI64IntegerAttr(axis);
}

Value onnx_import::quantize(NodeContext &ctx, Value x, Value scale,
                            Value zeroPoint, Type elementType, int64_t axis) {
  if (!x || !scale)
    return {};
  auto type = cast<RankedTensorType>(x.getType());
  return ctx.createTyped<qnn::QuantizeOp>(
      type.clone(elementType), x, scale, zeroPoint, axisAttr(ctx, scale, axis),
      /*block_size=*/0, /*saturate=*/true, /*precision=*/TypeAttr());
}

Value onnx_import::dequantize(NodeContext &ctx, Value x, Value scale,
                              Value zeroPoint, int64_t axis) {
  if (!x || !scale)
    return {};
  auto type = cast<RankedTensorType>(x.getType());
  Type element = cast<RankedTensorType>(scale.getType()).getElementType();
  return ctx.createTyped<qnn::DequantizeOp>(
      type.clone(element), x, scale, zeroPoint, axisAttr(ctx, scale, axis),
      /*block_size=*/0);
}

Value onnx_import::requantize(NodeContext &ctx, Value acc, Value scale,
                              Value zeroPoint, Type elementType, int64_t axis) {
  if (!acc || !scale)
    return {};
  auto type = cast<RankedTensorType>(acc.getType());
  return ctx.createTyped<qnn::RequantizeOp>(type.clone(elementType), acc, scale,
                                            zeroPoint,
                                            axisAttr(ctx, scale, axis));
}

/// The axis of scales, from the front; a scale for the whole tensor needs none.
static LogicalResult getScaleAxis(NodeContext &ctx, IntegerAttr &attr) {
  int64_t rank = ctx.inputType(0).getRank();
  int64_t axis = ctx.getInt("axis", 1);
  if (isSingle(ctx.input(1)) && !ctx.getInt("block_size"))
    return success();
  auto normalized = qnn::normalizeAxis(axis, rank);
  if (!normalized)
    return ctx.emitError("axis " + Twine(axis) +
                         " is outside of the input's rank " + Twine(rank));
  attr = ctx.builder.getI64IntegerAttr(*normalized);
  return success();
}

/// The element type that attribute `name` gives, or null when it is 0.
static Type getOptionalType(NodeContext &ctx, StringRef name) {
  return ctx.getInt(name) ? ctx.getElementType(name) : Type();
}

//===- QuantizeLinear and its kin -----------------------------------------===//

static LogicalResult importQuantizeLinear(NodeContext &ctx) {
  Type element = getOptionalType(ctx, "output_dtype");
  if (ctx.hasInput(2))
    element = ctx.inputElementType(2);
  if (!element)
    element = ctx.builder.getIntegerType(8, /*isSigned=*/false);
  Type precision = getOptionalType(ctx, "precision");
  IntegerAttr axis;
  if (ctx.hasFailed() || failed(getScaleAxis(ctx, axis)))
    return failure();
  return ctx.setOutput(
      0, ctx.createTyped<qnn::QuantizeOp>(
             ctx.inputType(0).clone(element), ctx.input(0), ctx.input(1),
             ctx.input(2), axis, ctx.getInt("block_size"),
             ctx.getInt("saturate", 1) != 0,
             precision ? TypeAttr::get(precision) : TypeAttr()));
}

static LogicalResult importDequantizeLinear(NodeContext &ctx) {
  Type element = getOptionalType(ctx, "output_dtype");
  if (!element)
    element = ctx.inputElementType(1);
  IntegerAttr axis;
  if (ctx.hasFailed() || failed(getScaleAxis(ctx, axis)))
    return failure();
  // The zero point of a 32-bit integer can only be 0.
  Value zeroPoint =
      ctx.inputElementType(0).isInteger(32) ? Value() : ctx.input(2);
  return ctx.setOutput(0, ctx.createTyped<qnn::DequantizeOp>(
                              ctx.inputType(0).clone(element), ctx.input(0),
                              ctx.input(1), zeroPoint, axis,
                              ctx.getInt("block_size")));
}

static LogicalResult importDynamicQuantizeLinear(NodeContext &ctx) {
  return ctx.setOutputs(
      ctx.createMulti<qnn::DynamicQuantizeOp>(3, ctx.input(0)));
}

//===- integer products ---------------------------------------------------===//

static LogicalResult importMatMulInteger(NodeContext &ctx) {
  return ctx.setOutput(0,
                       ctx.create<qnn::MatMulOp>(ctx.input(0), ctx.input(1),
                                                 ctx.input(2), ctx.input(3)));
}

Value onnx_import::combineScales(NodeContext &ctx, Value a, Value b, Value y) {
  Type f32 = ctx.builder.getF32Type();
  Value scale =
      ctx.binary(BinaryKind::mul, ctx.castTo(a, f32), ctx.castTo(b, f32));
  if (y)
    scale = ctx.binary(BinaryKind::div, scale, ctx.castTo(y, f32));
  return scale;
}

/// a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point.
static LogicalResult importQLinearMatMul(NodeContext &ctx) {
  Value acc = ctx.create<qnn::MatMulOp>(ctx.input(0), ctx.input(3),
                                        ctx.input(2), ctx.input(5));
  if (!acc)
    return failure();
  Type element = ctx.inputElementType(7);
  int64_t rank = cast<RankedTensorType>(acc.getType()).getRank();
  Value scale = combineScales(ctx, ctx.input(1), ctx.input(4), ctx.input(6));
  if (!scale)
    return failure();
  // One scale, or one a column of b.
  if (isSingle(scale) || isSingle(ctx.input(1)))
    return ctx.setOutput(
        0, requantize(ctx, acc, scale, ctx.input(7), element, rank - 1));
  // Scales of rows: they broadcast, a column of them beside the columns of b.
  Value rows = ctx.castTo(ctx.input(1), ctx.builder.getF32Type());
  if (cast<RankedTensorType>(rows.getType()).getRank() == 1)
    rows = ctx.reshape(rows, {-1, 1});
  scale = combineScales(ctx, rows, ctx.input(4), ctx.input(6));
  Value real = ctx.binary(BinaryKind::mul,
                          ctx.castTo(acc, ctx.builder.getF32Type()), scale);
  return ctx.setOutput(0, quantize(ctx, real,
                                   ctx.scalar(ctx.builder.getF32Type(), 1),
                                   ctx.input(7), element, 0));
}

/// x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point,
/// B?. The bias is i32, in units of x_scale · w_scale.
static LogicalResult importQLinearConv(NodeContext &ctx) {
  Value acc = createConv(ctx, 0, 3, ctx.input(8), ctx.input(2), ctx.input(5));
  Value scale = combineScales(ctx, ctx.input(1), ctx.input(4), ctx.input(6));
  return ctx.setOutput(0, requantize(ctx, acc, scale, ctx.input(7),
                                     ctx.inputElementType(7), /*axis=*/1));
}

void quantc::onnx_import::registerQuantizationRules(RuleRegistry &registry) {
  registry.add(kOnnx, "QuantizeLinear", 10, importQuantizeLinear);
  registry.add(kOnnx, "DequantizeLinear", 10, importDequantizeLinear);
  registry.add(kOnnx, "DynamicQuantizeLinear", 11, importDynamicQuantizeLinear);
  registry.add(kOnnx, "MatMulInteger", 10, importMatMulInteger);
  registry.add(kOnnx, "QLinearMatMul", 10, importQLinearMatMul);
  registry.add(kOnnx, "QLinearConv", 10, importQLinearConv);
  registry.add(kMicrosoft, "QLinearConv", 1, importQLinearConv,
               /*numRequired=*/8);
  registry.add(kMicrosoft, "QuantizeLinear", 1, importQuantizeLinear,
               /*numRequired=*/2);
  registry.add(kMicrosoft, "DequantizeLinear", 1, importDequantizeLinear,
               /*numRequired=*/2);
  registerContribQuantizationRules(registry);
  registerContribContractionRules(registry);
}
