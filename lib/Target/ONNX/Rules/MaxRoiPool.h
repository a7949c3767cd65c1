//===- MaxRoiPool.h - The maxima of parts of regions ------------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_MAXROIPOOL_H
#define QUANTC_LIB_TARGET_ONNX_RULES_MAXROIPOOL_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

mlir::LogicalResult importMaxRoiPool(NodeContext &ctx);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_MAXROIPOOL_H
