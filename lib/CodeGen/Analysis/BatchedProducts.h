//===- BatchedProducts.h - Products of matrices by the batch ----*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_ANALYSIS_BATCHEDPRODUCTS_H
#define QUANTC_LIB_CODEGEN_ANALYSIS_BATCHEDPRODUCTS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace quantc {

/// What two products have in common.
struct SharedRows {
  mlir::Value weights;
  /// The loop of each over the rows of a matrix.
  unsigned scoresLoop, rootLoop;
};

/// The left-hand side of `root` if it has dimensions (outer..., row, k) and is
/// of the form of the result of `scores`, (outer..., row, column): both
/// multiply a matrix by a matrix for each index of the outer loops (by the same
/// one for several of them where heads share it), and `root` writes those in
/// the same order. The ops are on tensors or buffers.
std::optional<SharedRows> findWeights(mlir::linalg::LinalgOp scores,
                                      mlir::linalg::LinalgOp root);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ANALYSIS_BATCHEDPRODUCTS_H
