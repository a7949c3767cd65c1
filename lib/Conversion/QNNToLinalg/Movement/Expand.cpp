//===- Expand.cpp - Lowers expand and tile --------------------------------===//

#include "Conversion/QNNToLinalg/Shapes/DimensionAlgebra.h"
#include "Conversion/QNNToLinalg/Shapes/UnitDims.h"
#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"

#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;

/// Copies of `input`, whose dimension i follows the result's dimension
/// `from`[i].
static Value createBroadcast(OpBuilder &b, Location loc, RankedTensorType type,
                             ArrayRef<OpFoldResult> dims, Value input,
                             ArrayRef<unsigned> from) {
  int64_t rank = type.getRank();
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange(type), input, createEmpty(b, loc, type, dims),
      {AffineMap::getMultiDimMapWithTargets(rank, from, b.getContext()),
       b.getMultiDimIdentityMap(rank)},
      SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
      [](OpBuilder &nested, Location l, ValueRange args) {
        linalg::YieldOp::create(nested, l, args[0]);
      });
  return generic.getResult(0);
}

namespace {

//===- expand -------------------------------------------------------------===//

struct ConvertExpand : QNNPattern<qnn::ExpandOp> {
  using QNNPattern::QNNPattern;

  /// A dimension of the result.
  struct Dimension {
    OpFoldResult size;
    /// 0 where all of it is a copy of the input's only element along it, 1
    /// where it is the input's dimension. Null where the latter is certain.
    Value factor;
  };

  /// The size that the shape asks for, or 1 where it says none.
  static OpFoldResult
  getAskedSize(const IndexMath &m, qnn::ExpandOp op, Value shape,
               const std::optional<SmallVector<qnn::KnownInt>> &known,
               int64_t index) {
    if (index < 0)
      return m.b.getIndexAttr(1);
    if (known && (*known)[index].isConstant())
      return m.b.getIndexAttr((*known)[index].getConstant());
    return extractIndex(m.b, m.loc, shape, index);
  }

  /// The dimension where one of `extent` meets one of `asked` and the two are
  /// not known to be the same, checked.
  static Dimension meet(const IndexMath &m, OpFoldResult extent,
                        OpFoldResult asked) {
    Value one = m.constant(1);
    Value have = materialize(m.b, m.loc, extent);
    Value want = materialize(m.b, m.loc, asked);
    Value fits = m.logicalOr(m.equal(want, one), m.equal(have, want));
    Dimension result{extent, {}};
    if (!getConstantIntValue(extent)) {
      Value isOne = m.equal(have, one);
      fits = m.logicalOr(fits, isOne);
      result = {m.select(isOne, want, have),
                m.select(isOne, m.constant(0), one)};
    }
    createCheck(m.b, m.loc, fits,
                describeNode(m.loc) +
                    " (Expand): the input does not broadcast to the shape");
    return result;
  }

  LogicalResult
  matchAndRewrite(qnn::ExpandOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput();
    RankedTensorType from = typeOf(input), to = getResultType(op);
    auto known = qnn::getKnownInts(op.getShape());
    int64_t rank = to.getRank(), missing = rank - from.getRank();
    int64_t notAsked = rank - typeOf(op.getShape()).getNumElements();

    SmallVector<OpFoldResult> dims;
    SmallVector<Value> factors;
    SmallVector<bool> isUnit;
    SmallVector<unsigned> kept;
    bool isAmbiguous = false;
    for (int64_t d = 0; d < rank; ++d) {
      int64_t own = d - missing, index = d - notAsked;
      OpFoldResult asked =
          getAskedSize(m, op, adaptor.getShape(), known, index);
      bool isCopied = own < 0 || from.getDimSize(own) == 1;
      if (own >= 0)
        isUnit.push_back(isCopied);
      if (isCopied) {
        dims.push_back(asked);
        factors.push_back(m.constant(0));
        continue;
      }
      kept.push_back(d);
      Dimension dim{getDim(rewriter, loc, input, own), {}};
      bool isSame =
          isConstantIntValue(asked, 1) || asked == dim.size ||
          (index >= 0 && known &&
           (*known)[index] == qnn::KnownInt::extent(op.getInput(), own));
      if (!isSame)
        dim = meet(m, dim.size, asked);
      isAmbiguous |= bool(dim.factor);
      dims.push_back(dim.size);
      factors.push_back(dim.factor ? dim.factor : m.constant(1));
    }
    checkDims(rewriter, loc, to, dims);
    if (!isAmbiguous) {
      input = dropUnitDims(rewriter, loc, input, isUnit);
      rewriter.replaceOp(op,
                         createBroadcast(rewriter, loc, to, dims, input, kept));
      return success();
    }
    rewriter.replaceOp(
        op, createRemapped(rewriter, loc, to, dims, input,
                           [&](const IndexMath &n, ValueRange indices) {
                             SmallVector<Value> at;
                             for (int64_t d = missing; d < rank; ++d)
                               at.push_back(n.mul(indices[d], factors[d]));
                             return at;
                           }));
    return success();
  }
};

//===- tile ---------------------------------------------------------------===//

/// A broadcast along a new dimension for the repetitions before each dimension
/// that has some, joined with it again: whole lines are copied.
struct ConvertTile : QNNPattern<qnn::TileOp> {
  using QNNPattern::QNNPattern;

  /// How often dimension `i` is repeated, checked.
  static OpFoldResult getRepeats(const IndexMath &m, qnn::TileOp op,
                                 Value repeats, int64_t i) {
    if (auto known = qnn::getConstantInts(op.getRepeats()))
      return m.b.getIndexAttr((*known)[i]);
    Value v = extractIndex(m.b, m.loc, repeats, i);
    createCheck(m.b, m.loc,
                m.compare(arith::CmpIPredicate::sge, v, m.constant(0)),
                describeNode(m.loc) + " (Tile): negative repeats");
    return getAsOpFoldResult(v);
  }

  LogicalResult
  matchAndRewrite(qnn::TileOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = refineType(rewriter, loc, adaptor.getInput());
    RankedTensorType from = typeOf(input), to = getResultType(op);
    SmallVector<OpFoldResult> dims, wide;
    SmallVector<unsigned> kept;
    SmallVector<bool> isUnit;
    SmallVector<ReassociationIndices> joined;
    for (int64_t i = 0; i < to.getRank(); ++i) {
      OpFoldResult extent = getDim(rewriter, loc, input, i);
      OpFoldResult repeats = getRepeats(m, op, adaptor.getRepeats(), i);
      bool isRepeated = !isConstantIntValue(repeats, 1);
      joined.emplace_back();
      if (isRepeated) {
        joined.back().push_back(wide.size());
        wide.push_back(repeats);
      }
      // Of a dimension of 1, the repetitions are all there is.
      isUnit.push_back(isRepeated && from.getDimSize(i) == 1);
      if (isUnit.back()) {
        dims.push_back(repeats);
        continue;
      }
      kept.push_back(wide.size());
      joined.back().push_back(wide.size());
      wide.push_back(extent);
      dims.push_back(multiplySizes(rewriter, loc, extent, repeats));
    }
    checkDims(rewriter, loc, to, dims);
    input = dropUnitDims(rewriter, loc, input, isUnit);
    Value result = createBroadcast(
        rewriter, loc, getTypeOf(wide, to.getElementType()), wide, input, kept);
    if (int64_t(wide.size()) != to.getRank())
      result = tensor::CollapseShapeOp::create(rewriter, loc, result, joined);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, to));
    return success();
  }
};

} // namespace

void quantc::populateExpandPatterns(const TypeConverter &converter,
                                    RewritePatternSet &patterns) {
  patterns.add<ConvertExpand, ConvertTile>(converter, patterns.getContext());
}
