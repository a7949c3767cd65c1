//===- ContractionAnalysis.h - Roots of kernels as matrix products -------===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONANALYSIS_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONANALYSIS_H

#include "ColumnSources.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace quantc {

/// A root of a kernel, and the ops around it that the product takes over.
struct MatchedProduct {
  mlir::linalg::LinalgOp root;
  GemmProblem problem;
  MicroKernel kernel;
  /// The right-hand side: a matrix, or the windows of a convolution.
  StridedMatrix b;
  std::unique_ptr<ColumnSource> columns;
  /// The input of a depthwise convolution: one channel in, one out.
  std::optional<Windows> depthwise;
  /// The input of a convolution of words (or floats), whose padding is an
  /// element. If it is pointwise, its dimensions are one.
  std::optional<Windows> words;
  int64_t numChannels = 0; // Or kDynamic.
  /// The operand of the root with the matrix, or null for windows, and that of
  /// the left-hand side.
  mlir::OpOperand *matrixOperand = nullptr, *rowsOperand = nullptr;
  /// To be erased once the product is emitted, users first.
  llvm::SmallVector<mlir::Operation *> absorbed;

  /// Whether it convolves planes with one filter of one channel each.
  bool hasPlanes(KernelEmitter &e) const;
};

/// Describes `root` (on contiguous buffers) as a product, emitting the sizes
/// and strides that it needs before the root.
llvm::FailureOr<MatchedProduct> matchProduct(KernelEmitter &e,
                                             mlir::linalg::LinalgOp root,
                                             const VectorUnit &unit);

/// Takes over the fill of `match`'s output, and an elementwise op on it. Rows
/// follow the loops `m`, columns the loops `n`.
void matchNeighbours(KernelEmitter &e, MatchedProduct &match,
                     llvm::ArrayRef<unsigned> m, llvm::ArrayRef<unsigned> n);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONANALYSIS_H
