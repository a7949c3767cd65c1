//===- RecurrentOps.td - LSTM, GRU and RNN -------------------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_RECURRENTOPS
#define QUANTC_DIALECT_QNN_IR_RECURRENTOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_RECURRENTOPS
