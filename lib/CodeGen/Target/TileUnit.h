//===- TileUnit.h - Sums in AMX tiles ---------------------------*- C++ -*-===//
//
// With AMX a micro-kernel is a block of 2 by 2 tiles of 16 by 16 sums. Tiles
// only meet memory: sums come from and go to a buffer of i32 (or f32), where
// the epilogue finds them.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_TARGET_TILEUNIT_H
#define QUANTC_LIB_CODEGEN_TARGET_TILEUNIT_H

#include "CodeGen/Emitter/KernelEmitter.h"
#include "Target.h"

namespace quantc {

/// A block of words or sums in a flat buffer of 32-bit values.
struct TileOperand {
  mlir::Value buffer, offset;
  int64_t rowStride;
};

/// Rows and columns of a tile of 32-bit values.
inline constexpr int64_t kTileSize = 16;

/// `sums` (rows by columns of `kernel`) plus the product of `a` (a row of words
/// for each row) and `b` (a row of the panel for each word); the old sums count
/// as 0 if `isFirst` holds (always, if it is null). Reads whole tiles: words of
/// `a` beyond `numWords` must be 0, those of `b` only readable. `zeros` is what
/// allocateZeros gives.
void emitTiles(KernelEmitter &e, const MicroKernel &kernel,
               const TileOperand &a, const TileOperand &b,
               const TileOperand &sums, mlir::Value numWords,
               mlir::Value isFirst, mlir::Value zeros);

/// A row of zeros for each tile of `kernel`, on the stack.
mlir::Value allocateZeros(KernelEmitter &e, const MicroKernel &kernel);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_TARGET_TILEUNIT_H
