//===- RowOps.cpp - Ops that work on rows ---------------------------------===//

#include "RowOps.h"

#include "CodeGen/Target/ByteTable.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quantc;

std::optional<RowShape> quantc::getReducedShape(linalg::GenericOp op) {
  RowShape shape;
  for (utils::IteratorType type : op.getIteratorTypesArray()) {
    if (type == utils::IteratorType::reduction)
      ++shape.columns;
    else if (type != utils::IteratorType::parallel || shape.columns)
      return std::nullopt;
    else
      ++shape.rows;
  }
  if (!shape.columns)
    return std::nullopt;
  return shape;
}

std::optional<RowCombiner> quantc::matchRowCombiner(linalg::GenericOp op) {
  Value result = op.getBody()->getTerminator()->getOperand(0);
  Value out = op.getBody()->getArguments().back();
  Operation *combine = result.getDefiningOp();
  if (!combine || combine->getNumOperands() != 2 || !out.hasOneUse() ||
      !llvm::is_contained(combine->getOperands(), out) ||
      !arith::getNeutralElement(combine))
    return std::nullopt;
  return RowCombiner{combine,
                     combine->getOperand(combine->getOperand(0) == out)};
}

bool quantc::hasColumns(OpOperand *operand, RowShape shape) {
  auto op = cast<linalg::GenericOp>(operand->getOwner());
  AffineMap map = op.getMatchingIndexingMap(operand);
  return llvm::any_of(map.getResults(), [&](AffineExpr expr) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    return dim && dim.getPosition() >= shape.rows;
  });
}

bool quantc::readsInPlace(OpOperand *operand, RowShape shape) {
  auto op = cast<linalg::GenericOp>(operand->getOwner());
  AffineMap map = op.getMatchingIndexingMap(operand);
  if (map.getNumResults() != shape.rows && map.getNumResults() != shape.loops())
    return false;
  for (auto [i, expr] : llvm::enumerate(map.getResults()))
    if (auto dim = dyn_cast<AffineDimExpr>(expr);
        !dim || dim.getPosition() != i)
      return false;
  return true;
}

/// Whether rows of `operand` are contiguous, or values of the row.
static bool hasRows(OpOperand *operand, RowShape shape) {
  auto op = cast<linalg::GenericOp>(operand->getOwner());
  if (auto type = dyn_cast<MemRefType>(operand->get().getType());
      type && !type.getLayout().isIdentity())
    return false;
  AffineMap map = op.getMatchingIndexingMap(operand);
  if (!map.isProjectedPermutation(/*allowZeroInResults=*/true))
    return false;
  if (!hasColumns(operand, shape))
    return true;
  if (map.getNumResults() < shape.columns)
    return false;
  for (unsigned i = 0; i < shape.columns; ++i) {
    auto dim = dyn_cast<AffineDimExpr>(
        map.getResult(map.getNumResults() - shape.columns + i));
    if (!dim || dim.getPosition() != shape.rows + i)
      return false;
  }
  return true;
}

/// Whether `op` is the position of an element in its row.
static bool isColumnIndex(Operation &op, RowShape shape) {
  auto index = dyn_cast<linalg::IndexOp>(op);
  return index && shape.columns == 1 && index.getDim() == shape.rows;
}

std::optional<RowOpKind> quantc::classifyRowOp(linalg::GenericOp op,
                                               RowShape shape) {
  if (op.getNumDpsInits() != 1)
    return std::nullopt;
  for (BlockArgument argument : op.getBody()->getArguments())
    if (!argument.getType().isIntOrFloat())
      return std::nullopt;
  for (Operation &inner : op.getBody()->without_terminator())
    if (!inner.hasTrait<OpTrait::ConstantLike>() &&
        !ByteTable::isLookup(inner) && !isColumnIndex(inner, shape) &&
        (!inner.hasTrait<OpTrait::Elementwise>() || inner.getNumResults() != 1))
      return std::nullopt;
  for (OpOperand &operand : op->getOpOperands())
    if (isa<ShapedType>(operand.get().getType()) && !hasRows(&operand, shape))
      return std::nullopt;
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop)
    if (llvm::none_of(op.getDpsInputOperands(), [&](OpOperand *input) {
          return op.getMatchingIndexingMap(input).isFunctionOfDim(loop);
        }))
      return std::nullopt; // Only its result would tell how long it is.
  OpOperand *init = op.getDpsInitOperand(0);
  if (!readsInPlace(init, shape))
    return std::nullopt;
  AffineMap map = op.getMatchingIndexingMap(init);
  if (op.getNumReductionLoops()) {
    std::optional<RowShape> own = getReducedShape(op);
    if (!own || own->rows != shape.rows || own->columns != shape.columns ||
        map.getNumResults() != shape.rows || !matchRowCombiner(op))
      return std::nullopt;
    return RowOpKind::reduction;
  }
  if (op.getNumParallelLoops() != op.getNumLoops() || !map.isIdentity() ||
      op.payloadUsesValueFromOperand(init))
    return std::nullopt;
  if (op.getNumLoops() == shape.loops())
    return RowOpKind::elements;
  if (op.getNumLoops() == shape.rows)
    return RowOpKind::perRow;
  return std::nullopt;
}
