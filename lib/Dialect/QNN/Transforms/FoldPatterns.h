//===- FoldPatterns.h - Patterns of qnn-fold-quantization -------*- C++ -*-===//

#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_FOLDPATTERNS_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_FOLDPATTERNS_H

#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/Transforms/InferShapes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"

namespace quantc::qnn {

/// What the patterns count, one for each statistic of the pass.
struct FoldCounts {
  unsigned contractions = 0, split = 0, unproven = 0, requantized = 0,
           moved = 0, lookups = 0, kernels = 0;
};

/// A float contraction whose operands are dequantized: what its integer form
/// is made of.
struct QuantizedContraction {
  /// Of the quantizable operands; zero points may be null.
  llvm::SmallVector<mlir::Value> operands, zeroPoints;
  /// Of the accumulator: one number, or one for each index along `axis`.
  mlir::Value scale;
  std::optional<int64_t> axis;
  /// How many terms fit into i32 for sure.
  int64_t safeTerms = 0;

  /// Creates the ops that multiply the scales. `op` has an integer form.
  static QuantizedContraction get(QuantizableOpInterface op,
                                  mlir::OpBuilder &b);
};

/// Why a float contraction has no integer form, or nothing.
std::string explainFloat(QuantizableOpInterface op);

/// Whether a clamp at `bound` (max: from below) changes nothing of what is
/// quantized, because the quantized type's range ends there.
bool isClampedByQuantize(QuantizeOp op, BinaryKind kind, float bound);

/// Whether a transposed convolution's kernels neither overlap nor leave gaps,
/// and nothing is cut.
bool isTiling(ConvTransposeOp op);
/// Makes a product of a transposed convolution that tiles.
void multiplyTiles(ConvTransposeOp op);

/// dequantize -> contraction -> dequantize, biases, quantize -> requantize.
void populateContractionPatterns(mlir::RewritePatternSet &, FoldCounts &);
/// dequantize moves down and quantize moves up through what moves elements.
void populateMovementPatterns(mlir::RewritePatternSet &, FoldCounts &);
/// Arithmetic between 8-bit tensors as ONNX Runtime's kernels do it.
void populateElementwisePatterns(mlir::RewritePatternSet &, FoldCounts &);
/// Tables for functions of one 8-bit tensor.
void populateLookupPatterns(mlir::RewritePatternSet &, FoldCounts &);

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_FOLDPATTERNS_H
