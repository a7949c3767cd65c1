//===- RowGroups.h - Ops over the same rows ---------------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_KERNELS_ROWGROUPS_H
#define QUANTC_LIB_CODEGEN_KERNELS_ROWGROUPS_H

#include "CodeGen/Analysis/RowOps.h"

#include "llvm/ADT/DenseSet.h"

namespace quantc {

/// Ops on tensors that one loop over rows computes, in the order of the block.
/// Results that are used elsewhere are used behind the last op.
struct RowGroup {
  llvm::SmallVector<mlir::linalg::GenericOp> ops;

  bool contains(mlir::Operation *op) const;
  /// Whether a result of the group's op `op` is used by other ops.
  bool isResult(mlir::linalg::GenericOp op) const;
};

/// Whether `op` reduces along rows that are long enough to fill vectors.
bool isRowReduction(mlir::linalg::GenericOp op);

/// The group around the reduction `seed`, without the ops in `taken`; empty if
/// it is no reduction along rows, or if rows are too short to gain by it.
RowGroup findRowGroup(mlir::linalg::GenericOp seed,
                      const llvm::DenseSet<mlir::Operation *> &taken);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_KERNELS_ROWGROUPS_H
