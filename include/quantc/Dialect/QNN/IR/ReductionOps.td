//===- ReductionOps.td - Reductions, softmax, sorting and running sums ---===//
#ifndef QUANTC_DIALECT_QNN_IR_REDUCTIONOPS
#define QUANTC_DIALECT_QNN_IR_REDUCTIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_REDUCTIONOPS
