//===- Target.h - What code generation knows of the target ------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_TARGET_TARGET_H
#define QUANTC_LIB_CODEGEN_TARGET_TARGET_H

#include "DotProduct.h"

#include "quantc/CodeGen/KernelChoices.h"

#include "mlir/IR/BuiltinTypes.h"

namespace quantc {

/// How a target looks vectors up in tables (x86).
struct TablePermutes {
  /// Elements of two registers of 512 bits that it permutes: bytes, words of 32
  /// bits.
  bool bytes = false, words = false;
  /// The largest register, in bytes, in which it permutes the bytes of each 16;
  /// 0 if none.
  int64_t shuffledBytes = 0;
};

/// The vector unit, as the target's feature list describes it.
struct VectorUnit {
  int64_t bits = 128;
  int64_t numRegisters = 16;
  bool hasFMA = false;
  /// Conversions of f32 to the nearest i32, half to even (x86).
  bool convertsNearest = false;
  /// Integers are narrowed by instructions that saturate, and there is none
  /// that truncates; of vectors of eight (AVX2).
  bool narrowsSaturating = false;
  /// Integer dot products by what they multiply: pairs of 16 bits (x86), u8 by
  /// s8 in fours (x86), equal signs in fours (AArch64), u8 by s8 (AArch64).
  bool hasWordPairs = false, hasVNNI = false, hasDotProd = false,
       hasMixedDotProd = false;
  /// AMX with its products of bytes.
  bool hasTiles = false;
  /// Products of bf16, summed in pairs in f32: of vectors, and of AMX tiles.
  bool hasFloatPairs = false, hasFloatTiles = false;
  /// Pairs of u8 by s8 with sums that saturate at 16 bits (x86).
  bool hasBytePairs = false;
  TablePermutes permutes;
  /// Chosen for one product: to use those, whether the signed factor is the
  /// left one, and what DotProduct says of words.
  bool usesBytePairs = false, hasSignedRows = false, hasWideWords = false;
  /// Blocks that are wished for it.
  Blocking blocking;

  /// Whether bytes are multiplied in pairs that may saturate, and registers are
  /// so few that a word of weights on the left-hand side is for few rows: then
  /// fewer of them are there in halves than of weights on the right-hand side.
  bool sharesFewWeights() const {
    return hasBytePairs && !hasVNNI && numRegisters == 16;
  }

  static VectorUnit fromFeatures(llvm::StringRef features);
};

/// The shape of a micro-kernel: a block of `rows` by `vectors` times `lanes`
/// accumulators that stays in registers while it runs along k. The right-hand
/// side comes in panels of `columns()` elements (or words, see DotProduct) for
/// each k.
struct MicroKernel {
  mlir::Type accumulator;
  int64_t lanes = 1;
  int64_t rows = 1;
  int64_t vectors = 1;
  bool useFMA = false;
  DotProduct dot;
  /// What is wished of the rest.
  Blocking blocking;

  int64_t columns() const { return lanes * vectors; }
  /// What operands consist of once they are packed.
  mlir::Type getWordType() const;

  /// How many vectors of sums fit into registers beside the operands, if there
  /// is a choice.
  static int64_t countRegisters(const VectorUnit &unit, const DotProduct &dot);

  /// The best shape for `accumulator`; sizes may be ShapedType::kDynamic.
  static MicroKernel choose(const VectorUnit &unit, mlir::Type accumulator,
                            int64_t m, int64_t n, const DotProduct &dot = {});
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_TARGET_TARGET_H
