//===- Normalization.cpp - Lowers normalizations --------------------------===//

#include "ReductionBuilder.h"

#include "Conversion/QNNToLinalg/Shapes/UnitDims.h"

#include "quantc/Dialect/QNN/IR/NormalizationOps.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

/// Row statistics as reductions, then one elementwise op that applies them with
/// scale and bias. The variance is that of the centred values (two passes):
/// E[x²] - E[x]² cancels. A mean of f32 is summed in f64, and what may be
/// rounded once (`contract`) is marked, both as ONNX Runtime does it: behind a
/// normalization, a quantized model makes a step of the last bit's difference.
struct ConvertNormalize : QNNPattern<qnn::NormalizeOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::NormalizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    Type element = type.getElementType();
    if (!isa<FloatType>(element))
      return op.emitOpError()
             << "cannot normalize " << op.getInput().getType().getElementType();
    Type acc = getAccumulatorType(element);
    bool center = op.getKind() == qnn::NormalizeKind::layer;
    SmallVector<bool> reduced(type.getRank(), false);
    SmallVector<OpFoldResult> rowDims;
    for (int64_t d = op.getAxis(); d < type.getRank(); ++d) {
      reduced[d] = true;
      rowDims.push_back(getDim(rewriter, loc, input, d));
    }
    Value count =
        indexToScalar(rewriter, loc, productOf(rewriter, loc, rowDims), acc);
    Value zero = constantScalar(rewriter, loc, acc, 0);

    Value mean;
    if (center)
      mean = createMean(rewriter, loc, input, reduced, acc,
                        productOf(rewriter, loc, rowDims));
    SmallVector<Value> statistics{input};
    if (center)
      statistics.push_back(mean);
    Value squares =
        createReduction(rewriter, loc, statistics, reduced, zero,
                        [&](OpBuilder &b, Location l, ValueRange x) {
                          Value v = convertFloat(b, l, x[0], acc);
                          if (center)
                            v = arith::SubFOp::create(b, l, v, x[1]);
                          return addForReduction(
                              b, l, x.back(),
                              arith::MulFOp::create(
                                  b, l, v, v, arith::FastMathFlags::contract));
                        });
    Value epsilon =
        constantScalar(rewriter, loc, acc, op.getEpsilon().convertToDouble());
    Value one = constantScalar(rewriter, loc, acc, 1);
    Value inverse =
        mapRows(rewriter, loc, squares,
                [&](OpBuilder &b, Location l, Value x) -> Value {
                  Value variance = arith::DivFOp::create(b, l, x, count);
                  Value deviation = math::SqrtOp::create(
                      b, l, arith::AddFOp::create(b, l, variance, epsilon));
                  return arith::DivFOp::create(b, l, one, deviation);
                });
    rewriter.replaceOp(
        op, {castTo(rewriter, loc,
                    apply(rewriter, loc, op, adaptor, reduced, mean, inverse),
                    getResultType(op)),
             statistic(rewriter, loc, op.getMean().getType(), mean, inverse,
                       reduced),
             statistic(rewriter, loc, op.getInvStdDev().getType(), inverse,
                       inverse, reduced)});
    return success();
  }

private:
  /// The mean of each row as `acc`, out of a sum in f64.
  static Value createMean(OpBuilder &b, Location loc, Value input,
                          ArrayRef<bool> reduced, Type acc, Value numColumns) {
    Type wide = b.getF64Type();
    Value count = indexToScalar(b, loc, numColumns, wide);
    Value sum = createReduction(
        b, loc, input, reduced, constantScalar(b, loc, wide, 0),
        [&](OpBuilder &nested, Location l, ValueRange x) {
          return addForReduction(nested, l, x[1],
                                 convertFloat(nested, l, x[0], wide));
        });
    return createElementwise(
        b, loc, cast<RankedTensorType>(sum.getType()).clone(acc), sum,
        [&](OpBuilder &nested, Location l, ValueRange x) {
          Value mean = arith::DivFOp::create(nested, l, x[0], count);
          return convertFloat(nested, l, mean, acc);
        });
  }

  static Value
  mapRows(OpBuilder &b, Location loc, Value rows,
          llvm::function_ref<Value(OpBuilder &, Location, Value)> body) {
    return createElementwise(b, loc, cast<RankedTensorType>(rows.getType()),
                             rows,
                             [&](OpBuilder &nested, Location l, ValueRange x) {
                               return body(nested, l, x[0]);
                             });
  }

  /// Parameters with just the normalized dimensions, or less of these, are read
  /// by an index map; any other shape is broadcast in a step of its own.
  static Value apply(OpBuilder &b, Location loc, qnn::NormalizeOp op,
                     OpAdaptor adaptor, ArrayRef<bool> reduced, Value mean,
                     Value inverse) {
    Value input = adaptor.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    Type element = type.getElementType();
    Type acc = getAccumulatorType(element);
    int64_t rank = type.getRank();
    SmallVector<AffineExpr> kept;
    for (auto [d, r] : llvm::enumerate(reduced))
      if (!r)
        kept.push_back(b.getAffineDimExpr(d));
    AffineMap full = b.getMultiDimIdentityMap(rank);
    AffineMap rows = AffineMap::get(rank, 0, kept, b.getContext());
    SmallVector<Value> inputs{input, inverse};
    SmallVector<AffineMap> maps{full, rows};
    if (mean) {
      inputs.push_back(mean);
      maps.push_back(rows);
    }
    auto addParameter = [&](Value parameter) {
      if (!parameter)
        return;
      auto own = cast<RankedTensorType>(parameter.getType());
      int64_t offset = rank - own.getRank();
      bool direct = true;
      SmallVector<AffineExpr> exprs;
      for (int64_t i = 0; i < own.getRank(); ++i) {
        direct &= own.getDimSize(i) == type.getDimSize(i + offset) &&
                  !own.isDynamicDim(i);
        exprs.push_back(b.getAffineDimExpr(i + offset));
      }
      if (!direct) {
        parameter = createElementwise(
            b, loc, type.clone(own.getElementType()), {parameter, input},
            [](OpBuilder &, Location, ValueRange x) { return x[0]; });
        exprs.clear();
        for (int64_t i = 0; i < rank; ++i)
          exprs.push_back(b.getAffineDimExpr(i));
      }
      inputs.push_back(parameter);
      maps.push_back(AffineMap::get(rank, 0, exprs, b.getContext()));
    };
    addParameter(adaptor.getScale());
    addParameter(adaptor.getBias());
    maps.push_back(full);
    Value empty = createEmpty(b, loc, type, getDims(b, loc, input));
    return linalg::GenericOp::create(
               b, loc, TypeRange(type), inputs, ValueRange(empty), maps,
               SmallVector<utils::IteratorType>(rank,
                                                utils::IteratorType::parallel),
               [&](OpBuilder &nested, Location l, ValueRange x) {
                 Value y = convertFloat(nested, l, x[0], acc);
                 unsigned next = 2;
                 if (mean)
                   y = arith::SubFOp::create(nested, l, y, x[next++]);
                 y = arith::MulFOp::create(nested, l, y, x[1]);
                 if (adaptor.getScale())
                   y = arith::MulFOp::create(
                       nested, l, y, convertFloat(nested, l, x[next++], acc),
                       arith::FastMathFlags::contract);
                 if (adaptor.getBias())
                   y = arith::AddFOp::create(
                       nested, l, y, convertFloat(nested, l, x[next++], acc),
                       arith::FastMathFlags::contract);
                 linalg::YieldOp::create(nested, l,
                                         convertFloat(nested, l, y, element));
               })
        .getResult(0);
  }

  /// A row statistic as the op's result has it; 0 if there is none.
  static Value statistic(OpBuilder &b, Location loc, RankedTensorType type,
                         Value rows, Value like, ArrayRef<bool> reduced) {
    Type stash = type.getElementType();
    auto rowType = cast<RankedTensorType>(like.getType()).clone(stash);
    Value v =
        createElementwise(b, loc, rowType, rows ? rows : like,
                          [&](OpBuilder &nested, Location l, ValueRange x) {
                            return rows ? convertFloat(nested, l, x[0], stash)
                                        : constantScalar(nested, l, stash, 0);
                          });
    return castTo(b, loc, insertUnitDims(b, loc, v, reduced), type);
  }
};

/// One multiplication and one addition per element; what they need of the
/// parameters is computed once per channel.
struct ConvertBatchNorm : QNNPattern<qnn::BatchNormOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::BatchNormOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    Type element = type.getElementType();
    if (!isa<FloatType>(element))
      return op.emitOpError()
             << "cannot normalize " << op.getInput().getType().getElementType();
    Type parameter =
        cast<RankedTensorType>(adaptor.getScale().getType()).getElementType();
    Type statistics =
        cast<RankedTensorType>(adaptor.getMean().getType()).getElementType();
    Type acc = getAccumulatorType(element);
    if (statistics.getIntOrFloatBitWidth() > acc.getIntOrFloatBitWidth() ||
        parameter.getIntOrFloatBitWidth() > acc.getIntOrFloatBitWidth())
      acc = rewriter.getF64Type();
    auto channelType = RankedTensorType::get(
        cast<RankedTensorType>(adaptor.getScale().getType()).getShape(), acc);
    Value epsilon =
        constantScalar(rewriter, loc, acc, op.getEpsilon().convertToDouble());
    Value factor = createElementwise(
        rewriter, loc, channelType, {adaptor.getScale(), adaptor.getVariance()},
        [&](OpBuilder &b, Location l, ValueRange x) -> Value {
          Value scale = convertFloat(b, l, x[0], acc);
          Value variance = convertFloat(b, l, x[1], acc);
          return arith::DivFOp::create(
              b, l, scale,
              math::SqrtOp::create(
                  b, l, arith::AddFOp::create(b, l, variance, epsilon)));
        });
    Value offset = createElementwise(
        rewriter, loc, channelType,
        {adaptor.getBias(), adaptor.getMean(), factor},
        [&](OpBuilder &b, Location l, ValueRange x) -> Value {
          Value bias = convertFloat(b, l, x[0], acc);
          Value mean = convertFloat(b, l, x[1], acc);
          return arith::SubFOp::create(b, l, bias,
                                       arith::MulFOp::create(b, l, mean, x[2]));
        });
    int64_t rank = type.getRank();
    AffineMap full = rewriter.getMultiDimIdentityMap(rank);
    AffineExpr at = rank < 2 ? rewriter.getAffineConstantExpr(0)
                             : rewriter.getAffineDimExpr(1);
    AffineMap channel = AffineMap::get(rank, 0, at, rewriter.getContext());
    Value empty =
        createEmpty(rewriter, loc, type, getDims(rewriter, loc, input));
    auto generic = linalg::GenericOp::create(
        rewriter, loc, TypeRange(type), ValueRange{input, factor, offset},
        ValueRange(empty), ArrayRef<AffineMap>{full, channel, channel, full},
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [&](OpBuilder &b, Location l, ValueRange x) {
          Value y = arith::MulFOp::create(b, l, convertFloat(b, l, x[0], acc),
                                          x[1], arith::FastMathFlags::contract);
          y = arith::AddFOp::create(b, l, y, x[2],
                                    arith::FastMathFlags::contract);
          linalg::YieldOp::create(b, l, convertFloat(b, l, y, element));
        });
    rewriter.replaceOp(
        op, castTo(rewriter, loc, generic.getResult(0), getResultType(op)));
    return success();
  }
};

/// A pooling of squares over the channels, on a padded input.
struct ConvertLocalResponseNorm : QNNPattern<qnn::LocalResponseNormOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::LocalResponseNormOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    Type element = type.getElementType();
    if (!isa<FloatType>(element))
      return op.emitOpError()
             << "cannot normalize " << op.getInput().getType().getElementType();
    Type acc = getAccumulatorType(element);
    int64_t rank = type.getRank(), size = op.getSize();
    SmallVector<OpFoldResult> low(rank, rewriter.getIndexAttr(0)), high(low);
    low[1] = rewriter.getIndexAttr((size - 1) / 2);
    high[1] = rewriter.getIndexAttr(size / 2);
    SmallVector<int64_t> shape(type.getShape());
    if (!type.isDynamicDim(1))
      shape[1] += size - 1;
    Value padded = tensor::PadOp::create(
        rewriter, loc, RankedTensorType::get(shape, element), input, low, high,
        constantScalar(rewriter, loc, element, 0));

    // Loops: the result's dimensions, then the window.
    SmallVector<AffineExpr> from;
    for (int64_t d = 0; d < rank; ++d)
      from.push_back(rewriter.getAffineDimExpr(d));
    AffineExpr window = rewriter.getAffineDimExpr(rank);
    SmallVector<AffineExpr> to(from);
    from[1] = from[1] + window;
    auto mapOf = [&](ArrayRef<AffineExpr> exprs) {
      return AffineMap::get(rank + 1, 0, exprs, rewriter.getContext());
    };
    SmallVector<utils::IteratorType> iterators(rank + 1,
                                               utils::IteratorType::parallel);
    iterators.back() = utils::IteratorType::reduction;
    auto sumType = type.clone(acc);
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, input);
    Value zeros = createFilled(rewriter, loc, sumType, dims,
                               constantScalar(rewriter, loc, acc, 0));
    // Gives the window its extent; never read.
    Value extent =
        tensor::EmptyOp::create(rewriter, loc, ArrayRef<int64_t>{size}, acc);
    Value squares =
        linalg::GenericOp::create(
            rewriter, loc, TypeRange(sumType), ValueRange{padded, extent},
            ValueRange(zeros),
            ArrayRef<AffineMap>{mapOf(from), mapOf(window), mapOf(to)},
            iterators,
            [&](OpBuilder &b, Location l, ValueRange x) {
              Value v = convertFloat(b, l, x[0], acc);
              linalg::YieldOp::create(
                  b, l,
                  addForReduction(b, l, x[2],
                                  arith::MulFOp::create(b, l, v, v)));
            })
            .getResult(0);
    double alpha = op.getAlpha().convertToDouble() / double(size);
    Value result = createElementwise(
        rewriter, loc, type, {input, squares},
        [&](OpBuilder &b, Location l, ValueRange x) -> Value {
          Value base = arith::MulFOp::create(b, l, x[1],
                                             constantScalar(b, l, acc, alpha));
          base = arith::AddFOp::create(
              b, l, base,
              constantScalar(b, l, acc, op.getBias().convertToDouble()));
          Value power = math::PowFOp::create(
              b, l, base,
              constantScalar(b, l, acc, op.getBeta().convertToDouble()));
          Value y =
              arith::DivFOp::create(b, l, convertFloat(b, l, x[0], acc), power);
          return convertFloat(b, l, y, element);
        });
    rewriter.replaceOp(op, castTo(rewriter, loc, result, getResultType(op)));
    return success();
  }
};

} // namespace

void quantc::populateNormalizationPatterns(const TypeConverter &converter,
                                           RewritePatternSet &patterns) {
  patterns.add<ConvertNormalize, ConvertBatchNorm, ConvertLocalResponseNorm>(
      converter, patterns.getContext());
}
