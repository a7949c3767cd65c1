//===- Einsum.cpp - Lowers sums of products over named dimensions ---------===//

#include "Conversion/QNNToLinalg/Reductions/ReductionBuilder.h"

#include "quantc/Dialect/QNN/IR/ContractionOps.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

/// One contraction over all operands at once.
struct ConvertEinsum : QNNPattern<qnn::EinsumOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::EinsumOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    RankedTensorType type = getResultType(op);
    Type element = type.getElementType();
    Type qnnElement = op.getType().getElementType();
    if (qnnElement.isInteger(1) ||
        (isa<FloatType>(qnnElement) && !isa<FloatType>(element)))
      return op.emitOpError() << "cannot multiply " << qnnElement;
    auto loops = op.getLoops();
    if (failed(loops))
      return op.emitOpError("has a malformed equation");
    Location loc = op.getLoc();
    MLIRContext *ctx = rewriter.getContext();
    SmallVector<OpFoldResult> extents =
        findExtents(rewriter, loc, adaptor.getInputs(), *loops);

    SmallVector<Value> operands;
    SmallVector<AffineMap> maps;
    for (auto [v, dims] : llvm::zip(adaptor.getInputs(), loops->dims)) {
      SmallVector<AffineExpr> exprs;
      operands.push_back(dropStretched(rewriter, loc, v, dims, extents, exprs));
      maps.push_back(AffineMap::get(loops->count, 0, exprs, ctx));
    }
    int64_t kept = loops->dims.back().size();
    SmallVector<OpFoldResult> outDims(ArrayRef(extents).take_front(kept));
    SmallVector<utils::IteratorType> iterators(loops->count,
                                               utils::IteratorType::reduction);
    SmallVector<AffineExpr> outExprs;
    for (int64_t i = 0; i < kept; ++i) {
      iterators[i] = utils::IteratorType::parallel;
      outExprs.push_back(rewriter.getAffineDimExpr(i));
    }
    maps.push_back(AffineMap::get(loops->count, 0, outExprs, ctx));

    Type acc = getAccumulatorType(element);
    auto accType = type.clone(acc);
    Value zeros = createFilled(rewriter, loc, accType, outDims,
                               constantScalar(rewriter, loc, acc, 0));
    Value result =
        linalg::GenericOp::create(
            rewriter, loc, TypeRange(accType), operands, ValueRange(zeros),
            maps, iterators,
            [&](OpBuilder &b, Location l, ValueRange x) {
              auto load = [&](Value v) {
                return isa<FloatType>(acc) ? convertFloat(b, l, v, acc) : v;
              };
              Value product = load(x[0]);
              for (Value v : x.drop_front().drop_back())
                product =
                    isa<FloatType>(acc)
                        ? arith::MulFOp::create(b, l, product, load(v),
                                                arith::FastMathFlags::contract)
                              .getResult()
                        : arith::MulIOp::create(b, l, product, load(v))
                              .getResult();
              linalg::YieldOp::create(b, l,
                                      addForReduction(b, l, x.back(), product));
            })
            .getResult(0);
    if (acc != element)
      result = createElementwise(rewriter, loc, type, result,
                                 [&](OpBuilder &b, Location l, ValueRange x) {
                                   return convertFloat(b, l, x[0], element);
                                 });
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  /// Each loop's extent, checked where it is not known before run time. A
  /// static 1 leaves it to other operands.
  static SmallVector<OpFoldResult>
  findExtents(OpBuilder &b, Location loc, ValueRange inputs,
              const qnn::EinsumOp::Loops &loops) {
    SmallVector<OpFoldResult> extents(loops.count, b.getIndexAttr(1));
    for (auto [v, dims] : llvm::zip(inputs, loops.dims))
      for (auto [d, loop] : llvm::enumerate(dims)) {
        OpFoldResult size = getDim(b, loc, v, d);
        if (isConstantIntValue(size, 1) || extents[loop] == size)
          continue;
        if (isConstantIntValue(extents[loop], 1)) {
          extents[loop] = size;
          continue;
        }
        createCheck(b, loc,
                    arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                          materialize(b, loc, extents[loop]),
                                          materialize(b, loc, size)),
                    describeNode(loc) +
                        " (Einsum): dimensions of one name differ");
        if (getConstantIntValue(size))
          extents[loop] = size;
      }
    return extents;
  }

  /// `v` without the dimensions of 1 that broadcast, and which loop each other
  /// one runs over.
  static Value dropStretched(OpBuilder &b, Location loc, Value v,
                             ArrayRef<int64_t> dims,
                             ArrayRef<OpFoldResult> extents,
                             SmallVectorImpl<AffineExpr> &exprs) {
    auto type = cast<RankedTensorType>(v.getType());
    SmallVector<ReassociationIndices> groups;
    ReassociationIndices pending;
    for (auto [d, loop] : llvm::enumerate(dims)) {
      pending.push_back(d);
      if (type.getDimSize(d) == 1 && !isConstantIntValue(extents[loop], 1))
        continue;
      exprs.push_back(b.getAffineDimExpr(loop));
      groups.push_back(pending);
      pending.clear();
    }
    if (int64_t(groups.size()) == type.getRank())
      return v;
    if (!groups.empty())
      groups.back().append(pending);
    return tensor::CollapseShapeOp::create(b, loc, v, groups);
  }
};

} // namespace

void quantc::populateEinsumPatterns(const TypeConverter &converter,
                                    RewritePatternSet &patterns) {
  patterns.add<ConvertEinsum>(converter, patterns.getContext());
}
