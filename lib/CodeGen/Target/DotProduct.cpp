//===- DotProduct.cpp - Inner products of short vectors -------------------===//

#include "CodeGen/Emitter/KernelEmitter.h"
#include "Target.h"

using namespace mlir;
using namespace quantc;

/// With fewer rows most of a tile would be empty.
static constexpr int64_t kMinTileRows = 8;

DotProduct DotProduct::choose(const VectorUnit &unit, bool isLhsSigned,
                              bool isRhsSigned, int64_t m) {
  DotProduct dot;
  if (unit.hasTiles && (ShapedType::isDynamic(m) || m >= kMinTileRows)) {
    dot.group = 4;
    dot.elementBits = 8;
    dot.isLhsSigned = isLhsSigned;
    dot.isRhsSigned = isRhsSigned;
    dot.usesTiles = true;
  } else if (unit.hasVNNI) {
    dot.group = 4;
    dot.elementBits = 8;
    // One is unsigned and the other is signed: of two equal ones, the left-hand
    // side is shifted to be unsigned, or the right-hand side to be signed.
    dot.isLhsSigned = isLhsSigned && !isRhsSigned;
    dot.isRhsSigned = !dot.isLhsSigned;
  } else if (unit.hasDotProd) {
    dot.group = 4;
    dot.elementBits = 8;
    dot.isLhsSigned = isLhsSigned;
    dot.isRhsSigned = isLhsSigned == isRhsSigned || unit.hasMixedDotProd
                          ? isRhsSigned
                          : isLhsSigned;
  } else if (unit.usesBytePairs) {
    dot.group = 4;
    dot.elementBits = 8;
    dot.isLhsSigned = unit.hasSignedRows;
    dot.isRhsSigned = !unit.hasSignedRows;
    dot.sumsPairs = true;
    dot.hasWideWords = unit.hasWideWords;
  } else if (unit.hasWordPairs) {
    // Differences of 8-bit numbers need nine bits, so no product of two of
    // them, and no sum of two products, overflows.
    dot.group = 2;
    dot.elementBits = 16;
  }
  return dot;
}

DotProduct DotProduct::chooseFloats(const VectorUnit &unit, int64_t m) {
  DotProduct dot;
  dot.usesTiles =
      unit.hasFloatTiles && (ShapedType::isDynamic(m) || m >= kMinTileRows);
  if (!dot.usesTiles && !unit.hasFloatPairs)
    return {};
  dot.group = 2;
  dot.elementBits = 16;
  dot.takesFloats = true;
  return dot;
}

StringRef DotProduct::describe() const {
  if (takesFloats)
    return usesTiles ? "tiles of bf16, summed in f32"
                     : "bf16, two products summed in f32";
  if (usesTiles)
    return "tiles of bytes, summed in 32 bits";
  if (sumsPairs)
    return "bytes, two products summed in 16 bits";
  if (elementBits == 8)
    return "bytes, four products summed in 32 bits";
  if (elementBits == 16)
    return "bytes widened to 16 bits, two products summed in 32 bits";
  return "one number at a time";
}

DotProduct DotProduct::getWide() {
  DotProduct dot;
  dot.group = 2;
  dot.elementBits = 16;
  return dot;
}

Value DotProduct::emit(KernelEmitter &e, Value lhs, Value rhs,
                       Value sum) const {
  auto words = cast<VectorType>(sum.getType());
  int64_t lanes = words.getNumElements();
  Type element =
      takesFloats ? Type(e.b.getBF16Type()) : e.b.getIntegerType(elementBits);
  auto elements = VectorType::get(lanes * group, element);
  Value a = vector::BitCastOp::create(e.b, e.loc, elements, lhs);
  Value b = vector::BitCastOp::create(e.b, e.loc, elements, rhs);
  if (takesFloats)
    return e.callIntrinsic("llvm.x86.avx512bf16.dpbf16ps.512", words,
                           {sum, a, b});
  if (sumsPairs) {
    if (isLhsSigned)
      std::swap(a, b);
    auto pairs = VectorType::get(lanes * 2, e.b.getI16Type());
    StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddubs.w.512"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.ub.sw"
                                  : "llvm.x86.ssse3.pmadd.ub.sw.128";
    a = e.callIntrinsic(name, pairs, {a, b});
    b = arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(pairs, e.b.getI16IntegerAttr(1)));
  }
  if (sumsPairs || elementBits == 16) {
    StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                     : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                  : "llvm.x86.sse2.pmadd.wd";
    Value pairs = e.callIntrinsic(name, words, {a, b});
    return arith::AddIOp::create(e.b, e.loc, sum, pairs);
  }
  if (lanes >= 8) {
    if (isLhsSigned)
      std::swap(a, b);
    return e.callIntrinsic(lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512"
                                       : "llvm.x86.avx512.vpdpbusd.256",
                           words, {sum, a, b});
  }
  if (isLhsSigned != isRhsSigned) {
    if (isLhsSigned)
      std::swap(a, b);
    return e.callIntrinsic("llvm.aarch64.neon.usdot.v4i32.v16i8", words,
                           {sum, a, b});
  }
  return e.callIntrinsic(isLhsSigned ? "llvm.aarch64.neon.sdot.v4i32.v16i8"
                                     : "llvm.aarch64.neon.udot.v4i32.v16i8",
                         words, {sum, a, b});
}

Value DotProduct::round(KernelEmitter &e, Value low, Value high) {
  int64_t lanes = cast<VectorType>(low.getType()).getNumElements();
  // The second operand becomes the lower half.
  return e.callIntrinsic("llvm.x86.avx512bf16.cvtne2ps2bf16.512",
                         VectorType::get(2 * lanes, e.b.getBF16Type()),
                         {high, low});
}

Value DotProduct::emitSum(KernelEmitter &e, Value words, bool isSigned,
                          Value sum) const {
  auto type = cast<VectorType>(words.getType());
  // Ones are of either signedness: the words decide.
  Value ones = arith::ConstantOp::create(
      e.b, e.loc,
      DenseElementsAttr::get(type, e.b.getI32IntegerAttr(0x01010101)));
  DotProduct product = *this;
  product.isLhsSigned = isSigned;
  product.isRhsSigned =
      sumsPairs || type.getNumElements() >= 8 ? !isSigned : isSigned;
  return product.emit(e, words, ones, sum);
}
