//===- QuantizedValues.h - What folding asks of values ----------*- C++ -*-===//
//
// Constants behind scales and zero points, how far an integer can reach, and
// the small graphs that compute new scales: constants are computed later, by
// qnn-fold-constants.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_QUANTIZEDVALUES_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_QUANTIZEDVALUES_H

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"

#include "mlir/IR/Builders.h"

namespace quantc::qnn {

/// The elements of an f32 constant, maybe reshaped, or of a product or quotient
/// of such.
std::optional<llvm::SmallVector<float>> getConstantFloats(mlir::Value value);

/// Whether a scale or zero point is one number for the whole tensor.
bool isSingle(mlir::Value parameter);

/// Whether `value` (null counts as zero) is an integer constant of zeros.
bool isZero(mlir::Value value);

/// The same value, equal constants, or both of them zero or absent.
bool areEqual(mlir::Value a, mlir::Value b);

/// Whether both quantize with one scale and zero point for all elements.
bool haveEqualParameters(DequantizeOp a, DequantizeOp b);

/// Whether the op scales all elements by one f32 number, with no zero point or
/// an integer one.
bool isPerTensor(DequantizeOp op);
/// The same, where division and rounding are those of f32, too.
bool isPerTensor(QuantizeOp op);

/// The largest magnitude that `x - zeroPoint` has for a small integer `x`.
int64_t getMaxMagnitude(mlir::Type elementType, mlir::Value zeroPoint);

/// A bound on the magnitudes of an i32 tensor that sums products of small
/// integers, where one can be proven.
std::optional<int64_t> getAccumulatorBound(mlir::Value accumulator);

/// Whether each element of the result depends on one of each operand.
bool isElementwise(mlir::Operation *op);

/// An f32 scalar.
mlir::Value createScalar(mlir::OpBuilder &b, mlir::Location loc, double value);

/// A list of scales (rank 1, or one number, which stays as it is) in the shape
/// that broadcasts along `axis` of a tensor of rank `rank`.
mlir::Value alignScales(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value scales, int64_t axis, int64_t rank);

/// One element of a constant list as what `broadcast` needs: the number of
/// dimensions of `value` that are not 1, and which of a result of rank `rank`
/// that one is. Nothing if there are several.
std::optional<int64_t> getOnlyAxis(mlir::RankedTensorType type, int64_t rank);

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_QUANTIZEDVALUES_H
