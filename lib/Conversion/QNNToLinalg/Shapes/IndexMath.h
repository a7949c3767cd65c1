//===- IndexMath.h - Index arithmetic and checks of indices -----*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_INDEXMATH_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_INDEXMATH_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace quantc {

/// Builds arithmetic on indices, folding what is constant.
struct IndexMath {
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value constant(int64_t v) const;
  mlir::Value add(mlir::Value x, mlir::Value y) const;
  mlir::Value sub(mlir::Value x, mlir::Value y) const;
  mlir::Value mul(mlir::Value x, mlir::Value y) const;
  /// Truncating quotient and remainder; the caller excludes zero divisors.
  mlir::Value div(mlir::Value x, mlir::Value y) const;
  mlir::Value rem(mlir::Value x, mlir::Value y) const;
  mlir::Value min(mlir::Value x, mlir::Value y) const;
  mlir::Value max(mlir::Value x, mlir::Value y) const;
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value x,
                      mlir::Value y) const;
  mlir::Value equal(mlir::Value x, mlir::Value y) const;
  mlir::Value less(mlir::Value x, mlir::Value y) const;
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) const;
  mlir::Value logicalAnd(mlir::Value x, mlir::Value y) const;
  mlir::Value logicalOr(mlir::Value x, mlir::Value y) const;

  /// `i` counted from the front: negative ones from the back of `extent`.
  mlir::Value fromFront(mlir::Value i, mlir::Value extent) const;
  /// The elements of an integer list as indices.
  llvm::SmallVector<mlir::Value> extractAll(mlir::Value list) const;
  /// A stored integer scalar as an index.
  mlir::Value toIndex(mlir::Value integer) const;
};

/// Where in a tensor the element with these indices of the result stands.
using RemapBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(
    const IndexMath &, mlir::ValueRange indices)>;

/// A tensor whose elements are those of `input` at computed places.
mlir::Value createRemapped(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::RankedTensorType resultType,
                           llvm::ArrayRef<mlir::OpFoldResult> dims,
                           mlir::Value input, RemapBody body);

/// Whether `v` is a constant index.
std::optional<int64_t> getConstantIndex(mlir::Value v);

/// Fails the run unless each integer in `tensor` is in [low, high).
void checkRange(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor,
                mlir::Value low, mlir::Value high, const llvm::Twine &message);

/// The same for tuples of indices (the last dimension of `indices`), each
/// component with an extent of its own; negative ones count from the back.
void checkTuples(mlir::OpBuilder &b, mlir::Location loc, mlir::Value indices,
                 llvm::ArrayRef<mlir::OpFoldResult> extents);

/// The tensor as a type that says all that is known of its dimensions: `getDim`
/// finds more than a type may say, and slices need both to be the same.
mlir::Value refineType(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value tensor);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_INDEXMATH_H
