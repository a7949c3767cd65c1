//===- FoldElementwise.cpp - Functions between 8-bit tensors --------------===//
//
// What stays float between dequantize and quantize is one loop over bytes
// later. Here it gets the arithmetic of ONNX Runtime's kernels for the same:
// where a sum is a tie or almost one, the order of operations decides.
//
//===----------------------------------------------------------------------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/QNN.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

/// Graphs as formulas.
struct GraphBuilder {
  PatternRewriter &b;
  Location loc;

  Value binary(BinaryKind kind, Value x, Value y) const {
    return BinaryOp::create(b, loc, kind, x, y);
  }
  Value add(Value x, Value y) const { return binary(BinaryKind::add, x, y); }
  Value sub(Value x, Value y) const { return binary(BinaryKind::sub, x, y); }
  Value mul(Value x, Value y) const { return binary(BinaryKind::mul, x, y); }
  Value div(Value x, Value y) const { return binary(BinaryKind::div, x, y); }
  Value fma(Value x, Value y, Value z) const {
    return FusedMultiplyAddOp::create(b, loc, x, y, z);
  }
  Value cast(Value x, Type element) const {
    auto type = mlir::cast<RankedTensorType>(x.getType());
    return CastOp::create(b, loc, type.clone(element), x);
  }
  Value toFloat(Value x) const { return cast(x, b.getF32Type()); }
  /// A zero point as a float; 0 without one.
  Value zero(Value zeroPoint) const {
    return zeroPoint ? toFloat(zeroPoint) : createScalar(b, loc, 0);
  }
  Value constant(ArrayRef<int64_t> shape, ArrayRef<float> values) const {
    auto type = RankedTensorType::get(shape, b.getF32Type());
    return ConstantOp::create(b, loc, DenseElementsAttr::get(type, values));
  }
  /// Rounds and clamps what is in units of the result.
  Value saturate(Value x, Value zeroPoint, RankedTensorType type) const {
    return QuantizeOp::create(b, loc, type, x, createScalar(b, loc, 1),
                              zeroPoint, /*axis=*/IntegerAttr(),
                              /*block_size=*/0, /*saturate=*/true,
                              /*precision=*/TypeAttr());
  }
};

/// An 8-bit tensor with one scale.
static DequantizeOp getByteSource(Value v, Type element) {
  auto dequantize = v.getDefiningOp<DequantizeOp>();
  if (!dequantize || !isPerTensor(dequantize) ||
      dequantize.getInput().getType().getElementType() != element)
    return {};
  return dequantize;
}

static bool isByte(Type element) {
  auto integer = dyn_cast<IntegerType>(element);
  return integer && integer.getWidth() == 8;
}

/// Sums and products of two 8-bit tensors.
struct FoldByteArithmetic : OpRewritePattern<QuantizeOp> {
  FoldByteArithmetic(MLIRContext *context, FoldCounts &counts)
      : OpRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    auto binary = op.getInput().getDefiningOp<BinaryOp>();
    Type element = op.getType().getElementType();
    if (!binary || (binary.getKind() != BinaryKind::add &&
                    binary.getKind() != BinaryKind::mul))
      return rewriter.notifyMatchFailure(op, "quantizes no sum or product");
    if (!isPerTensor(op) || !isByte(element) || op.getType().getRank() == 0)
      return rewriter.notifyMatchFailure(op, "has several scales, or no bytes");
    if (!op.getInput().hasOneUse())
      return rewriter.notifyMatchFailure(op, "others use the floats");
    DequantizeOp a = getByteSource(binary.getLhs(), element);
    DequantizeOp b = getByteSource(binary.getRhs(), element);
    if (!a || !b)
      return rewriter.notifyMatchFailure(op, "the operands are other floats");
    GraphBuilder g{rewriter, op.getLoc()};
    Value result = binary.getKind() == BinaryKind::add ? add(g, op, a, b)
                                                       : multiply(g, op, a, b);
    rewriter.replaceOp(op, result);
    ++counts.kernels;
    return success();
  }

private:
  /// a · (sa / sy) + (b · (sb / sy) + the rest), each product and sum rounded
  /// once.
  static Value add(GraphBuilder g, QuantizeOp op, DequantizeOp a,
                   DequantizeOp b) {
    Value ratioA = g.div(a.getScale(), op.getScale());
    Value ratioB = g.div(b.getScale(), op.getScale());
    Value offset = g.sub(g.zero(op.getZeroPoint()),
                         g.fma(ratioA, g.zero(a.getZeroPoint()),
                               g.mul(ratioB, g.zero(b.getZeroPoint()))));
    Value sum = g.fma(g.toFloat(a.getInput()), ratioA,
                      g.fma(g.toFloat(b.getInput()), ratioB, offset));
    return g.saturate(sum, Value(), op.getType());
  }

  /// The zero point is added before the product is rounded.
  static Value multiply(GraphBuilder g, QuantizeOp op, DequantizeOp a,
                        DequantizeOp b) {
    auto shifted = [&](DequantizeOp x) {
      Value real = g.toFloat(x.getInput());
      return isZero(x.getZeroPoint()) ? real
                                      : g.sub(real, g.zero(x.getZeroPoint()));
    };
    Value scale = g.div(g.mul(a.getScale(), b.getScale()), op.getScale());
    Value product = g.mul(g.mul(shifted(a), shifted(b)), scale);
    return g.saturate(g.add(product, g.zero(op.getZeroPoint())), Value(),
                      op.getType());
  }

  FoldCounts &counts;
};

/// Averages of bytes: the zero point is added before rounding.
struct FoldAveragePool : OpRewritePattern<QuantizeOp> {
  FoldAveragePool(MLIRContext *context, FoldCounts &counts)
      : OpRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    auto pool = op.getInput().getDefiningOp<PoolOp>();
    Type element = op.getType().getElementType();
    if (!pool || pool.getKind() != PoolKind::average)
      return rewriter.notifyMatchFailure(op, "quantizes no average");
    if (!isPerTensor(op) || !isByte(element) ||
        !getByteSource(pool.getInput(), element) || !op.getInput().hasOneUse())
      return rewriter.notifyMatchFailure(op, "is no average of bytes");
    if (isZero(op.getZeroPoint()))
      return rewriter.notifyMatchFailure(op, "adds no zero point");
    GraphBuilder g{rewriter, op.getLoc()};
    Value units = g.div(pool.getOutput(), op.getScale());
    rewriter.replaceOp(op, g.saturate(g.add(units, g.zero(op.getZeroPoint())),
                                      Value(), op.getType()));
    ++counts.kernels;
    return success();
  }

private:
  FoldCounts &counts;
};

/// softmax of bytes: exp(x - max) is one of 256 numbers.
struct FoldSoftmax : OpRewritePattern<QuantizeOp> {
  FoldSoftmax(MLIRContext *context, FoldCounts &counts)
      : OpRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    auto softmax = op.getInput().getDefiningOp<SoftmaxOp>();
    Type element = op.getType().getElementType();
    if (!softmax || softmax.getKind() != SoftmaxKind::softmax ||
        softmax.getFlatten())
      return rewriter.notifyMatchFailure(op, "quantizes no softmax");
    DequantizeOp source = getByteSource(softmax.getInput(), element);
    if (!source || !isByte(element) || !isPerTensor(op) ||
        !op.getInput().hasOneUse())
      return rewriter.notifyMatchFailure(op, "is no softmax of bytes");
    auto scale = getConstantFloats(source.getScale());
    auto resultScale = getConstantFloats(op.getScale());
    if (!scale || !resultScale)
      return rewriter.notifyMatchFailure(op, "has scales of the run");
    GraphBuilder g{rewriter, op.getLoc()};
    int64_t axis = softmax.getAxis();
    Value x = source.getInput();
    Value axes = ConstantOp::create(rewriter, op.getLoc(), {axis});
    auto reduce = [&](ReduceKind kind, Value v) -> Value {
      return ReduceOp::create(rewriter, op.getLoc(), kind, v, axes,
                              /*keepdims=*/true,
                              /*noop_with_empty_axes=*/false,
                              /*ordered=*/kind == ReduceKind::sum);
    };
    // 255 below the maximum is the first element of the table.
    auto wide = rewriter.getI32Type();
    Value index =
        g.sub(g.cast(x, wide), g.cast(reduce(ReduceKind::max, x), wide));
    auto last = RankedTensorType::get({}, wide);
    index = g.add(
        index, ConstantOp::create(rewriter, op.getLoc(),
                                  DenseElementsAttr::get(last, int32_t(255))));
    index = g.cast(index, rewriter.getIntegerType(8, /*isSigned=*/false));
    int64_t terms = softmax.getInput().getType().getDimSize(axis);
    Value table = g.constant({256}, getExponentials(scale->front(), terms));
    Value exponentials = LookupOp::create(rewriter, op.getLoc(), index, table);
    Value sum = reduce(ReduceKind::sum, exponentials);
    // ONNX Runtime takes the whole part of 1 / scale, and divides in f64: a
    // quotient that f32 would round to a tie is none.
    Type f64 = rewriter.getF64Type();
    Value steps = createScalar(rewriter, op.getLoc(),
                               std::floor(1.0f / resultScale->front()));
    Value units = g.div(g.mul(g.cast(exponentials, f64), g.cast(steps, f64)),
                        g.cast(sum, f64));
    units = UnaryOp::create(rewriter, op.getLoc(), UnaryKind::round, units,
                            llvm::APFloat(0.0), llvm::APFloat(0.0));
    rewriter.replaceOp(
        op, g.saturate(g.toFloat(units), op.getZeroPoint(), op.getType()));
    ++counts.kernels;
    return success();
  }

private:
  /// exp(scale · (i - 255)), times a number so large that a sum of `terms` of
  /// them is still finite. ONNX Runtime takes the logarithm of that in f32, all
  /// else in f64.
  static SmallVector<float> getExponentials(float scale, int64_t terms) {
    double shift = 0;
    if (!ShapedType::isDynamic(terms) && terms > 0) {
      float largest = std::numeric_limits<float>::max() / terms;
      shift = std::max(0.0, double(std::log(largest)) - 5) / scale;
    }
    SmallVector<float> table;
    for (int i = 0; i < 256; ++i)
      table.push_back(float(std::exp((i - 255.0 + shift) * double(scale))));
    return table;
  }

  FoldCounts &counts;
};

} // namespace

void qnn::populateElementwisePatterns(RewritePatternSet &patterns,
                                      FoldCounts &counts) {
  patterns.add<FoldAveragePool, FoldByteArithmetic, FoldSoftmax>(
      patterns.getContext(), counts);
}
