//===- Indexing.cpp - Gather, scatter, slice, concat and selection by index
//===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerIndexingRules(RuleRegistry &registry) {
  (void)registry;
}
