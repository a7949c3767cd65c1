//===- WeightOnlyOps.h - generated from WeightOnlyOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_WEIGHTONLYOPS_H
#define QUANTC_DIALECT_QNN_IR_WEIGHTONLYOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/WeightOnlyOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/WeightOnlyOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/WeightOnlyOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_WEIGHTONLYOPS_H
