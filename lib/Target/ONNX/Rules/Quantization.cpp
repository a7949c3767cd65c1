//===- Quantization.cpp - Quantize, dequantize and integer ops ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerQuantizationRules(RuleRegistry &registry) {
  (void)registry;
}
