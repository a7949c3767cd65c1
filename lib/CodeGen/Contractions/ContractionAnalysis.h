//===- ContractionAnalysis.h - Roots of kernels as matrix products -------===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_CONTRACTIONANALYSIS_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_CONTRACTIONANALYSIS_H

#include "CodeGen/Emitter/LoopGroups.h"
#include "CodeGen/Gemm/ColumnSources.h"
#include "CodeGen/Gemm/PaddedRows.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace quantc {

/// How many elements a dimension has, and how far they are apart.
struct StridedDim {
  int64_t size, stride;
};

/// A root of a kernel, and the ops around it that the product takes over.
struct MatchedProduct {
  mlir::linalg::LinalgOp root;
  GemmProblem problem;
  MicroKernel kernel;
  /// The right-hand side: a matrix, or the windows of a convolution.
  StridedMatrix b;
  /// If rows of `b` have no single stride, those of the dimensions that make up
  /// k: then it must be packed.
  llvm::SmallVector<StridedDim> filterDims;
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
  /// The image on the left-hand side, if it lacks its padding.
  std::optional<PaddedRows> paddedRows;
  /// To be erased once the product is emitted, users first.
  llvm::SmallVector<mlir::Operation *> absorbed;

  /// Whether it convolves planes with one filter of one channel each.
  bool hasPlanes(KernelEmitter &e) const;
};

/// Sets the sizes of `problem`, its left-hand side `a` and its result `c`; the
/// loops of `groups` go through them.
void describeOperands(KernelEmitter &e, const LoopGroups &groups,
                      const Access &a, const Access &c, GemmProblem &problem);

/// Describes `root` (on contiguous buffers) as a product, emitting the sizes
/// and strides that it needs before the root. Of a contraction, `rowLoop` is
/// alone in going through rows if it is given: others are outer loops, also
/// where they could be one with it.
llvm::FailureOr<MatchedProduct>
matchProduct(KernelEmitter &e, mlir::linalg::LinalgOp root,
             const VectorUnit &unit, std::optional<unsigned> rowLoop = {});

/// The same for a convolution of an image whose channels come before the image:
/// its filters are rows, and positions, whose windows are packed, columns.
llvm::FailureOr<MatchedProduct>
matchPlaneConvolution(KernelEmitter &e, mlir::linalg::LinalgOp root,
                      const VectorUnit &unit);

/// The same for a convolution of an image whose channels are innermost: its
/// positions are rows, and its filters, which must be constant, columns.
bool hasChannelsInnermost(mlir::linalg::LinalgOp root);
llvm::FailureOr<MatchedProduct> matchRowConvolution(KernelEmitter &e,
                                                    mlir::linalg::LinalgOp root,
                                                    const VectorUnit &unit);

//===----------------------------------------------------------------------===//
// Parts of matchProduct
//===----------------------------------------------------------------------===//

/// Splits a body `yield(out + f(a) * g(b))` into the factors.
llvm::LogicalResult matchBody(KernelEmitter &e, mlir::linalg::LinalgOp root,
                              FactorExpression &first,
                              FactorExpression &second);

/// The operand whose elements `factor` is made of.
mlir::OpOperand *getOperand(mlir::linalg::LinalgOp root,
                            const FactorExpression &factor);

/// Whether a factor depends on more than one element and scalars.
bool hasParameters(const GemmProblem &problem);

mlir::Type getAccumulator(mlir::linalg::LinalgOp root);

/// The input of a convolution before its padding.
struct PaddedInput {
  mlir::Value source;
  llvm::SmallVector<mlir::Value> low;
  mlir::Value value; // Null without padding.
  llvm::SmallVector<mlir::Operation *> ops;
};

/// Only `numDims` dimensions, from `firstDim` on, may be padded.
PaddedInput matchPadding(KernelEmitter &e, mlir::Value buffer,
                         unsigned firstDim, unsigned numDims);

/// Takes over the fill of `match`'s output, and an elementwise op on it.
void matchNeighbours(KernelEmitter &e, MatchedProduct &match,
                     const LoopGroups &groups);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_CONTRACTIONANALYSIS_H
