//===- FoldContractions.cpp - Contractions of dequantized operands --------===//
//
// A contraction of dequantized operands becomes one of integers whose i32
// result is dequantized. Then the i32 side grows downwards: a bias moves into
// it, and a quantize that follows makes it a requantize.
//
//===----------------------------------------------------------------------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

static constexpr int64_t maxAccumulator = std::numeric_limits<int32_t>::max();

//===- contractions -------------------------------------------------------===//

/// What keeps a dequantize from being an operand of an integer contraction, or
/// nothing.
static std::string explainOperand(QuantizableOpInterface op, unsigned index,
                                  DequantizeOp dequantize) {
  std::string name = "operand " + std::to_string(index);
  if (!dequantize)
    return name + " is not quantized";
  Type element = dequantize.getInput().getType().getElementType();
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer)
    return name + " is a float of few bits";
  if (integer.getWidth() > 8)
    return name + " has " + std::to_string(integer.getWidth()) +
           " bits, and products take 8 at most";
  if (dequantize.getBlockSize() > 0)
    return name + " is quantized in blocks";
  if (!getElementTypeOrSelf(dequantize.getScale()).isF32())
    return name + " has a scale that is not f32";
  Value zeroPoint = dequantize.getZeroPoint();
  if (zeroPoint && !isa<IntegerType>(getElementTypeOrSelf(zeroPoint)))
    return name + " has a zero point that is no integer";
  if (isSingle(dequantize.getScale()) &&
      (!zeroPoint || isSingle(zeroPoint) || isZero(zeroPoint)))
    return "";
  auto axis = op.getChannelAxis(index);
  if (!op.getResultChannelAxis() || !axis || dequantize.getAxis() != *axis)
    return name + " has scales along axis " +
           std::to_string(dequantize.getAxis().value_or(0)) +
           ", which are no channels of the result";
  return "";
}

/// Integers of less than 8 bits take a byte each in products.
static Value toBytes(OpBuilder &b, Value v) {
  if (!v)
    return v;
  auto type = cast<RankedTensorType>(v.getType());
  auto integer = cast<IntegerType>(type.getElementType());
  if (integer.getWidth() == 8)
    return v;
  auto byte = IntegerType::get(b.getContext(), 8, integer.getSignedness());
  return CastOp::create(b, v.getLoc(), type.clone(byte), v);
}

/// How many products fit into i32 for sure.
static int64_t getSafeTerms(QuantizableOpInterface op) {
  int64_t product = 1;
  for (unsigned i : op.getQuantizableOperands()) {
    auto dequantize = op->getOperand(i).getDefiningOp<DequantizeOp>();
    product *= getMaxMagnitude(dequantize.getInput().getType().getElementType(),
                               dequantize.getZeroPoint());
  }
  return maxAccumulator / product;
}

/// Whether the sums run over one axis of each operand.
static bool canSplit(QuantizableOpInterface op, int64_t terms) {
  return llvm::all_of(op.getQuantizableOperands(), [&](unsigned i) {
    auto axis = op.getSummedAxis(i);
    auto type = cast<RankedTensorType>(op->getOperand(i).getType());
    return axis && type.getDimSize(*axis) == terms;
  });
}

std::string qnn::explainFloat(QuantizableOpInterface op) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (!type.getElementType().isF32())
    return "the result is not f32";
  for (unsigned i : op.getQuantizableOperands()) {
    auto dequantize = op->getOperand(i).getDefiningOp<DequantizeOp>();
    std::string reason = explainOperand(op, i, dequantize);
    if (!reason.empty())
      return reason;
  }
  int64_t terms = op.getNumSummed();
  if (!ShapedType::isDynamic(terms) && terms > getSafeTerms(op) &&
      !canSplit(op, terms))
    return "sums of " + std::to_string(terms) + " products may leave i32";
  return "";
}

QuantizedContraction QuantizedContraction::get(QuantizableOpInterface op,
                                               OpBuilder &b) {
  QuantizedContraction result;
  result.safeTerms = getSafeTerms(op);
  for (unsigned i : op.getQuantizableOperands()) {
    auto dequantize = op->getOperand(i).getDefiningOp<DequantizeOp>();
    Value zeroPoint = dequantize.getZeroPoint();
    result.operands.push_back(toBytes(b, dequantize.getInput()));
    result.zeroPoints.push_back(isZero(zeroPoint) ? Value()
                                                  : toBytes(b, zeroPoint));
    Value scale = dequantize.getScale();
    if (!isSingle(scale))
      result.axis = op.getResultChannelAxis();
    if (result.scale)
      scale = BinaryOp::create(b, op->getLoc(), BinaryKind::mul, result.scale,
                               scale);
    result.scale = scale;
  }
  return result;
}

static IntegerAttr getAxisAttr(OpBuilder &b, std::optional<int64_t> axis) {
  return axis ? b.getI64IntegerAttr(*axis) : IntegerAttr();
}

static Value dequantizeAccumulator(OpBuilder &b, Location loc, Value acc,
                                   Value scale, std::optional<int64_t> axis) {
  auto type = cast<RankedTensorType>(acc.getType()).clone(b.getF32Type());
  return DequantizeOp::create(b, loc, type, acc, scale, Value(),
                              getAxisAttr(b, axis), /*block_size=*/0);
}

/// Whether scales of a bias are those of the accumulator, but for rounding:
/// quantizers multiply in other precisions.
static bool areSimilar(Value a, Value b) {
  if (a == b)
    return true;
  auto x = getConstantFloats(a), y = getConstantFloats(b);
  if (!x || !y || x->empty() || y->empty() ||
      (x->size() != y->size() && x->size() != 1 && y->size() != 1))
    return false;
  for (size_t i = 0; i < std::max(x->size(), y->size()); ++i) {
    float u = (*x)[x->size() == 1 ? 0 : i], v = (*y)[y->size() == 1 ? 0 : i];
    if (!(std::abs(u - v) <= 1e-4f * std::abs(u)))
      return false;
  }
  return true;
}

/// Whether `acc + bias` cannot leave i32 where `acc` alone does not.
static bool fitsWith(std::optional<int64_t> accumulator, Value bias) {
  auto reach = getAccumulatorBound(bias);
  return !accumulator || (reach && *accumulator + *reach <= maxAccumulator);
}

/// The i32 bias behind `bias`, if it is in units of the accumulator.
static Value getIntegerBias(Value bias, Value scale,
                            std::optional<int64_t> accumulator) {
  auto dequantize = bias.getDefiningOp<DequantizeOp>();
  if (!dequantize ||
      !dequantize.getInput().getType().getElementType().isInteger(32) ||
      !isZero(dequantize.getZeroPoint()) || dequantize.getBlockSize() > 0 ||
      !areSimilar(dequantize.getScale(), scale) ||
      !fitsWith(accumulator, dequantize.getInput()))
    return {};
  return dequantize.getInput();
}

bool qnn::isClampedByQuantize(QuantizeOp op, BinaryKind kind, float bound) {
  auto scale = getConstantFloats(op.getScale());
  SmallVector<int64_t> zero{0};
  if (op.getZeroPoint()) {
    auto ints = getConstantInts(op.getZeroPoint());
    if (!ints || ints->size() != 1)
      return false;
    zero = *ints;
  }
  if (!scale || scale->size() != 1)
    return false;
  double integer = std::nearbyint(bound / scale->front()) + double(zero[0]);
  Type element = op.getType().getElementType();
  unsigned width = element.getIntOrFloatBitWidth();
  double low = element.isUnsignedInteger() ? 0 : -std::ldexp(1, width - 1);
  double high = low + std::ldexp(1, width) - 1;
  return kind == BinaryKind::max ? integer <= low : integer >= high;
}

namespace {

struct FoldContraction : OpInterfaceRewritePattern<QuantizableOpInterface> {
  FoldContraction(MLIRContext *context, FoldCounts &counts)
      : OpInterfaceRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(QuantizableOpInterface op,
                                PatternRewriter &rewriter) const override {
    std::string reason = explainFloat(op);
    if (!reason.empty())
      return rewriter.notifyMatchFailure(op, reason);
    auto quantized = QuantizedContraction::get(op, rewriter);
    Location loc = op->getLoc();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    int64_t terms = op.getNumSummed();
    bool isKnown = !ShapedType::isDynamic(terms);
    std::optional<unsigned> biasOperand = op.getBiasOperand();
    Value bias = biasOperand ? op->getOperand(*biasOperand) : Value();

    Value real;
    if (isKnown && terms > quantized.safeTerms) {
      real = split(op, quantized, terms, rewriter);
      ++counts.split;
    } else {
      std::optional<int64_t> bound;
      if (isKnown)
        bound = terms * (maxAccumulator / quantized.safeTerms);
      Value integerBias =
          bias ? getIntegerBias(bias, quantized.scale, bound) : Value();
      if (integerBias)
        bias = {};
      real = build(op, quantized, quantized.operands, integerBias, rewriter);
      if (!isKnown)
        ++counts.unproven;
    }
    if (bias) {
      real = BinaryOp::create(rewriter, loc, BinaryKind::add, real,
                              alignScales(rewriter, loc, bias,
                                          *op.getResultChannelAxis(),
                                          type.getRank()));
      real.setType(type);
    }
    ++counts.contractions;
    rewriter.replaceOp(op, real);
    return success();
  }

private:
  /// The integer op and what makes its result real again, with the type that
  /// the float op has, which may be more static than what is inferred.
  static Value build(QuantizableOpInterface op,
                     const QuantizedContraction &quantized,
                     ArrayRef<Value> operands, Value bias,
                     PatternRewriter &rewriter) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Value acc =
        op.buildQuantized(rewriter, operands, quantized.zeroPoints, bias);
    acc.setType(type.clone(rewriter.getI32Type()));
    return dequantizeAccumulator(rewriter, op->getLoc(), acc, quantized.scale,
                                 quantized.axis);
  }

  /// Sums of parts that fit into i32, added as floats.
  static Value split(QuantizableOpInterface op,
                     const QuantizedContraction &quantized, int64_t terms,
                     PatternRewriter &rewriter) {
    Location loc = op->getLoc();
    auto list = [&](int64_t v) -> Value {
      auto type = RankedTensorType::get({1}, rewriter.getI64Type());
      return ConstantOp::create(rewriter, loc,
                                DenseElementsAttr::get(type, ArrayRef(v)));
    };
    Value sum;
    for (int64_t begin = 0; begin < terms; begin += quantized.safeTerms) {
      int64_t end = std::min(terms, begin + quantized.safeTerms);
      SmallVector<Value> parts;
      for (auto [operand, index] :
           llvm::zip(quantized.operands, op.getQuantizableOperands()))
        parts.push_back(
            SliceOp::create(rewriter, loc, operand, list(begin), list(end),
                            list(*op.getSummedAxis(index)), list(1)));
      Value real = build(op, quantized, parts, Value(), rewriter);
      sum = sum ? Value(BinaryOp::create(rewriter, loc, BinaryKind::add, sum,
                                         real))
                : real;
    }
    return sum;
  }

  FoldCounts &counts;
};

//===- biases -------------------------------------------------------------===//

/// An accumulator that is dequantized: what a bias is added to.
static DequantizeOp getAccumulator(Value v) {
  auto dequantize = v.getDefiningOp<DequantizeOp>();
  if (dequantize &&
      dequantize.getInput().getType().getElementType().isInteger(32) &&
      isZero(dequantize.getZeroPoint()) && dequantize.getBlockSize() == 0 &&
      dequantize.getType().getElementType().isF32() &&
      !dequantize.getInput().getDefiningOp<ConstantOp>())
    return dequantize;
  return {};
}

static std::optional<int64_t> getListAxis(DequantizeOp op) {
  if (isSingle(op.getScale()))
    return std::nullopt;
  return int64_t(*op.getAxis());
}

/// Whether all that uses `v` quantizes it, maybe after a clamp.
static bool isOnlyQuantized(Value v) {
  return !v.use_empty() && llvm::all_of(v.getUsers(), [](Operation *user) {
    if (isa<QuantizeOp>(user))
      return true;
    auto unary = dyn_cast<UnaryOp>(user);
    auto binary = dyn_cast<BinaryOp>(user);
    bool clamps = (unary && unary.getKind() == UnaryKind::relu) ||
                  (binary && (binary.getKind() == BinaryKind::max ||
                              binary.getKind() == BinaryKind::min));
    return clamps && isOnlyQuantized(user->getResult(0));
  });
}

/// dequantize(acc) + bias = dequantize(acc + bias), for an i32 bias in units of
/// the accumulator, and for a float constant that is quantized to it.
struct FoldBias : OpRewritePattern<BinaryOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getKind() != BinaryKind::add)
      return rewriter.notifyMatchFailure(op, "adds nothing");
    DequantizeOp acc = getAccumulator(op.getLhs());
    Value bias = op.getRhs();
    if (!acc) {
      acc = getAccumulator(op.getRhs());
      bias = op.getLhs();
    }
    if (!acc || acc.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "adds to no accumulator");
    if (getAccumulator(bias))
      return rewriter.notifyMatchFailure(op, "adds two accumulators");
    // The bias may vary along the channels only, if their scales do.
    auto axis = getListAxis(acc);
    auto biasType = cast<RankedTensorType>(bias.getType());
    auto only = getOnlyAxis(biasType, op.getType().getRank());
    bool isAlong = biasType.hasStaticShape() &&
                   (!axis || biasType.getNumElements() == 1 || only == axis);
    if (!isAlong)
      return rewriter.notifyMatchFailure(op, "the bias is not along channels");
    Value integer = getIntegerBias(bias, acc.getScale(),
                                   getAccumulatorBound(acc.getInput()));
    // One number, but many scales: no integer is in units of all.
    if (integer && axis && only != axis)
      integer = {};
    if (!integer)
      integer = quantizeBias(op, acc, bias, axis, rewriter);
    if (!integer)
      return rewriter.notifyMatchFailure(op, "the bias stays float");
    Value sum = BinaryOp::create(rewriter, op.getLoc(), BinaryKind::add,
                                 acc.getInput(), integer);
    rewriter.replaceOp(op, dequantizeAccumulator(rewriter, op.getLoc(), sum,
                                                 acc.getScale(), axis));
    return success();
  }

private:
  static Value quantizeBias(BinaryOp op, DequantizeOp acc, Value bias,
                            std::optional<int64_t> axis,
                            PatternRewriter &rewriter) {
    auto values = getConstantFloats(bias);
    auto scales = getConstantFloats(acc.getScale());
    if (!values || !scales || values->empty() || scales->empty() ||
        !isOnlyQuantized(op))
      return {};
    auto bound = getAccumulatorBound(acc.getInput());
    float least = *llvm::min_element(*scales);
    for (float v : *values)
      if (!(least > 0) || !(std::abs(v) / least <= 1e9f) ||
          (bound && double(*bound) + std::abs(v) / least > maxAccumulator))
        return {};
    Location loc = op.getLoc();
    Value scale = acc.getScale();
    if (axis)
      scale = alignScales(rewriter, loc, scale, *axis, op.getType().getRank());
    Value units = BinaryOp::create(rewriter, loc, BinaryKind::div, bias, scale);
    Value rounded = UnaryOp::create(rewriter, loc, UnaryKind::round, units,
                                    llvm::APFloat(0.0), llvm::APFloat(0.0));
    auto type = cast<RankedTensorType>(rounded.getType());
    return CastOp::create(rewriter, loc, type.clone(rewriter.getI32Type()),
                          rounded);
  }
};

//===- requantization -----------------------------------------------------===//

/// quantize(dequantize(acc)) = requantize(acc), with one multiplication.
struct FoldRequantize : OpRewritePattern<QuantizeOp> {
  FoldRequantize(MLIRContext *context, FoldCounts &counts)
      : OpRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    DequantizeOp acc = getAccumulator(op.getInput());
    if (!acc)
      return rewriter.notifyMatchFailure(op, "quantizes no accumulator");
    if (!isPerTensor(op))
      return rewriter.notifyMatchFailure(op, "has several scales");
    Value scale = BinaryOp::create(rewriter, op.getLoc(), BinaryKind::div,
                                   acc.getScale(), op.getScale());
    rewriter.replaceOpWithNewOp<RequantizeOp>(
        op, op.getType(), acc.getInput(), scale, op.getZeroPoint(),
        getAxisAttr(rewriter, getListAxis(acc)));
    ++counts.requantized;
    return success();
  }

private:
  FoldCounts &counts;
};

/// quantize(max(x, c)) = max(quantize(x), quantize(c)), since rounding keeps
/// the order; nothing is left of it where c is the least integer anyway. Of
/// what was dequantized only, which is never NaN.
struct FoldClamp : OpRewritePattern<QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    if (!isPerTensor(op))
      return rewriter.notifyMatchFailure(op, "has several scales");
    Location loc = op.getLoc();
    Value x, bound;
    BinaryKind kind = BinaryKind::max;
    if (auto unary = op.getInput().getDefiningOp<UnaryOp>();
        unary && unary.getKind() == UnaryKind::relu) {
      x = unary.getInput();
    } else if (auto binary = op.getInput().getDefiningOp<BinaryOp>();
               binary && (binary.getKind() == BinaryKind::max ||
                          binary.getKind() == BinaryKind::min)) {
      kind = binary.getKind();
      x = binary.getLhs();
      bound = binary.getRhs();
      if (getConstantFloats(x))
        std::swap(x, bound);
      if (!getConstantFloats(bound) ||
          cast<RankedTensorType>(bound.getType()).getNumElements() != 1)
        return rewriter.notifyMatchFailure(op, "the bound is no number");
    }
    if (!x || !isClampedDequantize(x) || x.getType() != op.getInput().getType())
      return rewriter.notifyMatchFailure(op, "clamps nothing dequantized");
    auto quantize = [&](Value v) -> Value {
      auto type = cast<RankedTensorType>(v.getType());
      return QuantizeOp::create(
          rewriter, loc, type.clone(op.getType().getElementType()), v,
          op.getScale(), op.getZeroPoint(), op.getAxisAttr(),
          op.getBlockSizeAttr(), op.getSaturateAttr(), op.getPrecisionAttr());
    };
    bool isAbsorbed = isClampedByQuantize(
        op, kind, bound ? getConstantFloats(bound)->front() : 0.0f);
    Value limit;
    if (!isAbsorbed)
      limit = quantize(bound ? bound : createScalar(rewriter, loc, 0));
    Value result = quantize(x);
    if (limit)
      result = BinaryOp::create(rewriter, loc, kind, result, limit);
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  static bool isClampedDequantize(Value x) {
    Operation *op = x.getDefiningOp();
    if (!op)
      return false;
    if (isa<DequantizeOp>(op))
      return true;
    auto unary = dyn_cast<UnaryOp>(op);
    auto binary = dyn_cast<BinaryOp>(op);
    if (unary && unary.getKind() == UnaryKind::relu)
      return isClampedDequantize(unary.getInput());
    return binary &&
           (binary.getKind() == BinaryKind::max ||
            binary.getKind() == BinaryKind::min) &&
           getConstantFloats(binary.getRhs()) &&
           isClampedDequantize(binary.getLhs());
  }
};

/// real(acc) · scale = dequantize(acc): how dynamic quantization is written.
struct FoldScaledAccumulator : OpRewritePattern<BinaryOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getKind() != BinaryKind::mul ||
        !op.getType().getElementType().isF32())
      return rewriter.notifyMatchFailure(op, "is no product of f32");
    auto cast = op.getLhs().getDefiningOp<CastOp>();
    Value scale = op.getRhs();
    if (!cast) {
      cast = op.getRhs().getDefiningOp<CastOp>();
      scale = op.getLhs();
    }
    if (!cast || !cast.getInput().getType().getElementType().isInteger(32) ||
        !cast.getInput().getDefiningOp<QuantizableOpInterface>() ||
        cast.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "multiplies no accumulator");
    std::optional<int64_t> axis;
    if (!isSingle(scale)) {
      auto type = mlir::cast<RankedTensorType>(scale.getType());
      if (type.getRank() != 1)
        return rewriter.notifyMatchFailure(op, "the scales are no list");
      axis = op.getType().getRank() - 1;
      if (type.getDimSize(0) != op.getType().getDimSize(*axis))
        return rewriter.notifyMatchFailure(op, "the scales broadcast");
    }
    rewriter.replaceOp(op, dequantizeAccumulator(rewriter, op.getLoc(),
                                                 cast.getInput(), scale, axis));
    return success();
  }
};

} // namespace

void qnn::populateContractionPatterns(RewritePatternSet &patterns,
                                      FoldCounts &counts) {
  MLIRContext *context = patterns.getContext();
  patterns.add<FoldContraction, FoldRequantize>(context, counts);
  patterns.add<FoldBias, FoldClamp, FoldScaledAccumulator>(context);
}
