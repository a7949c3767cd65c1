//===- IndexingOps.h - generated from IndexingOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_INDEXINGOPS_H
#define QUANTC_DIALECT_QNN_IR_INDEXINGOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/IndexingOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/IndexingOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/IndexingOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_INDEXINGOPS_H
