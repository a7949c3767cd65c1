//===- ConvolutionOps.h - generated from ConvolutionOps.td ===//

#ifndef QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS_H
#define QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS_H

#include "mlir/IR/PatternMatch.h"
#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/IR/Windows.h"

#include "quantc/Dialect/QNN/IR/ConvolutionOpsEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/ConvolutionOpsAttrs.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ConvolutionOps.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS_H
