//===- RecurrentOps.cpp - LSTM, GRU and RNN -------------------------------===//

#include "quantc/Dialect/QNN/IR/RecurrentOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/RecurrentOps.cpp.inc"
