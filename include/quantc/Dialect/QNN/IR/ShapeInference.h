//===- ShapeInference.h - What the ops' type inference shares ---*- C++ -*-===//

#ifndef QUANTC_DIALECT_QNN_IR_SHAPEINFERENCE_H
#define QUANTC_DIALECT_QNN_IR_SHAPEINFERENCE_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Value.h"
#include "mlir/IR/ValueRange.h"

#include <optional>

namespace quantc::qnn {

/// The elements of a constant tensor of integers (any width, any rank), with
/// unsigned types zero-extended; nothing if `value` is no constant.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::Value value);

/// Takes away a zero point that is a constant of zeros: kernels need not
/// correct for it. Whether it was one.
bool dropZeros(mlir::MutableOperandRange zeroPoint);

/// Makes signed bytes of constant weights that are unsigned ones with a zero
/// point of 128, which is 0 then. Whether they were that.
bool makeSigned(mlir::PatternRewriter &rewriter, mlir::OpOperand &weights,
                mlir::MutableOperandRange zeroPoint);

/// `axis` counted from the front, or nothing when it is outside
/// [-rank, rank - 1].
std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank);

/// ONNX's multidirectional broadcast of two shapes; a dynamic dimension meets a
/// static one above 1 as that one. Fails on a mismatch.
mlir::FailureOr<llvm::SmallVector<int64_t>>
broadcastShapes(llvm::ArrayRef<int64_t> lhs, llvm::ArrayRef<int64_t> rhs);

/// The dimensions both types know: a static one wins over a dynamic one. Fails
/// if two static ones differ.
mlir::FailureOr<mlir::RankedTensorType> meetTypes(mlir::RankedTensorType a,
                                                  mlir::RankedTensorType b);

/// The indices that a slice takes of an extent, after ONNX's counting from the
/// back and clamping.
struct SliceRange {
  int64_t start, step, size;
};
SliceRange normalizeSlice(int64_t start, int64_t end, int64_t step,
                          int64_t extent);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_IR_SHAPEINFERENCE_H
