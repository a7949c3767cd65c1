//===- QNNOps.td - All families, for what must be generated at once -------===//
#ifndef QUANTC_DIALECT_QNN_IR_QNNOPS
#define QUANTC_DIALECT_QNN_IR_QNNOPS

include "quantc/Dialect/QNN/IR/AutoPad.td"
include "quantc/Dialect/QNN/IR/ContractionOps.td"
include "quantc/Dialect/QNN/IR/ConvolutionOps.td"
include "quantc/Dialect/QNN/IR/ElementwiseOps.td"
include "quantc/Dialect/QNN/IR/IndexingOps.td"
include "quantc/Dialect/QNN/IR/NormalizationOps.td"
include "quantc/Dialect/QNN/IR/PoolingOps.td"
include "quantc/Dialect/QNN/IR/QuantizationOps.td"
include "quantc/Dialect/QNN/IR/ReductionOps.td"
include "quantc/Dialect/QNN/IR/SpatialOps.td"
include "quantc/Dialect/QNN/IR/TensorOps.td"
include "quantc/Dialect/QNN/IR/WeightOnlyOps.td"

#endif // QUANTC_DIALECT_QNN_IR_QNNOPS
