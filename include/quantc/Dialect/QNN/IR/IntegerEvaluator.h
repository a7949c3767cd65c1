//===- IntegerEvaluator.h - Follows integers and extents --------*- C++ -*-===//

#ifndef QUANTC_DIALECT_QNN_IR_INTEGEREVALUATOR_H
#define QUANTC_DIALECT_QNN_IR_INTEGEREVALUATOR_H

#include "quantc/Dialect/QNN/IR/IntegerValues.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace quantc::qnn {

/// Walks the ops behind a value, a bounded number of them, each once. Ops say
/// by interfaces what they make of their operands (IntegerOpInterface,
/// ExtentOpInterface).
class IntegerEvaluator {
public:
  /// The elements of a list or a scalar of integers.
  KnownInts evaluate(mlir::Value value);
  /// The extent of `tensor` along `dim`.
  KnownInt getExtent(mlir::Value tensor, int64_t dim);

  /// What `function` makes of the elements of `op`'s operands, lists and
  /// scalars only, each stretched to the result.
  KnownInts evaluateElements(
      mlir::Operation *op,
      llvm::function_ref<KnownInt(llvm::ArrayRef<KnownInt>)> function);
  /// Dimension `dim` of what `operands` are broadcast to, which has `rank` of
  /// them: where they are known to be equally long, or a single one decides.
  KnownInt getBroadcastExtent(mlir::ValueRange operands, int64_t rank,
                              int64_t dim);

private:
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

#endif // QUANTC_DIALECT_QNN_IR_INTEGEREVALUATOR_H
