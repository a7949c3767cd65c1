//===- Recurrent.cpp - Lowers LSTM, GRU and RNN ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/RecurrentOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateRecurrentPatterns(const TypeConverter &converter,
                                       RewritePatternSet &patterns) {}
