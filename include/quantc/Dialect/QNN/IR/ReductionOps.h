//===- ReductionOps.h - generated from ReductionOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_REDUCTIONOPS_H
#define QUANTC_DIALECT_QNN_IR_REDUCTIONOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/ReductionOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/ReductionOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ReductionOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_REDUCTIONOPS_H
