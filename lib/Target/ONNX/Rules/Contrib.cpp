//===- Contrib.cpp - Ops of com.microsoft ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerContribRules(RuleRegistry &registry) {
  (void)registry;
}
