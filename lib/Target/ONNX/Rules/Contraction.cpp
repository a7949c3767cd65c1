//===- Contraction.cpp - Matrix products ----------------------------------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

static LogicalResult importMatMul(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::MatMulOp>(ctx.input(0), ctx.input(1),
                                                    Value(), Value()));
}

void quantc::onnx_import::registerContractionRules(RuleRegistry &registry) {
  registry.add(kOnnx, "MatMul", 1, importMatMul);
}
