//===- ColumnSources.h - Where a product's right-hand side comes from ----===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_COLUMNSOURCES_H
#define QUANTC_LIB_CODEGEN_GEMM_COLUMNSOURCES_H

#include "GemmEmitter.h"

namespace quantc {

/// The columns of a matrix in memory, packed on the fly.
class StridedSource : public ColumnSource {
public:
  StridedSource(StridedMatrix matrix, FactorExpression factor, mlir::Value n,
                int64_t lanes)
      : matrix(std::move(matrix)), factor(std::move(factor)), n(n),
        lanes(lanes) {}

  mlir::Value getNumSlots(KernelEmitter &e) override;
  ColumnSlot getSlot(KernelEmitter &e, mlir::Value slot) override;
  bool hasOnlyFullSlots() const override;
  void pack(KernelEmitter &e, const MicroKernel &kernel, mlir::ValueRange outer,
            mlir::Value slot, mlir::Value k, mlir::Value depth,
            mlir::Value panel, mlir::Value offset) override;

private:
  void packColumns(KernelEmitter &e, const MicroKernel &kernel,
                   mlir::Value base, mlir::Value first, mlir::Value depth,
                   mlir::Value panel, mlir::Value offset);

protected:
  StridedMatrix matrix;
  FactorExpression factor;
  mlir::Value n;
  int64_t lanes;
};

/// A matrix that was packed at compile time: [outer][panel][k][column], with
/// words for a group of k if the kernel has a dot product; then the panel may
/// end with the sums of its columns, and with the order of its words: how many
/// come first because they need no wide product, and the place of each along k.
class PackedSource : public StridedSource {
public:
  PackedSource(KernelEmitter &e, StridedMatrix matrix, mlir::Value n,
               int64_t depth, const MicroKernel &kernel)
      : PackedSource(std::move(matrix), n, e.index(getNumRows(kernel, depth)),
                     e.index(getPanelSize(kernel, depth)),
                     hasColumnSums(kernel), kernel) {}

  /// The rows of a panel; there are whole tiles of them.
  static int64_t getNumRows(const MicroKernel &kernel, int64_t depth);
  /// The elements of a panel of `depth` rows (words, if they are grouped).
  static int64_t getPanelSize(const MicroKernel &kernel, int64_t depth);
  static bool hasColumnSums(const MicroKernel &kernel) {
    return kernel.dot.takesBytes();
  }

  bool isPacked() const override { return true; }
  std::optional<std::pair<mlir::Value, mlir::Value>>
  getPanel(KernelEmitter &e, mlir::ValueRange outer, mlir::Value slot,
           mlir::Value row) override;
  std::optional<std::pair<mlir::Value, mlir::Value>>
  getColumnSums(KernelEmitter &e, mlir::ValueRange outer,
                mlir::Value slot) override;
  std::optional<std::pair<mlir::Value, mlir::Value>>
  getOrder(KernelEmitter &e, mlir::ValueRange outer, mlir::Value slot) override;

protected:
  PackedSource(StridedMatrix matrix, mlir::Value n, mlir::Value numRows,
               mlir::Value panelSize, bool hasSums, const MicroKernel &kernel)
      : StridedSource(std::move(matrix), {}, n, kernel.lanes), kernel(kernel),
        numRows(numRows), panelSize(panelSize), hasSums(hasSums) {}

  MicroKernel kernel;
  /// Rows of a panel (of words, if they are grouped), and its elements.
  mlir::Value numRows, panelSize;
  bool hasSums;

private:
  mlir::Value getStart(KernelEmitter &e, mlir::ValueRange outer,
                       mlir::Value slot);
};

/// The input of a convolution, with the windows that slide over it.
struct Windows {
  struct Dim {
    mlir::Value inputSize, outputSize, padding;
    int64_t window, stride, dilation;
  };

  mlir::Value input; // Flat.
  llvm::SmallVector<mlir::Value> outerStrides;
  llvm::SmallVector<Dim> dims;
  mlir::Value paddingValue; // As a factor.

  int64_t getNumTaps() const {
    int64_t taps = 1;
    for (const Dim &dim : dims)
      taps *= dim.window;
    return taps;
  }
};

/// The windows of a convolution's input, channel by channel: column = output
/// position, row = (channel, window position).
class WindowSource : public ColumnSource, private Windows {
public:
  WindowSource(const Windows &windows, FactorExpression factor, int64_t lanes)
      : Windows(windows), factor(std::move(factor)), lanes(lanes) {}

  mlir::Value getNumSlots(KernelEmitter &e) override;
  ColumnSlot getSlot(KernelEmitter &e, mlir::Value slot) override;
  bool hasOnlyFullSlots() const override;
  int64_t getBlockDepth(int64_t wanted) const override;
  void pack(KernelEmitter &e, const MicroKernel &kernel, mlir::ValueRange outer,
            mlir::Value slot, mlir::Value k, mlir::Value depth,
            mlir::Value panel, mlir::Value offset) override;

private:
  mlir::Value getSlotsPerRow(KernelEmitter &e);
  void packInside(KernelEmitter &e, const MicroKernel &kernel,
                  mlir::Value start, mlir::Value panel, mlir::Value at);
  void packBorder(KernelEmitter &e, const MicroKernel &kernel,
                  mlir::Value rowBase, mlir::Value first, mlir::Value panel,
                  mlir::Value at);

  FactorExpression factor;
  int64_t lanes;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_COLUMNSOURCES_H
