//===- Reduction.cpp - Reductions, softmax, sorting, running sums and losses
//===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerReductionRules(RuleRegistry &registry) {
  (void)registry;
}
