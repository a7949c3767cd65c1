//===- Sampling.h - Reads images between their elements ---------*- C++ -*-===//
//
// Scalar code inside of `createIndexed`, in f32 (f64 where the image is).
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_IMAGES_SAMPLING_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_IMAGES_SAMPLING_H

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

namespace quantc {

/// A stored element as f32, or f64 if it is one. Integers count as signed
/// unless `isUnsigned`.
mlir::Value toFloat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                    bool isUnsigned = false);
/// The way back: rounds to the element type `to`.
mlir::Value fromFloat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                      mlir::Type to);
mlir::Value indexToFloat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                         mlir::Type type);
/// Truncates, for values that fit.
mlir::Value floatToIndex(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

/// `image` at the position (prefix..., indices...), or zero where an index is
/// outside [0, sizes).
mlir::Value readOrZero(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value image, mlir::ValueRange prefix,
                       mlir::ValueRange indices,
                       llvm::ArrayRef<mlir::OpFoldResult> sizes);

/// Interpolates linearly between the elements around `place` in the last
/// dimensions; elements outside count as zero.
mlir::Value sampleLinear(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::Value image, mlir::ValueRange prefix,
                         mlir::ValueRange place,
                         llvm::ArrayRef<mlir::OpFoldResult> sizes);

/// How many of so many channels should share what is computed of a place: a
/// divisor, so that they can be the innermost loop.
int64_t getChannelBlock(int64_t channels);

/// Dimensions (batch, channels, ...) as (batch, blocks, block, ...).
llvm::SmallVector<mlir::OpFoldResult>
splitChannelDim(mlir::OpBuilder &b, llvm::ArrayRef<mlir::OpFoldResult> dims,
                int64_t block);

/// `image` with such dimensions.
mlir::Value splitChannels(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value image, int64_t block);

/// What becomes one dimension again for an image of `rank` dimensions.
llvm::SmallVector<mlir::ReassociationIndices> getBlockGroups(int64_t rank);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_IMAGES_SAMPLING_H
