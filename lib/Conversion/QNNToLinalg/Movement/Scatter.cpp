//===- Scatter.cpp - Lowers scatters --------------------------------------===//
//
// Scatters are sequential loops over the updates, in order, that write into a
// copy of the input: with equal indices the last one wins, as in ONNX Runtime.
//
//===----------------------------------------------------------------------===//

#include "Conversion/QNNToLinalg/Shapes/IndexMath.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/IndexingOps.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;

/// What is there, combined with an update. Both are stored scalars.
static Value combine(OpBuilder &b, Location loc, qnn::ScatterReduction kind,
                     Value old, Value update, Type qnnType) {
  if (kind == qnn::ScatterReduction::none)
    return update;
  old = loadScalar(b, loc, old, qnnType);
  update = loadScalar(b, loc, update, qnnType);
  bool isFloat = isa<FloatType>(old.getType());
  Value result;
  auto integer = [&](auto signedOp, auto unsignedOp) -> Value {
    if (isUnsigned(qnnType))
      return decltype(unsignedOp)::create(b, loc, old, update);
    return decltype(signedOp)::create(b, loc, old, update);
  };
  switch (kind) {
  case qnn::ScatterReduction::none:
    return update;
  case qnn::ScatterReduction::add:
    result = isFloat ? arith::AddFOp::create(b, loc, old, update).getResult()
                     : integer(arith::AddIOp(), arith::AddIOp());
    break;
  case qnn::ScatterReduction::mul:
    result = isFloat ? arith::MulFOp::create(b, loc, old, update).getResult()
                     : integer(arith::MulIOp(), arith::MulIOp());
    break;
  case qnn::ScatterReduction::min:
    result = isFloat
                 ? arith::MinimumFOp::create(b, loc, old, update).getResult()
                 : integer(arith::MinSIOp(), arith::MinUIOp());
    break;
  case qnn::ScatterReduction::max:
    result = isFloat
                 ? arith::MaximumFOp::create(b, loc, old, update).getResult()
                 : integer(arith::MaxSIOp(), arith::MaxUIOp());
    break;
  }
  return storeScalar(b, loc, result, qnnType);
}

/// Loops over `dims`, carrying a tensor.
static Value loopOver(
    OpBuilder &b, Location loc, ArrayRef<OpFoldResult> dims, Value init,
    llvm::function_ref<Value(OpBuilder &, Location, ValueRange, Value)> body) {
  IndexMath m{b, loc};
  SmallVector<Value> lows, highs, steps;
  for (OpFoldResult dim : dims) {
    lows.push_back(m.constant(0));
    highs.push_back(materialize(b, loc, dim));
    steps.push_back(m.constant(1));
  }
  scf::LoopNest nest = scf::buildLoopNest(
      b, loc, lows, highs, steps, init,
      [&](OpBuilder &nested, Location l, ValueRange at, ValueRange carried) {
        return scf::ValueVector{body(nested, l, at, carried[0])};
      });
  return nest.results.front();
}

namespace {

struct ConvertScatterElements : QNNPattern<qnn::ScatterElementsOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::ScatterElementsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput(), indices = adaptor.getIndices();
    Value updates = adaptor.getUpdates();
    Type qnnType = op.getType().getElementType();
    int64_t axis = op.getAxis();
    SmallVector<OpFoldResult> inputDims = getDims(rewriter, loc, input);
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, indices);
    Value extent = materialize(rewriter, loc, inputDims[axis]);
    checkRange(rewriter, loc, indices, m.sub(m.constant(0), extent), extent,
               describeNode(loc) + ": an index is out of range");
    for (auto [d, update] : llvm::enumerate(getDims(rewriter, loc, updates))) {
      Value size = materialize(rewriter, loc, dims[d]);
      Value fits = m.equal(size, materialize(rewriter, loc, update));
      if (int64_t(d) != axis)
        fits = m.logicalAnd(
            fits, m.compare(arith::CmpIPredicate::sle, size,
                            materialize(rewriter, loc, inputDims[d])));
      if (getConstantIndex(fits) != 1)
        createCheck(rewriter, loc, fits,
                    describeNode(loc) +
                        ": indices, updates and input do not fit");
    }
    Value result = loopOver(
        rewriter, loc, dims, input,
        [&](OpBuilder &b, Location l, ValueRange position, Value carried) {
          IndexMath n{b, l};
          Value index = tensor::ExtractOp::create(b, l, indices, position);
          SmallVector<Value> at(position);
          at[axis] = n.fromFront(n.toIndex(index), extent);
          Value update = tensor::ExtractOp::create(b, l, updates, position);
          Value old =
              op.getReduction() == qnn::ScatterReduction::none
                  ? Value()
                  : tensor::ExtractOp::create(b, l, carried, at).getResult();
          Value v = combine(b, l, op.getReduction(), old, update, qnnType);
          return tensor::InsertOp::create(b, l, v, carried, at).getResult();
        });
    rewriter.replaceOp(op, castTo(rewriter, loc, result, getResultType(op)));
    return success();
  }
};

struct ConvertScatterND : QNNPattern<qnn::ScatterNDOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::ScatterNDOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = refineType(rewriter, loc, adaptor.getInput());
    Value indices = adaptor.getIndices();
    Value updates = adaptor.getUpdates();
    int64_t depth = typeOf(indices).getShape().back();
    checkSizes(rewriter, loc, input, indices, updates);

    bool isCopy = op.getReduction() == qnn::ScatterReduction::none;
    bool hasRows = depth < typeOf(input).getRank();
    Value result;
    if (llvm::any_of(getDims(rewriter, loc, updates), isZeroInteger))
      // Slices of nothing would begin at their end.
      result = input;
    else if (isCopy && hasRows)
      result = copySlices(rewriter, loc, input, indices, updates);
    else
      result = updateElements(rewriter, loc, op, input, indices, updates);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, getResultType(op)));
    return success();
  }

private:
  /// Checks that the updates are one slice a tuple, and that tuples are within
  /// the input.
  static void checkSizes(OpBuilder &b, Location loc, Value input, Value indices,
                         Value updates) {
    IndexMath m{b, loc};
    int64_t depth = typeOf(indices).getShape().back();
    SmallVector<OpFoldResult> inputDims = getDims(b, loc, input);
    SmallVector<OpFoldResult> updateDims = getDims(b, loc, updates);
    SmallVector<OpFoldResult> expected = getDims(b, loc, indices);
    expected.pop_back();
    llvm::append_range(expected, ArrayRef(inputDims).drop_front(depth));
    for (auto [have, want] : llvm::zip(updateDims, expected))
      if (have != want)
        createCheck(
            b, loc,
            m.equal(materialize(b, loc, have), materialize(b, loc, want)),
            describeNode(loc) + ": indices, updates and input do not fit");
    checkTuples(b, loc, indices, ArrayRef(inputDims).take_front(depth));
  }

  /// Where in the input the slice at `position` of the updates begins.
  static SmallVector<Value> readTuple(OpBuilder &b, Location loc, Value indices,
                                      ArrayRef<OpFoldResult> inputDims,
                                      ValueRange position) {
    IndexMath m{b, loc};
    SmallVector<Value> at, tuple(position);
    tuple.push_back({});
    for (int64_t k = 0; k < typeOf(indices).getShape().back(); ++k) {
      tuple.back() = m.constant(k);
      Value index = tensor::ExtractOp::create(b, loc, indices, tuple);
      at.push_back(
          m.fromFront(m.toIndex(index), materialize(b, loc, inputDims[k])));
    }
    return at;
  }

  /// Whole slices at a time.
  static Value copySlices(OpBuilder &builder, Location loc, Value input,
                          Value indices, Value updates) {
    int64_t outer = typeOf(indices).getRank() - 1;
    int64_t depth = typeOf(indices).getShape().back();
    auto sliceType =
        RankedTensorType::get(typeOf(input).getShape().drop_front(depth),
                              typeOf(input).getElementType());
    SmallVector<OpFoldResult> dims = getDims(builder, loc, input);
    auto sliceDims = ArrayRef(dims).drop_front(depth);
    SmallVector<OpFoldResult> tuples = getDims(builder, loc, updates);
    tuples.truncate(outer);
    return loopOver(
        builder, loc, tuples, input,
        [&](OpBuilder &b, Location l, ValueRange position, Value carried) {
          OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
          SmallVector<Value> at = readTuple(b, l, indices, dims, position);
          SmallVector<OpFoldResult> from(position.begin(), position.end());
          SmallVector<OpFoldResult> into(at.begin(), at.end());
          SmallVector<OpFoldResult> fromSizes(outer, one);
          SmallVector<OpFoldResult> intoSizes(depth, one);
          from.append(sliceDims.size(), zero);
          into.append(sliceDims.size(), zero);
          llvm::append_range(fromSizes, sliceDims);
          llvm::append_range(intoSizes, sliceDims);
          SmallVector<OpFoldResult> fromStrides(from.size(), one);
          SmallVector<OpFoldResult> intoStrides(into.size(), one);
          Value slice = tensor::ExtractSliceOp::create(
              b, l, sliceType, updates, from, fromSizes, fromStrides);
          return tensor::InsertSliceOp::create(b, l, slice, carried, into,
                                               intoSizes, intoStrides)
              .getResult();
        });
  }

  static Value updateElements(OpBuilder &builder, Location loc,
                              qnn::ScatterNDOp op, Value input, Value indices,
                              Value updates) {
    int64_t outer = typeOf(indices).getRank() - 1;
    bool isCopy = op.getReduction() == qnn::ScatterReduction::none;
    Type qnnType = op.getType().getElementType();
    SmallVector<OpFoldResult> dims = getDims(builder, loc, input);
    return loopOver(
        builder, loc, getDims(builder, loc, updates), input,
        [&](OpBuilder &b, Location l, ValueRange position, Value carried) {
          SmallVector<Value> at =
              readTuple(b, l, indices, dims, position.take_front(outer));
          llvm::append_range(at, position.drop_front(outer));
          Value update = tensor::ExtractOp::create(b, l, updates, position);
          Value old =
              isCopy ? Value()
                     : tensor::ExtractOp::create(b, l, carried, at).getResult();
          Value v = combine(b, l, op.getReduction(), old, update, qnnType);
          return tensor::InsertOp::create(b, l, v, carried, at).getResult();
        });
  }
};

} // namespace

void quantc::populateScatterPatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {
  patterns.add<ConvertScatterElements, ConvertScatterND>(converter,
                                                         patterns.getContext());
}
