//===- Convolution.cpp - Convolutions -------------------------------------===//

#include "Windows.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

/// The window of a convolution whose input and weights are the inputs `x` and
/// `w` of the node; checks that ranks allow for reading it.
static std::optional<WindowAttrs> readConv(NodeContext &ctx, size_t x,
                                           size_t w) {
  int64_t rank = ctx.inputType(x).getRank();
  if (rank < 3 || ctx.inputType(w).getRank() != rank) {
    (void)ctx.emitError("input and weights must be (N, C, spatial...) and of "
                        "one rank");
    return std::nullopt;
  }
  auto kernel = ctx.getInts("kernel_shape");
  auto weights = ctx.inputType(w).getShape().drop_front(2);
  for (auto [k, d] : llvm::zip(kernel, weights))
    if (!ShapedType::isDynamic(d) && k != d) {
      (void)ctx.emitError("kernel_shape differs from the shape of the weights");
      return std::nullopt;
    }
  return readWindow(ctx, rank - 2);
}

Value onnx_import::createConv(NodeContext &ctx, size_t x, size_t w, Value bias,
                              Value inputZero, Value weightsZero) {
  auto window = readConv(ctx, x, w);
  if (!window)
    return {};
  auto input = ctx.inputType(x), weights = ctx.inputType(w);
  int64_t spatial = input.getRank() - 2;
  if (window->autoPad.getValue() != qnn::AutoPad::none &&
      int64_t(window->strides.size()) == spatial &&
      int64_t(window->dilations.size()) == spatial && input.hasStaticShape() &&
      weights.hasStaticShape()) {
    bool upper = window->autoPad.getValue() == qnn::AutoPad::same_upper;
    for (int64_t i = 0; i < spatial; ++i) {
      int64_t size = input.getDimSize(i + 2), stride = window->strides[i];
      int64_t extent =
          (weights.getDimSize(i + 2) - 1) * window->dilations[i] + 1;
      if (stride < 1)
        break;
      int64_t count = (size + stride - 1) / stride;
      int64_t total =
          std::max<int64_t>(0, (count - 1) * stride + extent - size);
      window->pads[i] = upper ? total / 2 : total - total / 2;
      window->pads[i + spatial] = total - window->pads[i];
    }
    window->autoPad =
        qnn::AutoPadAttr::get(ctx.getContext(), qnn::AutoPad::none);
  }
  return ctx.create<qnn::ConvOp>(
      ctx.input(x), ctx.input(w), bias, inputZero, weightsZero,
      ctx.builder.getDenseI64ArrayAttr(window->strides),
      ctx.builder.getDenseI64ArrayAttr(window->dilations),
      ctx.builder.getDenseI64ArrayAttr(window->pads),
      ctx.builder.getI64IntegerAttr(ctx.getInt("group", 1)), window->autoPad);
}

static LogicalResult importConv(NodeContext &ctx) {
  return ctx.setOutput(0,
                       createConv(ctx, 0, 1, ctx.input(2), Value(), Value()));
}

static LogicalResult importConvInteger(NodeContext &ctx) {
  return ctx.setOutput(
      0, createConv(ctx, 0, 1, Value(), ctx.input(2), ctx.input(3)));
}

static LogicalResult importConvTranspose(NodeContext &ctx) {
  auto window = readConv(ctx, 0, 1);
  if (!window)
    return failure();
  SmallVector<int64_t> zeros(window->strides.size(), 0);
  auto shape = ctx.getInts("output_shape");
  // Some models hold all dimensions there.
  if (shape.size() > zeros.size())
    shape.erase(shape.begin(), shape.end() - zeros.size());
  return ctx.setOutput(
      0, ctx.create<qnn::ConvTransposeOp>(
             ctx.input(0), ctx.input(1), ctx.input(2), Value(), Value(),
             ctx.builder.getDenseI64ArrayAttr(window->strides),
             ctx.builder.getDenseI64ArrayAttr(window->dilations),
             ctx.builder.getDenseI64ArrayAttr(window->pads),
             ctx.builder.getDenseI64ArrayAttr(
                 ctx.getInts("output_padding", zeros)),
             ctx.builder.getDenseI64ArrayAttr(shape),
             ctx.builder.getI64IntegerAttr(ctx.getInt("group", 1)),
             window->autoPad));
}

static LogicalResult importDeformConv(NodeContext &ctx) {
  auto window = readConv(ctx, 0, 1);
  if (!window)
    return failure();
  return ctx.setOutput(
      0, ctx.create<qnn::DeformConvOp>(
             ctx.input(0), ctx.input(1), ctx.input(2), ctx.input(3),
             ctx.input(4), ctx.builder.getDenseI64ArrayAttr(window->strides),
             ctx.builder.getDenseI64ArrayAttr(window->dilations),
             ctx.builder.getDenseI64ArrayAttr(window->pads),
             ctx.builder.getI64IntegerAttr(ctx.getInt("group", 1)),
             ctx.builder.getI64IntegerAttr(ctx.getInt("offset_group", 1))));
}

void quantc::onnx_import::registerConvolutionRules(RuleRegistry &registry) {
  registry.add(kOnnx, "Conv", 1, importConv);
  registry.add(kOnnx, "ConvInteger", 10, importConvInteger);
  registry.add(kOnnx, "ConvTranspose", 1, importConvTranspose);
  registry.add(kOnnx, "DeformConv", 19, importDeformConv);
}
