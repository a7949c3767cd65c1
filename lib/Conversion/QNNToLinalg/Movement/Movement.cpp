//===- Movement.cpp - Lowers squeeze, expand, tile, concat, range ---------===//

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

/// Constant axes, as a flag for each dimension.
static std::optional<SmallVector<bool>> getAxisFlags(Value axes, int64_t rank) {
  auto ints = qnn::getConstantInts(axes);
  if (!ints)
    return std::nullopt;
  SmallVector<bool> flags(rank, false);
  for (int64_t axis : *ints)
    flags[*qnn::normalizeAxis(axis, rank)] = true;
  return flags;
}

/// Axes of the run time: an i1 for each dimension, and a check that they are
/// in range.
static SmallVector<Value> computeAxisFlags(OpBuilder &b, Location loc,
                                           Value axes, int64_t rank) {
  IndexMath m{b, loc};
  checkRange(b, loc, axes, m.constant(-rank), m.constant(rank),
             describeNode(loc) + ": an axis is out of range");
  Value none = arith::ConstantOp::create(b, loc, b.getBoolAttr(false));
  SmallVector<Value> flags(rank, none);
  for (Value axis : m.extractAll(axes)) {
    axis = m.fromFront(axis, m.constant(rank));
    for (int64_t i = 0; i < rank; ++i)
      flags[i] = m.logicalOr(flags[i], m.equal(axis, m.constant(i)));
  }
  return flags;
}

/// `input` with the run-time sizes, which are checked against what the type
/// says.
static Value reshapeTo(OpBuilder &b, Location loc, Value input,
                       RankedTensorType type, ArrayRef<Value> sizes) {
  IndexMath m{b, loc};
  for (auto [i, size] : llvm::enumerate(sizes))
    if (!type.isDynamicDim(i))
      createCheck(b, loc, m.equal(size, m.constant(type.getDimSize(i))),
                  describeNode(loc) + ": the result's shape is not the "
                                      "declared one");
  if (type.getRank() == 0) {
    auto one =
        RankedTensorType::get(SmallVector<int64_t>(typeOf(input).getRank(), 1),
                              type.getElementType());
    return tensor::CollapseShapeOp::create(b, loc, type,
                                           castTo(b, loc, input, one),
                                           ArrayRef<ReassociationIndices>());
  }
  Value shape = tensor::FromElementsOp::create(b, loc, sizes);
  return tensor::ReshapeOp::create(b, loc, type, input, shape);
}

namespace {

//===- squeeze, unsqueeze -------------------------------------------------===//

struct ConvertSqueeze : OpConversionPattern<qnn::SqueezeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::SqueezeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput();
    RankedTensorType from = typeOf(input);
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    auto flags = getAxisFlags(op.getAxes(), from.getRank());
    if (!flags) {
      // Dimension j of the result is the one with j kept ones before it.
      SmallVector<Value> removed =
          computeAxisFlags(rewriter, loc, adaptor.getAxes(), from.getRank());
      SmallVector<Value> sizes(to.getRank(), m.constant(0));
      Value position = m.constant(0);
      for (int64_t i = 0; i < from.getRank(); ++i) {
        Value size =
            materialize(rewriter, loc, getDim(rewriter, loc, input, i));
        Value isOne = m.equal(size, m.constant(1));
        Value kept = m.select(removed[i], m.constant(0), m.constant(1));
        createCheck(rewriter, loc,
                    m.logicalOr(isOne, m.equal(kept, m.constant(1))),
                    describeNode(loc) + " (Squeeze): a dimension to remove is "
                                        "not 1");
        for (int64_t j = 0; j < to.getRank(); ++j) {
          Value here = m.logicalAnd(m.equal(kept, m.constant(1)),
                                    m.equal(position, m.constant(j)));
          sizes[j] = m.select(here, size, sizes[j]);
        }
        position = m.add(position, kept);
      }
      rewriter.replaceOp(op, reshapeTo(rewriter, loc, input, to, sizes));
      return success();
    }
    // Dimensions that are 1 at run time only.
    SmallVector<int64_t> shape(from.getShape()), kept;
    SmallVector<ReassociationIndices> groups;
    ReassociationIndices leading;
    for (auto [i, isRemoved] : llvm::enumerate(*flags)) {
      if (isRemoved && from.isDynamicDim(i)) {
        Value size =
            materialize(rewriter, loc, getDim(rewriter, loc, input, i));
        createCheck(rewriter, loc, m.equal(size, m.constant(1)),
                    describeNode(loc) + " (Squeeze): a dimension to remove is "
                                        "not 1");
        shape[i] = 1;
      }
      if (!isRemoved) {
        kept.push_back(shape[i]);
        groups.emplace_back(leading);
        leading.clear();
        groups.back().push_back(i);
      } else if (groups.empty()) {
        leading.push_back(i);
      } else {
        groups.back().push_back(i);
      }
    }
    input = castTo(rewriter, loc, input, from.clone(shape));
    Value result = tensor::CollapseShapeOp::create(
        rewriter, loc, from.clone(kept), input, groups);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, to));
    return success();
  }
};

struct ConvertUnsqueeze : OpConversionPattern<qnn::UnsqueezeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::UnsqueezeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = refineType(rewriter, loc, adaptor.getInput());
    RankedTensorType from = typeOf(input);
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, input);
    auto flags = getAxisFlags(op.getAxes(), to.getRank());
    if (!flags) {
      SmallVector<Value> added =
          computeAxisFlags(rewriter, loc, adaptor.getAxes(), to.getRank());
      SmallVector<Value> sizes;
      Value position = m.constant(0);
      for (int64_t i = 0; i < to.getRank(); ++i) {
        Value size = m.constant(1);
        for (auto [j, dim] : llvm::enumerate(dims))
          size = m.select(m.equal(position, m.constant(j)),
                          materialize(rewriter, loc, dim), size);
        sizes.push_back(m.select(added[i], m.constant(1), size));
        position = m.select(added[i], position, m.add(position, m.constant(1)));
      }
      rewriter.replaceOp(op, reshapeTo(rewriter, loc, input, to, sizes));
      return success();
    }
    SmallVector<ReassociationIndices> groups;
    ReassociationIndices leading;
    SmallVector<OpFoldResult> sizes;
    SmallVector<int64_t> shape;
    int64_t next = 0;
    for (auto [i, isAdded] : llvm::enumerate(*flags)) {
      if (isAdded) {
        sizes.push_back(rewriter.getIndexAttr(1));
        shape.push_back(1);
        (groups.empty() ? leading : groups.back()).push_back(i);
        continue;
      }
      shape.push_back(from.getDimSize(next));
      sizes.push_back(dims[next++]);
      groups.emplace_back(leading);
      leading.clear();
      groups.back().push_back(i);
    }
    Value result = tensor::ExpandShapeOp::create(
        rewriter, loc, from.clone(shape), input, groups, sizes);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, to));
    return success();
  }
};

//===- expand, tile -------------------------------------------------------===//

struct ConvertExpand : OpConversionPattern<qnn::ExpandOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ExpandOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput();
    RankedTensorType from = typeOf(input);
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    auto known = qnn::getKnownInts(op.getShape());
    int64_t rank = to.getRank();
    int64_t shapeRank = typeOf(op.getShape()).getNumElements();
    Value one = m.constant(1);

    // Along each dimension: the result's extent, and by which factor (0 or 1)
    // the input's index follows the result's; no factor where that is certain.
    SmallVector<OpFoldResult> dims;
    SmallVector<Value> factors(rank);
    SmallVector<AffineExpr> exprs;
    SmallVector<ReassociationIndices> groups;
    SmallVector<int64_t> keptShape;
    ReassociationIndices leading;
    bool isAmbiguous = false;
    for (int64_t d = 0; d < rank; ++d) {
      int64_t own = d - (rank - from.getRank());
      int64_t asked = d - (rank - shapeRank);
      OpFoldResult wanted = rewriter.getIndexAttr(1);
      if (asked >= 0) {
        wanted = known && (*known)[asked].isConstant()
                     ? OpFoldResult(
                           rewriter.getIndexAttr((*known)[asked].getConstant()))
                     : OpFoldResult(extractIndex(rewriter, loc,
                                                 adaptor.getShape(), asked));
      }
      if (own < 0 || from.getDimSize(own) == 1) {
        dims.push_back(wanted);
        factors[d] = m.constant(0);
        if (own >= 0)
          (groups.empty() ? leading : groups.back()).push_back(own);
        continue;
      }
      exprs.push_back(rewriter.getAffineDimExpr(d));
      groups.emplace_back(leading);
      leading.clear();
      groups.back().push_back(own);
      keptShape.push_back(from.getDimSize(own));
      OpFoldResult extent = getDim(rewriter, loc, input, own);
      factors[d] = one;
      dims.push_back(extent);
      bool same =
          isConstantIntValue(wanted, 1) || wanted == extent ||
          (asked >= 0 && known &&
           (*known)[asked] == qnn::KnownInt::extent(op.getInput(), own));
      if (same)
        continue;
      Value have = materialize(rewriter, loc, extent);
      Value want = materialize(rewriter, loc, wanted);
      Value fits = m.logicalOr(m.equal(want, one), m.equal(have, want));
      if (from.isDynamicDim(own)) {
        Value isOne = m.equal(have, one);
        fits = m.logicalOr(fits, isOne);
        dims.back() = m.select(isOne, want, have);
        factors[d] = m.select(isOne, m.constant(0), one);
        isAmbiguous = true;
      }
      createCheck(rewriter, loc, fits,
                  describeNode(loc) +
                      " (Expand): the input does not broadcast to the shape");
    }
    checkDims(rewriter, loc, to, dims);
    if (isAmbiguous) {
      rewriter.replaceOp(
          op, createRemapped(rewriter, loc, to, dims, input,
                             [&](const IndexMath &n, ValueRange indices) {
                               SmallVector<Value> at;
                               for (int64_t d = rank - from.getRank(); d < rank;
                                    ++d)
                                 at.push_back(n.mul(indices[d], factors[d]));
                               return at;
                             }));
      return success();
    }
    if (int64_t(keptShape.size()) != from.getRank())
      input = tensor::CollapseShapeOp::create(
          rewriter, loc, from.clone(keptShape), input, groups);
    Value empty = createEmpty(rewriter, loc, to, dims);
    auto generic = linalg::GenericOp::create(
        rewriter, loc, TypeRange(to), input, empty,
        {AffineMap::get(rank, 0, exprs, rewriter.getContext()),
         rewriter.getMultiDimIdentityMap(rank)},
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [](OpBuilder &b, Location l, ValueRange args) {
          linalg::YieldOp::create(b, l, args[0]);
        });
    rewriter.replaceOp(op, generic.getResult(0));
    return success();
  }
};

/// A broadcast along a new dimension for the repetitions before each dimension
/// that has some, joined with it again: whole lines are copied.
struct ConvertTile : OpConversionPattern<qnn::TileOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::TileOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = refineType(rewriter, loc, adaptor.getInput());
    RankedTensorType from = typeOf(input);
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    auto known = qnn::getConstantInts(op.getRepeats());
    SmallVector<OpFoldResult> dims, wide;
    SmallVector<AffineExpr> exprs;
    SmallVector<ReassociationIndices> kept, joined;
    ReassociationIndices leading;
    for (int64_t i = 0; i < to.getRank(); ++i) {
      OpFoldResult extent = getDim(rewriter, loc, input, i), repeats;
      if (known) {
        repeats = rewriter.getIndexAttr((*known)[i]);
      } else {
        Value v = extractIndex(rewriter, loc, adaptor.getRepeats(), i);
        createCheck(rewriter, loc,
                    m.compare(arith::CmpIPredicate::sge, v, m.constant(0)),
                    describeNode(loc) + " (Tile): negative repeats");
        repeats = getAsOpFoldResult(v);
      }
      bool isRepeated = !isConstantIntValue(repeats, 1);
      joined.emplace_back();
      if (isRepeated) {
        joined.back().push_back(wide.size());
        wide.push_back(repeats);
      }
      // Of a dimension of 1, the repetitions are all there is.
      if (isRepeated && from.getDimSize(i) == 1) {
        (kept.empty() ? leading : kept.back()).push_back(i);
        dims.push_back(repeats);
        continue;
      }
      kept.emplace_back(leading);
      leading.clear();
      kept.back().push_back(i);
      exprs.push_back(rewriter.getAffineDimExpr(wide.size()));
      joined.back().push_back(wide.size());
      wide.push_back(extent);
      dims.push_back(multiplySizes(rewriter, loc, extent, repeats));
    }
    checkDims(rewriter, loc, to, dims);
    if (int64_t(kept.size()) != from.getRank())
      input = tensor::CollapseShapeOp::create(rewriter, loc, input, kept);
    int64_t rank = wide.size();
    auto type = getTypeOf(wide, to.getElementType());
    auto generic = linalg::GenericOp::create(
        rewriter, loc, TypeRange(type), input,
        createEmpty(rewriter, loc, type, wide),
        {AffineMap::get(rank, 0, exprs, rewriter.getContext()),
         rewriter.getMultiDimIdentityMap(rank)},
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [](OpBuilder &b, Location l, ValueRange args) {
          linalg::YieldOp::create(b, l, args[0]);
        });
    Value result = generic.getResult(0);
    if (rank != to.getRank())
      result = tensor::CollapseShapeOp::create(rewriter, loc, result, joined);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, to));
    return success();
  }
};

//===- concat -------------------------------------------------------------===//

struct ConvertConcat : OpConversionPattern<qnn::ConcatOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ConcatOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
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

struct ConvertRange : OpConversionPattern<qnn::RangeOp> {
  using OpConversionPattern::OpConversionPattern;

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
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
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

struct ConvertReverseSequence : OpConversionPattern<qnn::ReverseSequenceOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ReverseSequenceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput(), lengths = adaptor.getLengths();
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
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
  patterns.add<ConvertSqueeze, ConvertUnsqueeze, ConvertExpand, ConvertTile,
               ConvertConcat, ConvertRange, ConvertReverseSequence>(
      converter, patterns.getContext());
}
