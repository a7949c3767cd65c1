//===- WordPanels.h - Operands as words -------------------------*- C++ -*-===//
//
// Writes blocks of the left-hand side and panels of the right-hand side of a
// product in the words of a DotProduct. Of 8-bit matrices, zero points either
// are subtracted here, or the sums of rows and columns are kept for the
// correction of the result:
//   sum (a - za)(b - zb) = sum ab - za sum b - zb (sum a - k za)
// Floats are rounded to bf16, if they are not of that type.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_WORDPANELS_H
#define QUANTC_LIB_CODEGEN_GEMM_WORDPANELS_H

#include "GemmEmitter.h"
#include "WordForms.h"

namespace quantc {

class WordPanels {
public:
  WordPanels(KernelEmitter &e, const GemmProblem &p, const MicroKernel &kernel)
      : e(e), p(p), kernel(kernel), dot(kernel.dot) {}

  /// Whether the result needs the sums of the columns of B (or rows of A).
  bool needsColumnSums() const {
    return !dot.takesDifferences() && p.quantizedA.hasZeroPoint();
  }
  bool needsRowSums() const {
    return !dot.takesDifferences() && p.quantizedB.hasZeroPoint();
  }

  /// Rows [first, end) of A from column `k` on, `depth` elements each, to
  /// `words`, `stride` words a row. `sums`, if any, takes the sums of the rows,
  /// or is added to unless `isFirst`. With `forms`, rows have all of these.
  void packRows(mlir::ValueRange outer, mlir::Value first, mlir::Value end,
                mlir::Value k, mlir::Value depth, mlir::Value words,
                int64_t stride, mlir::Value sums, mlir::Value isFirst,
                std::optional<WordForms> forms);

  /// The panel of B that starts at `slot`, `depth` rows from `k` on, to words
  /// from `offset` of `panel` on. `raw` has room for its elements, in whole
  /// groups of rows; `zeros` are the zero points of its columns, `sums` is as
  /// above.
  void packPanel(ColumnSource &columns, mlir::ValueRange outer,
                 mlir::Value slot, mlir::Value k, mlir::Value depth,
                 mlir::Value raw, mlir::Value panel, mlir::Value offset,
                 mlir::ArrayRef<mlir::Value> zeros, mlir::Value sums,
                 mlir::Value sumsOffset, mlir::Value isFirst);

  /// A panel of a matrix packed at compile time, to words at 0 of `panel`.
  void widenPanel(mlir::Value packed, mlir::Value offset, mlir::Value numWords,
                  mlir::Value panel, mlir::ArrayRef<mlir::Value> zeros);

  /// Half of `lanes` wide words of a packed panel: those of 16-bit elements at
  /// `at`, which were stored as bytes.
  mlir::Value loadWide(mlir::Value packed, mlir::Value at);

  /// `lanes` groups of a matrix packed at compile time as words.
  mlir::Value unpack(mlir::Value groups, mlir::Value zeros);

  /// The zero points of the columns in a slot as i32, or null if all are 0.
  mlir::Value getColumnZeros(mlir::ValueRange outer, const ColumnSlot &slot,
                             bool isFull);

  /// The sums of a row of the result as they would be without zero points;
  /// `rowSum` and `columnSums` may be null if they are not needed.
  mlir::Value correct(mlir::ValueRange outer, mlir::Value sum, mlir::Value row,
                      mlir::Value columnZeros, mlir::Value rowSum,
                      mlir::Value columnSums);

  /// The zero point of a row of A as i32, or null for 0.
  mlir::Value rowZero(mlir::ValueRange outer, mlir::Value row);

private:
  using Value = mlir::Value;

  int64_t elementsPerVector() const { return kernel.lanes * dot.group; }
  Value zeroOf(const QuantizedFactor &factor, Value loaded);
  Value toElements(const QuantizedFactor &factor, Value loaded, Value zeros);
  Value roundFloats(Value loaded);
  Value toWords(Value elements);
  Value repeatColumns(Value zeros);
  Value loadElements(Value at, Value stride, Value count);
  void packRow(Value from, Value depth, Value zeros, Value words, Value row,
               Value first, Value sums, Value sumsAt, Value isFirst,
               std::optional<WordForms> forms);
  void storeForms(Value elements, const WordForms &forms, Value words,
                  Value row, Value word);
  void packColumns(Value raw, Value depth, Value panel, Value offset,
                   mlir::ArrayRef<Value> zeros, Value sums, Value sumsOffset,
                   Value isFirst);
  void storeSums(Value value, Value sums, Value at, Value isFirst);

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  const DotProduct &dot;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_WORDPANELS_H
