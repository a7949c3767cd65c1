//===- LinearLayers.h - Ops with one constant weight tensor -----*- C++ -*-===//
#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_LINEARLAYERS_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_LINEARLAYERS_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/Builders.h"

#include <optional>
#include <vector>

namespace quantc::qnn {

/// An op of floats that multiplies an activation by constant weights, with a
/// known place for input and output channels.
struct LinearLayer {
  QuantizableOpInterface op;
  /// The numbers of the operands.
  unsigned weights, activation;
  /// Axes of the weights, and of the activation.
  int64_t outputAxis, inputAxis, activationAxis;

  static std::optional<LinearLayer> get(mlir::Operation *op);

  /// To call methods of the interface, which are not const.
  QuantizableOpInterface getOp() const { return op; }
  ConstantOp getWeights() const {
    return op->getOperand(weights).getDefiningOp<ConstantOp>();
  }
  mlir::RankedTensorType getType() const {
    return mlir::cast<mlir::RankedTensorType>(
        op->getOperand(weights).getType());
  }
  int64_t getNumOutputs() const { return getType().getDimSize(outputAxis); }
  /// Of one group.
  int64_t getNumInputs() const { return getType().getDimSize(inputAxis); }

  /// A number for each input channel (of all groups), where it meets the
  /// weights: a constant that broadcasts to them.
  mlir::Value spreadOverInputs(mlir::OpBuilder &b, mlir::Location loc,
                               llvm::ArrayRef<float> perInput) const;
};

/// If the elements of `value` that meet a tensor of type `type` by broadcasting
/// differ along `axis` only, without making it larger: their number, 1 or the
/// number of channels.
std::optional<int64_t>
getPerChannelSize(mlir::Value value, mlir::RankedTensorType type, int64_t axis);

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_LINEARLAYERS_H
