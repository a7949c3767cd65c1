//===- TypeInference.h - ONNX's own inference of types ----------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_TYPEINFERENCE_H
#define QUANTC_LIB_TARGET_ONNX_TYPEINFERENCE_H

#include "onnx/defs/schema.h"

namespace quantc::onnx_import {

/// ONNX's schemas; those of older pools count windows as the newest ones do.
/// LayerNormalization is there in each opset, and SimplifiedLayerNormalization,
/// as ONNX Runtime's optimizer writes both.
const onnx::ISchemaRegistry &getSchemas();

/// Gives the values of `model` their types; throws on a contradiction. Sizes
/// that the model declares are forgotten if its inputs have others follow:
/// returns what to warn of, or nothing.
std::string inferTypes(onnx::ModelProto &model);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_TYPEINFERENCE_H
