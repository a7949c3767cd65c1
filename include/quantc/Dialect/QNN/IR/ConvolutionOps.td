//===- ConvolutionOps.td - Convolutions ----------------------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS
#define QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS
