//===- DotProduct.h - Inner products of short vectors -----------*- C++ -*-===//
//
// A product of 8-bit matrices runs over words of 32 bits: a word holds a group
// of elements that follow each other along k. What multiplies two vectors of
// words, and adds the sum of each lane to an i32, is a DotProduct: there is one
// for each extension of the instruction sets, chosen by feature. Words may also
// hold pairs of bf16, whose products are added up in f32.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_TARGET_DOTPRODUCT_H
#define QUANTC_LIB_CODEGEN_TARGET_DOTPRODUCT_H

#include "Target.h"

#include <algorithm>
#include <cstdint>

#include "mlir/IR/Value.h"

namespace quantc {

class KernelEmitter;
struct VectorUnit;

struct DotProduct {
  /// Elements of a word; 1 stands for plain multiplication.
  int64_t group = 1;
  /// Width of a word's elements. In 16 bits they are what is left after the
  /// zero points are subtracted; in 8 bits they are the elements themselves,
  /// and the sums are corrected afterwards.
  unsigned elementBits = 32;
  /// In 8 bits: what the instruction takes its operands for.
  bool isLhsSigned = true, isRhsSigned = true;
  /// In 16 bits: whether the elements are bf16, and the sums f32.
  bool takesFloats = false;

  /// Whether matrices of words are multiplied in AMX tiles.
  bool usesTiles = false;

  /// Whether pairs of products are summed in 16 bits on the way, where signed
  /// ones saturate: only for weights that were proved to keep clear of that.
  bool sumsPairs = false;
  /// Then: whether some words of the weights could not be proved, and are
  /// multiplied by `getWide`. They follow the others in a panel, which tells
  /// the order.
  bool hasWideWords = false;

  /// In words, for remarks.
  llvm::StringRef describe() const;

  explicit operator bool() const { return group > 1; }
  bool takesBytes() const { return elementBits == 8; }
  bool takesDifferences() const { return elementBits == 16 && !takesFloats; }

  /// For words that `sumsPairs` would not multiply exactly: their elements as
  /// two words of 16 bits each.
  static DotProduct getWide();

  /// Whether `sumsPairs` is exact for a pair of these weights and any unsigned
  /// 8-bit factors.
  static bool isExactPair(int first, int second) {
    int above = std::max(first, 0) + std::max(second, 0);
    int below = std::min(first, 0) + std::min(second, 0);
    return 255 * above <= INT16_MAX && 255 * below >= INT16_MIN;
  }

  /// The fastest one for operands of 8 bits and `m` rows of the left-hand side,
  /// which may be ShapedType::kDynamic.
  static DotProduct choose(const VectorUnit &unit, bool isLhsSigned,
                           bool isRhsSigned, int64_t m);

  /// The same for operands of bf16, if the target multiplies those.
  static DotProduct chooseFloats(const VectorUnit &unit, int64_t m);

  /// `sum` plus the products of `lhs` and `rhs`, vectors of words.
  mlir::Value emit(KernelEmitter &e, mlir::Value lhs, mlir::Value rhs,
                   mlir::Value sum) const;

  /// The elements of the vectors `low` and `high` of f32 as one of bf16, each
  /// rounded to the nearest, ties to even.
  static mlir::Value round(KernelEmitter &e, mlir::Value low, mlir::Value high);

  /// `sum` plus the elements of `words`, which are 8 bits wide.
  mlir::Value emitSum(KernelEmitter &e, mlir::Value words, bool isSigned,
                      mlir::Value sum) const;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_TARGET_DOTPRODUCT_H
