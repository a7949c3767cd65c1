//===- JIT.h - Compile a module and call it, in this process ----*- C++ -*-===//

#ifndef QUANTC_JIT_JIT_H
#define QUANTC_JIT_JIT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace quantc::native {
enum class Effort;
struct WeightTable;
} // namespace quantc::native

namespace quantc {

/// The bytes of a tensor in storage types, row-major.
using TensorBytes = llvm::SmallVector<char, 0>;

/// A tensor given to compiled code: `bytes` are read in place.
struct TensorView {
  llvm::ArrayRef<char> bytes;
  llvm::ArrayRef<int64_t> shape;
};

/// A tensor that compiled code gave.
struct Tensor {
  TensorBytes bytes;
  llvm::SmallVector<int64_t> shape;
};

/// A function of this process that the module calls by its name: a private
/// declaration in the module.
struct HostFunction {
  llvm::StringRef name;
  void *address;
};

/// A module of qnn ops with one public function @main on tensors, compiled for
/// this machine by the pipelines that compile libraries: what it computes is
/// what a library would. Threads may call it at the same time.
class JITFunction {
public:
  /// Registers the dialects that `compile` needs, for a pass that calls it: a
  /// dialect cannot be loaded while passes run.
  static void getDependentDialects(mlir::DialectRegistry &registry);

  /// Consumes `module`. Errors go to the context's diagnostics. Code may refer
  /// to large constants where they are: the context must outlive the result.
  static mlir::FailureOr<JITFunction>
  compile(mlir::ModuleOp module,
          llvm::ArrayRef<HostFunction> hostFunctions = {});
  /// The same for code that may not be worth optimizing.
  static mlir::FailureOr<JITFunction>
  compile(mlir::ModuleOp module, native::Effort effort,
          llvm::ArrayRef<HostFunction> hostFunctions = {});

  JITFunction(JITFunction &&);
  ~JITFunction();

  /// Calls the function. Fails with a message in `error` if an input does not
  /// fit its type, or with the model's own if a run-time check fails.
  mlir::LogicalResult run(llvm::ArrayRef<TensorView> inputs,
                          llvm::SmallVectorImpl<Tensor> &outputs,
                          std::string &error) const;

  /// The same if all inputs have static shapes.
  mlir::LogicalResult run(llvm::ArrayRef<llvm::ArrayRef<char>> inputs,
                          llvm::SmallVectorImpl<TensorBytes> &outputs,
                          std::string &error) const;

private:
  JITFunction();

  /// Links objects into this process.
  llvm::Error load(llvm::ArrayRef<llvm::SmallVector<char, 0>> objects,
                   llvm::StringRef triple, const native::WeightTable &weights,
                   llvm::ArrayRef<HostFunction> hostFunctions);
  llvm::Expected<const void *> align(llvm::ArrayRef<char> bytes);

  struct Free {
    void operator()(void *pointer) const { free(pointer); }
  };

  llvm::SmallVector<mlir::RankedTensorType> inputTypes, outputTypes;
  /// Copies of constants that lie where vectors cannot be loaded from.
  std::vector<std::unique_ptr<void, Free>> alignedWeights;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  void *entry = nullptr;
};

} // namespace quantc

#endif // QUANTC_JIT_JIT_H
