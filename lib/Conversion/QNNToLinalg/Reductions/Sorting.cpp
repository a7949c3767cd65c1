//===- Sorting.cpp - Sorted orders, built of loops ------------------------===//
//
// A merge sort from the bottom up, on indices. Where an element goes when two
// runs merge is its place in its own run plus how many elements of the other
// run precede it, which a binary search finds: no cursors to carry, and each
// element is independent of the others.
//
//===----------------------------------------------------------------------===//

#include "Sorting.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using P = arith::CmpIPredicate;

Value quantc::isGreater(OpBuilder &b, Location loc, Value x, Value y,
                        bool unsignedInts) {
  if (!isa<FloatType>(x.getType()))
    return arith::CmpIOp::create(b, loc, unsignedInts ? P::ugt : P::sgt, x, y);
  Value greater =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UGT, x, y);
  Value isNumber =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ORD, y, y);
  return arith::AndIOp::create(b, loc, greater, isNumber);
}

/// How many of the elements `start` to `end` of the sorted `order` precede
/// `element`. Of equal ones those of the left run come first.
static Value countPreceding(OpBuilder &b, Location loc, Value order,
                            Value element, Value isRight, Value start,
                            Value end, OrderBody before) {
  Value one = constantIndex(b, loc, 1);
  Type index = b.getIndexType();
  auto loop = scf::WhileOp::create(
      b, loc, TypeRange{index, index}, ValueRange{start, end},
      [&](OpBuilder &nested, Location l, ValueRange range) {
        Value open =
            arith::CmpIOp::create(nested, l, P::ult, range[0], range[1]);
        scf::ConditionOp::create(nested, l, open, range);
      },
      [&](OpBuilder &nested, Location l, ValueRange range) {
        Value middle = arith::ShRUIOp::create(
            nested, l, arith::AddIOp::create(nested, l, range[0], range[1]),
            one);
        Value other = tensor::ExtractOp::create(nested, l, order, middle);
        Value i = arith::SelectOp::create(nested, l, isRight, element, other);
        Value j = arith::SelectOp::create(nested, l, isRight, other, element);
        // From the left run: others before it. From the right one: others
        // that it is not before.
        Value precedes =
            arith::XOrIOp::create(nested, l, before(nested, l, i, j), isRight);
        Value next = arith::AddIOp::create(nested, l, middle, one);
        scf::YieldOp::create(
            nested, l,
            ValueRange{
                arith::SelectOp::create(nested, l, precedes, next, range[0]),
                arith::SelectOp::create(nested, l, precedes, range[1],
                                        middle)});
      });
  return arith::SubIOp::create(b, loc, loop.getResult(0), start);
}

/// Merges each pair of runs of `width` in `from`, into `to`.
static Value mergeRuns(OpBuilder &b, Location loc, Value from, Value to,
                       Value count, Value width, OrderBody before) {
  Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
  return scf::ForOp::create(
             b, loc, zero, count, one, to,
             [&](OpBuilder &nested, Location l, Value p, ValueRange state) {
               Value element = tensor::ExtractOp::create(nested, l, from, p);
               Value run = arith::DivUIOp::create(nested, l, p, width);
               Value start = arith::MulIOp::create(nested, l, run, width);
               Value isRight = arith::CmpIOp::create(
                   nested, l, P::eq, arith::AndIOp::create(nested, l, run, one),
                   one);
               Value previous = arith::SubIOp::create(nested, l, start, width);
               Value next = arith::AddIOp::create(nested, l, start, width);
               Value other = arith::MinUIOp::create(
                   nested, l,
                   arith::SelectOp::create(nested, l, isRight, previous, next),
                   count);
               Value otherEnd = arith::MinUIOp::create(
                   nested, l, arith::AddIOp::create(nested, l, other, width),
                   count);
               Value others = countPreceding(nested, l, from, element, isRight,
                                             other, otherEnd, before);
               Value pair =
                   arith::SelectOp::create(nested, l, isRight, previous, start);
               Value at = arith::AddIOp::create(
                   nested, l, pair,
                   arith::AddIOp::create(
                       nested, l, others,
                       arith::SubIOp::create(nested, l, p, start)));
               Value out =
                   tensor::InsertOp::create(nested, l, element, state[0], at);
               scf::YieldOp::create(nested, l, out);
             })
      .getResult(0);
}

Value quantc::createSortedOrder(OpBuilder &b, Location loc, Value count,
                                OrderBody before) {
  Type index = b.getIndexType();
  auto type = RankedTensorType::get({ShapedType::kDynamic}, index);
  Value identity =
      createIndexed(b, loc, type, OpFoldResult(count),
                    [](OpBuilder &, Location, ValueRange at) { return at[0]; });
  Value scratch = tensor::EmptyOp::create(b, loc, type, count);

  // Two passes each time around, there and back, so that the order stays in
  // one buffer.
  Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
  Value two = constantIndex(b, loc, 2);
  Value atLeastOne = arith::MaxUIOp::create(b, loc, count, one);
  Value last = arith::IndexCastOp::create(
      b, loc, b.getI64Type(), arith::SubIOp::create(b, loc, atLeastOne, one));
  Value unused = arith::IndexCastOp::create(
      b, loc, index, math::CountLeadingZerosOp::create(b, loc, last));
  Value bits = arith::SubIOp::create(b, loc, constantIndex(b, loc, 64), unused);
  Value rounds = arith::DivUIOp::create(
      b, loc, arith::AddIOp::create(b, loc, bits, one), two);
  return scf::ForOp::create(
             b, loc, zero, rounds, one, identity,
             [&](OpBuilder &nested, Location l, Value round, ValueRange state) {
               Value shift = arith::MulIOp::create(nested, l, round, two);
               Value width = arith::ShLIOp::create(nested, l, one, shift);
               Value there = mergeRuns(nested, l, state[0], scratch, count,
                                       width, before);
               Value twice = arith::MulIOp::create(nested, l, width, two);
               Value back =
                   mergeRuns(nested, l, there, state[0], count, twice, before);
               scf::YieldOp::create(nested, l, back);
             })
      .getResult(0);
}
