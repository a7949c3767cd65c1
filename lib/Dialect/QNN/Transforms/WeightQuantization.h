//===- WeightQuantization.h - Constant weights as integers ------*- C++ -*-===//
#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_WEIGHTQUANTIZATION_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_WEIGHTQUANTIZATION_H

#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Quantization/Recipe.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

namespace quantc::qnn {

/// Where scales of a weight may differ.
struct WeightAxes {
  /// Output channels, and what a sum runs over (groups lie along it).
  std::optional<int64_t> channel, summed;
};

/// A weight in the form of a recipe, as constants.
struct QuantizedWeight {
  mlir::Value codes, scale, zeroPoint;
  /// If there is one, codes are indices into it.
  mlir::Value codebook;
  std::optional<int64_t> axis;
  int64_t blockSize = 0;
  /// Of the scales along `axis`, or the only one; empty for groups.
  std::vector<float> scales;

  /// Whether an op on integers can take it: one scale a channel or for all.
  bool hasIntegerForm = false;
  int64_t bytes = 0;
};

/// Quantizes the constant. `gram` is XᵀX of what it is multiplied by, empty if
/// unknown. A failure says why.
llvm::Expected<QuantizedWeight>
quantizeWeight(mlir::OpBuilder &b, mlir::Location loc, ConstantOp constant,
               const WeightAxes &axes, const WeightRecipe &recipe,
               GramMatrix gram);

/// The weight's real numbers again.
mlir::Value createDequantize(mlir::OpBuilder &b, mlir::Location loc,
                             const QuantizedWeight &weight);

/// The grid of a recipe's integers.
QuantizationGrid getGrid(const WeightRecipe &recipe);
QuantizationGrid getGrid(const ActivationRecipe &recipe);

/// The type that stores integers of this many bits.
mlir::IntegerType getStorage(mlir::MLIRContext *context, unsigned bits,
                             bool isSigned);

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_WEIGHTQUANTIZATION_H
