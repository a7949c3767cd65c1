//===- WordForms.h - Rows of bytes for panels in order ----------*- C++ -*-===//
//
// DotProduct::sumsPairs adds up the products of neighbours in a word, and is
// exact only where their weights are small enough. So a panel of weights may
// choose for each word which of its bytes are neighbours, or ask for a word of
// twice the width, whose sums have 32 bits. A row of the left-hand side has all
// of its words in each of these forms, one form after the other.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_WORDFORMS_H
#define QUANTC_LIB_CODEGEN_GEMM_WORDFORMS_H

#include "llvm/Support/MathExtras.h"

#include <cstdint>

namespace quantc {

struct WordForms {
  /// The bytes of a word in all orders that make other bytes neighbours.
  static constexpr int64_t kNumTurns = 3;
  static constexpr int64_t kTurns[kNumTurns][4] = {
      {0, 1, 2, 3}, {0, 2, 1, 3}, {0, 3, 1, 2}};

  /// The forms of `numWords` words, which are written in whole vectors from any
  /// word on.
  WordForms(int64_t numWords, int64_t lanes)
      : distance(llvm::alignTo(numWords, lanes) + lanes) {}

  /// Words of a row, and where one of them is.
  int64_t size() const { return (kNumTurns + 2) * distance; }
  int64_t getTurned(int64_t turn, int64_t word) const {
    return turn * distance + word;
  }
  int64_t getWide(int64_t word) const {
    return kNumTurns * distance + 2 * word;
  }

private:
  int64_t distance;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_WORDFORMS_H
