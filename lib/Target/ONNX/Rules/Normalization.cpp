//===- Normalization.cpp - Normalizations and attention ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerNormalizationRules(RuleRegistry &registry) {
  (void)registry;
}
