//===- FoldMovement.cpp - Quantization moves through moved elements -------===//
//
// What only moves elements works on integers as well: dequantize moves down
// through it, to where somebody computes, and quantize moves up.
//
//===----------------------------------------------------------------------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// A copy of `op` that works on `elementType`, with some operands replaced.
static Value cloneWith(PatternRewriter &rewriter, Operation *op,
                       ArrayRef<std::pair<unsigned, Value>> replaced,
                       Type elementType) {
  Operation *copy = rewriter.clone(*op);
  rewriter.modifyOpInPlace(copy, [&] {
    for (auto [index, value] : replaced)
      copy->setOperand(index, value);
    auto type = cast<RankedTensorType>(copy->getResult(0).getType());
    copy->getResult(0).setType(type.clone(elementType));
  });
  return copy->getResult(0);
}

namespace {

struct MoveDequantizeDown : OpInterfaceRewritePattern<SameScaleOpInterface> {
  MoveDequantizeDown(MLIRContext *context, FoldCounts &counts)
      : OpInterfaceRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(SameScaleOpInterface op,
                                PatternRewriter &rewriter) const override {
    SmallVector<unsigned> data = op.getDataOperands();
    if (data.empty() || op->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "computes with its elements");
    auto first = op->getOperand(data[0]).getDefiningOp<DequantizeOp>();
    if (!first)
      return rewriter.notifyMatchFailure(op, "moves nothing dequantized");
    if (first->getBlock() != op->getBlock())
      return rewriter.notifyMatchFailure(op, "would dequantize in a loop");
    Type element = first.getInput().getType().getElementType();
    if (element.getIntOrFloatBitWidth() > 16)
      return rewriter.notifyMatchFailure(op, "moves accumulators");
    IntegerAttr axis;
    if (!isPerTensor(first)) {
      auto moved = getMovedAxis(op, first, data.size());
      if (!moved)
        return rewriter.notifyMatchFailure(op,
                                           "does not keep the scales' axis");
      axis = rewriter.getI64IntegerAttr(*moved);
    }
    SmallVector<std::pair<unsigned, Value>> replaced;
    for (unsigned i : data) {
      auto dequantize = op->getOperand(i).getDefiningOp<DequantizeOp>();
      if (!dequantize ||
          (dequantize != first && !haveEqualParameters(dequantize, first)))
        return rewriter.notifyMatchFailure(op, "joins different scales");
      replaced.emplace_back(i, dequantize.getInput());
    }
    SmallVector<unsigned> fills = op.getFillOperands();
    for (unsigned i : fills) {
      auto values = getConstantFloats(op->getOperand(i));
      auto dequantize = op->getOperand(i).getDefiningOp<DequantizeOp>();
      bool isSame = dequantize && haveEqualParameters(dequantize, first);
      if (!isSame &&
          (!values || llvm::any_of(*values, [](float v) { return v != 0.0f; })))
        return rewriter.notifyMatchFailure(op, "fills with another number");
    }
    for (unsigned i : fills)
      replaced.emplace_back(i, quantizeFill(rewriter, op, i, first));

    Value moved = cloneWith(rewriter, op, replaced, element);
    rewriter.replaceOpWithNewOp<DequantizeOp>(
        op, op->getResult(0).getType(), moved, first.getScale(),
        first.getZeroPoint(), axis, /*block_size=*/0);
    ++counts.moved;
    return success();
  }

private:
  /// Where a list of scales goes.
  static std::optional<int64_t> getMovedAxis(SameScaleOpInterface op,
                                             DequantizeOp dequantize,
                                             size_t numData) {
    if (dequantize.getBlockSize() > 0 || !dequantize.getAxis() ||
        isSingle(dequantize.getScale()) || numData != 1 ||
        !op.getFillOperands().empty())
      return std::nullopt;
    auto axis = op.getResultAxis(*dequantize.getAxis());
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (!axis || type.getDimSize(*axis) !=
                     dequantize.getType().getDimSize(*dequantize.getAxis()))
      return std::nullopt;
    return axis;
  }

  /// The integer that stands for a zero, in the shape of operand `i`.
  static Value quantizeFill(PatternRewriter &rewriter, Operation *op,
                            unsigned i, DequantizeOp like) {
    Value fill = op->getOperand(i);
    auto type = cast<RankedTensorType>(fill.getType());
    if (auto dequantize = fill.getDefiningOp<DequantizeOp>())
      return dequantize.getInput();
    return QuantizeOp::create(
        rewriter, op->getLoc(),
        type.clone(like.getInput().getType().getElementType()), fill,
        like.getScale(), like.getZeroPoint(), /*axis=*/IntegerAttr(),
        /*block_size=*/0, /*saturate=*/true, /*precision=*/TypeAttr());
  }

  FoldCounts &counts;
};

struct MoveQuantizeUp : OpRewritePattern<QuantizeOp> {
  MoveQuantizeUp(MLIRContext *context, FoldCounts &counts)
      : OpRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    auto mover = op.getInput().getDefiningOp<SameScaleOpInterface>();
    if (!mover || mover->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "quantizes nothing moved");
    SmallVector<unsigned> data = mover.getDataOperands();
    if (data.empty())
      return rewriter.notifyMatchFailure(op, "the input is computed");
    if (!isPerTensor(op))
      return rewriter.notifyMatchFailure(op, "has several scales");
    if (!op.getInput().hasOneUse())
      return rewriter.notifyMatchFailure(op, "others use the floats");
    for (unsigned i : data)
      if (isLarger(mover->getOperand(i), op.getInput()))
        return rewriter.notifyMatchFailure(op, "there is more to quantize "
                                               "before");
    llvm::append_range(data, mover.getFillOperands());
    Type element = op.getType().getElementType();
    SmallVector<std::pair<unsigned, Value>> replaced;
    for (unsigned i : data) {
      Value v = mover->getOperand(i);
      auto type = cast<RankedTensorType>(v.getType());
      replaced.emplace_back(
          i, QuantizeOp::create(rewriter, op.getLoc(), type.clone(element), v,
                                op.getScale(), op.getZeroPoint(),
                                op.getAxisAttr(), op.getBlockSizeAttr(),
                                op.getSaturateAttr(), op.getPrecisionAttr()));
    }
    rewriter.replaceOp(op, cloneWith(rewriter, mover, replaced, element));
    ++counts.moved;
    return success();
  }

private:
  /// Whether quantizing the operand costs more than quantizing the result, at
  /// run time.
  static bool isLarger(Value operand, Value result) {
    if (operand.getDefiningOp<ConstantOp>() ||
        operand.getDefiningOp<DequantizeOp>())
      return false;
    auto from = cast<RankedTensorType>(operand.getType());
    auto to = cast<RankedTensorType>(result.getType());
    return from.hasStaticShape() && to.hasStaticShape() &&
           from.getNumElements() > to.getNumElements();
  }

  FoldCounts &counts;
};

/// Quantization keeps the shape.
struct SkipInShape : OpRewritePattern<ShapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ShapeOp op,
                                PatternRewriter &rewriter) const override {
    Operation *source = op.getInput().getDefiningOp();
    if (!isa_and_present<QuantizeOp, DequantizeOp, RequantizeOp>(source))
      return rewriter.notifyMatchFailure(op, "asks nothing quantized");
    rewriter.modifyOpInPlace(
        op, [&] { op.getInputMutable().assign(source->getOperand(0)); });
    return success();
  }
};

/// Quantizing what was dequantized with equal numbers gives it back. (The
/// folder sees only the same values.)
struct FoldPair : OpRewritePattern<QuantizeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    auto source = op.getInput().getDefiningOp<DequantizeOp>();
    if (!source || source.getInput().getType() != op.getType() ||
        !isPerTensor(op) || !isPerTensor(source) ||
        !areEqual(source.getScale(), op.getScale()) ||
        !areEqual(source.getZeroPoint(), op.getZeroPoint()))
      return rewriter.notifyMatchFailure(op, "has other parameters");
    rewriter.replaceOp(op, source.getInput());
    return success();
  }
};

} // namespace

void qnn::populateMovementPatterns(RewritePatternSet &patterns,
                                   FoldCounts &counts) {
  MLIRContext *context = patterns.getContext();
  patterns.add<MoveDequantizeDown, MoveQuantizeUp>(context, counts);
  patterns.add<SkipInShape, FoldPair>(context);
}
