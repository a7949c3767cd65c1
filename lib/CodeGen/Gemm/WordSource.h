//===- WordSource.h - Panels of words from an image -------------*- C++ -*-===//
//
// The right-hand side of a convolution. Of bytes, in words of four channels:
// the image is interleaved once, with its padding, so that a panel of windows
// is copied in vectors of words. The bytes of a word follow each other along
// the channels, and so must those of the filters (WeightRows::taps). Of floats,
// each of which is a word, it is copied with its padding.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_WORDSOURCE_H
#define QUANTC_LIB_CODEGEN_GEMM_WORDSOURCE_H

#include "ColumnSources.h"
#include "RowPanels.h"

namespace quantc {

class WordSource : public ColumnSource {
public:
  /// `windows` over `channels` channels for each index of the outer loops,
  /// which have `outerSizes`; with `isFlipped` the elements' sign bits are
  /// flipped. The kernel must multiply words of bytes, or floats.
  WordSource(const Windows &windows, int64_t channels, bool isFlipped,
             mlir::ValueRange outerSizes, const MicroKernel &kernel);

  /// Whether there is a WordSource for such windows, which `filters` (if it is
  /// known how many) read.
  static bool canRead(const Windows &windows, int64_t channels,
                      std::optional<int64_t> filters,
                      const MicroKernel &kernel);
  /// Whether panels from it cost less than from the input itself.
  static bool pays(const Windows &windows, int64_t channels,
                   const MicroKernel &kernel);

  /// Gives the channels the order that the filters in `panels` have.
  void follow(std::shared_ptr<const RowPanels> panels) {
    filters = std::move(panels);
  }

  mlir::Value getNumSlots(KernelEmitter &e) override;
  ColumnSlot getSlot(KernelEmitter &e, mlir::Value slot) override;
  bool hasOnlyFullSlots() const override;
  int64_t getBlockDepth(int64_t wanted) const override;
  std::optional<int64_t> getNumWords() const override;
  void pack(KernelEmitter &e, const MicroKernel &kernel, mlir::ValueRange outer,
            mlir::Value slot, mlir::Value k, mlir::Value depth,
            mlir::Value panel, mlir::Value offset) override;
  void prepare(KernelEmitter &e, bool useThreads) override;
  void release(KernelEmitter &e) override;
  void packWords(KernelEmitter &e, mlir::ValueRange outer, mlir::Value slot,
                 mlir::Value panel, mlir::Value offset, mlir::Value sums,
                 mlir::Value sumsOffset) override;

protected:
  /// Channels of a word of bytes.
  static constexpr int64_t kGroup = 4;

  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;

  /// One dimension of the interleaved image: its size, and how many elements of
  /// the input it steps. Where the window is a single element, only what is
  /// read is there.
  struct Line {
    Value size;
    int64_t step;
    int64_t stride, dilation, taps; // Of the windows.
    Value inputSize, padding;
  };
  /// Columns of a slot: where lane 0 is in a plane, and the lanes that an
  /// earlier piece holds (null for none).
  struct Piece {
    Value place, earlier;
  };

  /// Groups of channels [first, first + count), to `panel` from `offset` on.
  struct PanelWords {
    Value first, count, panel, offset;
  };

  /// Whether panels are made of the input itself.
  bool isDirect() const;
  Value getNumColumns(KernelEmitter &e);
  void setLines(KernelEmitter &e);
  Value getImage(KernelEmitter &e, ValueRange outer);
  Value getChannel(KernelEmitter &e, Value group, int64_t i);
  Value getPlaneWords(KernelEmitter &e);
  virtual int64_t getSlack() const;
  Value getLineOfColumn(KernelEmitter &e, Value column, Value &place) const;
  Value getLineStep(KernelEmitter &e) const;
  mlir::SmallVector<Piece> getLinePieces(KernelEmitter &e, Value slot,
                                         int64_t count);

  Value interleave(KernelEmitter &e, llvm::ArrayRef<Value> channels);
  Value loadBytes(KernelEmitter &e, Value at, Value mask);
  Value padWord(KernelEmitter &e, int64_t count);
  void fill(KernelEmitter &e, Value first, Value end, int64_t count);
  void emitRows(KernelEmitter &e, llvm::ArrayRef<Value> planes, Value words);
  void emitLine(KernelEmitter &e, llvm::ArrayRef<Value> starts, Value to);
  void storeWords(KernelEmitter &e, Value words, Value panel, Value at,
                  int64_t v, llvm::MutableArrayRef<Value> sums);
  void packDirect(KernelEmitter &e, ValueRange outer, Value slot, Value panel,
                  Value offset, ValueRange zeros,
                  llvm::function_ref<void(ValueRange)> storeSums);
  void packWindows(KernelEmitter &e, ValueRange outer, Value slot, Value first,
                   Value count, Value panel, Value offset, ValueRange sums,
                   llvm::function_ref<void(ValueRange)> storeSums);
  Value loadPieces(KernelEmitter &e, llvm::ArrayRef<Piece> pieces, Value from);
  mlir::SmallVector<Value> packColumns(KernelEmitter &e, ValueRange outer,
                                       Value slot, const PanelWords &words,
                                       ValueRange sums);
  mlir::SmallVector<Value>
  packTaps(KernelEmitter &e, ValueRange outer, const PanelWords &words,
           ValueRange sums,
           llvm::function_ref<Value(Value from, Value to, int64_t v)> load);

  Windows windows;
  int64_t channels;
  bool isFlipped;
  mlir::SmallVector<Value> outerSizes;
  MicroKernel kernel;
  int64_t group, numGroups;
  mlir::SmallVector<Line> lines; // Rows (if there are any), then columns.
  Value image;
  std::shared_ptr<const RowPanels> filters; // If they order the channels.
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_WORDSOURCE_H
