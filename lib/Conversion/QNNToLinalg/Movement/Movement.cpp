//===- Movement.cpp - Lowers concat, range, reverse_sequence --------------===//

#include "Conversion/QNNToLinalg/Shapes/DimensionAlgebra.h"
#include "Conversion/QNNToLinalg/Shapes/IndexMath.h"
#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;

namespace {

//===- concat -------------------------------------------------------------===//

struct ConvertConcat : QNNPattern<qnn::ConcatOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::ConcatOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    RankedTensorType to = getResultType(op);
    int64_t axis = op.getAxis();
    // Dimensions that must agree, as far as types do not say that they do.
    SmallVector<Value> inputs(adaptor.getInputs());
    for (int64_t d = 0; d < to.getRank(); ++d) {
      if (d == axis)
        continue;
      auto first = qnn::KnownInt::extent(op.getInputs().front(), d);
      Value expected;
      for (auto [i, input] : llvm::enumerate(inputs)) {
        if (!typeOf(input).isDynamicDim(d) && !to.isDynamicDim(d))
          continue;
        if (i > 0 && to.isDynamicDim(d) &&
            first == qnn::KnownInt::extent(op.getInputs()[i], d))
          continue;
        Value size =
            materialize(rewriter, loc, getDim(rewriter, loc, input, d));
        if (!expected)
          expected = to.isDynamicDim(d) ? size : m.constant(to.getDimSize(d));
        if (size != expected)
          createCheck(rewriter, loc, m.equal(size, expected),
                      describeNode(loc) +
                          " (Concat): the inputs' dimensions differ");
      }
    }
    for (Value &input : inputs) {
      SmallVector<int64_t> shape(to.getShape());
      shape[axis] = typeOf(input).getDimSize(axis);
      input = castTo(rewriter, loc, input, to.clone(shape));
    }
    Value result =
        inputs.size() == 1
            ? inputs.front()
            : tensor::ConcatOp::create(rewriter, loc, axis, inputs).getResult();
    rewriter.replaceOp(op, castTo(rewriter, loc, result, to));
    return success();
  }
};

//===- range --------------------------------------------------------------===//

struct ConvertRange : QNNPattern<qnn::RangeOp> {
  using QNNPattern::QNNPattern;

  /// How many integers there are from `from` to `end`, which is left out. The
  /// way between two of them may be longer than the largest signed one.
  static Value countSteps(IndexMath m, Value from, Value end, Value by) {
    Value zero = m.constant(0), one = m.constant(1);
    if (getConstantIndex(from) == 0 && getConstantIndex(by) == 1)
      return m.max(end, zero);
    Value goesBack = m.less(by, zero);
    Value isEmpty =
        m.select(goesBack, m.compare(arith::CmpIPredicate::sle, from, end),
                 m.compare(arith::CmpIPredicate::sle, end, from));
    Value way = m.select(goesBack, m.sub(from, end), m.sub(end, from));
    Value stride = m.select(goesBack, m.sub(zero, by), by);
    Value size = m.add(
        m.b.createOrFold<arith::DivUIOp>(m.loc, m.sub(way, one), stride), one);
    return m.select(isEmpty, zero, size);
  }

  LogicalResult
  matchAndRewrite(qnn::RangeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    RankedTensorType to = getResultType(op);
    Type type = to.getElementType();
    Value start = extractScalar(rewriter, loc, adaptor.getStart(), 0);
    Value limit = extractScalar(rewriter, loc, adaptor.getLimit(), 0);
    Value delta = extractScalar(rewriter, loc, adaptor.getDelta(), 0);
    Value size;
    if (!to.isDynamicDim(0)) {
      size = m.constant(to.getDimSize(0));
    } else if (isa<FloatType>(type)) {
      // In double, as ONNX Runtime counts.
      Type f64 = rewriter.getF64Type();
      auto widen = [&](Value v) -> Value {
        return type == f64
                   ? v
                   : arith::ExtFOp::create(rewriter, loc, f64, v).getResult();
      };
      Value count = arith::DivFOp::create(
          rewriter, loc,
          arith::SubFOp::create(rewriter, loc, widen(limit), widen(start)),
          widen(delta));
      count = math::CeilOp::create(rewriter, loc, count);
      count = arith::MaximumFOp::create(rewriter, loc, count,
                                        constantScalar(rewriter, loc, f64, 0));
      Value tooLarge = constantScalar(rewriter, loc, f64, 9e15);
      createCheck(rewriter, loc,
                  arith::CmpFOp::create(rewriter, loc,
                                        arith::CmpFPredicate::OLT, count,
                                        tooLarge),
                  describeNode(loc) + " (Range): the number of elements is "
                                      "not finite");
      size = m.toIndex(
          arith::FPToSIOp::create(rewriter, loc, rewriter.getI64Type(), count));
    } else {
      Value by = m.toIndex(delta), zero = m.constant(0), one = m.constant(1);
      Value isZero = m.equal(by, zero);
      createCheck(rewriter, loc, m.compare(arith::CmpIPredicate::ne, by, zero),
                  describeNode(loc) + " (Range): delta is 0");
      by = m.select(isZero, one, by);
      Value from = m.toIndex(start), end = m.toIndex(limit);
      DimensionSum between = DimensionSum(end).plus(DimensionSum(from), -1);
      if (getConstantIndex(by) == 1 && between.isNeverNegative(rewriter)) {
        size = materialize(rewriter, loc, between.build(rewriter, loc));
      } else {
        size = countSteps(m, from, end, by);
      }
    }
    rewriter.replaceOp(
        op, createIndexed(
                rewriter, loc, to, OpFoldResult(size),
                [&](OpBuilder &b, Location l, ValueRange indices) -> Value {
                  Value i = arith::IndexCastOp::create(b, l, b.getI64Type(),
                                                       indices[0]);
                  if (isa<FloatType>(type)) {
                    i = arith::SIToFPOp::create(b, l, type, i);
                    return arith::AddFOp::create(
                        b, l, start, arith::MulFOp::create(b, l, i, delta));
                  }
                  if (type.getIntOrFloatBitWidth() < 64)
                    i = arith::TruncIOp::create(b, l, type, i);
                  return arith::AddIOp::create(
                      b, l, start, arith::MulIOp::create(b, l, i, delta));
                }));
    return success();
  }
};

//===- reverse_sequence ---------------------------------------------------===//

struct ConvertReverseSequence : QNNPattern<qnn::ReverseSequenceOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::ReverseSequenceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput(), lengths = adaptor.getLengths();
    RankedTensorType to = getResultType(op);
    int64_t time = op.getTimeAxis(), batch = op.getBatchAxis();
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, input);
    Value steps = materialize(rewriter, loc, dims[time]);
    checkRange(rewriter, loc, lengths, m.constant(0),
               m.add(steps, m.constant(1)),
               describeNode(loc) + ": a sequence length is out of range");
    createCheck(
        rewriter, loc,
        m.equal(materialize(rewriter, loc, dims[batch]),
                materialize(rewriter, loc, getDim(rewriter, loc, lengths, 0))),
        describeNode(loc) + ": there must be one length for each "
                            "batch element");
    rewriter.replaceOp(
        op, createRemapped(rewriter, loc, to, dims, input,
                           [&](const IndexMath &n, ValueRange indices) {
                             SmallVector<Value> at(indices);
                             Value length = n.toIndex(tensor::ExtractOp::create(
                                 n.b, n.loc, lengths, at[batch]));
                             Value mirrored =
                                 n.sub(n.sub(length, n.constant(1)), at[time]);
                             at[time] = n.select(n.less(at[time], length),
                                                 mirrored, at[time]);
                             return at;
                           }));
    return success();
  }
};

} // namespace

void quantc::populateMovementPatterns(const TypeConverter &converter,
                                      RewritePatternSet &patterns) {
  patterns.add<ConvertConcat, ConvertRange, ConvertReverseSequence>(
      converter, patterns.getContext());
}
