//===- KernelGroups.h - Ops that become one kernel --------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_KERNELS_KERNELGROUPS_H
#define QUANTC_LIB_CODEGEN_KERNELS_KERNELGROUPS_H

#include "RowGroups.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"

namespace quantc {

/// What becomes one kernel, on tensors: `pad`, `root` and `epilogue`, the outer
/// two optional, or ops over the same `rows`, or an attention: `rows` of what
/// the product `scores` and its optional epilogue make, multiplied by `root`.
/// Fills of the outputs are looked up when the group is cloned.
struct KernelGroup {
  mlir::tensor::PadOp pad = nullptr;
  mlir::linalg::LinalgOp root = nullptr;
  mlir::linalg::GenericOp epilogue = nullptr;
  RowGroup rows = {};
  mlir::linalg::LinalgOp scores = nullptr;
  mlir::linalg::GenericOp scoresEpilogue = nullptr;

  /// All of its ops but `pad`, in order.
  llvm::SmallVector<mlir::linalg::LinalgOp> ops() const;

  mlir::linalg::LinalgOp last() const { return ops().back(); }
  bool hasOnlyRows() const { return !rows.ops.empty() && !scores; }

  /// What other ops use of the group.
  llvm::SmallVector<mlir::Value> results() const;
};

/// Sorts the ops on tensors in `module` into groups.
llvm::SmallVector<KernelGroup> findKernelGroups(mlir::ModuleOp module);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_KERNELS_KERNELGROUPS_H
