//===- Pooling.cpp - Pooling ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerPoolingRules(RuleRegistry &registry) {
  (void)registry;
}
