//===- Reduction.cpp - Lowers reductions and running sums -----------------===//

#include "Conversion/QNNToLinalg/Shapes/UnitDims.h"
#include "ReductionBuilder.h"

#include "quantc/Dialect/QNN/IR/ReductionOps.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::ReduceKind;

//===- the scalar functions of the kinds ----------------------------------===//

namespace {
/// What a kind does before, while and after it reduces, in the accumulator's
/// type. `unsignedInts` is the signedness of integers; bool is stored as one.
struct ScalarReduction {
  ReduceKind kind;
  Type acc;
  bool unsignedInts;
  bool isBool = false;
  bool isOrdered = false;

  Value init(OpBuilder &b, Location loc) const {
    switch (kind) {
    case ReduceKind::prod:
      return constantScalar(b, loc, acc, 1);
    case ReduceKind::max:
    case ReduceKind::min:
      return arith::ConstantOp::create(b, loc, extremum());
    default:
      return constantScalar(b, loc, acc, 0);
    }
  }

  /// The least value for max, the greatest for min.
  TypedAttr extremum() const {
    bool isMax = kind == ReduceKind::max;
    if (auto fp = dyn_cast<FloatType>(acc))
      return FloatAttr::get(
          fp, APFloat::getInf(fp.getFloatSemantics(), /*Negative=*/isMax));
    if (isBool)
      return IntegerAttr::get(acc, isMax ? 0 : 1);
    unsigned w = acc.getIntOrFloatBitWidth();
    APInt v = unsignedInts
                  ? (isMax ? APInt::getMinValue(w) : APInt::getMaxValue(w))
                  : (isMax ? APInt::getSignedMinValue(w)
                           : APInt::getSignedMaxValue(w));
    return IntegerAttr::get(acc, v);
  }

  Value widen(OpBuilder &b, Location loc, Value x) const {
    return isa<FloatType>(acc) ? convertFloat(b, loc, x, acc) : x;
  }

  Value multiply(OpBuilder &b, Location loc, Value x, Value y) const {
    if (isa<FloatType>(acc))
      return arith::MulFOp::create(b, loc, x, y,
                                   arith::FastMathFlags::contract);
    return arith::MulIOp::create(b, loc, x, y);
  }

  Value combine(OpBuilder &b, Location loc, Value x, Value sum) const {
    bool isFloat = isa<FloatType>(acc);
    switch (kind) {
    case ReduceKind::prod:
      return multiply(b, loc, sum, x);
    case ReduceKind::max:
      if (isFloat)
        return arith::MaximumFOp::create(b, loc, sum, x);
      return unsignedInts ? arith::MaxUIOp::create(b, loc, sum, x).getResult()
                          : arith::MaxSIOp::create(b, loc, sum, x).getResult();
    case ReduceKind::min:
      if (isFloat)
        return arith::MinimumFOp::create(b, loc, sum, x);
      return unsignedInts ? arith::MinUIOp::create(b, loc, sum, x).getResult()
                          : arith::MinSIOp::create(b, loc, sum, x).getResult();
    case ReduceKind::l1:
      if (isFloat)
        x = math::AbsFOp::create(b, loc, x);
      else if (!unsignedInts)
        x = math::AbsIOp::create(b, loc, x);
      break;
    case ReduceKind::l2:
    case ReduceKind::sum_square:
      x = multiply(b, loc, x, x);
      break;
    default:
      break;
    }
    if (isFloat && isOrdered)
      return arith::AddFOp::create(b, loc, sum, x);
    return addForReduction(b, loc, sum, x);
  }

  bool needsFinish() const {
    return kind == ReduceKind::mean || kind == ReduceKind::l2 ||
           kind == ReduceKind::log_sum;
  }

  /// `count` is the number of elements reduced.
  Value finish(OpBuilder &b, Location loc, Value sum, Value count) const {
    bool isFloat = isa<FloatType>(acc);
    if (kind == ReduceKind::mean) {
      Value n = indexToScalar(b, loc, count, acc);
      if (isFloat)
        return arith::DivFOp::create(b, loc, sum, n);
      // No elements have no integer mean: any value but a trap.
      n = arith::MaxSIOp::create(b, loc, n, constantScalar(b, loc, acc, 1));
      return unsignedInts ? arith::DivUIOp::create(b, loc, sum, n).getResult()
                          : arith::DivSIOp::create(b, loc, sum, n).getResult();
    }
    auto apply = [&](Value x) -> Value {
      if (kind == ReduceKind::l2)
        return math::SqrtOp::create(b, loc, x);
      return math::LogOp::create(b, loc, x);
    };
    if (isFloat)
      return apply(sum);
    // ONNX has these for integers, too: computed in f64 and truncated.
    Type f64 = b.getF64Type();
    Value wide = unsignedInts
                     ? arith::UIToFPOp::create(b, loc, f64, sum).getResult()
                     : arith::SIToFPOp::create(b, loc, f64, sum).getResult();
    Value result = apply(wide);
    return unsignedInts
               ? arith::FPToUIOp::create(b, loc, acc, result).getResult()
               : arith::FPToSIOp::create(b, loc, acc, result).getResult();
  }
};
} // namespace

//===- reduce -------------------------------------------------------------===//

namespace {
struct ConvertReduce : QNNPattern<qnn::ReduceOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::ReduceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type element = op.getInput().getType().getElementType();
    if (auto fp = dyn_cast<FloatType>(element); fp && fp.getWidth() <= 8)
      return op.emitOpError() << "cannot reduce " << element;
    if (element.isInteger() && op.getKind() == ReduceKind::log_sum_exp)
      return op.emitOpError() << "cannot compute exp of " << element;
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Value input = adaptor.getInput();
    Type stored = cast<RankedTensorType>(input.getType()).getElementType();
    ScalarReduction scalar{op.getKind(), getAccumulatorType(stored),
                           isUnsigned(element), element.isInteger(1),
                           op.getOrdered()};
    Value result;
    auto reduced = findStaticDims(op);
    // Sums of whole rows are vectors: nothing is gained by another order, and
    // this one is ONNX Runtime's where the first dimensions are reduced.
    bool isSum =
        op.getKind() == ReduceKind::sum || op.getKind() == ReduceKind::mean;
    if (isSum && reduced && !reduced->empty() && !reduced->back())
      scalar.isOrdered = true;
    if (reducesAll(op))
      checkNamesAll(rewriter, loc, op, adaptor.getAxes());
    if (reduced)
      result =
          lowerStatic(rewriter, loc, input, *reduced, scalar, op.getKeepdims());
    else
      result = lowerDynamic(rewriter, loc, op, adaptor, scalar);
    if (auto fp = dyn_cast<FloatType>(scalar.acc); fp && fp != stored)
      result = narrow(rewriter, loc, result, stored);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, type));
    return success();
  }

private:
  static Value narrow(OpBuilder &b, Location loc, Value value, Type element) {
    auto type = cast<RankedTensorType>(value.getType());
    return createElementwise(b, loc, type.clone(element), value,
                             [&](OpBuilder &nested, Location l, ValueRange x) {
                               return convertFloat(nested, l, x[0], element);
                             });
  }

  /// Whether there are as many axes of the run time as dimensions and none of
  /// these is kept: all of them then, or one is named twice.
  static bool reducesAll(qnn::ReduceOp op) {
    return op.getAxes() && !qnn::getConstantInts(op.getAxes()) &&
           op.getAxes().getType().hasStaticShape() && !op.getKeepdims() &&
           op.getType().getRank() == 0;
  }

  static void checkNamesAll(OpBuilder &b, Location loc, qnn::ReduceOp op,
                            Value axes) {
    IndexMath m{b, loc};
    Value all = arith::ConstantIntOp::create(b, loc, 1, 1);
    for (Value isReduced : findReducedDims(b, loc, op, axes))
      all = m.logicalAnd(all, isReduced);
    createCheck(b, loc, all, describeNode(loc) + ": an axis is named twice");
  }

  /// Which dimensions are reduced, if that is known.
  static std::optional<SmallVector<bool>> findStaticDims(qnn::ReduceOp op) {
    int64_t rank = op.getInput().getType().getRank();
    std::optional<SmallVector<int64_t>> axes = SmallVector<int64_t>();
    if (op.getAxes()) {
      auto listType = op.getAxes().getType();
      if (!listType.hasStaticShape() || listType.getNumElements() != 0)
        axes = qnn::getConstantInts(op.getAxes());
      if (!axes && reducesAll(op))
        return SmallVector<bool>(rank, true);
    }
    if (!axes)
      return std::nullopt;
    SmallVector<bool> reduced(rank,
                              axes->empty() && !op.getNoopWithEmptyAxes());
    for (int64_t axis : *axes)
      reduced[axis < 0 ? axis + rank : axis] = true;
    return reduced;
  }

  static Value lowerStatic(OpBuilder &b, Location loc, Value input,
                           ArrayRef<bool> reduced, const ScalarReduction &s,
                           bool keepdims) {
    Value result = s.kind == ReduceKind::log_sum_exp
                       ? reduceLogSumExp(b, loc, input, reduced, s)
                       : reducePlain(b, loc, input, reduced, s);
    return keepdims ? insertUnitDims(b, loc, result, reduced) : result;
  }

  static Value reducePlain(OpBuilder &b, Location loc, Value input,
                           ArrayRef<bool> reduced, const ScalarReduction &s) {
    Value sum = createReduction(
        b, loc, input, reduced, s.init(b, loc),
        [&](OpBuilder &nested, Location l, ValueRange x) {
          return s.combine(nested, l, s.widen(nested, l, x[0]), x[1]);
        });
    if (!s.needsFinish())
      return sum;
    SmallVector<OpFoldResult> dims;
    for (auto [d, r] : llvm::enumerate(reduced))
      if (r)
        dims.push_back(getDim(b, loc, input, d));
    Value count = productOf(b, loc, dims);
    return createElementwise(b, loc, cast<RankedTensorType>(sum.getType()), sum,
                             [&](OpBuilder &nested, Location l, ValueRange x) {
                               return s.finish(nested, l, x[0], count);
                             });
  }

  /// Infinite maxima would make exp(x - max) NaN: they count as 0 there.
  static Value finiteOrZero(OpBuilder &b, Location l, Value max) {
    Value zero = constantScalar(b, l, max.getType(), 0);
    Value difference = arith::SubFOp::create(b, l, max, max);
    Value finite = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ,
                                         difference, zero);
    return arith::SelectOp::create(b, l, finite, max, zero);
  }

  static Value expOfShifted(OpBuilder &b, Location l, Value x, Value max) {
    return expForSum(b, l,
                     arith::SubFOp::create(b, l, x, finiteOrZero(b, l, max)));
  }

  static Value logAndShift(OpBuilder &b, Location l, Value sum, Value max) {
    return arith::AddFOp::create(b, l, math::LogOp::create(b, l, sum),
                                 finiteOrZero(b, l, max));
  }

  /// The maximum is taken out first, so that exp does not overflow.
  static Value reduceLogSumExp(OpBuilder &b, Location loc, Value input,
                               ArrayRef<bool> reduced,
                               const ScalarReduction &s) {
    ScalarReduction maximum{ReduceKind::max, s.acc, false};
    Value max = reducePlain(b, loc, input, reduced, maximum);
    Value zero = constantScalar(b, loc, s.acc, 0);
    Value sum = createReduction(
        b, loc, {input, max}, reduced, zero,
        [&](OpBuilder &nested, Location l, ValueRange x) {
          Value term = expOfShifted(nested, l, s.widen(nested, l, x[0]), x[1]);
          return addForReduction(nested, l, x[2], term);
        });
    return createElementwise(b, loc, cast<RankedTensorType>(sum.getType()),
                             {sum, max},
                             [](OpBuilder &nested, Location l, ValueRange x) {
                               return logAndShift(nested, l, x[0], x[1]);
                             });
  }

  //===- run-time axes ----------------------------------------------------===//

  /// For each dimension, whether `axes` names it (or is empty, and that means
  /// all).
  static SmallVector<Value> findReducedDims(OpBuilder &b, Location loc,
                                            qnn::ReduceOp op, Value axes) {
    int64_t rank = op.getInput().getType().getRank();
    Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
    Value rankValue = constantIndex(b, loc, rank);
    if (cast<RankedTensorType>(axes.getType()).getRank() == 0)
      axes = tensor::ExpandShapeOp::create(
          b, loc,
          RankedTensorType::get(
              {1}, cast<RankedTensorType>(axes.getType()).getElementType()),
          axes, ArrayRef<ReassociationIndices>{});
    Value count = materialize(b, loc, getDim(b, loc, axes, 0));
    Value none =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, count, zero);
    Value no = arith::ConstantIntOp::create(b, loc, 0, 1);
    // The last value says whether all axes are in range.
    SmallVector<Value> flags(rank, op.getNoopWithEmptyAxes() ? no : none);
    flags.push_back(arith::ConstantIntOp::create(b, loc, 1, 1));
    auto loop = scf::ForOp::create(
        b, loc, zero, count, one, flags,
        [&](OpBuilder &nested, Location l, Value i, ValueRange state) {
          Value raw = tensor::ExtractOp::create(nested, l, axes, i);
          Value axis =
              arith::IndexCastOp::create(nested, l, nested.getIndexType(), raw);
          Value negative = arith::CmpIOp::create(
              nested, l, arith::CmpIPredicate::slt, axis, zero);
          axis = arith::SelectOp::create(
              nested, l, negative,
              arith::AddIOp::create(nested, l, axis, rankValue), axis);
          SmallVector<Value> next;
          for (int64_t d = 0; d < rank; ++d) {
            Value hit =
                arith::CmpIOp::create(nested, l, arith::CmpIPredicate::eq, axis,
                                      constantIndex(nested, l, d));
            next.push_back(arith::OrIOp::create(nested, l, state[d], hit));
          }
          Value inRange = arith::CmpIOp::create(
              nested, l, arith::CmpIPredicate::ult, axis, rankValue);
          next.push_back(
              arith::AndIOp::create(nested, l, state[rank], inRange));
          scf::YieldOp::create(nested, l, next);
        });
    createCheck(b, loc, loop.getResult(rank),
                describeNode(loc) + " (Reduce): an axis is out of range");
    return SmallVector<Value>(loop.getResults().take_front(rank));
  }

  /// Loops over all elements that belong to a result element, and keeps the
  /// reduced dimensions as 1. `max`, of the result's shape, is there for the
  /// second half of log_sum_exp. Gives the accumulator's type.
  static Value reduceMarked(OpBuilder &b, Location loc, Value input,
                            ArrayRef<Value> reduced, Value max,
                            const ScalarReduction &s) {
    int64_t rank = reduced.size();
    Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
    SmallVector<OpFoldResult> dims;
    SmallVector<Value> extents;
    Value count = one;
    for (int64_t d = 0; d < rank; ++d) {
      Value size = materialize(b, loc, getDim(b, loc, input, d));
      dims.push_back(
          arith::SelectOp::create(b, loc, reduced[d], one, size).getResult());
      extents.push_back(arith::SelectOp::create(b, loc, reduced[d], size, one));
      count = arith::MulIOp::create(b, loc, count, extents.back());
    }
    auto type = RankedTensorType::get(
        SmallVector<int64_t>(rank, ShapedType::kDynamic), s.acc);
    return createIndexed(
        b, loc, type, dims,
        [&](OpBuilder &nested, Location l, ValueRange at) -> Value {
          Value shift;
          if (max)
            shift = tensor::ExtractOp::create(nested, l, max, at);
          SmallVector<Value> lower(rank, zero), steps(rank, one);
          scf::LoopNest nest = scf::buildLoopNest(
              nested, l, lower, extents, steps, s.init(nested, l),
              [&](OpBuilder &inner, Location il, ValueRange ivs,
                  ValueRange acc) -> scf::ValueVector {
                SmallVector<Value> from;
                for (int64_t d = 0; d < rank; ++d)
                  from.push_back(
                      arith::AddIOp::create(inner, il, at[d], ivs[d]));
                Value x =
                    s.widen(inner, il,
                            tensor::ExtractOp::create(inner, il, input, from));
                if (shift)
                  return {addForReduction(inner, il, acc[0],
                                          expOfShifted(inner, il, x, shift))};
                return {s.combine(inner, il, x, acc[0])};
              });
          Value sum = nest.results.front();
          if (shift)
            return logAndShift(nested, l, sum, shift);
          return s.needsFinish() ? s.finish(nested, l, sum, count) : sum;
        });
  }

  static Value lowerDynamic(OpBuilder &b, Location loc, qnn::ReduceOp op,
                            OpAdaptor adaptor, const ScalarReduction &s) {
    Value input = adaptor.getInput();
    SmallVector<Value> reduced = findReducedDims(b, loc, op, adaptor.getAxes());
    Value max;
    if (s.kind == ReduceKind::log_sum_exp)
      max = reduceMarked(b, loc, input, reduced, {},
                         ScalarReduction{ReduceKind::max, s.acc, false});
    Value result = reduceMarked(b, loc, input, reduced, max, s);
    if (op.getKeepdims())
      return result;
    SmallVector<int64_t> shape(op.getType().getRank(), ShapedType::kDynamic);
    return dropMarkedDims(IndexMath{b, loc}, result,
                          cast<RankedTensorType>(result.getType()).clone(shape),
                          reduced);
  }
};

//===- cumulate -----------------------------------------------------------===//

/// Walks along the axis with a slice of accumulators, which each step adds to
/// and writes to the result.
struct ConvertCumulate : QNNPattern<qnn::CumulateOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::CumulateOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Value input = adaptor.getInput();
    int64_t rank = type.getRank();
    if (auto axis = qnn::getConstantInts(op.getAxis())) {
      int64_t a = *qnn::normalizeAxis(axis->front(), rank);
      rewriter.replaceOp(
          op, castTo(rewriter, loc, scan(rewriter, loc, op, input, a), type));
      return success();
    }
    // An axis known at run time only: one loop for each that it may be.
    Value axis = extractIndex(rewriter, loc, adaptor.getAxis(), 0);
    Value zero = constantIndex(rewriter, loc, 0);
    Value rankValue = constantIndex(rewriter, loc, rank);
    Value negative = arith::CmpIOp::create(
        rewriter, loc, arith::CmpIPredicate::slt, axis, zero);
    axis = arith::SelectOp::create(
        rewriter, loc, negative,
        arith::AddIOp::create(rewriter, loc, axis, rankValue), axis);
    createCheck(rewriter, loc,
                arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::ult,
                                      axis, rankValue),
                describeNode(loc) + ": the axis is out of range");
    rewriter.replaceOp(op, chooseAxis(rewriter, loc, op, input, axis, 0, type));
    return success();
  }

private:
  static Value chooseAxis(OpBuilder &b, Location loc, qnn::CumulateOp op,
                          Value input, Value axis, int64_t first,
                          RankedTensorType type) {
    if (first + 1 == type.getRank())
      return castTo(b, loc, scan(b, loc, op, input, first), type);
    Value here = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, axis,
                                       constantIndex(b, loc, first));
    return scf::IfOp::create(
               b, loc, here,
               [&](OpBuilder &nested, Location l) {
                 scf::YieldOp::create(nested, l,
                                      castTo(nested, l,
                                             scan(nested, l, op, input, first),
                                             type));
               },
               [&](OpBuilder &nested, Location l) {
                 scf::YieldOp::create(
                     nested, l,
                     chooseAxis(nested, l, op, input, axis, first + 1, type));
               })
        .getResult(0);
  }

  static Value scan(OpBuilder &b, Location loc, qnn::CumulateOp op, Value input,
                    int64_t axis) {
    input = refineType(b, loc, input);
    auto type = cast<RankedTensorType>(input.getType());
    Type element = type.getElementType();
    ScalarReduction scalar{op.getKind() == qnn::CumulateKind::sum
                               ? ReduceKind::sum
                               : ReduceKind::prod,
                           getAccumulatorType(element), false};
    scalar.isOrdered = true;
    SmallVector<OpFoldResult> dims = getDims(b, loc, input);
    // There is no first element to slice.
    if (llvm::any_of(dims, isZeroInteger))
      return createEmpty(b, loc, type, dims);
    // The loops around the axis are one, and those inside of it, too.
    SmallVector<ReassociationIndices> groups;
    for (int64_t d = 0, rank = type.getRank(); d < rank; ++d)
      if (d == 0 || d == axis || d == axis + 1)
        groups.push_back({d});
      else
        groups.back().push_back(d);
    bool isFlat = int64_t(groups.size()) < type.getRank();
    Value flat =
        isFlat ? Value(tensor::CollapseShapeOp::create(b, loc, input, groups))
               : input;
    Value result = scanFlat(b, loc, op, flat, axis > 0, scalar);
    return isFlat ? Value(tensor::ExpandShapeOp::create(b, loc, type, result,
                                                        groups, dims))
                  : result;
  }

  static Value scanFlat(OpBuilder &b, Location loc, qnn::CumulateOp op,
                        Value input, int64_t axis,
                        const ScalarReduction &scalar) {
    auto type = cast<RankedTensorType>(input.getType());
    int64_t rank = type.getRank();
    SmallVector<OpFoldResult> dims = getDims(b, loc, input), sliceDims(dims);
    SmallVector<int64_t> sliceShape(type.getShape());
    sliceDims.erase(sliceDims.begin() + axis);
    sliceShape.erase(sliceShape.begin() + axis);
    auto accType = RankedTensorType::get(sliceShape, scalar.acc);
    Value acc = createFilled(b, loc, accType, sliceDims, scalar.init(b, loc));
    // What no map of a generic op says, going back, is said by flipping both
    // ends.
    if (op.getReverse())
      input = flip(b, loc, input, axis);
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    iterators[axis] = utils::IteratorType::reduction;
    AffineMap whole = b.getMultiDimIdentityMap(rank);
    Value result =
        linalg::GenericOp::create(
            b, loc, TypeRange{type, accType}, input,
            ValueRange{createEmpty(b, loc, type, dims), acc},
            {whole, whole, whole.dropResult(axis)}, iterators,
            [&](OpBuilder &nested, Location l, ValueRange x) {
              Value sum = scalar.combine(nested, l,
                                         scalar.widen(nested, l, x[0]), x[2]);
              Value written = op.getExclusive() ? x[2] : sum;
              if (scalar.acc != type.getElementType())
                written =
                    convertFloat(nested, l, written, type.getElementType());
              linalg::YieldOp::create(nested, l, ValueRange{written, sum});
            })
            .getResult(0);
    return op.getReverse() ? flip(b, loc, result, axis) : result;
  }

  static Value flip(OpBuilder &b, Location loc, Value input, int64_t axis) {
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<OpFoldResult> dims = getDims(b, loc, input);
    IndexMath m{b, loc};
    Value last = m.sub(materialize(b, loc, dims[axis]), m.constant(1));
    return createRemapped(b, loc, type, dims, input,
                          [&](const IndexMath &n, ValueRange indices) {
                            SmallVector<Value> at(indices);
                            at[axis] = n.sub(last, at[axis]);
                            return at;
                          });
  }
};

} // namespace

void quantc::populateReductionPatterns(const TypeConverter &converter,
                                       RewritePatternSet &patterns) {
  patterns.add<ConvertReduce, ConvertCumulate>(converter,
                                               patterns.getContext());
  populateSoftmaxPatterns(converter, patterns);
  populateSortPatterns(converter, patterns);
  populateTopKPatterns(converter, patterns);
  populateEinsumPatterns(converter, patterns);
}
