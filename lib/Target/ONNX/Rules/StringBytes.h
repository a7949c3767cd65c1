//===- StringBytes.h - Strings as rows of bytes -----------------*- C++ -*-===//
//
// A tensor of strings is one of bytes (ui8), with one dimension more: each
// string in UTF-8, filled up with zeros. What ops compare and move are bytes.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_STRINGBYTES_H
#define QUANTC_LIB_TARGET_ONNX_RULES_STRINGBYTES_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

inline int64_t rankOf(mlir::Value v) {
  return mlir::cast<mlir::RankedTensorType>(v.getType()).getRank();
}

inline mlir::Type byteType(NodeContext &ctx) {
  return ctx.builder.getIntegerType(8, /*isSigned=*/false);
}

/// `x` at least as wide as `least` (a list of one).
mlir::Value widenTo(NodeContext &ctx, mlir::Value x, mlir::Value least);

/// Which strings are equal, with broadcasting.
mlir::Value areEqual(NodeContext &ctx, mlir::Value a, mlir::Value b);

/// One string, in the shape [width], which is `least` or more.
mlir::Value literal(NodeContext &ctx, llvm::StringRef text, size_t least = 1);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_STRINGBYTES_H
