//===- FunctionText.h - Pieces of functions in ONNX's text ------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_FUNCTIONTEXT_H
#define QUANTC_LIB_TARGET_ONNX_RULES_FUNCTIONTEXT_H

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>
#include <limits>
#include <string>

namespace quantc::onnx_import {

/// A float as ONNX's parser reads it back: with an exponent, as it takes long
/// rows of digits for an integer, and finite, as it has no word for infinity.
inline std::string writeFloat(double value) {
  double most = std::numeric_limits<float>::max();
  return llvm::formatv("{0:e8}", std::clamp(value, -most, most)).str();
}

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_FUNCTIONTEXT_H
