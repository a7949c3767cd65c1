//===- IntegerEvaluator.h - Follows integers and extents --------*- C++ -*-===//

#ifndef QUANTC_LIB_DIALECT_QNN_IR_INTEGEREVALUATOR_H
#define QUANTC_LIB_DIALECT_QNN_IR_INTEGEREVALUATOR_H

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/IndexingOps.h"
#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

namespace quantc::qnn {

using KnownInts = std::optional<llvm::SmallVector<KnownInt>>;

/// Walks the ops behind a value, a bounded number of them, each once.
class IntegerEvaluator {
public:
  KnownInts evaluate(mlir::Value value);
  KnownInt getExtent(mlir::Value tensor, int64_t dim);

private:
  KnownInts evaluateOp(mlir::Operation *op, mlir::RankedTensorType type);
  /// The operands of an elementwise op, each stretched to `type`. Lists and
  /// scalars only.
  std::optional<llvm::SmallVector<llvm::SmallVector<KnownInt>>>
  evaluateBroadcast(mlir::ValueRange operands, mlir::RankedTensorType type);
  KnownInts evaluateGather(GatherOp op);
  KnownInts evaluateSlice(SliceOp op);
  KnownInts evaluateConcat(ConcatOp op);
  KnownInts evaluateRange(RangeOp op);
  static KnownInt applyBinary(BinaryKind kind, const KnownInt &a,
                              const KnownInt &b, mlir::Type type);

  /// The same for dimensions (Extents.cpp); unknown where an op decides alone.
  KnownInt followExtent(mlir::OpResult result, int64_t dim);
  KnownInt followBroadcast(mlir::ValueRange operands, int64_t rank,
                           int64_t dim);
  KnownInt followGather(GatherOp op, int64_t dim);
  KnownInt followReshape(ReshapeOp op, int64_t dim);
  KnownInt followRange(RangeOp op);
  KnownInt followExpand(ExpandOp op, int64_t dim);

  /// Whether there may be another step, one level deeper.
  bool enter() {
    if (budget == 0 || depth == kMaxDepth)
      return false;
    --budget;
    ++depth;
    return true;
  }
  void leave() { --depth; }

  static constexpr unsigned kMaxDepth = 1024;
  unsigned budget = 8192, depth = 0;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<KnownInt>> lists;
  llvm::DenseMap<std::pair<mlir::Value, int64_t>, KnownInt> extents;
};

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_IR_INTEGEREVALUATOR_H
