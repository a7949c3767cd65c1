//===- JIT.h - Compile a module and call it, in this process ----*- C++ -*-===//

#ifndef QUANTC_JIT_JIT_H
#define QUANTC_JIT_JIT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace quantc {

/// The bytes of a tensor with a static shape, in storage types, row-major.
using TensorBytes = llvm::SmallVector<char, 0>;

/// A module of qnn ops with one public function @main on statically shaped
/// tensors, compiled for this machine by the pipelines that compile libraries:
/// what it computes is what a library would.
class JITFunction {
public:
  /// Registers the dialects that `compile` needs, for a pass that calls it: a
  /// dialect cannot be loaded while passes run.
  static void getDependentDialects(mlir::DialectRegistry &registry);

  /// Consumes `module`. Errors go to the context's diagnostics.
  static mlir::FailureOr<JITFunction> compile(mlir::ModuleOp module);

  JITFunction(JITFunction &&);
  ~JITFunction();

  /// Calls the function. `inputs` hold one tensor each. Fails with the model's
  /// own message in `error` if a run-time check fails.
  mlir::LogicalResult run(llvm::ArrayRef<llvm::ArrayRef<char>> inputs,
                          llvm::SmallVectorImpl<TensorBytes> &outputs,
                          std::string &error);

private:
  JITFunction();

  llvm::SmallVector<mlir::RankedTensorType> inputTypes, outputTypes;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  void *entry = nullptr;
};

} // namespace quantc

#endif // QUANTC_JIT_JIT_H
