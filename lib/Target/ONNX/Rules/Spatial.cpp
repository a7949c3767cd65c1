//===- Spatial.cpp - Resize, sampling, detection and signal ops ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerSpatialRules(RuleRegistry &registry) {
  (void)registry;
}
