//===- ContractionOps.h - generated from ContractionOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS_H
#define QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS_H

#include "mlir/IR/PatternMatch.h"
#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "quantc/Dialect/QNN/IR/ContractionOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/ContractionOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ContractionOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS_H
