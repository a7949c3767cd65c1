//===- GenerationOps.td - Ranges, fills, random numbers and windows ------===//
#ifndef QUANTC_DIALECT_QNN_IR_GENERATIONOPS
#define QUANTC_DIALECT_QNN_IR_GENERATIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_GENERATIONOPS
