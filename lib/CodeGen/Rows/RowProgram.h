//===- RowProgram.h - Ops over rows, in order -------------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_ROWS_ROWPROGRAM_H
#define QUANTC_LIB_CODEGEN_ROWS_ROWPROGRAM_H

#include "CodeGen/Analysis/RowOps.h"

namespace quantc {

/// One op of a kernel over rows.
struct RowStep {
  mlir::linalg::GenericOp op;
  RowOpKind kind = RowOpKind::elements;
  /// The number of sweeps that have to be over before this op's; a value per
  /// row is there before the sweep of its level.
  unsigned level = 0;
  /// What a reduction starts from.
  mlir::Value init = nullptr;

  mlir::Value output() const {
    mlir::linalg::GenericOp written = op;
    return written.getDpsInits()[0];
  }
};

/// A kernel over rows, in order.
struct RowProgram {
  RowShape shape;
  llvm::SmallVector<RowStep> steps;
  /// Steps that write a buffer, by buffer.
  llvm::DenseMap<mlir::Value, unsigned> writers;
  /// Buffers that the kernel allocates, which its code has no need for.
  llvm::DenseSet<mlir::Value> locals;

  unsigned numSweeps() const;
};

/// All of `ops` (on buffers) as a program over rows; none where it would not
/// compute what the ops do in their order. Different buffers share no memory.
mlir::FailureOr<RowProgram>
matchRowProgram(llvm::ArrayRef<mlir::Operation *> ops);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ROWS_ROWPROGRAM_H
