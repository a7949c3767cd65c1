//===- IndexingOps.td - Gather, scatter, slice, concat and selection by index ===//
#ifndef QUANTC_DIALECT_QNN_IR_INDEXINGOPS
#define QUANTC_DIALECT_QNN_IR_INDEXINGOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_INDEXINGOPS
