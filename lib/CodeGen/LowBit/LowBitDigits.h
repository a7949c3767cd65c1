//===- LowBitDigits.h - Floats times codes, in integers ---------*- C++ -*-===//
//
// x86 multiplies bytes four times as fast as floats, and codes of at most 4
// bits are bytes after one mask. So a row of floats is written, block by block,
// in fixed point with 23 bits of its largest element, as three signed digits
// of 8 bits: each has an inner product with the codes, exact in integers, and
// the three sums make one float. That loses no more than float arithmetic does.
// Where an instruction adds up four products in 32 bits, it does both at once,
// and codes may have 8 bits.
// Where scales are integers times a number for a super-block, too, its blocks
// have one scale in fixed point, and their sums stay integers.
// Rows that are bytes already are multiplied as they are, several in turn, so
// that codes are unpacked once for all of these.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_LOWBIT_LOWBITDIGITS_H
#define QUANTC_LIB_CODEGEN_LOWBIT_LOWBITDIGITS_H

#include "LowBitColumns.h"

namespace quantc {

class DigitProduct {
public:
  /// For rows of floats, or if `byteRows` is not 0, groups of so many rows of
  /// bytes.
  DigitProduct(const LowBitWeights &weights, const VectorUnit &unit,
               int64_t byteRows = 0)
      : weights(weights), unit(unit), byteRows(byteRows),
        digits(byteRows ? byteRows : 3) {}

  /// Whether the target has the instructions, and blocks are whole words.
  static bool isSupported(const LowBitWeights &weights, const VectorUnit &unit);

  /// Writes the digits of `numRows` rows (at most `maxRows`) of `input`, a flat
  /// f32 buffer, to the stack.
  void prepare(KernelEmitter &e, mlir::Value input, mlir::Value numRows,
               int64_t maxRows);
  /// Room for groups of rows of bytes, more than stacks have for sure.
  void allocate(KernelEmitter &e, int64_t maxGroups);
  void release(KernelEmitter &e);
  /// Writes the bytes of the rows from `first` on; a group that is not whole
  /// repeats the last row.
  void prepareBytes(KernelEmitter &e, mlir::Value input, mlir::Value first,
                    mlir::Value numRows);

  /// The sums of one row (of a group of rows of bytes: row by row) with
  /// `vectors` vectors of columns from `slot` on.
  llvm::SmallVector<mlir::Value> multiply(KernelEmitter &e,
                                          LowBitSource &source, int64_t vectors,
                                          mlir::Value row, mlir::Value slot);

private:
  using BlockSums = llvm::SmallVector<mlir::Value>;

  llvm::SmallVector<mlir::Value>
  combineDigits(KernelEmitter &e, LowBitSource::BlockParameters &parameters,
                BlockSums &parts, mlir::Value row, mlir::Value block,
                mlir::ValueRange total);
  /// Where elements begin in a flat buffer.
  struct Elements {
    mlir::Value buffer, start;
  };
  /// The elements of a block, from `row` of `input`; those of a short one are
  /// copied to `scratch`, and zeros follow.
  Elements findBlock(KernelEmitter &e, mlir::Value input, mlir::Value row,
                     mlir::Value block, bool isShort);
  /// Calls for each block, the short one apart.
  void forEachBlock(KernelEmitter &e,
                    llvm::function_ref<void(mlir::Value, bool)> body);
  void allocateScratch(KernelEmitter &e, mlir::Type element);
  void writeBytes(KernelEmitter &e, Elements from, mlir::Value group,
                  mlir::Value block, int64_t row);
  llvm::SmallVector<mlir::Value>
  combineBytes(KernelEmitter &e, LowBitSource::BlockParameters &parameters,
               BlockSums &parts, mlir::Value group, mlir::Value block,
               mlir::ValueRange total);
  void writeScale(KernelEmitter &e, Elements from, mlir::Value row,
                  mlir::Value block);
  void shareScales(KernelEmitter &e, mlir::Value row);
  void writeBlock(KernelEmitter &e, Elements from, mlir::Value row,
                  mlir::Value block);
  BlockSums multiplyBlock(KernelEmitter &e, LowBitSource &source,
                          int64_t vectors, mlir::Value row, mlir::Value slot,
                          mlir::Value block, int64_t size,
                          mlir::ValueRange sums, mlir::ValueRange scales);
  mlir::Value getPlaneFactors(KernelEmitter &e, mlir::Value scale,
                              const LowBitLayout::Plane &plane);
  mlir::Value joinDigits(KernelEmitter &e, llvm::ArrayRef<mlir::Value> parts);
  llvm::SmallVector<mlir::Value>
  addSuperBlock(KernelEmitter &e, LowBitSource &source, int64_t vectors,
                mlir::Value row, mlir::Value slot, mlir::Value begin,
                mlir::Value end, int64_t size, mlir::ValueRange total);
  /// Rows of codes after which sums of 16 bits must be widened.
  static int64_t getRun(const LowBitWeights &weights);
  LowBitSource::BlockParameters
  loadParameters(KernelEmitter &e, LowBitSource &source, int64_t vectors,
                 mlir::Value slot, mlir::Value block);
  mlir::Value lookUp(KernelEmitter &e, mlir::Value codes);
  mlir::Value addProducts(KernelEmitter &e, mlir::Value codes,
                          mlir::Value digit, mlir::Value sum);
  mlir::Value addFour(KernelEmitter &e, mlir::Value codes, mlir::Value digit,
                      mlir::Value sum);
  mlir::Value widen(KernelEmitter &e, mlir::Value pairs, mlir::Value factors,
                    mlir::Value sum);
  /// The k of all blocks, the last one as long as others.
  int64_t depth() const {
    return weights.layout.blocks * weights.layout.blockSize;
  }
  /// Words of digits of a row, for one plane.
  int64_t planeSize() const { return depth() / 4 * digits; }
  mlir::Value digitOffset(KernelEmitter &e, mlir::Value row, size_t plane,
                          mlir::Value word, int64_t phase, int64_t digit);
  int64_t getChunk(const LowBitLayout::Plane &plane) const;
  void storeWords(KernelEmitter &e, mlir::Value bytes,
                  const LowBitLayout::Plane &plane, mlir::Value at);

  LowBitWeights weights;
  VectorUnit unit;
  int64_t byteRows;
  /// Of a float, or rows of bytes.
  int64_t digits;
  /// [row][plane][digit][word of codes][phase], and [row][block]; of bytes,
  /// [group][plane][row][word of codes][phase] and [group][block][row].
  mlir::Value words, scales, sums;
  /// A block of the input; none if all are full.
  mlir::Value scratch;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWBIT_LOWBITDIGITS_H
