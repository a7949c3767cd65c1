//===- Squeeze.cpp - Lowers squeeze and unsqueeze -------------------------===//

#include "Conversion/QNNToLinalg/Shapes/UnitDims.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

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
static SmallVector<Value> computeAxisFlags(const IndexMath &m, Value axes,
                                           int64_t rank) {
  checkRange(m.b, m.loc, axes, m.constant(-rank), m.constant(rank),
             describeNode(m.loc) + ": an axis is out of range");
  Value none = arith::ConstantOp::create(m.b, m.loc, m.b.getBoolAttr(false));
  SmallVector<Value> flags(rank, none);
  for (Value axis : m.extractAll(axes)) {
    axis = m.fromFront(axis, m.constant(rank));
    for (int64_t i = 0; i < rank; ++i)
      flags[i] = m.logicalOr(flags[i], m.equal(axis, m.constant(i)));
  }
  return flags;
}

namespace {

struct ConvertSqueeze : QNNPattern<qnn::SqueezeOp> {
  using QNNPattern::QNNPattern;

  /// Fails the run unless dimension `d` is 1, or `isKept` (null: it is not).
  static void checkIsOne(const IndexMath &m, Value input, int64_t d,
                         Value isKept) {
    Value size = materialize(m.b, m.loc, getDim(m.b, m.loc, input, d));
    Value holds = m.equal(size, m.constant(1));
    if (isKept)
      holds = m.logicalOr(holds, isKept);
    createCheck(m.b, m.loc, holds,
                describeNode(m.loc) +
                    " (Squeeze): a dimension to remove is not 1");
  }

  LogicalResult
  matchAndRewrite(qnn::SqueezeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput();
    RankedTensorType from = typeOf(input), to = getResultType(op);
    auto flags = getAxisFlags(op.getAxes(), from.getRank());
    if (!flags) {
      SmallVector<Value> removed =
          computeAxisFlags(m, adaptor.getAxes(), from.getRank());
      Value no =
          arith::ConstantOp::create(rewriter, loc, rewriter.getBoolAttr(false));
      for (auto [d, isRemoved] : llvm::enumerate(removed))
        checkIsOne(m, input, d, m.equal(isRemoved, no));
      rewriter.replaceOp(op, dropMarkedDims(m, input, to, removed));
      return success();
    }
    // Dimensions that are 1 at run time only.
    SmallVector<int64_t> shape(from.getShape());
    for (auto [d, isRemoved] : llvm::enumerate(*flags)) {
      if (!isRemoved || !from.isDynamicDim(d))
        continue;
      checkIsOne(m, input, d, /*isKept=*/{});
      shape[d] = 1;
    }
    input = castTo(rewriter, loc, input, from.clone(shape));
    rewriter.replaceOp(
        op,
        castTo(rewriter, loc, dropUnitDims(rewriter, loc, input, *flags), to));
    return success();
  }
};

struct ConvertUnsqueeze : QNNPattern<qnn::UnsqueezeOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::UnsqueezeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = refineType(rewriter, loc, adaptor.getInput());
    RankedTensorType to = getResultType(op);
    Value result;
    if (auto flags = getAxisFlags(op.getAxes(), to.getRank()))
      result = castTo(rewriter, loc,
                      insertUnitDims(rewriter, loc, input, *flags), to);
    else
      result = insertMarkedDims(
          m, input, to, computeAxisFlags(m, adaptor.getAxes(), to.getRank()));
    rewriter.replaceOp(op, result);
    return success();
  }
};

} // namespace

void quantc::populateSqueezePatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {
  patterns.add<ConvertSqueeze, ConvertUnsqueeze>(converter,
                                                 patterns.getContext());
}
