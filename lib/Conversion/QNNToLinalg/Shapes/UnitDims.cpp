//===- UnitDims.cpp - Adds and removes dimensions of 1 --------------------===//

#include "UnitDims.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;

SmallVector<ReassociationIndices> quantc::groupUnitDims(ArrayRef<bool> isUnit) {
  SmallVector<ReassociationIndices> groups;
  ReassociationIndices leading;
  for (auto [d, unit] : llvm::enumerate(isUnit)) {
    if (!unit)
      groups.push_back(groups.empty() ? leading : ReassociationIndices());
    (groups.empty() ? leading : groups.back()).push_back(d);
  }
  return groups;
}

Value quantc::dropUnitDims(OpBuilder &b, Location loc, Value value,
                           ArrayRef<bool> isUnit) {
  if (!llvm::is_contained(isUnit, true))
    return value;
  SmallVector<int64_t> shape;
  for (auto [size, unit] : llvm::zip_equal(typeOf(value).getShape(), isUnit))
    if (!unit)
      shape.push_back(size);
  return tensor::CollapseShapeOp::create(b, loc, typeOf(value).clone(shape),
                                         value, groupUnitDims(isUnit));
}

Value quantc::insertUnitDims(OpBuilder &b, Location loc, Value value,
                             ArrayRef<bool> isUnit) {
  if (!llvm::is_contained(isUnit, true))
    return value;
  SmallVector<int64_t> shape;
  SmallVector<OpFoldResult> dims;
  int64_t next = 0;
  for (bool unit : isUnit) {
    shape.push_back(unit ? 1 : typeOf(value).getDimSize(next));
    dims.push_back(unit ? OpFoldResult(b.getIndexAttr(1))
                        : getDim(b, loc, value, next));
    next += !unit;
  }
  return tensor::ExpandShapeOp::create(b, loc, typeOf(value).clone(shape),
                                       value, groupUnitDims(isUnit), dims);
}

/// `value` with the sizes of the run time, which are checked against what the
/// type says.
static Value reshapeTo(const IndexMath &m, Value value, RankedTensorType type,
                       ArrayRef<Value> sizes) {
  for (auto [i, size] : llvm::enumerate(sizes))
    if (!type.isDynamicDim(i))
      createCheck(m.b, m.loc, m.equal(size, m.constant(type.getDimSize(i))),
                  describeNode(m.loc) + ": the result's shape is not the "
                                        "declared one");
  if (type.getRank() == 0) {
    SmallVector<int64_t> ones(typeOf(value).getRank(), 1);
    return tensor::CollapseShapeOp::create(
        m.b, m.loc, type, castTo(m.b, m.loc, value, typeOf(value).clone(ones)),
        ArrayRef<ReassociationIndices>());
  }
  Value shape = tensor::FromElementsOp::create(m.b, m.loc, sizes);
  return tensor::ReshapeOp::create(m.b, m.loc, type, value, shape);
}

/// Fails the run unless as many dimensions are left as there should be: each
/// axis takes one away.
static void checkKept(const IndexMath &m, Value count, int64_t expected) {
  createCheck(m.b, m.loc, m.equal(count, m.constant(expected)),
              describeNode(m.loc) + ": an axis is named twice");
}

Value quantc::dropMarkedDims(const IndexMath &m, Value value,
                             RankedTensorType type, ArrayRef<Value> isUnit) {
  // Dimension j of the result is the one with j kept ones before it.
  SmallVector<Value> sizes(type.getRank(), m.constant(1));
  Value position = m.constant(0);
  for (auto [d, unit] : llvm::enumerate(isUnit)) {
    Value size = materialize(m.b, m.loc, getDim(m.b, m.loc, value, d));
    Value next = m.select(unit, position, m.add(position, m.constant(1)));
    Value isKept = m.less(position, next);
    for (auto [j, entry] : llvm::enumerate(sizes))
      entry = m.select(m.logicalAnd(isKept, m.equal(position, m.constant(j))),
                       size, entry);
    position = next;
  }
  checkKept(m, position, type.getRank());
  return reshapeTo(m, value, type, sizes);
}

Value quantc::insertMarkedDims(const IndexMath &m, Value value,
                               RankedTensorType type, ArrayRef<Value> isUnit) {
  SmallVector<OpFoldResult> dims = getDims(m.b, m.loc, value);
  SmallVector<Value> sizes;
  Value position = m.constant(0);
  for (Value unit : isUnit) {
    Value size = m.constant(1);
    for (auto [j, dim] : llvm::enumerate(dims))
      size = m.select(m.equal(position, m.constant(j)),
                      materialize(m.b, m.loc, dim), size);
    sizes.push_back(m.select(unit, m.constant(1), size));
    position = m.select(unit, position, m.add(position, m.constant(1)));
  }
  checkKept(m, position, dims.size());
  return reshapeTo(m, value, type, sizes);
}
