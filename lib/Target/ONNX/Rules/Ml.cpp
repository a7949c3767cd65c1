//===- Ml.cpp - Ops of ai.onnx.ml ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerMlRules(RuleRegistry &registry) {
  (void)registry;
}
