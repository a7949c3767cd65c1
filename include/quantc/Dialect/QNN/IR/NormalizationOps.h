//===- NormalizationOps.h - generated from NormalizationOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS_H
#define QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/NormalizationOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/NormalizationOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/NormalizationOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS_H
