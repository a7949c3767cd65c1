//===- IntegerValues.h - What is known of integer tensors -------*- C++ -*-===//
//
// Models compute shapes with ops: Shape, Gather, Mul, Concat, then Reshape.
// These functions follow such chains, even where only some elements are known.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QNN_IR_INTEGERVALUES_H
#define QUANTC_DIALECT_QNN_IR_INTEGERVALUES_H

#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/Value.h"

#include <optional>

namespace quantc::qnn {

/// What is known of one element of an integer tensor.
class KnownInt {
public:
  static KnownInt unknown() { return KnownInt(); }
  static KnownInt constant(int64_t value) {
    KnownInt k;
    k.kind = Constant;
    k.number = value;
    return k;
  }
  /// The extent of `tensor` along `dim`: a constant when that is static, else
  /// followed to where the dimension comes from, so that equal ones compare
  /// equal.
  static KnownInt extent(mlir::Value tensor, int64_t dim);

  bool isConstant() const { return kind == Constant; }
  bool isConstant(int64_t v) const { return kind == Constant && number == v; }
  bool isExtent() const { return kind == Extent; }
  int64_t getConstant() const { return number; }
  mlir::Value getTensor() const { return tensor; }
  int64_t getDim() const { return number; }

  /// Known to be equal (two unknown ones are not).
  bool operator==(const KnownInt &other) const {
    return kind != Unknown && kind == other.kind && number == other.number &&
           tensor == other.tensor;
  }

private:
  friend class IntegerEvaluator;
  enum { Unknown, Constant, Extent } kind = Unknown;
  int64_t number = 0;
  mlir::Value tensor;
};

/// The elements of an integer tensor, in row-major order, as far as they are
/// known; nothing if even their number is not, or is large.
std::optional<llvm::SmallVector<KnownInt>> getKnownInts(mlir::Value value);

/// The same as dimensions: kDynamic where not a constant.
std::optional<llvm::SmallVector<int64_t>> getKnownDims(mlir::Value value);

/// A constant for the single result of `op`, if all its elements are known.
mlir::OpFoldResult foldKnownInts(mlir::Operation *op);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_IR_INTEGERVALUES_H
