//===- QuantizationOps.td - Quantize, dequantize, requantize, observe ----===//
#ifndef QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS
#define QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS
