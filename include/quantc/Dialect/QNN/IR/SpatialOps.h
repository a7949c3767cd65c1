//===- SpatialOps.h - generated from SpatialOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_SPATIALOPS_H
#define QUANTC_DIALECT_QNN_IR_SPATIALOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/SpatialOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/SpatialOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/SpatialOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_SPATIALOPS_H
