//===- NonMaxSuppression.h - Boxes that no better one overlaps --*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_NONMAXSUPPRESSION_H
#define QUANTC_LIB_TARGET_ONNX_RULES_NONMAXSUPPRESSION_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

/// Imports a NonMaxSuppression.
mlir::LogicalResult importNonMaxSuppression(NodeContext &ctx);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_NONMAXSUPPRESSION_H
