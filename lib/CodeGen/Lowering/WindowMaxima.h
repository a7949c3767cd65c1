//===- WindowMaxima.h - Maxima of windows, line by line ---------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_LOWERING_WINDOWMAXIMA_H
#define QUANTC_LIB_CODEGEN_LOWERING_WINDOWMAXIMA_H

#include "CodeGen/Emitter/KernelEmitter.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace quantc {

/// Maxima (or minima) of windows of several lines, each of which yields several
/// elements: found in two steps.
struct WindowMaxima {
  mlir::linalg::GenericOp op;
  mlir::OpOperand *input = nullptr;
  mlir::Operation *combine = nullptr;
  /// Elements of the input from one result to the next one of a line, and from
  /// one element of a window to the next one of a line.
  int64_t step = 1, dilation = 1;
  /// The sizes of a window: its lines, and the elements in one.
  llvm::SmallVector<int64_t> lines;
  int64_t width = 1;

  /// Where the input is nothing but a copy of `source` with an edge around it.
  struct Padding {
    mlir::Value source;
    /// What the edge consists of.
    mlir::Value element;
    /// How wide it is before the first element of each dimension.
    llvm::SmallVector<int64_t> offsets;
  };
  std::optional<Padding> padding;
  /// What results start from; null if it is in the buffer.
  mlir::Value init;
  /// What makes that copy, and writes what results start from: of no use to
  /// the code emitted here, users first.
  llvm::SmallVector<mlir::Operation *> unused;
};

/// The one op that fills `buffer` before `op`, in its block, with nothing but
/// that and `op` touching it until then; null if there is none.
mlir::linalg::FillOp findFill(mlir::Value buffer, mlir::Operation *op);

/// What `op` is, if that is maxima of windows, and if two steps are fewer
/// operations than one.
std::optional<WindowMaxima> matchWindowMaxima(mlir::linalg::GenericOp op);

/// Emits loops that first reduce the lines of windows to one, a part of it at a
/// time, and then the elements of that: windows that lie side by side share
/// their columns. An edge around the input is never written: where a window has
/// lines or columns of it, they are left out. On all threads if `useThreads`
/// and if there is much to do.
void emitWindowMaxima(KernelEmitter &e, const WindowMaxima &maxima,
                      bool useThreads);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWERING_WINDOWMAXIMA_H
