//===- ProductRoots.h - Which ops are products ------------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_ANALYSIS_PRODUCTROOTS_H
#define QUANTC_LIB_CODEGEN_ANALYSIS_PRODUCTROOTS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace quantc {

/// Whether `op` sums products of its first two operands' elements, so that it
/// does much work for each element of its result: linalg's contractions and
/// convolutions, and those that read zero points or scales beside them.
bool isProductRoot(mlir::linalg::LinalgOp op);

/// The factors x and y if the body of `op` is `yield(out + x * y)`.
std::optional<std::pair<mlir::Value, mlir::Value>>
matchSumOfProducts(mlir::linalg::LinalgOp op);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ANALYSIS_PRODUCTROOTS_H
