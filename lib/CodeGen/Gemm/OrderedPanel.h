//===- OrderedPanel.h - Panels of narrow and wide words ---------*- C++ -*-===//
//
// A panel of weights some of whose words DotProduct::sumsPairs would not
// multiply exactly as they are: the words it may multiply, some with bytes in
// another order, are first, the wide ones follow, and the panel tells the place
// of each in the forms of a row (WordForms).
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_LIB_CODEGEN_GEMM_ORDEREDPANEL_H
#define QUANTC_LIB_CODEGEN_GEMM_ORDEREDPANEL_H

#include "WordPanels.h"

namespace quantc {

/// Words of weights at `offset` of `words`; their order at `orderOffset` of
/// `order` begins with the number of those that come first.
struct OrderedPanel {
  mlir::Value words, offset;
  mlir::Value order, orderOffset;
};

/// Rows of the left-hand side in all forms, from `offsets` on.
struct RowsOfWords {
  mlir::Value words;
  mlir::ArrayRef<mlir::Value> offsets;
};

/// Adds the products of `rows` and `panel`, `depth` elements along k, to
/// `sums`, which has `kernel.vectors` vectors for each row.
mlir::SmallVector<mlir::Value>
emitOrderedPanel(KernelEmitter &e, const MicroKernel &kernel,
                 WordPanels &wordPanels, const OrderedPanel &panel,
                 const RowsOfWords &rows, mlir::Value depth,
                 mlir::SmallVector<mlir::Value> sums);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_ORDEREDPANEL_H
