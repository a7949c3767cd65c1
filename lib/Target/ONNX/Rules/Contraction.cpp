//===- Contraction.cpp - Matrix products ----------------------------------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

static LogicalResult importMatMul(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::MatMulOp>(ctx.input(0), ctx.input(1),
                                                    Value(), Value()));
}

/// alpha · A' · B' + beta · C. Factors go to the smaller operands, B and C,
/// that are constants most of the time.
static LogicalResult importGemm(NodeContext &ctx) {
  if (ctx.inputType(0).getRank() != 2 || ctx.inputType(1).getRank() != 2)
    return ctx.emitError("A and B must be matrices");
  auto scaled = [&](Value v, double factor) {
    if (factor == 1 || !v)
      return v;
    Type type = cast<RankedTensorType>(v.getType()).getElementType();
    return ctx.binary(qnn::BinaryKind::mul, v, ctx.scalar(type, factor));
  };
  Value a = ctx.input(0), b = ctx.input(1);
  if (ctx.getInt("transA"))
    a = ctx.transpose(a, {1, 0});
  if (ctx.getInt("transB"))
    b = ctx.transpose(b, {1, 0});
  Value product = ctx.create<qnn::MatMulOp>(
      a, scaled(b, ctx.getFloat("alpha", 1)), Value(), Value());
  double beta = ctx.getFloat("beta", 1);
  if (!ctx.hasInput(2) || beta == 0)
    return ctx.setOutput(0, product);
  return ctx.setOutput(
      0, ctx.binary(qnn::BinaryKind::add, product, scaled(ctx.input(2), beta)));
}

static LogicalResult importEinsum(NodeContext &ctx) {
  return ctx.setOutput(
      0, ctx.create<qnn::EinsumOp>(
             ValueRange(ctx.inputs()),
             ctx.builder.getStringAttr(ctx.getString("equation"))));
}

void quantc::onnx_import::registerContractionRules(RuleRegistry &registry) {
  registry.add(kOnnx, "Einsum", 12, importEinsum);
  registry.add(kOnnx, "Gemm", 7, importGemm);
  registry.add(kOnnx, "MatMul", 1, importMatMul);
}
