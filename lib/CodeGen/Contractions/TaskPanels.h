//===- TaskPanels.h - Panels that a task packs for several products -------===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_TASKPANELS_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_TASKPANELS_H

#include "ContractionAnalysis.h"

namespace quantc {

/// All panels of a product's right-hand side for one index of the outer loops,
/// in a buffer: packed once, read by products of several blocks of rows. Those
/// have no outer loops.
class TaskPanels : public PackedSource {
public:
  /// `match` (which must outlive this) has a matrix on its right-hand side.
  TaskPanels(KernelEmitter &e, MatchedProduct &match);

  /// Elements of the buffer, and their type.
  mlir::Value getSize(KernelEmitter &e) const;
  mlir::Type getElementType() const { return kernel.accumulator; }
  /// Bytes of the buffer that `pack` works with, or null if it needs none.
  mlir::Value getNumRawBytes(KernelEmitter &e) const;

  using ColumnSource::pack;
  /// Packs the matrix at `outer` to `buffer`.
  void pack(KernelEmitter &e, mlir::ValueRange outer, mlir::Value buffer,
            mlir::Value raw);

  /// The panels of the first `count` columns.
  TaskPanels takeColumns(mlir::Value count) const {
    TaskPanels part = *this;
    part.n = count;
    return part;
  }

  bool isConverted() const override { return true; }

private:
  MatchedProduct &match;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_TASKPANELS_H
