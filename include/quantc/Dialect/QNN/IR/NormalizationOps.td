//===- NormalizationOps.td - Normalizations and attention ----------------===//
#ifndef QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS
#define QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS
