//===- LoopGroups.h - Buffers by the loops of a product ---------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_EMITTER_LOOPGROUPS_H
#define QUANTC_LIB_CODEGEN_EMITTER_LOOPGROUPS_H

#include "KernelEmitter.h"

namespace quantc {

/// A matrix for each index of the outer loops, in a flat buffer.
struct StridedMatrix {
  mlir::Value buffer;
  llvm::SmallVector<mlir::Value> outerStrides;
  mlir::Value rowStride, columnStride;
};

/// Where `matrix` begins for one index of the outer loops.
mlir::Value getOffset(KernelEmitter &e, mlir::ValueRange outer,
                      const StridedMatrix &matrix);

/// The loops of a product by what they index.
struct LoopGroups {
  llvm::SmallVector<unsigned> outer, m, n, k;
};

/// A buffer with the loop dimensions that its dimensions follow.
struct Access {
  mlir::Value flat;
  /// The loop of each dimension, or -1.
  llvm::SmallVector<int64_t> loops;
  llvm::SmallVector<mlir::Value> sizes, strides;
  /// Of each dimension whether an index of it is all indices of the next one.
  llvm::SmallVector<bool> nests;

  static Access get(KernelEmitter &e, mlir::Value buffer, mlir::AffineMap map);

  std::optional<unsigned> positionOf(unsigned loop) const;
  mlir::Value strideOf(KernelEmitter &e, unsigned loop) const;

  /// The stride along `group`, loops that are traversed as one (the last is
  /// the fastest), if there is one.
  std::optional<mlir::Value>
  strideOfGroup(KernelEmitter &e, llvm::ArrayRef<unsigned> group) const;

  /// The number of iterations of the loops of `group`.
  mlir::Value sizeOfGroup(KernelEmitter &e,
                          llvm::ArrayRef<unsigned> group) const;

  /// The matrix with a row for each iteration of `rows`, which has a stride.
  StridedMatrix getMatrix(KernelEmitter &e, const LoopGroups &groups,
                          llvm::ArrayRef<unsigned> rows,
                          llvm::ArrayRef<unsigned> columns) const;
};

/// Moves loops from the front of `group` to `outer` until the rest is
/// traversed with one stride in both buffers.
void makeFlat(KernelEmitter &e, llvm::SmallVector<unsigned> &group,
              llvm::SmallVector<unsigned> &outer, const Access &x,
              const Access &y);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_EMITTER_LOOPGROUPS_H
