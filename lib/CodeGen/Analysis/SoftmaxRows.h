//===- SoftmaxRows.h - Softmax as ops over rows -----------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_ANALYSIS_SOFTMAXROWS_H
#define QUANTC_LIB_CODEGEN_ANALYSIS_SOFTMAXROWS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace quantc {

/// Whether `ops` on buffers make `weights` of `scores` by a softmax of f32
/// along the last dimension: exp(x - max) over its sum.
bool isSoftmax(llvm::ArrayRef<mlir::Operation *> ops, mlir::Value scores,
               mlir::Value weights);

/// The input of an elementwise `op` that it adds, as it is, to what it makes of
/// `product`; null if there is none.
mlir::OpOperand *findAddedMask(mlir::linalg::GenericOp op, mlir::Value product);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ANALYSIS_SOFTMAXROWS_H
