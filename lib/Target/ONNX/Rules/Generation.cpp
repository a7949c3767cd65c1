//===- Generation.cpp - Ranges, fills, random numbers and windows ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerGenerationRules(RuleRegistry &registry) {
  (void)registry;
}
