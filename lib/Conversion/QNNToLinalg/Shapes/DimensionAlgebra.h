//===- DimensionAlgebra.h - Products and sums of dimensions -----*- C++ -*-===//
//
// Dynamic dimensions are SSA values. Written as a product of a constant and
// values, dimensions can be multiplied, divided and compared without knowing
// them, which is what reshapes of models with symbolic shapes need. Written as
// a sum, the tokens that a cache and the input hold are as many as a range
// counts.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_DIMENSIONALGEBRA_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_DIMENSIONALGEBRA_H

#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"

#include <algorithm>
#include <optional>

namespace quantc {

/// constant · values[0] · values[1] · ... (with repetition).
struct DimensionProduct {
  int64_t constant = 1;
  /// In the order in which they were found, which does not count.
  llvm::SmallVector<mlir::Value, 4> values;

  DimensionProduct() = default;
  /// The factors of a size; looks through multiplications.
  explicit DimensionProduct(mlir::OpFoldResult size);

  DimensionProduct operator*(const DimensionProduct &other) const;
  /// The quotient if it is one for all values of the factors.
  std::optional<DimensionProduct>
  dividedBy(const DimensionProduct &other) const;
  bool operator==(const DimensionProduct &other) const {
    return constant == other.constant && values.size() == other.values.size() &&
           std::is_permutation(values.begin(), values.end(),
                               other.values.begin());
  }
  bool isOne() const { return constant == 1 && values.empty(); }

  /// The product as an index value or attribute.
  mlir::OpFoldResult build(mlir::OpBuilder &b, mlir::Location loc) const;
};

/// constant + factor · value + ..., modulo 2^64: sizes of 64 bits that
/// additions make of others.
struct DimensionSum {
  int64_t constant = 0;
  /// Indices or integers of 64 bits, each once, in the order in which they were
  /// met.
  llvm::SmallVector<std::pair<mlir::Value, int64_t>, 4> terms;

  DimensionSum() = default;
  /// The terms of an integer; looks through additions and casts.
  explicit DimensionSum(mlir::OpFoldResult size);

  DimensionSum plus(const DimensionSum &other, int64_t factor = 1) const;
  /// The same terms, in any order.
  bool operator==(const DimensionSum &other) const;

  /// The quotient, rounded down, in a form that only depends on its value:
  /// (x - 1) / 2 + 1 and (x + 1) / 2 are one sum. Reuses an equal division that
  /// stands before in the block.
  DimensionSum floorDividedBy(mlir::OpBuilder &b, mlir::Location loc,
                              int64_t divisor) const;

  /// Whether it is a sum of dimensions, or of what a check that stands before
  /// the insertion point found not to be negative.
  bool isNeverNegative(mlir::OpBuilder &b) const;

  /// The sum as an index value or attribute. Reuses an equal one that stands
  /// before in the block: equal sizes must be one value.
  mlir::OpFoldResult build(mlir::OpBuilder &b, mlir::Location loc) const;
};

/// A reshape as a collapse (of the input's groups) followed by an expand (into
/// the output's groups); one group of each a flat dimension in between.
struct ReshapeGroups {
  llvm::SmallVector<mlir::ReassociationIndices> input, output;
};

/// The finest grouping under which `from` and `to` have equal products, if the
/// sizes can be proven to match.
std::optional<ReshapeGroups>
matchReshape(llvm::ArrayRef<mlir::OpFoldResult> from,
             llvm::ArrayRef<mlir::OpFoldResult> to);

/// Whether `op` stands in the block that `b` inserts into, and before.
bool isBefore(mlir::Operation *op, mlir::OpBuilder &b);

/// An integer as an index: one value for all that ask for it.
mlir::Value castToIndex(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value integer);

/// a · b, reusing an equal multiplication that stands before in the block:
/// equal sizes must be one value to be recognised as equal.
mlir::OpFoldResult multiplySizes(mlir::OpBuilder &b, mlir::Location loc,
                                 mlir::OpFoldResult x, mlir::OpFoldResult y);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_DIMENSIONALGEBRA_H
