//===- IntegerValues.h - What is known of integer tensors -------*- C++ -*-===//
//
// Models compute shapes with ops: Shape, Gather, Mul, Concat, then Reshape.
// These functions follow such chains, even where only some elements are known,
// and know numbers that the run brings as sums of what they come from: the
// tokens of a cache and of the input are as many as those of both in a row.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QNN_IR_INTEGERVALUES_H
#define QUANTC_DIALECT_QNN_IR_INTEGERVALUES_H

#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace quantc::qnn {

/// What is known of one element of an integer tensor: a constant, plus
/// multiples of numbers that only the run knows.
class KnownInt {
public:
  static KnownInt unknown() { return KnownInt(); }
  static KnownInt constant(int64_t value) {
    KnownInt k;
    k.isKnown = true;
    k.number = value;
    return k;
  }
  /// The extent of `tensor` along `dim`: a constant when that is static, else
  /// followed to where the dimension comes from, so that equal ones compare
  /// equal.
  static KnownInt extent(mlir::Value tensor, int64_t dim);

  bool isConstant() const { return isKnown && terms.empty(); }
  bool isConstant(int64_t v) const { return isConstant() && number == v; }
  int64_t getConstant() const { return number; }
  /// `factor` times `other` more, modulo 2^64.
  KnownInt plus(const KnownInt &other, int64_t factor = 1) const;
  /// A sum of extents, and of nothing below 0.
  bool isNeverNegative() const;

  /// Known to be equal (two unknown ones are not).
  bool operator==(const KnownInt &other) const {
    return isKnown && other.isKnown && number == other.number &&
           terms == other.terms;
  }

private:
  friend class IntegerEvaluator;
  /// `factor` times the extent of `tensor` along dimension `index`, or its
  /// element of that number.
  struct Term {
    mlir::Value tensor;
    int64_t index;
    bool isElement;
    int64_t factor;
    bool isLike(const Term &other) const {
      return tensor == other.tensor && index == other.index &&
             isElement == other.isElement;
    }
    bool operator==(const Term &other) const {
      return isLike(other) && factor == other.factor;
    }
  };
  static KnownInt term(mlir::Value tensor, int64_t index, bool isElement);

  bool isKnown = false;
  int64_t number = 0;
  /// In an order that is the same for equal sums.
  llvm::SmallVector<Term, 2> terms;
};

/// Elements of an integer tensor in row-major order, as far as they are known;
/// nothing if even their number is not, or is large.
using KnownInts = std::optional<llvm::SmallVector<KnownInt>>;

KnownInts getKnownInts(mlir::Value value);

/// The same as dimensions: kDynamic where not a constant.
std::optional<llvm::SmallVector<int64_t>> getKnownDims(mlir::Value value);

/// A constant for the single result of `op`, if all its elements are known.
mlir::OpFoldResult foldKnownInts(mlir::Operation *op);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_IR_INTEGERVALUES_H
