//===- WindowMath.h - Sizes and pads of sliding windows ---------*- C++ -*-===//
//
// Index arithmetic that folds what is static, and the geometry that the
// lowerings of convolutions and pools share.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_WINDOWMATH_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_WINDOWMATH_H

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/Windows.h"

namespace quantc {

/// Arithmetic on index values and attributes. Results are attributes where the
/// operands are.
struct SizeMath {
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::OpFoldResult cst(int64_t v) const { return b.getIndexAttr(v); }
  mlir::OpFoldResult add(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::OpFoldResult sub(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::OpFoldResult mul(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  /// Rounds down; `y` must be positive.
  mlir::OpFoldResult floorDiv(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::OpFoldResult ceilDiv(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::OpFoldResult max(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::OpFoldResult min(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::Value value(mlir::OpFoldResult x) const {
    return materialize(b, loc, x);
  }
  /// Comparison of two values, as i1.
  mlir::Value isLess(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
  mlir::Value isLessOrEqual(mlir::OpFoldResult x, mlir::OpFoldResult y) const;
};

/// The sum of sizes, in the one form that equal sums have: sizes that are one
/// value are known to be equal.
mlir::OpFoldResult addSizes(mlir::OpBuilder &b, mlir::Location loc,
                            llvm::ArrayRef<mlir::OpFoldResult> sizes);

/// The windows over the spatial dimensions of one input; one entry each.
struct WindowGeometry {
  llvm::SmallVector<mlir::OpFoldResult> input, kernel, padBegin, padEnd, count;
  llvm::SmallVector<int64_t> strides, dilations;
  /// Where the only window may be larger than the padded input.
  llvm::SmallVector<bool> mayBePartial;

  /// Whether there is padding along dimension `i`, or there may be.
  bool hasPads(size_t i) const;
};

/// Works out pads and counts, at run time where they are not static, and checks
/// then that a window fits. `input` is (N, C, spatial...); `autoPad` is
/// Windows.td's. With `takesPartial` a kernel that misses less than a stride
/// has a window, as in pooling.
WindowGeometry computeWindows(
    mlir::OpBuilder &b, mlir::Location loc, mlir::Value input,
    llvm::ArrayRef<mlir::OpFoldResult> kernel, llvm::ArrayRef<int64_t> strides,
    llvm::ArrayRef<int64_t> dilations, llvm::ArrayRef<int64_t> pads,
    qnn::AutoPad autoPad, bool ceilMode = false, bool takesPartial = false);

/// Pads the spatial dimensions of `input` with a scalar, and no copy when all
/// pads are zero. Negative ones crop; those that are not known to be negative
/// do so only if they `mayCrop`.
mlir::Value padSpatial(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value input,
                       llvm::ArrayRef<mlir::OpFoldResult> begin,
                       llvm::ArrayRef<mlir::OpFoldResult> end,
                       mlir::Value scalar, bool mayCrop = false);

/// The type of a tensor with these sizes.
mlir::RankedTensorType getTypeOf(llvm::ArrayRef<mlir::OpFoldResult> dims,
                                 mlir::Type element);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_WINDOWMATH_H
