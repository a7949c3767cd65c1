//===- KernelEmitter.h - Helpers to write kernels' code ---------*- C++ -*-===//
//
// A kernel is emitted as loops over flat buffers. This wraps a builder with
// folding index arithmetic, loops from lambdas, and vector accesses.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_EMITTER_KERNELEMITTER_H
#define QUANTC_LIB_CODEGEN_EMITTER_KERNELEMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace quantc {

/// Scalar operations below which starting threads does not pay.
inline constexpr int64_t kParallelLoopWork = 400000;

/// A buffer of more bytes is not on its thread's stack.
inline constexpr int64_t kMaxStackBytes = 64 * 1024;

/// Vectors of so many 32-bit elements have masks: shorter ones are loaded with
/// them element by element.
inline constexpr int64_t kMaskedLanes = 8;

class KernelEmitter {
public:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Type = mlir::Type;

  KernelEmitter(mlir::OpBuilder &builder, mlir::Location loc)
      : b(builder), loc(loc) {}

  // Index arithmetic; constants fold.
  Value index(int64_t value);
  Value add(Value lhs, Value rhs);
  Value sub(Value lhs, Value rhs);
  Value mul(Value lhs, Value rhs);
  Value floorDiv(Value lhs, int64_t rhs);
  Value ceilDiv(Value lhs, int64_t rhs);
  Value min(Value lhs, Value rhs);
  Value max(Value lhs, Value rhs);
  Value compare(mlir::arith::CmpIPredicate predicate, Value lhs, Value rhs);
  /// The value if it is a constant.
  static std::optional<int64_t> asConstant(Value value);
  static bool isConstant(Value value, int64_t expected) {
    return asConstant(value) == expected;
  }
  /// Splits `linear` into one index for each of `sizes`, the last one fastest.
  mlir::SmallVector<Value> delinearize(Value linear, ValueRange sizes);

  // Structured control flow; the lambdas emit the bodies.
  void forLoop(Value lower, Value upper, int64_t step,
               llvm::function_ref<void(Value)> body);
  mlir::SmallVector<Value>
  forLoop(Value lower, Value upper, int64_t step, ValueRange inits,
          llvm::function_ref<mlir::SmallVector<Value>(Value, ValueRange)> body);
  void ifThen(Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise = nullptr);
  /// Emits `body` for `count` vectors of `lanes` elements, of which `left` are
  /// there: without masks where all are, or where there is `room` for all, and
  /// with one for each vector.
  void withMasks(Value left, int64_t count, int64_t lanes,
                 llvm::function_ref<void(llvm::ArrayRef<Value>)> body,
                 Value room = nullptr);
  /// Runs `body` for each index of `sizes`, and for its number among them (the
  /// last size fastest): on all threads if `useThreads`, and if `work` is more
  /// than `least` at run time.
  void parallelFor(ValueRange sizes, Value work, bool useThreads,
                   llvm::function_ref<void(Value, mlir::ArrayRef<Value>)> body,
                   int64_t least = kParallelLoopWork);
  /// Runs the iterations of a loop from 0 on all threads if `condition` holds
  /// at run time; without a condition, on one.
  void parallelFor(Value upper, Value condition,
                   llvm::function_ref<void(Value)> body);

  // Buffers.
  /// `size` elements: on the thread's stack if at most `mostOnStack` bytes are
  /// known to be enough, otherwise on the heap, until `release`.
  Value allocate(Value size, Type element,
                 int64_t mostOnStack = kMaxStackBytes);
  Value allocateOnStack(int64_t size, Type element);
  void release(Value buffer);
  /// The contiguous `buffer` with one dimension.
  Value flatten(Value buffer);
  Value size(Value buffer, int64_t dim);
  Value load(Value flat, Value at);
  void store(Value value, Value flat, Value at);
  /// `mask` may be null.
  Value loadVector(Value flat, Value at, int64_t lanes, Value mask = nullptr);
  void storeVector(Value value, Value flat, Value at, Value mask = nullptr);
  /// Asks for `count` elements from `at` on, to the second-level cache; they
  /// may lie outside of `flat`.
  void prefetch(Value flat, Value at, int64_t count);
  Value splat(Value scalar, int64_t lanes);
  /// Every second one of 2 · lanes - 1 elements from `at` on: two loads, of
  /// which the second one begins with the last element of the first one.
  Value loadEven(Value flat, Value at, int64_t lanes);
  /// The same of two such vectors.
  Value pickEven(Value low, Value high);
  /// For `lanes` positions from `position` on, which are in [0, size).
  Value maskInside(Value position, Value size, int64_t lanes);
  Value zero(Type type);
  /// Calls an intrinsic of LLVM with one result.
  Value callIntrinsic(llvm::StringRef name, Type result, ValueRange operands);

  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_EMITTER_KERNELEMITTER_H
