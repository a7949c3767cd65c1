//===- TensorOps.h - generated from TensorOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_TENSOROPS_H
#define QUANTC_DIALECT_QNN_IR_TENSOROPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/TensorOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/TensorOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/TensorOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_TENSOROPS_H
