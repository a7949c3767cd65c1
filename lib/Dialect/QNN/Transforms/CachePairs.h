//===- CachePairs.h - The cache of a decoder: past and present --*- C++ -*-===//
#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_CACHEPAIRS_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_CACHEPAIRS_H

#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace quantc::qnn {

/// A tensor that a graph takes, appends to along an axis, and returns.
struct CachePair {
  /// The argument.
  mlir::BlockArgument past;
  /// What makes the result: the argument, then what is new.
  ConcatOp concat;
  /// Ops that ask for the argument's shape; nothing else reads it.
  llvm::SmallVector<ShapeOp> shapes;

  int64_t getAxis() { return concat.getAxis(); }
  /// Which result it is; others may have come and gone.
  unsigned getResultNumber();
  /// What is new, with all that is known of its shape.
  mlir::Value makeAppended(mlir::ImplicitLocOpBuilder &b);
  mlir::RankedTensorType getType() {
    return mlir::cast<mlir::RankedTensorType>(past.getType());
  }
};

/// All such pairs of a public function, in the order of its arguments. The
/// axis is the argument's only dynamic dimension.
llvm::SmallVector<CachePair> findCachePairs(mlir::func::FuncOp func);

/// The symbolic names of an argument's dimensions, empty ones where there are
/// none.
llvm::SmallVector<llvm::StringRef>
getArgumentDims(mlir::BlockArgument argument);

/// Adds an argument before number `index`, as the model's input `name`.
mlir::BlockArgument insertInput(mlir::func::FuncOp func, unsigned index,
                                mlir::RankedTensorType type,
                                llvm::StringRef name,
                                llvm::ArrayRef<llvm::StringRef> dims);

/// Returns a value before result number `index`, as the model's output `name`.
void insertOutput(mlir::func::FuncOp func, unsigned index, mlir::Value value,
                  llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> dims);

/// The name of a result as the model's output.
llvm::StringRef getOutputName(mlir::func::FuncOp func, unsigned index);

/// What lists inputs and outputs is to be made again.
void forgetInterface(mlir::func::FuncOp func);

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_CACHEPAIRS_H
