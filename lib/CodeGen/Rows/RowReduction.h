//===- RowReduction.h - Vectors of a row as one value -----------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_ROWS_ROWREDUCTION_H
#define QUANTC_LIB_CODEGEN_ROWS_ROWREDUCTION_H

#include "CodeGen/Analysis/RowOps.h"
#include "CodeGen/Emitter/KernelEmitter.h"

namespace quantc {

/// The order in which a reduction combines a row.
enum class ReductionOrder {
  /// In any order: a partial result in each lane.
  any,
  /// Floats that may be reordered: partial results that are combined in halves,
  /// or by neighbours. ONNX Runtime's kernels do the one in general, the other
  /// in a softmax.
  halves,
  neighbours,
  /// From the first element to the last: floats that nothing allows to reorder.
  sequential,
};

/// Emits the reduction `op` of one row, in vectors of `lanes` elements.
class RowReduction {
public:
  /// Partial results of floats. More rows, not more partial results, keep the
  /// adders busy: the order of a sum is the same for every vector unit.
  static constexpr int64_t kPartialSums = 8;

  /// `producer` computes what `op` reduces in the same kernel, or is null.
  RowReduction(KernelEmitter &e, mlir::linalg::GenericOp op,
               mlir::linalg::GenericOp producer, int64_t lanes, bool hasFMA);

  /// What the partial results start from, where the result starts from `init`.
  mlir::Value start(mlir::Value init) const;

  /// `partial` with one more vector of the row, of which `known` has what the
  /// body needs. With `left`, the vector has only so many elements.
  mlir::Value add(mlir::Value partial, mlir::Value left,
                  llvm::DenseMap<mlir::Value, mlir::Value> &known) const;

  /// The result of the row, of its partial ones and `init`.
  mlir::Value finish(mlir::Value partial, mlir::Value init) const;

private:
  mlir::Value combine(mlir::Value x, mlir::Value y) const;
  mlir::Value addInOrder(mlir::Value sum, mlir::Value left,
                         mlir::Value elements) const;
  mlir::TypedAttr neutral() const;

  KernelEmitter &e;
  RowCombiner combiner;
  ReductionOrder order;
  int64_t lanes;
  /// Lanes of the partial results.
  int64_t width;
  /// Whether the target adds a product with one rounding.
  bool hasFMA;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ROWS_ROWREDUCTION_H
