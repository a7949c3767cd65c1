//===- LabelEncoder.h - Tables from keys to values --------------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_LABELENCODER_H
#define QUANTC_LIB_TARGET_ONNX_RULES_LABELENCODER_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

mlir::LogicalResult importLabelEncoder(NodeContext &ctx);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_LABELENCODER_H
