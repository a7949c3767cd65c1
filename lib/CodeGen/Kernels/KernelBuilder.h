//===- KernelBuilder.h - A group of ops as a function -----------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_KERNELS_KERNELBUILDER_H
#define QUANTC_LIB_CODEGEN_KERNELS_KERNELBUILDER_H

#include "KernelGroups.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

namespace quantc {

/// Which argument of a kernel each of its numbers is; numbers that kernels of
/// one form share are constants, and numbers that always agree one argument.
struct NumberPlan {
  static constexpr int kConstant = -1;
  llvm::SmallVector<int> argumentOf;
};

/// Clones one group into a function on buffers.
class KernelBuilder {
public:
  /// Without a plan each number is an argument of its own.
  KernelBuilder(const KernelGroup &group, const NumberPlan *plan = nullptr)
      : group(group), plan(plan) {}

  /// Makes the function; the caller owns it and gives it its name.
  mlir::func::FuncOp build();

  const KernelGroup &getGroup() const { return group; }

  /// The operands of the call, after `build`.
  llvm::SmallVector<mlir::Value> inputs, outputs;
  bool readsOutputs = false;
  /// The scalar constants that the group reads, use by use, and where those
  /// that are operands are among `inputs`.
  llvm::SmallVector<mlir::Value> numbers;
  llvm::SmallDenseMap<unsigned, unsigned> inputOfNumber;

private:
  mlir::Value addArgument(mlir::Value value);
  mlir::Value addNumber(mlir::OpBuilder &builder, mlir::Value constant);
  mlir::Value getScalar(mlir::OpBuilder &builder, mlir::Value value);
  void addInputs(mlir::linalg::LinalgOp op);
  void cloneScores(mlir::OpBuilder &builder);
  void cloneRows(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> buffers);
  void cloneProduct(mlir::OpBuilder &builder, mlir::linalg::LinalgOp op,
                    mlir::Value buffer);
  void cloneRoot(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> buffers);
  void clonePad(mlir::OpBuilder &builder);
  void cloneFill(mlir::OpBuilder &builder, mlir::linalg::FillOp fill,
                 mlir::Value buffer);
  void cloneOp(mlir::OpBuilder &builder, mlir::linalg::LinalgOp op,
               mlir::ValueRange outBuffers);

  KernelGroup group;
  const NumberPlan *plan;
  mlir::Block *body = nullptr;
  mlir::IRMapping mapping;
  llvm::DenseMap<int, mlir::Value> numberArguments;
  llvm::SmallVector<unsigned> neverNaN; // Arguments that are numbers.
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_KERNELS_KERNELBUILDER_H
