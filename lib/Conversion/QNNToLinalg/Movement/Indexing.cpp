//===- Indexing.cpp - Lowers gathers and selection by index ---------------===//

#include "Conversion/QNNToLinalg/Shapes/IndexMath.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/IndexingOps.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;

/// Checks indices into `extent` at run time, unless they are constants, which
/// inference has checked.
static void checkIndices(OpBuilder &b, Location loc, Value indices,
                         Value qnnIndices, OpFoldResult extent) {
  if (getConstantIntValue(extent) && qnn::getConstantInts(qnnIndices))
    return;
  IndexMath m{b, loc};
  Value size = materialize(b, loc, extent);
  checkRange(b, loc, indices, m.sub(m.constant(0), size), size,
             describeNode(loc) + ": an index is out of range");
}

namespace {

//===- gather -------------------------------------------------------------===//

struct ConvertGather : QNNPattern<qnn::GatherOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::GatherOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = refineType(rewriter, loc, adaptor.getInput());
    Value indices = adaptor.getIndices();
    RankedTensorType to = getResultType(op);
    int64_t axis = op.getAxis(), indexRank = typeOf(indices).getRank();
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, input);
    checkIndices(rewriter, loc, indices, op.getIndices(), dims[axis]);
    Value extent = materialize(rewriter, loc, dims[axis]);

    // One index: a view of the input, without the axis.
    if (indexRank == 0) {
      auto known = qnn::getConstantInts(op.getIndices());
      Value index = known ? m.constant((*known)[0])
                          : extractIndex(rewriter, loc, indices, 0);
      SmallVector<OpFoldResult> offsets(dims.size(), rewriter.getIndexAttr(0));
      SmallVector<OpFoldResult> strides(dims.size(), rewriter.getIndexAttr(1));
      offsets[axis] = getAsOpFoldResult(m.fromFront(index, extent));
      SmallVector<int64_t> shape(typeOf(input).getShape());
      shape.erase(shape.begin() + axis);
      dims[axis] = rewriter.getIndexAttr(1);
      auto sliceType = typeOf(input).clone(shape);
      if (llvm::any_of(dims, isZeroInteger)) {
        // A slice of nothing would begin at its end.
        dims.erase(dims.begin() + axis);
        Value empty = createEmpty(rewriter, loc, sliceType, dims);
        rewriter.replaceOp(op, castTo(rewriter, loc, empty, to));
        return success();
      }
      Value slice = tensor::ExtractSliceOp::create(
          rewriter, loc, sliceType, input, offsets, dims, strides);
      rewriter.replaceOp(op, castTo(rewriter, loc, slice, to));
      return success();
    }

    // The index is an operand of the loop over rows, whose elements are next
    // to each other in input and result.
    SmallVector<OpFoldResult> sizes(ArrayRef(dims).take_front(axis));
    llvm::append_range(sizes, getDims(rewriter, loc, indices));
    llvm::append_range(sizes, ArrayRef(dims).drop_front(axis + 1));
    checkDims(rewriter, loc, to, sizes);
    int64_t rank = to.getRank();
    SmallVector<AffineExpr> exprs;
    for (int64_t i = 0; i < indexRank; ++i)
      exprs.push_back(rewriter.getAffineDimExpr(axis + i));
    Value empty = createEmpty(rewriter, loc, to, sizes);
    auto generic = linalg::GenericOp::create(
        rewriter, loc, TypeRange(to), indices, empty,
        {AffineMap::get(rank, 0, exprs, rewriter.getContext()),
         rewriter.getMultiDimIdentityMap(rank)},
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [&](OpBuilder &b, Location l, ValueRange args) {
          IndexMath n{b, l};
          SmallVector<Value> at;
          for (int64_t d = 0; d < axis; ++d)
            at.push_back(linalg::IndexOp::create(b, l, d));
          at.push_back(n.fromFront(n.toIndex(args[0]), extent));
          for (int64_t d = axis + indexRank; d < rank; ++d)
            at.push_back(linalg::IndexOp::create(b, l, d));
          Value v = tensor::ExtractOp::create(b, l, input, at);
          linalg::YieldOp::create(b, l, v);
        });
    rewriter.replaceOp(op, generic.getResult(0));
    return success();
  }
};

struct ConvertGatherElements : QNNPattern<qnn::GatherElementsOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::GatherElementsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput(), indices = adaptor.getIndices();
    RankedTensorType to = getResultType(op);
    int64_t axis = op.getAxis();
    SmallVector<OpFoldResult> inputDims = getDims(rewriter, loc, input);
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, indices);
    checkIndices(rewriter, loc, indices, op.getIndices(), inputDims[axis]);
    for (int64_t d = 0; d < to.getRank(); ++d) {
      auto have = getConstantIntValue(inputDims[d]);
      auto want = getConstantIntValue(dims[d]);
      if (d == axis || (have && want && *want <= *have))
        continue;
      createCheck(rewriter, loc,
                  m.compare(arith::CmpIPredicate::sle,
                            materialize(rewriter, loc, dims[d]),
                            materialize(rewriter, loc, inputDims[d])),
                  describeNode(loc) +
                      ": the indices have more elements than the input");
    }
    Value extent = materialize(rewriter, loc, inputDims[axis]);
    rewriter.replaceOp(
        op, createRemapped(rewriter, loc, to, dims, input,
                           [&](const IndexMath &n, ValueRange position) {
                             SmallVector<Value> at(position);
                             Value index = tensor::ExtractOp::create(
                                 n.b, n.loc, indices, position);
                             at[axis] = n.fromFront(n.toIndex(index), extent);
                             return at;
                           }));
    return success();
  }
};

struct ConvertGatherND : QNNPattern<qnn::GatherNDOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::GatherNDOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput(), indices = adaptor.getIndices();
    RankedTensorType to = getResultType(op);
    int64_t batch = op.getBatchDims();
    int64_t outer = typeOf(indices).getRank() - 1;
    int64_t depth = typeOf(indices).getShape().back();
    SmallVector<OpFoldResult> inputDims = getDims(rewriter, loc, input);
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, indices);
    dims.pop_back();
    for (int64_t d = 0; d < batch; ++d)
      if (inputDims[d] != dims[d])
        createCheck(rewriter, loc,
                    m.equal(materialize(rewriter, loc, dims[d]),
                            materialize(rewriter, loc, inputDims[d])),
                    describeNode(loc) + ": the batch dimensions differ");
    checkTuples(rewriter, loc, indices,
                ArrayRef(inputDims).slice(batch, depth));
    llvm::append_range(dims, ArrayRef(inputDims).drop_front(batch + depth));
    rewriter.replaceOp(
        op,
        createRemapped(rewriter, loc, to, dims, input,
                       [&](const IndexMath &n, ValueRange position) {
                         SmallVector<Value> at(position.take_front(batch));
                         SmallVector<Value> tuple(position.take_front(outer));
                         tuple.push_back({});
                         for (int64_t k = 0; k < depth; ++k) {
                           tuple.back() = n.constant(k);
                           Value index = tensor::ExtractOp::create(
                               n.b, n.loc, indices, tuple);
                           at.push_back(n.fromFront(
                               n.toIndex(index),
                               materialize(n.b, n.loc, inputDims[batch + k])));
                         }
                         llvm::append_range(at, position.drop_front(outer));
                         return at;
                       }));
    return success();
  }
};

//===- non_zero -----------------------------------------------------------===//

struct ConvertNonZero : QNNPattern<qnn::NonZeroOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::NonZeroOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput();
    RankedTensorType to = getResultType(op);
    Type elementType = typeOf(input).getElementType();
    SmallVector<Value> lows, highs, steps;
    for (OpFoldResult dim : getDims(rewriter, loc, input)) {
      lows.push_back(m.constant(0));
      highs.push_back(materialize(rewriter, loc, dim));
      steps.push_back(m.constant(1));
    }
    auto isNonZero = [&](OpBuilder &b, Location l, ValueRange at) -> Value {
      Value v = tensor::ExtractOp::create(b, l, input, at);
      Value zero = constantScalar(b, l, elementType, 0);
      if (isa<FloatType>(elementType))
        return arith::CmpFOp::create(b, l, arith::CmpFPredicate::UNE, v, zero);
      return arith::CmpIOp::create(b, l, arith::CmpIPredicate::ne, v, zero);
    };
    // Count, then write one column for each.
    scf::LoopNest count = scf::buildLoopNest(
        rewriter, loc, lows, highs, steps, m.constant(0),
        [&](OpBuilder &b, Location l, ValueRange at, ValueRange carried) {
          IndexMath n{b, l};
          Value one =
              n.select(isNonZero(b, l, at), n.constant(1), n.constant(0));
          return scf::ValueVector{n.add(carried[0], one)};
        });
    Value total = count.results.front();
    OpFoldResult dims[] = {rewriter.getIndexAttr(to.getDimSize(0)), total};
    checkDims(rewriter, loc, to, dims);
    Value empty = createEmpty(rewriter, loc, to, dims);
    scf::LoopNest fill = scf::buildLoopNest(
        rewriter, loc, lows, highs, steps, {empty, m.constant(0)},
        [&](OpBuilder &b, Location l, ValueRange at, ValueRange carried) {
          auto branch = scf::IfOp::create(
              b, l, isNonZero(b, l, at),
              [&](OpBuilder &then, Location tl) {
                IndexMath n{then, tl};
                Value list = carried[0];
                for (auto [d, i] : llvm::enumerate(at)) {
                  Value v = arith::IndexCastOp::create(then, tl,
                                                       then.getI64Type(), i);
                  list = tensor::InsertOp::create(
                      then, tl, v, list, ValueRange{n.constant(d), carried[1]});
                }
                scf::YieldOp::create(
                    then, tl,
                    ValueRange{list, n.add(carried[1], n.constant(1))});
              },
              [&](OpBuilder &otherwise, Location el) {
                scf::YieldOp::create(otherwise, el, carried);
              });
          return scf::ValueVector(branch.getResults().begin(),
                                  branch.getResults().end());
        });
    rewriter.replaceOp(op, fill.results.front());
    return success();
  }
};

} // namespace

void quantc::checkTuples(OpBuilder &b, Location loc, Value indices,
                         ArrayRef<OpFoldResult> extents) {
  IndexMath m{b, loc};
  indices = refineType(b, loc, indices);
  SmallVector<OpFoldResult> dims = getDims(b, loc, indices);
  if (llvm::any_of(dims, isZeroInteger))
    return; // There are none.
  SmallVector<OpFoldResult> offsets(dims.size(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(dims.size(), b.getIndexAttr(1));
  dims.back() = b.getIndexAttr(1);
  auto type = typeOf(indices).clone(typeOf(indices).getShape().drop_back());
  for (auto [k, extent] : llvm::enumerate(extents)) {
    offsets.back() = b.getIndexAttr(k);
    Value column = tensor::ExtractSliceOp::create(
        b, loc, cast<RankedTensorType>(type), indices, offsets, dims, strides);
    Value size = materialize(b, loc, extent);
    checkRange(b, loc, column, m.sub(m.constant(0), size), size,
               describeNode(loc) + ": an index is out of range");
  }
}

void quantc::populateIndexingPatterns(const TypeConverter &converter,
                                      RewritePatternSet &patterns) {
  patterns.add<ConvertGather, ConvertGatherElements, ConvertGatherND,
               ConvertNonZero>(converter, patterns.getContext());
}
