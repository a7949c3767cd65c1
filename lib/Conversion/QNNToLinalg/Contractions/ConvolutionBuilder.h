//===- ConvolutionBuilder.h - Convolutions as linalg ops --------*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_CONTRACTIONS_CONVOLUTIONBUILDER_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_CONTRACTIONS_CONVOLUTIONBUILDER_H

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

namespace quantc {

/// A convolution whose padding is done.
struct Convolution {
  mlir::Value input, weights; // (N, C, spatial...), (M, C / group, kernel...)
  mlir::Value bias;           // (M), or null
  llvm::ArrayRef<int64_t> strides, dilations;
  int64_t group = 1;
  /// qnn element types, which say the signedness.
  mlir::Type inputType, weightsType;
  /// Storage type of the result's elements.
  mlir::Type resultElement;
  /// Spatial sizes of the result.
  llvm::SmallVector<mlir::OpFoldResult> counts;
  /// Integers only: a scalar, and a scalar or one for each channel of the
  /// result. Null: zero.
  mlir::Value inputZeroPoint, weightsZeroPoint;
};

/// Builds the named linalg op that computes `conv`, where there is one: dense
/// in one to three dimensions, grouped and depthwise in one (as two with a unit
/// dimension) and two. Else a generic op. The accumulator starts as the bias.
mlir::Value buildConvolution(mlir::OpBuilder &b, mlir::Location loc,
                             const Convolution &conv);

/// The accumulator of a convolution: `bias` along dimension 1, or zeros.
mlir::Value createBias(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::RankedTensorType type,
                       llvm::ArrayRef<mlir::OpFoldResult> dims,
                       mlir::Value bias);

/// The one element of a tensor of rank 0 or 1.
mlir::Value extractScalar(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value tensor);

void populateDeformConvPatterns(const mlir::TypeConverter &,
                                mlir::RewritePatternSet &);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_CONTRACTIONS_CONVOLUTIONBUILDER_H
