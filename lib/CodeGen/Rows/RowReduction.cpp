//===- RowReduction.cpp - Vectors of a row as one value -------------------===//

#include "RowReduction.h"

#include "CodeGen/Target/Expressions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace quantc;

static ReductionOrder findOrder(Operation *combine,
                                linalg::GenericOp producer) {
  if (!isa<arith::AddFOp, arith::MulFOp>(combine))
    return ReductionOrder::any;
  auto flags =
      cast<arith::ArithFastMathInterface>(combine).getFastMathFlagsAttr();
  if (!bitEnumContainsAll(flags.getValue(), arith::FastMathFlags::reassoc))
    return ReductionOrder::sequential;
  Operation *last =
      producer
          ? producer.getBody()->getTerminator()->getOperand(0).getDefiningOp()
          : nullptr;
  return isa_and_nonnull<math::ExpOp>(last) ? ReductionOrder::neighbours
                                            : ReductionOrder::halves;
}

RowReduction::RowReduction(KernelEmitter &e, linalg::GenericOp op,
                           linalg::GenericOp producer, int64_t lanes,
                           bool hasFMA)
    : e(e), combiner(*matchRowCombiner(op)),
      order(findOrder(combiner.combine, producer)), lanes(lanes),
      hasFMA(hasFMA) {
  switch (order) {
  case ReductionOrder::any:
    width = lanes;
    break;
  case ReductionOrder::halves:
  case ReductionOrder::neighbours:
    width = kPartialSums;
    break;
  case ReductionOrder::sequential:
    width = 1;
  }
}

TypedAttr RowReduction::neutral() const {
  return *arith::getNeutralElement(combiner.combine);
}

Value RowReduction::start(Value init) const {
  // Often enough does no harm, and the neutral element would be NaN, which is
  // to be asked for each time.
  if (isa<arith::MaxNumFOp, arith::MinNumFOp>(combiner.combine))
    return e.splat(init, width);
  TypedAttr value = neutral();
  if (order != ReductionOrder::sequential)
    value = DenseElementsAttr::get(VectorType::get(width, value.getType()),
                                   Attribute(value));
  return arith::ConstantOp::create(e.b, e.loc, value);
}

Value RowReduction::combine(Value x, Value y) const {
  Operation *op = combiner.combine;
  OperationState state(e.loc, op->getName());
  state.addOperands({x, y});
  state.addTypes(x.getType());
  state.addAttributes(op->getAttrs());
  Operation *result = e.b.create(state);
  // The order is settled here.
  if (isa<arith::AddFOp, arith::MulFOp>(op))
    result->setAttr("fastmath", arith::FastMathFlagsAttr::get(
                                    e.b.getContext(),
                                    order == ReductionOrder::sequential
                                        ? arith::FastMathFlags::none
                                        : arith::FastMathFlags::contract));
  return result->getResult(0);
}

Value RowReduction::addInOrder(Value sum, Value left, Value elements) const {
  if (left) {
    auto type = cast<VectorType>(elements.getType());
    Value mask = vector::CreateMaskOp::create(
        e.b, e.loc, type.clone(e.b.getI1Type()), left);
    Value nothing = arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(type, Attribute(neutral())));
    elements = arith::SelectOp::create(e.b, e.loc, mask, elements, nothing);
  }
  for (int64_t lane = 0; lane < lanes; ++lane)
    sum = combine(sum, vector::ExtractOp::create(e.b, e.loc, elements, lane));
  return sum;
}

Value RowReduction::add(Value partial, Value left,
                        llvm::DenseMap<Value, Value> &known) const {
  Value element = combiner.element;
  if (order == ReductionOrder::sequential)
    return addInOrder(partial, left, emitExpression(e, element, lanes, known));
  // A product goes into the sum with one rounding if the target can. Left to
  // LLVM, the first two of a short row are both products, of which it rounds
  // the second, and of registers with more elements than there are partial sums
  // the halves would be multiplied at once, and rounded before they are added.
  auto product = element.getDefiningOp<arith::MulFOp>();
  bool splitsFactors =
      hasFMA && product && !known.contains(element) &&
      isa<arith::AddFOp>(combiner.combine) &&
      bitEnumContainsAll(product.getFastmath(), arith::FastMathFlags::contract);
  SmallVector<Value> wide;
  if (splitsFactors)
    for (Value factor : product->getOperands())
      wide.push_back(emitExpression(e, factor, lanes, known));
  else
    wide.push_back(emitExpression(e, element, lanes, known));
  for (int64_t offset = 0; offset < lanes; offset += width) {
    SmallVector<Value> parts;
    for (Value value : wide)
      parts.push_back(width == lanes
                          ? value
                          : vector::ExtractStridedSliceOp::create(
                                e.b, e.loc, value, {offset}, {width}, {1}));
    Value next = splitsFactors ? math::FmaOp::create(e.b, e.loc, parts[0],
                                                     parts[1], partial)
                               : combine(partial, parts.front());
    if (left) {
      auto type = VectorType::get(width, e.b.getI1Type());
      Value mask = vector::CreateMaskOp::create(
          e.b, e.loc, type, e.max(e.sub(left, e.index(offset)), e.index(0)));
      next = arith::SelectOp::create(e.b, e.loc, mask, next, partial);
    }
    partial = next;
  }
  return partial;
}

Value RowReduction::finish(Value partial, Value init) const {
  if (order == ReductionOrder::sequential)
    return combine(init, partial);
  int64_t left = width;
  while (left > 1) {
    left /= 2;
    auto half = [&](int64_t which) -> Value {
      SmallVector<int64_t> indices;
      for (int64_t i = 0; i < left; ++i)
        indices.push_back(order == ReductionOrder::neighbours
                              ? 2 * i + which
                              : i + which * left);
      return vector::ShuffleOp::create(e.b, e.loc, partial, partial, indices);
    };
    partial = combine(half(0), half(1));
  }
  return combine(init, vector::ExtractOp::create(e.b, e.loc, partial, 0));
}
