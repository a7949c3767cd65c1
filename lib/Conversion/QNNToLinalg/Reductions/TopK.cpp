//===- TopK.cpp - Lowers the choice of the largest elements ---------------===//
//
// A heap of the k best elements so far, the worst of them at its root: most
// others are compared with that one only. Taken apart from the root, it leaves
// its elements in order.
//
//===----------------------------------------------------------------------===//

#include "ReductionBuilder.h"
#include "Sorting.h"

#include "quantc/Dialect/QNN/IR/ReductionOps.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using P = arith::CmpIPredicate;

namespace {

/// An element, and where it stood in its row (i64).
struct Candidate {
  Value value, index;
};

/// The heap of one row, which lies in the results: the values, and where they
/// stood. Ops change the two tensors and return the new ones.
class CandidateHeap {
public:
  /// `row` has the place in the results; its component `axis` is of no matter.
  CandidateHeap(SmallVector<Value> row, int64_t axis, bool takesLargest,
                bool unsignedInts)
      : row(std::move(row)), axis(axis), takesLargest(takesLargest),
        unsignedInts(unsignedInts) {}

  Candidate get(OpBuilder &b, Location loc, ValueRange state,
                Value slot) const {
    SmallVector<Value> at = placeOf(slot);
    return {tensor::ExtractOp::create(b, loc, state[0], at),
            tensor::ExtractOp::create(b, loc, state[1], at)};
  }

  SmallVector<Value> set(OpBuilder &b, Location loc, ValueRange state,
                         Value slot, Candidate candidate) const {
    SmallVector<Value> at = placeOf(slot);
    return {tensor::InsertOp::create(b, loc, candidate.value, state[0], at),
            tensor::InsertOp::create(b, loc, candidate.index, state[1], at)};
  }

  /// Whether the value `x` is better than `y`, whatever their places.
  Value isBetter(OpBuilder &b, Location loc, Value x, Value y) const {
    if (!takesLargest)
      std::swap(x, y);
    return isGreater(b, loc, x, y, unsignedInts);
  }

  /// Puts `candidate` in the place of the element in `hole`, in a heap of
  /// `size` elements, and moves it down to where none below is worse.
  SmallVector<Value> siftDown(OpBuilder &b, Location loc, ValueRange state,
                              Value hole, Value size,
                              Candidate candidate) const;

private:
  SmallVector<Value> placeOf(Value slot) const {
    SmallVector<Value> at(row);
    at[axis] = slot;
    return at;
  }

  /// Of equal values the later one is worse.
  Value isWorse(OpBuilder &b, Location loc, Candidate x, Candidate y) const {
    Value less = isBetter(b, loc, y.value, x.value);
    Value more = isBetter(b, loc, x.value, y.value);
    Value isLater = arith::CmpIOp::create(b, loc, P::sgt, x.index, y.index);
    Value no = arith::ConstantIntOp::create(b, loc, 0, 1);
    return arith::OrIOp::create(
        b, loc, less, arith::SelectOp::create(b, loc, more, no, isLater));
  }

  SmallVector<Value> row;
  int64_t axis;
  bool takesLargest, unsignedInts;
};
} // namespace

SmallVector<Value> CandidateHeap::siftDown(OpBuilder &b, Location loc,
                                           ValueRange state, Value hole,
                                           Value size,
                                           Candidate candidate) const {
  Type index = b.getIndexType();
  Type types[] = {state[0].getType(), state[1].getType(), index, index};
  auto loop = scf::WhileOp::create(
      b, loc, types, ValueRange{state[0], state[1], hole},
      [&](OpBuilder &nested, Location l, ValueRange args) {
        Value one = constantIndex(nested, l, 1);
        ValueRange now = args.take_front(2);
        Value left = arith::AddIOp::create(
            nested, l,
            arith::MulIOp::create(nested, l, args[2],
                                  constantIndex(nested, l, 2)),
            one);
        Value hasChild = arith::CmpIOp::create(nested, l, P::ult, left, size);
        // The worse of the children, and whether it is to move up.
        auto branch = scf::IfOp::create(
            nested, l, hasChild,
            [&](OpBuilder &then, Location tl) {
              Value right = arith::AddIOp::create(then, tl, left, one);
              right = arith::SelectOp::create(
                  then, tl,
                  arith::CmpIOp::create(then, tl, P::ult, right, size), right,
                  left);
              Candidate x = get(then, tl, now, left);
              Candidate y = get(then, tl, now, right);
              Value takesRight = isWorse(then, tl, y, x);
              auto choose = [&](Value yes, Value no) -> Value {
                return arith::SelectOp::create(then, tl, takesRight, yes, no);
              };
              Candidate child{choose(y.value, x.value),
                              choose(y.index, x.index)};
              scf::YieldOp::create(
                  then, tl,
                  ValueRange{isWorse(then, tl, child, candidate),
                             choose(right, left)});
            },
            [&](OpBuilder &otherwise, Location el) {
              Value no = arith::ConstantIntOp::create(otherwise, el, 0, 1);
              scf::YieldOp::create(otherwise, el, ValueRange{no, left});
            });
        scf::ConditionOp::create(
            nested, l, branch.getResult(0),
            ValueRange{args[0], args[1], args[2], branch.getResult(1)});
      },
      [&](OpBuilder &nested, Location l, ValueRange args) {
        ValueRange now = args.take_front(2);
        SmallVector<Value> next =
            set(nested, l, now, args[2], get(nested, l, now, args[3]));
        next.push_back(args[3]);
        scf::YieldOp::create(nested, l, next);
      });
  return set(b, loc, loop.getResults().take_front(2), loop.getResult(2),
             candidate);
}

namespace {
struct ConvertTopK : OpConversionPattern<qnn::TopKOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(qnn::TopKOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    int64_t rank = type.getRank(), axis = op.getAxis();
    Type qnnElement = op.getInput().getType().getElementType();
    if (isa<FloatType>(qnnElement) && !isa<FloatType>(type.getElementType()))
      return op.emitOpError() << "cannot compare " << qnnElement;
    auto valuesType = cast<RankedTensorType>(
        getTypeConverter()->convertType(op.getValues().getType()));
    auto indicesType = op.getIndices().getType();

    Value zero = constantIndex(rewriter, loc, 0);
    Value one = constantIndex(rewriter, loc, 1);
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, input);
    Value length = materialize(rewriter, loc, dims[axis]);
    OpFoldResult k = rewriter.getIndexAttr(valuesType.getDimSize(axis));
    if (valuesType.isDynamicDim(axis))
      k = extractIndex(rewriter, loc, adaptor.getK(), 0);
    Value kValue = materialize(rewriter, loc, k);
    createCheck(rewriter, loc,
                arith::CmpIOp::create(rewriter, loc, P::ule, kValue, length),
                describeNode(loc) + " (TopK): k is negative or larger than "
                                    "the dimension");
    SmallVector<OpFoldResult> outDims(dims);
    outDims[axis] = k;
    Value values = createEmpty(rewriter, loc, valuesType, outDims);
    Value indices = createEmpty(rewriter, loc, indicesType, outDims);

    // Loops over the rows: one iteration along the axis. None takes nothing of
    // them.
    Value isEmpty = arith::CmpIOp::create(rewriter, loc, P::eq, kValue, zero);
    SmallVector<Value> lower(rank, zero), upper, steps(rank, one);
    for (int64_t d = 0; d < rank; ++d)
      upper.push_back(
          d == axis ? arith::SelectOp::create(rewriter, loc, isEmpty, zero, one)
                    : materialize(rewriter, loc, dims[d]));
    auto nest = scf::buildLoopNest(
        rewriter, loc, lower, upper, steps, ValueRange{values, indices},
        [&](OpBuilder &b, Location l, ValueRange row, ValueRange state) {
          CandidateHeap heap(SmallVector<Value>(row), axis, op.getLargest(),
                             isUnsigned(qnnElement));
          auto read = [&](OpBuilder &nested, Location nl, Value i) {
            SmallVector<Value> at(row);
            at[axis] = i;
            return Candidate{
                tensor::ExtractOp::create(nested, nl, input, at),
                arith::IndexCastOp::create(nested, nl, nested.getI64Type(), i)};
          };
          return chooseBest(b, l, heap, state, kValue, length, read);
        });
    rewriter.replaceOp(op, {nest.results[0], nest.results[1]});
    return success();
  }

private:
  /// The best `k` (at least one) of `length` elements, in order.
  static SmallVector<Value>
  chooseBest(OpBuilder &b, Location loc, const CandidateHeap &heap,
             ValueRange state, Value k, Value length,
             function_ref<Candidate(OpBuilder &, Location, Value)> read) {
    Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
    Value last = arith::SubIOp::create(b, loc, k, one);
    auto repeat = [&](Value from, Value to, ValueRange init, auto body) {
      return scf::ForOp::create(
                 b, loc, from, to, one, init,
                 [&](OpBuilder &nested, Location l, Value i, ValueRange now) {
                   scf::YieldOp::create(nested, l, body(nested, l, i, now));
                 })
          .getResults();
    };
    // The first ones, whatever they are, and a heap of them from below.
    state = repeat(zero, k, state,
                   [&](OpBuilder &nested, Location l, Value i, ValueRange now) {
                     return heap.set(nested, l, now, i, read(nested, l, i));
                   });
    Value half = arith::ShRUIOp::create(b, loc, k, one);
    state =
        repeat(zero, half, state,
               [&](OpBuilder &nested, Location l, Value i, ValueRange now) {
                 Value slot = arith::SubIOp::create(
                     nested, l, arith::SubIOp::create(nested, l, half, one), i);
                 return heap.siftDown(nested, l, now, slot, k,
                                      heap.get(nested, l, now, slot));
               });
    // Of equal values the earlier one stays.
    state = repeat(k, length, state,
                   [&](OpBuilder &nested, Location l, Value i, ValueRange now) {
                     Candidate next = read(nested, l, i);
                     Value worst = heap.get(nested, l, now, zero).value;
                     auto branch = scf::IfOp::create(
                         nested, l, heap.isBetter(nested, l, next.value, worst),
                         [&](OpBuilder &then, Location tl) {
                           scf::YieldOp::create(
                               then, tl,
                               heap.siftDown(then, tl, now, zero, k, next));
                         },
                         [&](OpBuilder &otherwise, Location el) {
                           scf::YieldOp::create(otherwise, el, now);
                         });
                     return SmallVector<Value>(branch.getResults());
                   });
    // The worst one goes to the end, again and again.
    return repeat(zero, last, state,
                  [&](OpBuilder &nested, Location l, Value i, ValueRange now) {
                    Value end = arith::SubIOp::create(nested, l, last, i);
                    Candidate moved = heap.get(nested, l, now, end);
                    SmallVector<Value> next = heap.set(
                        nested, l, now, end, heap.get(nested, l, now, zero));
                    return heap.siftDown(nested, l, next, zero, end, moved);
                  });
  }
};
} // namespace

void quantc::populateTopKPatterns(const TypeConverter &converter,
                                  RewritePatternSet &patterns) {
  patterns.add<ConvertTopK>(converter, patterns.getContext());
}
