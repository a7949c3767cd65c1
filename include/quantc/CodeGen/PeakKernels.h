//===- PeakKernels.h - What the machine could do at best --------*- C++ -*-===//
#ifndef QUANTC_CODEGEN_PEAKKERNELS_H
#define QUANTC_CODEGEN_PEAKKERNELS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace quantc {

/// Code whose speed is a limit of the machine, from the instructions that
/// kernels are made of.
struct PeakKernel {
  /// @main takes a list of numbers and returns one; null if the target has no
  /// such instructions.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// The list's length and bytes of an element.
  int64_t length = 0, elementBytes = 4;
  /// What one call does: operations, or bytes read.
  double work = 0;
};

/// Sums and products of float32 that stay in registers.
PeakKernel buildFloatPeak(mlir::MLIRContext &context,
                          llvm::StringRef targetFeatures, int64_t steps);

/// The same for the products of 8-bit integers that `DotProduct` chooses; on
/// AMX, of tiles in the first cache.
PeakKernel buildInt8Peak(mlir::MLIRContext &context,
                         llvm::StringRef targetFeatures, int64_t steps);

/// The same for products of bf16.
PeakKernel buildBF16Peak(mlir::MLIRContext &context,
                         llvm::StringRef targetFeatures, int64_t steps);

/// Reads `bytes` of memory `repeats` times.
PeakKernel buildReadPeak(mlir::MLIRContext &context,
                         llvm::StringRef targetFeatures, int64_t bytes,
                         int64_t repeats);

} // namespace quantc

#endif // QUANTC_CODEGEN_PEAKKERNELS_H
