//===- LowBitContraction.h - Contractions with low-bit weights --*- C++ -*-===//
//
// A contraction over [..., n, block, k] whose right-hand side is a matrix of
// codes with a scale for each block, as QNNToLinalg/Contractions/WeightOnly.cpp
// writes it:
//
//   out + x * ((extend(truncate(code)) - zero) * scale), or
//   out + x * (table[truncate(code)] * scale).
//
// Where blocks do not divide k, there is one loop over k for both, and the last
// block is short.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_ANALYSIS_LOWBITCONTRACTION_H
#define QUANTC_LIB_CODEGEN_ANALYSIS_LOWBITCONTRACTION_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace quantc {

/// What the body of such a contraction says.
struct LowBitBody {
  unsigned bits = 8;
  bool isSigned = false;
  /// Numbers of operands. A negative one means that the constant beside it
  /// holds for all blocks.
  int input = -1, codes = -1, scales = -1, zeroPoints = -1;
  float constantScale = 1, constantZeroPoint = 0;
  /// K, and N; the last block may be short.
  int64_t depth = 0, blockSize = 0, columns = 0;
  /// The table that codes are indices into, or null.
  mlir::Value table;
  /// The input as a factor: its element, cast to f32.
  mlir::Value inputFactor;
};

/// Nothing if `op` (on tensors or buffers) is no such contraction.
std::optional<LowBitBody> matchLowBitProduct(mlir::linalg::LinalgOp op);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ANALYSIS_LOWBITCONTRACTION_H
