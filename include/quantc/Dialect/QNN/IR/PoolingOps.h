//===- PoolingOps.h - generated from PoolingOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_POOLINGOPS_H
#define QUANTC_DIALECT_QNN_IR_POOLINGOPS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/IR/Windows.h"

#include "quantc/Dialect/QNN/IR/PoolingOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/PoolingOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/PoolingOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_POOLINGOPS_H
