//===- ChannelScaling.h - Dividing channels for nothing --------*- C++ -*-===//

#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_CHANNELSCALING_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_CHANNELSCALING_H

#include "quantc/Quantization/Smoothing.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace quantc::qnn {

/// A value [..., K] that is only multiplied by constant matrices [K, N], and
/// whose channels (along K) constants before it can divide: the weights of a
/// normalization, a factor, or the columns of a matrix. Through a product of
/// two values (a gated MLP) the division goes into one of them.
struct ScalableValue {
  mlir::Value value;
  int64_t channels = 0;
  /// The right-hand sides of the products.
  llvm::SmallVector<mlir::OpOperand *> matrices;
  /// The constants to divide, along their last dimension.
  llvm::SmallVector<mlir::OpOperand *> divided;
};

/// All such values of a function, in order.
llvm::SmallVector<ScalableValue> findScalableValues(mlir::func::FuncOp func);

/// The matrices that the value is multiplied by; they refer to `storage`. Fails
/// if one does not hold floats.
mlir::LogicalResult readMatrices(const ScalableValue &value,
                                 std::vector<std::vector<float>> &storage,
                                 std::vector<WeightMatrix> &matrices);

/// Divides the channels by `scales`, and multiplies the matrices' rows. The
/// arithmetic is left to constant folding.
void divideChannels(const ScalableValue &value, llvm::ArrayRef<float> scales);

/// Reports, at `op`, statistics of data that were NaN or infinite.
mlir::LogicalResult checkNumbers(mlir::Operation *op, llvm::StringRef name,
                                 const ValueStatistics &statistics);

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_CHANNELSCALING_H
