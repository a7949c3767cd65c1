//===- LowBitWeights.h - Products with packed weights -----------*- C++ -*-===//
//
// The constants of a LowBitContraction in a layout of their own: codes take as
// many bits as the truncation leaves.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_LOWBIT_LOWBITWEIGHTS_H
#define QUANTC_LIB_CODEGEN_LOWBIT_LOWBITWEIGHTS_H

#include "CodeGen/Analysis/LowBitContraction.h"
#include "CodeGen/Contractions/PackWeights.h"
#include "LowBitScales.h"

namespace quantc {

/// How codes lie in memory. Columns come in panels of `slots` vectors. A word
/// of 32 bits holds codes of one column for consecutive k; a code of 3, 5, 6 or
/// 7 bits is split into planes of 4, 2 and 1 bits, each with words of its own:
/// [panel][block][plane][word][column].
struct LowBitLayout {
  struct Plane {
    unsigned bits, shift;
    int64_t firstWord; // Within a block, in rows of a panel.
    int64_t codesPerWord() const { return 32 / bits; }
  };

  static constexpr int64_t slots = 4;
  int64_t depth = 1;
  int64_t lanes = 1, blocks = 1, blockSize = 1;
  llvm::SmallVector<Plane> planes;
  /// Rows of words of a block, and of a panel: those that a short block at its
  /// end does not need are missing.
  int64_t wordsPerBlock = 0, wordsPerPanel = 0;

  LowBitLayout(unsigned bits, int64_t depth, int64_t blockSize, int64_t lanes);
  /// The blocks of full size, and what is left for a short one (or 0).
  int64_t fullBlocks() const { return depth / blockSize; }
  int64_t shortBlock() const { return depth % blockSize; }
  /// The k for which a short block has words: whole ones for all planes.
  int64_t shortBlockInMemory() const;
  int64_t columns() const { return slots * lanes; }
  /// The k after which all planes start a new word.
  int64_t step() const { return planes.back().codesPerWord(); }
};

/// The constants of a product in that layout, as the kernel's arguments.
struct LowBitWeights {
  LowBitLayout layout;
  unsigned bits = 8;
  mlir::Value words;
  /// [panel][block][column] (scales as `scaleStorage` says), or null for the
  /// constants of `body`. Zero points are those of unsigned codes; small
  /// integers are bytes. Where scales say so, they are offsets instead.
  mlir::Value scales, zeroPoints;
  ScaleStorage scaleStorage = ScaleStorage::Float32;
  float constantScale = 1, constantZeroPoint = 0;
  /// f32, 2^bits numbers; or null.
  mlir::Value table;
  /// If these are small multiples of one number (E2M1): `step` and for each of
  /// 16 codes the multiple, above the smallest one.
  llvm::SmallVector<uint8_t> multiples;
  int64_t smallestMultiple = 0;
  float step = 0;
  /// If these are the numbers of E4M3 or E5M2: the bits of their mantissas, 3
  /// or
  /// 2. Such a code is the upper bits of an f32, whose exponent counts from
  /// another bias.
  unsigned mantissaBits = 0;
  bool hasOffsets() const {
    return scaleStorage == ScaleStorage::SuperBlockOffset;
  }
  /// What corrects the bias.
  float getBiasFactor() const;
};

/// Packs the constants that the calls of the kernel around `root` pass, and
/// changes its arguments. Nothing if they are no constants.
std::optional<LowBitWeights> packLowBitWeights(WeightPacker &packer,
                                               mlir::linalg::LinalgOp root,
                                               const LowBitBody &body,
                                               int64_t lanes);

/// Emits the whole product; false if `root` is none, or is not packed.
bool emitLowBitProduct(KernelEmitter &e, WeightPacker &packer,
                       mlir::linalg::LinalgOp root, const VectorUnit &unit,
                       bool useThreads);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWBIT_LOWBITWEIGHTS_H
