//===- Recurrent.cpp - LSTM, GRU and RNN ===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

void quantc::onnx_import::registerRecurrentRules(RuleRegistry &registry) {
  (void)registry;
}
