//===- NarrowBytes.cpp - Integers to bytes, clamped -----------------------===//

#include "NarrowBytes.h"

#include "Splat.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace quantc;

namespace {
/// Quantization to bytes: where registers of 32-bit integers are narrowed by
/// instructions that saturate (`packssdw`, `packuswb`), they clamp as well.
/// What is clamped as a float may be too large for an integer, and is bounded
/// before: the conversion makes the least integer of what is too small, and of
/// NaN.
struct SaturateNearest : OpRewritePattern<arith::TruncIOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncIOp op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<VectorType>(op.getType());
    if (!type || type.getRank() != 1 || !type.getElementType().isInteger(8) ||
        type.getDimSize(0) % kLanes != 0)
      return rewriter.notifyMatchFailure(op, "no vectors of bytes");
    std::optional<Saturation> match = matchClampedInteger(op.getIn());
    if (!match)
      match = matchClampedFloat(op.getIn());
    if (!match || !getElementTypeOrSelf(match->x.getType()).isF32())
      return rewriter.notifyMatchFailure(op,
                                         "no f32 that is rounded and clamped");
    bool isUnsigned = match->least == 0 && match->most == 255;
    if (!isUnsigned && (match->least != -128 || match->most != 127))
      return rewriter.notifyMatchFailure(op, "not the range of a byte");
    // Sums of 16 bits are exact then, as far as bytes tell.
    int64_t zeroPoint = match->zeroPoint;
    if (zeroPoint < -255 || zeroPoint > 255)
      return rewriter.notifyMatchFailure(op, "no zero point of a byte");

    ImplicitLocOpBuilder b(op.getLoc(), rewriter);
    Value x = match->x;
    // NaN is not above the bound.
    if (Value bound = match->bound) {
      Value isAbove =
          arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, bound, x);
      x = arith::SelectOp::create(b, isAbove, bound, x);
    }
    Value result = splat(b, type, 0);
    for (int64_t at = 0, size; at < type.getDimSize(0); at += size) {
      size =
          std::min(4 * kLanes,
                   int64_t(llvm::bit_floor(uint64_t(type.getDimSize(0) - at))));
      Value bytes =
          narrow(b, convertAll(b, x, at, size), zeroPoint, isUnsigned);
      result = vector::InsertStridedSliceOp::create(b, bytes, result, at,
                                                    /*strides=*/1);
    }
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  /// Elements of one conversion.
  static constexpr int64_t kLanes = 8;

  /// `x` to the nearest integer, plus the zero point, between two ends.
  struct Saturation {
    Value x;
    /// What `x` is clamped to at most before; null if it fits an i32.
    Value bound;
    int64_t zeroPoint = 0;
    double least = 0, most = 0;
  };

  /// Takes a constant that is added off `integer`.
  static int64_t takeZeroPoint(Value &integer) {
    auto add = integer.getDefiningOp<arith::AddIOp>();
    auto constant = add ? getSplat<IntegerAttr>(add.getRhs()) : std::nullopt;
    if (!constant)
      return 0;
    integer = add.getLhs();
    return constant->getInt();
  }

  static Value getRounded(Value integer) {
    auto convert = integer.getDefiningOp<arith::FPToSIOp>();
    auto rounding =
        convert ? convert.getIn().getDefiningOp<math::RoundEvenOp>() : nullptr;
    return rounding ? rounding.getOperand() : Value();
  }

  static std::optional<Saturation> matchClampedInteger(Value integer) {
    auto upper = integer.getDefiningOp<arith::MinSIOp>();
    auto lower =
        upper ? upper.getLhs().getDefiningOp<arith::MaxSIOp>() : nullptr;
    if (!lower)
      return std::nullopt;
    auto low = getSplat<IntegerAttr>(lower.getRhs()),
         high = getSplat<IntegerAttr>(upper.getRhs());
    if (!low || !high)
      return std::nullopt;
    integer = lower.getLhs();
    Saturation result;
    result.zeroPoint = takeZeroPoint(integer);
    result.least = low->getInt();
    result.most = high->getInt();
    result.x = getRounded(integer);
    return result.x ? std::optional(result) : std::nullopt;
  }

  static std::optional<Saturation> matchClampedFloat(Value integer) {
    Saturation result;
    result.zeroPoint = takeZeroPoint(integer);
    Value rounded = getRounded(integer);
    auto upper = rounded ? rounded.getDefiningOp<arith::MinNumFOp>() : nullptr;
    auto lower =
        upper ? upper.getLhs().getDefiningOp<arith::MaxNumFOp>() : nullptr;
    if (!lower)
      return std::nullopt;
    auto low = getSplat<FloatAttr>(lower.getRhs()),
         high = getSplat<FloatAttr>(upper.getRhs());
    if (!low || !high)
      return std::nullopt;
    result.least = low->getValueAsDouble() + result.zeroPoint;
    result.most = high->getValueAsDouble() + result.zeroPoint;
    result.x = lower.getLhs();
    result.bound = upper.getRhs();
    return result;
  }

  static Value splat(ImplicitLocOpBuilder &b, Type type, int64_t value) {
    Type element = cast<VectorType>(type).getElementType();
    return arith::ConstantOp::create(
        b, DenseElementsAttr::get(cast<VectorType>(type),
                                  b.getIntegerAttr(element, value)));
  }

  static Value call(ImplicitLocOpBuilder &b, StringRef name, Type element,
                    ValueRange operands) {
    int64_t lanes = kLanes * 32 / element.getIntOrFloatBitWidth();
    return LLVM::CallIntrinsicOp::create(b, VectorType::get(lanes, element),
                                         b.getStringAttr(name), operands)
        .getResult(0);
  }

  /// Registers of integers from the `size` elements of `x` at `at`, as the
  /// processor does it: what is not in range becomes the least integer.
  static SmallVector<Value> convertAll(ImplicitLocOpBuilder &b, Value x,
                                       int64_t at, int64_t size) {
    SmallVector<Value> registers;
    for (int64_t i = at; i < at + size; i += kLanes)
      registers.push_back(
          call(b, "llvm.x86.avx.cvt.ps2dq.256", b.getI32Type(),
               vector::ExtractStridedSliceOp::create(b, x, i, kLanes,
                                                     /*strides=*/1)
                   .getResult()));
    return registers;
  }

  /// Bytes from one, two or four registers of integers. Each instruction
  /// narrows the halves of its operands by themselves, so that four bytes of
  /// each register are neighbours in the end: they are put in order once.
  static Value narrow(ImplicitLocOpBuilder &b, ArrayRef<Value> registers,
                      int64_t zeroPoint, bool isUnsigned) {
    SmallVector<Value> words;
    for (size_t i = 0; i < registers.size(); i += 2) {
      Value second = registers[std::min(i + 1, registers.size() - 1)];
      Value pair = call(b, "llvm.x86.avx2.packssdw", b.getI16Type(),
                        {registers[i], second});
      if (zeroPoint)
        pair = LLVM::SAddSat::create(b, pair.getType(), pair,
                                     splat(b, pair.getType(), zeroPoint));
      words.push_back(pair);
    }
    Value bytes = call(
        b, isUnsigned ? "llvm.x86.avx2.packuswb" : "llvm.x86.avx2.packsswb",
        b.getI8Type(), {words.front(), words.back()});
    SmallVector<int64_t> order;
    for (int64_t i = 0, e = registers.size(); i < e; ++i)
      llvm::append_values(order, i, i + kLanes / 2);
    auto quads = VectorType::get(kLanes, b.getI32Type());
    bytes = vector::BitCastOp::create(b, quads, bytes);
    bytes = vector::ShuffleOp::create(b, bytes, bytes, order);
    return vector::BitCastOp::create(
        b, VectorType::get(registers.size() * kLanes, b.getI8Type()), bytes);
  }
};
} // namespace

void quantc::populateNarrowBytesPatterns(RewritePatternSet &patterns) {
  patterns.add<SaturateNearest>(patterns.getContext());
}
