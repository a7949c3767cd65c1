//===- GenerationOps.h - generated from GenerationOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_GENERATIONOPS_H
#define QUANTC_DIALECT_QNN_IR_GENERATIONOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/GenerationOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/GenerationOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/GenerationOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_GENERATIONOPS_H
