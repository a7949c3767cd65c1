//===- LowBitScales.h - Scales of blocks in one byte ------------*- C++ -*-===//
//
// Many formats store the scales of blocks in 8 bits: powers of two (MXFP4),
// E4M3 times one number (NVFP4), integers times one number a column (double
// quantization) or for 256 elements of it (Q6_K). Where all scales of a
// constant are such numbers, exactly, they are stored so, and become floats in
// registers. Q4_K has 6 bits for a scale and 6 for an offset, which is what
// zero points say in another way: scale · (code - zero point) = scale · code -
// offset.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_LOWBIT_LOWBITSCALES_H
#define QUANTC_LIB_CODEGEN_LOWBIT_LOWBITSCALES_H

#include "CodeGen/Emitter/KernelEmitter.h"

namespace quantc {

struct LowBitLayout;

/// How the scales of blocks lie in memory.
enum class ScaleStorage {
  /// f32: [panel][block][column].
  Float32,
  /// The exponent of an f32: [panel][block][column] bytes.
  PowerOfTwo,
  /// Signed bytes times a factor, or codes of E4M3 times a factor: for each
  /// panel the factors of the columns (f32), then [block][column] bytes.
  Byte,
  Float8,
  /// Signed bytes times a factor for each 256 elements of a column: for each
  /// panel [factor][column] f16, then [block][column] bytes.
  SuperBlockByte,
  /// The same with 6 bits, and offsets in the place of zero points: bytes have
  /// the 2 lower bits of the block's offset above its scale. Offsets have for
  /// each panel [factor][column] f16, then [two blocks][column] bytes with the
  /// 4 upper bits of both.
  SuperBlockOffset
};

/// Blocks that share a factor.
int64_t getBlocksOfFactor(ScaleStorage storage, const LowBitLayout &layout);

/// The smallest storage from which `scales` [blocks, n] come back as they are.
ScaleStorage chooseScaleStorage(mlir::ArrayRef<float> scales,
                                const LowBitLayout &layout, int64_t n);

/// The bytes of scales and offsets as SuperBlockOffset, if from these `scales`
/// and `zeroPoints` [blocks, n] come back as they are; the smallest code is
/// that of the offset.
struct ScalesAndOffsets {
  std::vector<char> scales, offsets;
};
std::optional<ScalesAndOffsets>
packScalesAndOffsets(mlir::ArrayRef<float> scales,
                     mlir::ArrayRef<float> zeroPoints, float smallestCode,
                     const LowBitLayout &layout, int64_t n);

/// The bytes of such storage for scales alone, which is not Float32.
std::vector<char> packScales(mlir::ArrayRef<float> scales, ScaleStorage storage,
                             const LowBitLayout &layout, int64_t n);

/// The scales of a vector of columns, which begin at `column` of `panel`.
mlir::Value loadScales(KernelEmitter &e, mlir::Value bytes,
                       ScaleStorage storage, const LowBitLayout &layout,
                       mlir::Value panel, mlir::Value column,
                       mlir::Value block);

/// Scales and offsets as floats; as the integers that are stored; and the
/// factors of these.
struct ScaleAndOffset {
  mlir::Value scale, offset;
};
ScaleAndOffset loadScaleAndOffset(KernelEmitter &e, mlir::Value scales,
                                  mlir::Value offsets,
                                  const LowBitLayout &layout, mlir::Value panel,
                                  mlir::Value column, mlir::Value block);
ScaleAndOffset loadScaleAndOffsetCodes(KernelEmitter &e, mlir::Value scales,
                                       mlir::Value offsets,
                                       const LowBitLayout &layout,
                                       mlir::Value panel, mlir::Value column,
                                       mlir::Value block);
ScaleAndOffset loadScaleAndOffsetFactors(KernelEmitter &e, mlir::Value scales,
                                         mlir::Value offsets,
                                         const LowBitLayout &layout,
                                         mlir::Value panel, mlir::Value column,
                                         mlir::Value block);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWBIT_LOWBITSCALES_H
