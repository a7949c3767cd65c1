//===- Control.cpp - If, Loop and Scan ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerControlRules(RuleRegistry &registry) {
  (void)registry;
}
