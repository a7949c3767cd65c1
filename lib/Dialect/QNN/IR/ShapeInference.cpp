//===- ShapeInference.cpp - What the ops' type inference shares -----------===//

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

std::optional<SmallVector<int64_t>> qnn::getConstantInts(Value value) {
  ElementsAttr attr;
  if (!value || !matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  auto type = dyn_cast<IntegerType>(attr.getElementType());
  if (!type)
    return std::nullopt;
  SmallVector<int64_t> result;
  if (auto dense = dyn_cast<DenseIntElementsAttr>(attr)) {
    for (const APInt &v : dense.getValues<APInt>())
      result.push_back(type.isUnsignedInteger() || type.isInteger(1)
                           ? int64_t(v.getZExtValue())
                           : v.getSExtValue());
    return result;
  }
  auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
  if (!resource || !resource.getRawHandle().getBlob())
    return std::nullopt;
  ArrayRef<char> data = resource.getRawHandle().getBlob()->getData();
  unsigned bits = type.getWidth(), bytes = llvm::divideCeil(bits, 8);
  if (bits == 1 || bytes > 8)
    return std::nullopt;
  for (size_t i = 0; i + bytes <= data.size(); i += bytes) {
    uint64_t v = 0;
    memcpy(&v, data.data() + i, bytes);
    result.push_back(type.isUnsignedInteger() ? int64_t(v)
                                              : llvm::SignExtend64(v, bits));
  }
  return result;
}

bool qnn::dropZeros(MutableOperandRange zeroPoint) {
  if (zeroPoint.empty())
    return false;
  auto ints = getConstantInts(zeroPoint[0].get());
  if (!ints || llvm::any_of(*ints, [](int64_t v) { return v != 0; }))
    return false;
  zeroPoint.clear();
  return true;
}

bool qnn::makeSigned(PatternRewriter &rewriter, OpOperand &weights,
                     MutableOperandRange zeroPoint) {
  auto constant = weights.get().getDefiningOp<ConstantOp>();
  if (!constant || zeroPoint.empty() ||
      !constant.getType().getElementType().isUnsignedInteger(8))
    return false;
  auto ints = getConstantInts(zeroPoint[0].get());
  if (!ints || llvm::any_of(*ints, [](int64_t v) { return v != 128; }))
    return false;
  ElementsAttr bytes = moveToOtherSign(constant.getValue());
  if (!bytes)
    return false;
  weights.set(ConstantOp::create(rewriter, constant.getLoc(), bytes));
  zeroPoint.clear();
  return true;
}

std::optional<int64_t> qnn::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

FailureOr<SmallVector<int64_t>> qnn::broadcastShapes(ArrayRef<int64_t> lhs,
                                                     ArrayRef<int64_t> rhs) {
  size_t rank = std::max(lhs.size(), rhs.size());
  SmallVector<int64_t> result(rank);
  for (size_t i = 0; i < rank; ++i) {
    int64_t a = i + lhs.size() < rank ? 1 : lhs[i + lhs.size() - rank];
    int64_t b = i + rhs.size() < rank ? 1 : rhs[i + rhs.size() - rank];
    if (a == b || b == 1)
      result[i] = a;
    else if (a == 1)
      result[i] = b;
    else if (ShapedType::isDynamic(a))
      result[i] = b;
    else if (ShapedType::isDynamic(b))
      result[i] = a;
    else
      return failure();
  }
  return result;
}

FailureOr<RankedTensorType> qnn::meetTypes(RankedTensorType a,
                                           RankedTensorType b) {
  if (a.getElementType() != b.getElementType() || a.getRank() != b.getRank())
    return failure();
  SmallVector<int64_t> shape(a.getShape());
  for (auto [x, y] : llvm::zip(shape, b.getShape())) {
    if (ShapedType::isDynamic(x))
      x = y;
    else if (!ShapedType::isDynamic(y) && x != y)
      return failure();
  }
  return RankedTensorType::get(shape, a.getElementType());
}

qnn::SliceRange qnn::normalizeSlice(int64_t start, int64_t end, int64_t step,
                                    int64_t extent) {
  // -extent is as far back as counting makes sense; this keeps sums in range.
  auto fromFront = [&](int64_t i) {
    return i < 0 ? std::max(i, -extent - 1) + extent : i;
  };
  int64_t low = step < 0 ? -1 : 0;
  int64_t high = step < 0 ? extent - 1 : extent;
  start = std::clamp(fromFront(start), std::min(int64_t(0), high), high);
  end = std::clamp(fromFront(end), low, high);
  int64_t distance = step < 0 ? start - end : end - start;
  // Magnitude without overflow for the most negative step.
  uint64_t magnitude = step < 0 ? -uint64_t(step) : uint64_t(step);
  int64_t size =
      distance <= 0 ? 0 : int64_t((uint64_t(distance) - 1) / magnitude + 1);
  return {start, step, size};
}
