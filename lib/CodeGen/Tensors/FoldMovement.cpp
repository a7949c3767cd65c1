//===- FoldMovement.cpp - Broadcasts and transposes become accesses -------===//
//
// Operands that differ from an op's loops by an order of dimensions, or by a
// broadcast, need no copy of their own: indexing maps say the same.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/PatternCounter.h"
#include "quantc/Support/RewriteConfig.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc {
#define GEN_PASS_DEF_FOLDMOVEMENTPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// Lines shorter than this are not worth a vector.
static constexpr int64_t kShortLine = 4;

/// The size of loop `loop` where an output was made for it.
static OpFoldResult getLoopSize(linalg::GenericOp op, unsigned loop) {
  for (OpOperand &init : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    for (auto [i, expr] : llvm::enumerate(map.getResults())) {
      if (expr != getAffineDimExpr(loop, op.getContext()))
        continue;
      auto type = cast<ShapedType>(init.get().getType());
      if (!type.isDynamicDim(i))
        return Builder(op.getContext()).getIndexAttr(type.getDimSize(i));
      if (auto empty = init.get().getDefiningOp<tensor::EmptyOp>())
        return empty.getMixedSizes()[i];
    }
  }
  return {};
}

/// The size of a tensor's dimension as the op that made it states it; null if
/// that cannot be told.
static OpFoldResult getDimSize(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return Builder(tensor.getContext()).getIndexAttr(type.getDimSize(dim));
  if (auto op = tensor.getDefiningOp<DestinationStyleOpInterface>())
    return getDimSize(op.getTiedOpOperand(cast<OpResult>(tensor))->get(), dim);
  if (auto op = tensor.getDefiningOp<tensor::EmptyOp>())
    return op.getMixedSizes()[dim];
  if (auto op = tensor.getDefiningOp<tensor::ExpandShapeOp>())
    return op.getMixedOutputShape()[dim];
  if (auto op = tensor.getDefiningOp<tensor::ReshapeOp>())
    if (auto shape = op.getShape().getDefiningOp<tensor::FromElementsOp>())
      return getAsOpFoldResult(shape.getElements()[dim]);
  for (Operation *user : tensor.getUsers())
    if (auto op = dyn_cast<tensor::DimOp>(user))
      if (op.getConstantIndex() == dim)
        return op.getResult();
  return {};
}

namespace {
/// A position times (size == 1 ? 0 : 1): the way to read what may be broadcast.
/// A loop of that very size starts at 0 and stays there if it is 1, so that the
/// position alone will do.
struct DropBroadcastOfWholeLoop : OpRewritePattern<arith::MulIOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::MulIOp op,
                                PatternRewriter &rewriter) const override {
    auto generic = dyn_cast<linalg::GenericOp>(op->getParentOp());
    if (!generic)
      return rewriter.notifyMatchFailure(op, "not in the body of a generic op");
    auto index = op.getLhs().getDefiningOp<linalg::IndexOp>();
    auto factor = op.getRhs().getDefiningOp<arith::SelectOp>();
    if (!index || !factor || !matchPattern(factor.getTrueValue(), m_Zero()) ||
        !matchPattern(factor.getFalseValue(), m_One()))
      return rewriter.notifyMatchFailure(op, "not the form of a broadcast");
    auto isOne = factor.getCondition().getDefiningOp<arith::CmpIOp>();
    if (!isOne || isOne.getPredicate() != arith::CmpIPredicate::eq ||
        !matchPattern(isOne.getRhs(), m_One()))
      return rewriter.notifyMatchFailure(op, "does not compare a size with 1");
    OpFoldResult size = getLoopSize(generic, index.getDim());
    if (!size || getAsOpFoldResult(isOne.getLhs()) != size)
      return rewriter.notifyMatchFailure(op, "the loop has another size");
    rewriter.replaceOp(op, index.getResult());
    return success();
  }
};

/// Reads at positions of loops become operands, which fusion and vectorization
/// understand.
struct ReadAsOperand : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "not on tensors");
    for (auto extract : op.getBody()->getOps<tensor::ExtractOp>()) {
      FailureOr<AffineMap> map = getMap(op, extract);
      if (failed(map))
        continue;
      addInput(op, extract, *map, rewriter);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no read at positions of loops");
  }

  static FailureOr<AffineMap> getMap(linalg::GenericOp op,
                                     tensor::ExtractOp extract) {
    if (op->isAncestor(extract.getTensor().getParentBlock()->getParentOp()) ||
        extract.getIndices().empty())
      return failure();
    SmallVector<AffineExpr> exprs;
    MLIRContext *context = op.getContext();
    for (auto [i, value] : llvm::enumerate(extract.getIndices())) {
      if (auto index = value.getDefiningOp<linalg::IndexOp>()) {
        auto expr = getAffineDimExpr(index.getDim(), context);
        // An operand gives its loops their sizes.
        OpFoldResult size = getDimSize(extract.getTensor(), i);
        if (!size || size != getLoopSize(op, index.getDim()) ||
            llvm::is_contained(exprs, expr))
          return failure();
        exprs.push_back(expr);
      } else if (matchPattern(value, m_Zero())) {
        exprs.push_back(getAffineConstantExpr(0, context));
      } else {
        return failure();
      }
    }
    return AffineMap::get(op.getNumLoops(), 0, exprs, context);
  }

  static void addInput(linalg::GenericOp op, tensor::ExtractOp extract,
                       AffineMap map, PatternRewriter &rewriter) {
    SmallVector<Value> inputs(op.getDpsInputs());
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    unsigned number = inputs.size();
    inputs.push_back(extract.getTensor());
    maps.insert(maps.begin() + number, map);
    auto created = linalg::GenericOp::create(
        rewriter, op.getLoc(), op.getResultTypes(), inputs, op.getOutputs(),
        maps, op.getIteratorTypesArray());
    rewriter.inlineRegionBefore(op.getRegion(), created.getRegion(),
                                created.getRegion().begin());
    Value argument = created.getBody()->insertArgument(
        number, extract.getType(), extract.getLoc());
    rewriter.replaceOp(extract, argument);
    rewriter.replaceOp(op, created.getResults());
  }
};

/// A contraction reads what a transpose would write. The left-hand side must
/// stay contiguous along the sum, since its elements are read one by one; the
/// right-hand side is packed in any case.
struct FoldTransposeOfOperand : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (!linalg::isaContractionOpInterface(op) || !op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "not a contraction");
    AffineMap outMap = op.getIndexingMapsArray().back();
    if (outMap.getNumResults() == 0)
      return rewriter.notifyMatchFailure(op, "a scalar");
    AffineExpr column = outMap.getResults().back();
    for (OpOperand *operand : op.getDpsInputOperands()) {
      auto transpose = operand->get().getDefiningOp<linalg::TransposeOp>();
      if (!transpose || !transpose->hasOneUse())
        continue;
      AffineMap map = op.getMatchingIndexingMap(operand);
      SmallVector<AffineExpr> exprs(map.getNumResults());
      for (auto [expr, to] :
           llvm::zip_equal(map.getResults(), transpose.getPermutation()))
        exprs[to] = expr;
      auto inner = dyn_cast<AffineDimExpr>(exprs.back());
      bool isRight = llvm::is_contained(exprs, column);
      if (!isRight &&
          (!inner || op.getIteratorTypesArray()[inner.getPosition()] !=
                         utils::IteratorType::reduction))
        continue;
      SmallVector<AffineMap> maps = op.getIndexingMapsArray();
      maps[operand->getOperandNumber()] =
          AffineMap::get(map.getNumDims(), 0, exprs, op.getContext());
      rewriter.modifyOpInPlace(op, [&] {
        operand->set(transpose.getInput());
        op.setIndexingMapsAttr(rewriter.getAffineMapArrayAttr(maps));
      });
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no operand is a transpose");
  }
};

/// A contraction writes what a transpose would write, if lines stay lines.
struct FoldTransposeOfResult : OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto producer = op.getInput().getDefiningOp<linalg::GenericOp>();
    if (!producer || !op.hasPureTensorSemantics() ||
        !linalg::isaContractionOpInterface(producer) ||
        !producer->hasOneUse() || producer->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "not of a contraction");
    ArrayRef<int64_t> permutation = op.getPermutation();
    if (permutation.empty() ||
        permutation.back() != int64_t(permutation.size()) - 1)
      return rewriter.notifyMatchFailure(op, "lines do not stay lines");
    auto fill = producer.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    if (!fill || !op.getInit().getDefiningOp<tensor::EmptyOp>())
      return rewriter.notifyMatchFailure(op, "the sum does not start anew");
    SmallVector<AffineMap> maps = producer.getIndexingMapsArray();
    SmallVector<AffineExpr> exprs;
    for (int64_t from : permutation)
      exprs.push_back(maps.back().getResult(from));
    maps.back() =
        AffineMap::get(maps.back().getNumDims(), 0, exprs, op.getContext());
    auto start = linalg::FillOp::create(rewriter, fill.getLoc(),
                                        fill.getInputs(), op.getInit());
    auto created = linalg::GenericOp::create(
        rewriter, producer.getLoc(), op->getResultTypes(),
        producer.getDpsInputs(), start.getResults(), maps,
        producer.getIteratorTypesArray());
    rewriter.inlineRegionBefore(producer.getRegion(), created.getRegion(),
                                created.getRegion().begin());
    rewriter.replaceOp(op, created.getResults());
    return success();
  }
};

/// A product that starts from a broadcast of a bias starts from zero, and adds
/// the bias at its end: the broadcast is never stored, and joins the epilogue.
struct AddBiasBehindProduct : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!linalg::isaContractionOpInterface(op) &&
        !linalg::isaConvolutionOpInterface(op))
      return rewriter.notifyMatchFailure(op, "not a product");
    if (!op.hasPureTensorSemantics() || op->getNumResults() != 1)
      return rewriter.notifyMatchFailure(op, "not on tensors");
    OpOperand *init = op.getDpsInitOperand(0);
    auto broadcast = init->get().getDefiningOp<linalg::BroadcastOp>();
    Operation *sum =
        op.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
    if (!broadcast || !isa_and_present<arith::AddFOp, arith::AddIOp>(sum))
      return rewriter.notifyMatchFailure(op, "no sum over a broadcast");
    Location loc = broadcast.getLoc();
    auto type = cast<RankedTensorType>(init->get().getType());
    Value zero = arith::ConstantOp::create(
        rewriter, loc, rewriter.getZeroAttr(type.getElementType()));
    auto fill =
        linalg::FillOp::create(rewriter, loc, zero, broadcast.getInit());
    Operation *product = rewriter.clone(*op.getOperation());
    cast<linalg::LinalgOp>(product).getDpsInitsMutable()[0].set(
        fill.getResult(0));
    SmallVector<AffineExpr> exprs;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (!llvm::is_contained(broadcast.getDimensions(), i))
        exprs.push_back(rewriter.getAffineDimExpr(i));
    AffineMap identity = rewriter.getMultiDimIdentityMap(type.getRank());
    SmallVector<AffineMap> maps = {
        identity,
        AffineMap::get(type.getRank(), 0, exprs, rewriter.getContext()),
        identity};
    SmallVector<utils::IteratorType> iterators(type.getRank(),
                                               utils::IteratorType::parallel);
    rewriter.replaceOpWithNewOp<linalg::GenericOp>(
        op, type, ValueRange{product->getResult(0), broadcast.getInput()},
        broadcast.getInit(), maps, iterators,
        [&](OpBuilder &b, Location, ValueRange args) {
          Value result =
              isa<arith::AddFOp>(sum)
                  ? arith::AddFOp::create(b, loc, args[0], args[1]).getResult()
                  : arith::AddIOp::create(b, loc, args[0], args[1]).getResult();
          linalg::YieldOp::create(b, loc, result);
        });
    return success();
  }
};

/// The result of a transposed convolution has a few positions of the window
/// innermost. A product writes lines of the image instead, and they are
/// interleaved in a second step.
struct InterleaveBehindProduct : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (!linalg::isaContractionOpInterface(op) || !op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "not a contraction");
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    auto type = cast<RankedTensorType>(op.getResult(0).getType());
    ArrayRef<AffineExpr> out = maps.back().getResults();
    auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
    if (type.getRank() < 2 || type.isDynamicDim(type.getRank() - 1) ||
        type.getShape().back() >= kShortLine || !fill)
      return rewriter.notifyMatchFailure(op, "the result has long lines");
    // The lines of the operand that the last dimension does not come from.
    int64_t other =
        llvm::is_contained(maps[0].getResults(), out.back()) ? 1 : 0;
    ArrayRef<AffineExpr> image = maps[other].getResults();
    if (llvm::is_contained(image, out.back()))
      return rewriter.notifyMatchFailure(op, "a batch dimension is innermost");
    SmallVector<AffineExpr> line;
    while (!image.empty() && llvm::is_contained(out, image.back())) {
      line.insert(line.begin(), image.back());
      image = image.drop_back();
    }
    if (line.empty() || image.empty())
      return rewriter.notifyMatchFailure(op, "no operand has lines to keep");
    SmallVector<AffineExpr> exprs;
    llvm::copy_if(out, std::back_inserter(exprs), [&](AffineExpr expr) {
      return !llvm::is_contained(line, expr);
    });
    llvm::append_range(exprs, line);
    SmallVector<OpFoldResult> sizes;
    SmallVector<int64_t> permutation(out.size());
    for (auto [i, expr] : llvm::enumerate(exprs)) {
      int64_t from = llvm::find(out, expr) - out.begin();
      permutation[from] = i;
      OpFoldResult size = getDimSize(op.getDpsInits()[0], from);
      if (!size)
        return rewriter.notifyMatchFailure(op, "a size is not known");
      sizes.push_back(size);
    }
    maps.back() =
        AffineMap::get(maps.back().getNumDims(), 0, exprs, op.getContext());
    Location loc = op.getLoc();
    Value empty =
        tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
    auto start = linalg::FillOp::create(rewriter, loc, fill.getInputs(), empty);
    auto created = linalg::GenericOp::create(
        rewriter, loc, start->getResultTypes(), op.getDpsInputs(),
        start.getResults(), maps, op.getIteratorTypesArray());
    rewriter.inlineRegionBefore(op.getRegion(), created.getRegion(),
                                created.getRegion().begin());
    rewriter.replaceOpWithNewOp<linalg::TransposeOp>(
        op, created.getResult(0), fill.getOutputs()[0], permutation);
    return success();
  }
};

struct FoldMovementPass
    : public quantc::impl::FoldMovementPassBase<FoldMovementPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    MLIRContext *context = &getContext();
    patterns.add<DropBroadcastOfWholeLoop>(context);
    patterns.addWithLabel<ReadAsOperand>({"read"}, context);
    patterns.addWithLabel<FoldTransposeOfOperand, FoldTransposeOfResult>(
        {"transpose"}, context);
    patterns.addWithLabel<AddBiasBehindProduct>({"bias"}, context);
    patterns.addWithLabel<InterleaveBehindProduct>({"interleave"}, context);
    linalg::GenericOp::getCanonicalizationPatterns(patterns, context);
    quantc::PatternCounter counter;
    if (failed(applyPatternsGreedily(
            getOperation(), std::move(patterns),
            quantc::getRewriteConfig().setListener(&counter))))
      signalPassFailure();
    numOperands += counter.count("read");
    numTransposes += counter.count("transpose");
    numBiases += counter.count("bias");
    numInterleaved += counter.count("interleave");
  }
};
} // namespace
