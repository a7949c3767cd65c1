//===- RowPanels.h - Weights on the left as panels --------------*- C++ -*-===//
//
// The filters of a convolution are the left-hand side of its product. Packed at
// compile time, the rows that a micro-kernel computes at once form a panel: the
// words of all rows, word by word along k, so that they are read one after the
// other. A word is four bytes for a DotProduct, or one f32. Where sums
// of pairs could saturate (DotProduct::sumsPairs), there is half of each weight
// only, which never does. The other halves follow, each group of words after
// its place along k. So that there are few of them, channels may have an order
// of their own, which the image has to follow (ChannelOrder.h).
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_ROWPANELS_H
#define QUANTC_LIB_CODEGEN_GEMM_ROWPANELS_H

#include "GemmEmitter.h"

#include "llvm/Support/MathExtras.h"

namespace quantc {

/// Matrices [m, k], one for each index of the outer loops that tell them apart.
struct WeightRows {
  /// Elements of a word: 4 bytes, or 1 f32.
  int64_t group = 4;
  int64_t numMatrices = 1, m = 0, k = 0;
  int64_t rowStride = 0, columnStride = 0;
  /// Where each matrix begins.
  llvm::SmallVector<int64_t> starts;
  /// How many elements of k each channel has. A word holds the same tap of four
  /// channels, so that with one tap it holds what follows each other along k.
  int64_t taps = 1;
  /// Whether sign bits are flipped, and whether bytes are signed afterwards.
  bool isFlipped = false, isSigned = true;
  /// Whether sums of two products must fit into 16 bits.
  bool sumsPairs = true;
  /// The channel that comes at each place; empty if they stay as they are.
  llvm::SmallVector<int32_t> channelOrder;

  int64_t getNumChannels() const { return k / taps; }
  int64_t getNumWords() const {
    return llvm::divideCeil(getNumChannels(), group) * taps;
  }
  /// One weight as the kernel sees it, of `bytes`.
  int8_t getWeight(llvm::ArrayRef<char> bytes, int64_t matrix, int64_t row,
                   int64_t channel, int64_t tap) const {
    char byte = bytes[starts[matrix] + row * rowStride +
                      (channel * taps + tap) * columnStride];
    return int8_t(byte ^ (isFlipped ? 0x80 : 0));
  }
};

struct RowPanelCount {
  /// Words along k of all panels, and those that are there in two halves.
  int64_t words = 0, splitWords = 0;
  /// Of what packRowPanels gives at least.
  int64_t size = 0;
  bool isPacked = false;
};

/// `size` packed words (32 bits each): where the panels begin, and where the
/// last one ends; the sum of each row; the order of the channels, if they have
/// one; the panels. All weights that a kernel is called with have the same
/// size.
std::vector<char> packRowPanels(llvm::ArrayRef<char> bytes,
                                const WeightRows &rows, int64_t panelRows,
                                int64_t size);
RowPanelCount countRowPanels(llvm::ArrayRef<char> bytes, const WeightRows &rows,
                             int64_t panelRows);

/// The panels at run time.
class RowPanels {
public:
  /// `matrixStrides` tells, for each outer loop, how many matrices it steps.
  RowPanels(mlir::Value words, llvm::SmallVector<int64_t> matrixStrides,
            const WeightRows &rows, int64_t panelRows);

  /// Adds the products of the words of the rows from `row` on, the first of a
  /// panel, from word `first` along k on, by those of `columns`, to `sums`,
  /// which has `kernel.vectors` vectors for each row. Where there are halves it
  /// must be all words, and `columns` a panel.
  mlir::SmallVector<mlir::Value>
  emitProducts(KernelEmitter &e, const MicroKernel &kernel,
               mlir::ValueRange outer, mlir::Value row, mlir::Value first,
               const ColumnWords &columns,
               mlir::SmallVector<mlir::Value> sums) const;

  mlir::Value getRowSum(KernelEmitter &e, mlir::ValueRange outer,
                        mlir::Value row) const;

  bool ordersChannels() const { return hasChannelOrder; }
  /// The channel that comes at `place`.
  mlir::Value getChannel(KernelEmitter &e, mlir::Value place) const;

private:
  mlir::Value loadIndex(KernelEmitter &e, mlir::Value at) const;
  mlir::Value getFirstPanel(KernelEmitter &e, mlir::ValueRange outer) const;

  mlir::Value words;
  llvm::SmallVector<int64_t> matrixStrides;
  int64_t panelRows, numWords, panels, numPanels;
  bool hasHalves, areFloats, hasChannelOrder;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_ROWPANELS_H
