//===- Convolution.cpp - Convolutions ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerConvolutionRules(RuleRegistry &registry) {
  (void)registry;
}
