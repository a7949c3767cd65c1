//===- PoolingOps.td - Pooling -------------------------------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_POOLINGOPS
#define QUANTC_DIALECT_QNN_IR_POOLINGOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_POOLINGOPS
