//===- InPlaceSource.h - Columns that stay in an image ----------*- C++ -*-===//
//
// The right-hand side of a convolution with stride 1, without panels: in the
// image of a WordSource, which has its padding, the words of a tap for columns
// that follow each other do so, too, if the words behind a line are columns as
// well. Their sums are of no use and are not stored.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_INPLACESOURCE_H
#define QUANTC_LIB_CODEGEN_GEMM_INPLACESOURCE_H

#include "WordSource.h"

namespace quantc {

class InPlaceSource : public WordSource {
public:
  using WordSource::WordSource;

  /// Whether `windows`, which a WordSource can read, can stay in place, and
  /// panels for `m` rows would cost more than the columns that are of no use.
  static bool pays(const Windows &windows, int64_t channels,
                   const MicroKernel &kernel, int64_t m);

  bool isInPlace() const override { return true; }
  mlir::Value getNumSlots(KernelEmitter &e) override;
  ColumnSlot getSlot(KernelEmitter &e, mlir::Value slot) override;
  bool hasOnlyFullSlots() const override { return false; }
  ColumnWords getWords(KernelEmitter &e, mlir::ValueRange outer,
                       mlir::Value slot, mlir::Value k,
                       mlir::Value depth) override;
  mlir::SmallVector<ColumnPiece> getPieces(KernelEmitter &e,
                                           mlir::Value slot) override;

private:
  int64_t getSlack() const override;
  int64_t getWidth() const;
  int64_t getLineWords() const;
  mlir::Value getNumLines(KernelEmitter &e) const;
  /// The line and the position in it of lane 0.
  std::pair<mlir::Value, mlir::Value> getPosition(KernelEmitter &e,
                                                  mlir::Value slot) const;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_INPLACESOURCE_H
