//===- SoftmaxRows.cpp - Softmax as ops over rows -------------------------===//

#include "SoftmaxRows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantc;

/// What the body of `op` calls an element of `buffer`, which it reads once;
/// null if it does not.
static Value getElement(linalg::GenericOp op, Value buffer) {
  for (OpOperand *input : op.getDpsInputOperands())
    if (input->get() == buffer)
      return op.getMatchingBlockArgument(input);
  return nullptr;
}

static Value getResult(linalg::GenericOp op) {
  return op.getBody()->getTerminator()->getOperand(0);
}

/// Whether `op` reduces the last dimension of `buffer` by `Combine`.
template <typename... Combine>
static bool reducesRows(linalg::GenericOp op, Value buffer) {
  SmallVector<utils::IteratorType> loops = op.getIteratorTypesArray();
  Operation *combine = getResult(op).getDefiningOp();
  return op.getNumDpsInputs() == 1 && op.getNumReductionLoops() == 1 &&
         loops.back() == utils::IteratorType::reduction &&
         op.getMatchingIndexingMap(op.getDpsInputOperand(0)).isIdentity() &&
         isa_and_present<Combine...>(combine) &&
         llvm::is_contained(combine->getOperands(), getElement(op, buffer)) &&
         llvm::is_contained(combine->getOperands(),
                            op.getBody()->getArguments().back());
}

/// Whether `op` is elementwise and reads `row`, one number for each row, beside
/// `elements`.
static bool mapsRows(linalg::GenericOp op, Value elements, Value row) {
  return op.getNumDpsInputs() == 2 && op.getNumReductionLoops() == 0 &&
         getElement(op, elements) && getElement(op, row);
}

/// Whether `value` depends on `on`.
static bool dependsOn(Value value, Value on) {
  if (value == on)
    return true;
  Operation *op = value.getDefiningOp();
  return op && llvm::any_of(op->getOperands(),
                            [&](Value v) { return dependsOn(v, on); });
}

bool quantc::isSoftmax(ArrayRef<Operation *> ops, Value scores, Value weights) {
  SmallVector<linalg::GenericOp> generics;
  for (Operation *op : ops)
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      generics.push_back(generic);
  if (generics.size() != 4 || !llvm::all_of(generics, [](linalg::GenericOp op) {
        return op.getNumDpsInits() == 1 && getResult(op).getType().isF32();
      }))
    return false;
  auto [most, power, sum, share] =
      std::tie(generics[0], generics[1], generics[2], generics[3]);
  Value maxima = most.getDpsInits()[0], powers = power.getDpsInits()[0],
        sums = sum.getDpsInits()[0];
  if (!reducesRows<arith::MaximumFOp, arith::MaxNumFOp>(most, scores) ||
      !mapsRows(power, scores, maxima) ||
      !reducesRows<arith::AddFOp>(sum, powers) ||
      !mapsRows(share, powers, sums) || share.getDpsInits()[0] != weights)
    return false;
  auto exp = getResult(power).getDefiningOp<math::ExpOp>();
  auto difference =
      exp ? exp.getOperand().getDefiningOp<arith::SubFOp>() : nullptr;
  if (!difference || difference.getLhs() != getElement(power, scores) ||
      difference.getRhs() != getElement(power, maxima))
    return false;
  // A power of 0 has no share.
  Value element = getElement(share, powers);
  Operation *last = getResult(share).getDefiningOp();
  return isa_and_present<arith::MulFOp, arith::DivFOp>(last) &&
         last->getOperand(0) == element &&
         !dependsOn(last->getOperand(1), element);
}

OpOperand *quantc::findAddedMask(linalg::GenericOp op, Value product) {
  auto add = getResult(op).getDefiningOp<arith::AddFOp>();
  Value scores = getElement(op, product);
  if (!add || !scores)
    return nullptr;
  for (auto [mask, other] : {std::pair(add.getLhs(), add.getRhs()),
                             std::pair(add.getRhs(), add.getLhs())}) {
    auto argument = dyn_cast<BlockArgument>(mask);
    if (argument && argument != scores && argument.hasOneUse() &&
        argument.getOwner() == op.getBody() && dependsOn(other, scores))
      return op.getMatchingOpOperand(argument);
  }
  return nullptr;
}
