//===- RowOps.h - Ops that work on rows -------------------------*- C++ -*-===//
//
// Softmax and the normalizations are a few ops over the same rows: reductions
// along a row, what follows for each row, and what that does to the elements.
// Here is which linalg ops (on tensors or buffers) are of that kind.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_ANALYSIS_ROWOPS_H
#define QUANTC_LIB_CODEGEN_ANALYSIS_ROWOPS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace quantc {

/// How many loops of an op go over rows, and how many along a row.
struct RowShape {
  unsigned rows = 0, columns = 0;
  unsigned loops() const { return rows + columns; }
};

/// An op computes a value per row from the elements of the row, an element from
/// elements and values of its row, or a value of a row from other such values.
enum class RowOpKind { reduction, elements, perRow };

/// The loops of `op` if it reduces its trailing ones.
std::optional<RowShape> getReducedShape(mlir::linalg::GenericOp op);

/// What `op` is over rows of `shape`, if it is anything.
std::optional<RowOpKind> classifyRowOp(mlir::linalg::GenericOp op,
                                       RowShape shape);

/// Whether `operand` has an element for each of a row.
bool hasColumns(mlir::OpOperand *operand, RowShape shape);

/// Whether `operand` is read exactly as an op over rows writes its result.
bool readsInPlace(mlir::OpOperand *operand, RowShape shape);

/// A reduction's body, as `yield combine(out, element)`.
struct RowCombiner {
  mlir::Operation *combine;
  mlir::Value element;
};
std::optional<RowCombiner> matchRowCombiner(mlir::linalg::GenericOp op);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ANALYSIS_ROWOPS_H
