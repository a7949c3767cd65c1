//===- QuantizationOps.h - generated from QuantizationOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS_H
#define QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/QuantizationOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/QuantizationOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/QuantizationOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS_H
