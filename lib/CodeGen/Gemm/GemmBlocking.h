//===- GemmBlocking.h - How a product is cut into blocks --------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_GEMMBLOCKING_H
#define QUANTC_LIB_CODEGEN_GEMM_GEMMBLOCKING_H

#include "GemmEmitter.h"

namespace quantc {

/// The blocks of a product: a task computes one of `rows` by `panels` (of the
/// micro-kernel's columns), in steps of `depth` along k.
struct GemmBlocking {
  int64_t rows, panels, depth;
  /// Whether there is more than one step, so that sums wait in memory.
  bool splitsDepth = false;
  /// Whether so few rows read each panel of a packed matrix that it may as well
  /// come from memory.
  bool readsPackedOnce = false;
  /// Whether a task packs all of its panels first, and computes row by row of
  /// micro-kernels then; otherwise panel by panel.
  bool sweepsRows = false;
  /// Vectors of columns in the last panel, if it is worth code of its own.
  int64_t lastVectors = 0;

  static GemmBlocking choose(KernelEmitter &e, const GemmProblem &problem,
                             const MicroKernel &kernel, ColumnSource &columns);
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_GEMMBLOCKING_H
