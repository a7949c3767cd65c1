//===- ElementwiseOps.h - generated from ElementwiseOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_ELEMENTWISEOPS_H
#define QUANTC_DIALECT_QNN_IR_ELEMENTWISEOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/ElementwiseOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/ElementwiseOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_ELEMENTWISEOPS_H
