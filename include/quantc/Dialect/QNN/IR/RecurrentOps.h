//===- RecurrentOps.h - generated from RecurrentOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_RECURRENTOPS_H
#define QUANTC_DIALECT_QNN_IR_RECURRENTOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/RecurrentOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/RecurrentOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/RecurrentOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_RECURRENTOPS_H
