//===- SpatialOps.td - Resize, sampling, detection and signal ops --------===//
#ifndef QUANTC_DIALECT_QNN_IR_SPATIALOPS
#define QUANTC_DIALECT_QNN_IR_SPATIALOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

#endif // QUANTC_DIALECT_QNN_IR_SPATIALOPS
