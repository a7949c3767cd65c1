//===- Softmax.cpp - Lowers softmax and the search for extrema ------------===//

#include "ReductionBuilder.h"

#include "Conversion/QNNToLinalg/Shapes/UnitDims.h"

#include "quantc/Dialect/QNN/IR/ReductionOps.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

//===- extrema ------------------------------------------------------------===//

/// Shorter lines are no vectors.
static constexpr int64_t kMinLine = 8;

/// Whether the extremum along `axis` is better found first, and its index then:
/// both are reductions along a row then, as vector code has them. Of floats,
/// the first of NaNs counts, but the last of numbers: no such reduction.
static bool findsValueFirst(RankedTensorType type, int64_t axis,
                            bool selectLast) {
  if (axis + 1 != type.getRank() ||
      (selectLast && isa<FloatType>(type.getElementType())))
    return false;
  return type.isDynamicDim(axis) || type.getDimSize(axis) >= kMinLine;
}

namespace {
/// Finds the extremum along the last dimension, and then where it is.
class LineExtremum {
public:
  LineExtremum(OpBuilder &b, Location loc, Value input, bool isMax,
               bool selectLast, bool unsignedInts)
      : b(b), loc(loc), input(input), isMax(isMax), selectLast(selectLast),
        unsignedInts(unsignedInts) {
    auto type = cast<RankedTensorType>(input.getType());
    int64_t length = type.getShape().back();
    element = getAccumulatorType(type.getElementType());
    reduced.assign(type.getRank(), false);
    reduced.back() = true;
    bool isShort = !ShapedType::isDynamic(length) &&
                   length <= std::numeric_limits<int32_t>::max();
    indexType = isShort ? b.getI32Type() : b.getI64Type();
    // The first index is the least one.
    none = extremum(indexType, /*least=*/selectLast, /*unsignedInts=*/false);
  }

  Value find();

private:
  static TypedAttr extremum(Type type, bool least, bool unsignedInts);
  static Value combine(OpBuilder &b, Location loc, Value x, Value y, bool isMax,
                       bool unsignedInts);
  Value load(OpBuilder &nested, Location l, Value x) const {
    return isa<FloatType>(element) ? convertFloat(nested, l, x, element) : x;
  }
  Value isBest(OpBuilder &nested, Location l, Value x, Value best) const;
  Value findPosition(Value best);

  OpBuilder &b;
  Location loc;
  Value input;
  bool isMax, selectLast, unsignedInts;
  Type element, indexType;
  TypedAttr none; // In place of an index where there is none yet.
  SmallVector<bool> reduced;
};
} // namespace

TypedAttr LineExtremum::extremum(Type type, bool least, bool unsignedInts) {
  if (auto fp = dyn_cast<FloatType>(type))
    return FloatAttr::get(fp, APFloat::getInf(fp.getFloatSemantics(), least));
  unsigned bits = type.getIntOrFloatBitWidth();
  APInt value =
      unsignedInts ? APInt::getMinValue(bits) : APInt::getSignedMinValue(bits);
  return IntegerAttr::get(type, least ? value : ~value);
}

/// The larger or the smaller one; NaN, if one of them is that.
Value LineExtremum::combine(OpBuilder &b, Location loc, Value x, Value y,
                            bool isMax, bool unsignedInts) {
  auto create = [&](auto max, auto min) -> Value {
    if (isMax)
      return decltype(max)::create(b, loc, x, y);
    return decltype(min)::create(b, loc, x, y);
  };
  if (isa<FloatType>(x.getType()))
    return create(arith::MaximumFOp(), arith::MinimumFOp());
  if (unsignedInts)
    return create(arith::MaxUIOp(), arith::MinUIOp());
  return create(arith::MaxSIOp(), arith::MinSIOp());
}

Value LineExtremum::isBest(OpBuilder &nested, Location l, Value x,
                           Value best) const {
  if (!isa<FloatType>(element))
    return arith::CmpIOp::create(nested, l, arith::CmpIPredicate::eq, x, best);
  // If there is a NaN, the extremum is one, and equal to no element.
  Value isEqual =
      arith::CmpFOp::create(nested, l, arith::CmpFPredicate::OEQ, x, best);
  Value isNaN =
      arith::CmpFOp::create(nested, l, arith::CmpFPredicate::UNO, x, x);
  return arith::OrIOp::create(nested, l, isEqual, isNaN);
}

Value LineExtremum::findPosition(Value best) {
  return createReduction(
      b, loc, {input, best}, reduced, arith::ConstantOp::create(b, loc, none),
      [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
        Value here = arith::IndexCastOp::create(
            nested, l, indexType,
            linalg::IndexOp::create(nested, l, reduced.size() - 1));
        Value candidate = arith::SelectOp::create(
            nested, l, isBest(nested, l, load(nested, l, x[0]), x[1]), here,
            arith::ConstantOp::create(nested, l, none));
        return combine(nested, l, x[2], candidate, /*isMax=*/selectLast,
                       /*unsignedInts=*/false);
      });
}

Value LineExtremum::find() {
  TypedAttr worst = extremum(element, /*least=*/isMax, unsignedInts);
  Value best = createReduction(
      b, loc, input, reduced, arith::ConstantOp::create(b, loc, worst),
      [&](OpBuilder &nested, Location l, ValueRange x) {
        return combine(nested, l, x[1], load(nested, l, x[0]), isMax,
                       unsignedInts);
      });
  Value position = findPosition(best);
  Type i64 = b.getI64Type();
  return createElementwise(
      b, loc, cast<RankedTensorType>(position.getType()).clone(i64), position,
      [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
        // A line without elements has no extremum.
        Value isNone =
            arith::CmpIOp::create(nested, l, arith::CmpIPredicate::eq, x[0],
                                  arith::ConstantOp::create(nested, l, none));
        Value found = arith::SelectOp::create(
            nested, l, isNone, constantScalar(nested, l, indexType, 0), x[0]);
        if (indexType == i64)
          return found;
        return arith::ExtSIOp::create(nested, l, i64, found);
      });
}

/// The index of the extremum along `axis`, as a tensor without that axis.
static Value findExtremum(OpBuilder &b, Location loc, Value input, int64_t axis,
                          bool isMax, bool selectLast, bool unsignedInts) {
  auto type = cast<RankedTensorType>(input.getType());
  if (findsValueFirst(type, axis, selectLast))
    return LineExtremum(b, loc, input, isMax, selectLast, unsignedInts).find();
  Type element = type.getElementType();
  SmallVector<int64_t> shape;
  SmallVector<OpFoldResult> dims;
  SmallVector<AffineExpr> kept;
  SmallVector<utils::IteratorType> iterators;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    iterators.push_back(d == axis ? utils::IteratorType::reduction
                                  : utils::IteratorType::parallel);
    if (d == axis)
      continue;
    shape.push_back(type.getDimSize(d));
    dims.push_back(getDim(b, loc, input, d));
    kept.push_back(b.getAffineDimExpr(d));
  }
  AffineMap keptMap = AffineMap::get(type.getRank(), 0, kept, b.getContext());
  SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(type.getRank()), keptMap,
                              keptMap};
  auto valueType = RankedTensorType::get(shape, element);
  auto indexType = RankedTensorType::get(shape, b.getI64Type());
  // The first element is always taken, so that the start value is never seen.
  Value values =
      createFilled(b, loc, valueType, dims, constantScalar(b, loc, element, 0));
  Value indices = createFilled(b, loc, indexType, dims,
                               constantScalar(b, loc, b.getI64Type(), 0));
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange{valueType, indexType}, ValueRange(input),
      ValueRange{values, indices}, maps, iterators,
      [&](OpBuilder &nested, Location l, ValueRange args) {
        Value x = args[0], best = args[1];
        Value position = linalg::IndexOp::create(nested, l, axis);
        Value better;
        if (isa<FloatType>(element)) {
          // A NaN beats everything but an earlier NaN.
          auto predicate = isMax ? (selectLast ? arith::CmpFPredicate::UGE
                                               : arith::CmpFPredicate::UGT)
                                 : (selectLast ? arith::CmpFPredicate::ULE
                                               : arith::CmpFPredicate::ULT);
          better = arith::CmpFOp::create(nested, l, predicate, x, best);
          Value isNumber = arith::CmpFOp::create(
              nested, l, arith::CmpFPredicate::ORD, best, best);
          better = arith::AndIOp::create(nested, l, better, isNumber);
        } else {
          using P = arith::CmpIPredicate;
          P predicate = unsignedInts ? (isMax ? (selectLast ? P::uge : P::ugt)
                                              : (selectLast ? P::ule : P::ult))
                                     : (isMax ? (selectLast ? P::sge : P::sgt)
                                              : (selectLast ? P::sle : P::slt));
          better = arith::CmpIOp::create(nested, l, predicate, x, best);
        }
        Value first =
            arith::CmpIOp::create(nested, l, arith::CmpIPredicate::eq, position,
                                  constantIndex(nested, l, 0));
        Value take = arith::OrIOp::create(nested, l, better, first);
        Value wide = arith::IndexCastOp::create(nested, l, nested.getI64Type(),
                                                position);
        linalg::YieldOp::create(
            nested, l,
            ValueRange{
                arith::SelectOp::create(nested, l, take, x, best),
                arith::SelectOp::create(nested, l, take, wide, args[2])});
      });
  return generic.getResult(1);
}

namespace {

struct ConvertArgReduce : OpConversionPattern<qnn::ArgReduceOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ArgReduceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type element = op.getInput().getType().getElementType();
    if (auto fp = dyn_cast<FloatType>(element); fp && fp.getWidth() <= 8)
      return op.emitOpError() << "cannot compare " << element;
    Value result = findExtremum(rewriter, loc, adaptor.getInput(), op.getAxis(),
                                op.getKind() == qnn::ExtremumKind::max,
                                op.getSelectLast(), isUnsigned(element));
    if (op.getKeepdims()) {
      SmallVector<bool> reduced(op.getInput().getType().getRank(), false);
      reduced[op.getAxis()] = true;
      result = insertUnitDims(rewriter, loc, result, reduced);
    }
    rewriter.replaceOp(op, castTo(rewriter, loc, result, op.getType()));
    return success();
  }
};

//===- softmax ------------------------------------------------------------===//

/// Maximum, sum of shifted exponentials and quotient, each its own generic op
/// over the same rows, for the code generator to fuse row by row.
struct ConvertSoftmax : QNNPattern<qnn::SoftmaxOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::SoftmaxOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    Type element = type.getElementType();
    if (!isa<FloatType>(element))
      return op.emitOpError() << "cannot compute a softmax of "
                              << op.getInput().getType().getElementType();
    int64_t axis = op.getAxis();
    SmallVector<ReassociationIndices> groups;
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, input);
    if (op.getFlatten() && axis + 1 < type.getRank()) {
      for (int64_t d = 0; d <= axis; ++d)
        groups.push_back({d});
      for (int64_t d = axis + 1; d < type.getRank(); ++d)
        groups.back().push_back(d);
      input = tensor::CollapseShapeOp::create(rewriter, loc, input, groups);
    }
    SmallVector<bool> reduced(cast<RankedTensorType>(input.getType()).getRank(),
                              false);
    reduced[axis] = true;
    Value result;
    if (op.getKind() == qnn::SoftmaxKind::hardmax)
      result = lowerHardmax(rewriter, loc, input, axis, reduced);
    else
      result = lowerSoftmax(rewriter, loc, input, reduced,
                            op.getKind() == qnn::SoftmaxKind::log_softmax);
    if (!groups.empty())
      result = tensor::ExpandShapeOp::create(rewriter, loc, type, result,
                                             groups, dims);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, getResultType(op)));
    return success();
  }

private:
  static Value lowerHardmax(OpBuilder &b, Location loc, Value input,
                            int64_t axis, ArrayRef<bool> reduced) {
    Type element = cast<RankedTensorType>(input.getType()).getElementType();
    Value best = findExtremum(b, loc, input, axis, /*isMax=*/true,
                              /*selectLast=*/false, /*unsignedInts=*/false);
    return createMapAlong(
        b, loc, element, {input, best}, reduced,
        [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
          Value at = arith::IndexCastOp::create(
              nested, l, nested.getI64Type(),
              linalg::IndexOp::create(nested, l, axis));
          Value hit = arith::CmpIOp::create(nested, l, arith::CmpIPredicate::eq,
                                            at, x[1]);
          return arith::SelectOp::create(nested, l, hit,
                                         constantScalar(nested, l, element, 1),
                                         constantScalar(nested, l, element, 0));
        });
  }

  static Value lowerSoftmax(OpBuilder &b, Location loc, Value input,
                            ArrayRef<bool> reduced, bool isLog) {
    Type element = cast<RankedTensorType>(input.getType()).getElementType();
    Type acc = getAccumulatorType(element);
    auto load = [&](OpBuilder &nested, Location l, Value x) {
      return convertFloat(nested, l, x, acc);
    };
    auto accFloat = cast<FloatType>(acc);
    Value least = arith::ConstantOp::create(
        b, loc,
        FloatAttr::get(accFloat, APFloat::getInf(accFloat.getFloatSemantics(),
                                                 /*Negative=*/true)));
    Value max = createReduction(
        b, loc, input, reduced, least,
        [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
          // Passes over NaN, which makes the sum NaN all the same.
          return arith::MaxNumFOp::create(nested, l, x[1],
                                          load(nested, l, x[0]));
        });
    Value zero = constantScalar(b, loc, acc, 0);
    if (isLog) {
      Value sum = createReduction(
          b, loc, {input, max}, reduced, zero,
          [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
            Value shifted =
                arith::SubFOp::create(nested, l, load(nested, l, x[0]), x[1]);
            return addForReduction(nested, l, x[2],
                                   expForSum(nested, l, shifted));
          });
      return createMapAlong(
          b, loc, element, {input, max, sum}, reduced,
          [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
            Value shifted =
                arith::SubFOp::create(nested, l, load(nested, l, x[0]), x[1]);
            Value y = arith::SubFOp::create(
                nested, l, shifted, math::LogOp::create(nested, l, x[2]));
            return convertFloat(nested, l, y, element);
          });
    }
    Value powers = createMapAlong(
        b, loc, acc, {input, max}, reduced,
        [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
          return expForSum(
              nested, l,
              arith::SubFOp::create(nested, l, load(nested, l, x[0]), x[1]));
        });
    Value sum =
        createReduction(b, loc, powers, reduced, zero,
                        [](OpBuilder &nested, Location l, ValueRange x) {
                          return addForReduction(nested, l, x[1], x[0]);
                        });
    // By the reciprocal, as ONNX Runtime does: one division a row.
    Value one = constantScalar(b, loc, acc, 1);
    return createMapAlong(
        b, loc, element, {powers, sum}, reduced,
        [&](OpBuilder &nested, Location l, ValueRange x) -> Value {
          Value factor = arith::DivFOp::create(nested, l, one, x[1]);
          return convertFloat(nested, l,
                              arith::MulFOp::create(nested, l, x[0], factor),
                              element);
        });
  }
};

} // namespace

void quantc::populateSoftmaxPatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {
  patterns.add<ConvertArgReduce, ConvertSoftmax>(converter,
                                                 patterns.getContext());
}
