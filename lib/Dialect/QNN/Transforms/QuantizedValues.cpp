//===- QuantizedValues.cpp - What folding asks of values ------------------===//

#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"

#include <cstring>

using namespace mlir;
using namespace quantc;

/// Longer lists are weights, which nobody should read element by element.
static constexpr int64_t maxScales = 1 << 20;

//===- constants ----------------------------------------------------------===//

static std::optional<SmallVector<float>> readFloats(ElementsAttr attr) {
  if (!attr.getElementType().isF32() || attr.getNumElements() > maxScales)
    return std::nullopt;
  if (auto dense = dyn_cast<DenseFPElementsAttr>(attr))
    return llvm::to_vector(dense.getValues<float>());
  auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
  AsmResourceBlob *blob =
      resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob)
    return std::nullopt;
  ArrayRef<char> data = blob->getData();
  SmallVector<float> values(data.size() / sizeof(float));
  memcpy(values.data(), data.data(), values.size() * sizeof(float));
  return values;
}

std::optional<SmallVector<float>> qnn::getConstantFloats(Value value) {
  ElementsAttr attr;
  if (matchPattern(value, m_Constant(&attr)))
    return readFloats(attr);
  // The same elements in the same order.
  if (auto reshape = value.getDefiningOp<ReshapeOp>())
    return getConstantFloats(reshape.getInput());
  auto binary = value.getDefiningOp<BinaryOp>();
  if (!binary || (binary.getKind() != BinaryKind::mul &&
                  binary.getKind() != BinaryKind::div))
    return std::nullopt;
  auto lhs = getConstantFloats(binary.getLhs());
  auto rhs = lhs ? getConstantFloats(binary.getRhs()) : std::nullopt;
  if (!rhs || lhs->empty() || rhs->empty() ||
      (lhs->size() != rhs->size() && lhs->size() != 1 && rhs->size() != 1))
    return std::nullopt;
  size_t size = std::max(lhs->size(), rhs->size());
  SmallVector<float> values;
  for (size_t i = 0; i < size; ++i) {
    float a = (*lhs)[lhs->size() == 1 ? 0 : i];
    float b = (*rhs)[rhs->size() == 1 ? 0 : i];
    values.push_back(binary.getKind() == BinaryKind::mul ? a * b : a / b);
  }
  return values;
}

bool qnn::isSingle(Value parameter) {
  auto type = cast<RankedTensorType>(parameter.getType());
  return type.getRank() == 0 ||
         (type.getRank() == 1 && type.getDimSize(0) == 1);
}

bool qnn::isZero(Value value) {
  if (!value)
    return true;
  ElementsAttr attr;
  if (matchPattern(value, m_Constant(&attr)) &&
      attr.getNumElements() > maxScales)
    return false;
  auto ints = getConstantInts(value);
  return ints && llvm::all_of(*ints, [](int64_t v) { return v == 0; });
}

bool qnn::areEqual(Value a, Value b) {
  if (a == b || (isZero(a) && isZero(b)))
    return true;
  if (!a || !b || getElementTypeOrSelf(a) != getElementTypeOrSelf(b))
    return false;
  if (isa<IntegerType>(getElementTypeOrSelf(a))) {
    auto x = getConstantInts(a), y = getConstantInts(b);
    return x && y && *x == *y;
  }
  auto x = getConstantFloats(a), y = getConstantFloats(b);
  return x && y && *x == *y;
}

//===- parameters ---------------------------------------------------------===//

bool qnn::haveEqualParameters(DequantizeOp a, DequantizeOp b) {
  return isPerTensor(a) && isPerTensor(b) &&
         a.getInput().getType().getElementType() ==
             b.getInput().getType().getElementType() &&
         areEqual(a.getScale(), b.getScale()) &&
         areEqual(a.getZeroPoint(), b.getZeroPoint());
}

template <typename OpTy> static bool hasSingleParameters(OpTy op, Type small) {
  return op.getBlockSize() == 0 && qnn::isSingle(op.getScale()) &&
         isa<IntegerType>(small) &&
         op.getScale().getType().getElementType().isF32() &&
         (!op.getZeroPoint() ||
          (qnn::isSingle(op.getZeroPoint()) &&
           isa<IntegerType>(getElementTypeOrSelf(op.getZeroPoint()))));
}

bool qnn::isPerTensor(DequantizeOp op) {
  return hasSingleParameters(op, op.getInput().getType().getElementType()) &&
         op.getType().getElementType().isF32();
}

bool qnn::isPerTensor(QuantizeOp op) {
  return hasSingleParameters(op, op.getType().getElementType()) &&
         op.getInput().getType().getElementType().isF32() &&
         op.getPrecision()
             .value_or(op.getScale().getType().getElementType())
             .isF32();
}

//===- bounds -------------------------------------------------------------===//

int64_t qnn::getMaxMagnitude(Type elementType, Value zeroPoint) {
  unsigned width = elementType.getIntOrFloatBitWidth();
  int64_t low =
      elementType.isUnsignedInteger() ? 0 : -(int64_t(1) << (width - 1));
  int64_t high = low + (int64_t(1) << width) - 1;
  int64_t lowest = low, highest = high; // of the zero points
  if (!zeroPoint) {
    lowest = highest = 0;
  } else if (auto ints = getConstantInts(zeroPoint); ints && !ints->empty()) {
    lowest = *llvm::min_element(*ints);
    highest = *llvm::max_element(*ints);
  }
  return std::max(high - lowest, highest - low);
}

/// For a product of integers: terms times what each can reach.
static std::optional<int64_t> getSumBound(qnn::QuantizableOpInterface op) {
  int64_t terms = op.getNumSummed();
  if (ShapedType::isDynamic(terms))
    return std::nullopt;
  // Zero points may be anywhere: the difference of two 8-bit integers.
  int64_t product = 1;
  for (unsigned i : op.getQuantizableOperands()) {
    auto type = dyn_cast<RankedTensorType>(op->getOperand(i).getType());
    if (!type || !isa<IntegerType>(type.getElementType()))
      return std::nullopt;
    product *= (int64_t(1) << type.getElementTypeBitWidth()) - 1;
  }
  if (terms > std::numeric_limits<int64_t>::max() / product)
    return std::nullopt;
  return terms * product;
}

std::optional<int64_t> qnn::getAccumulatorBound(Value accumulator) {
  Operation *op = accumulator.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto product = dyn_cast<QuantizableOpInterface>(op))
    return getSumBound(product);
  if (auto sum = dyn_cast<BinaryOp>(op);
      sum && sum.getKind() == BinaryKind::add) {
    auto lhs = getAccumulatorBound(sum.getLhs());
    auto rhs = getAccumulatorBound(sum.getRhs());
    if (!lhs || !rhs)
      return std::nullopt;
    return *lhs + *rhs;
  }
  if (auto ints = getConstantInts(accumulator)) {
    int64_t largest = 0;
    for (int64_t v : *ints)
      largest = std::max(largest, std::abs(v));
    return largest;
  }
  if (isa<SameScaleOpInterface>(op))
    return getAccumulatorBound(op->getOperand(0));
  return std::nullopt;
}

bool qnn::isElementwise(Operation *op) {
  return op->hasTrait<ElementwiseTrait>();
}

//===- small graphs -------------------------------------------------------===//

Value qnn::createScalar(OpBuilder &b, Location loc, double value) {
  auto type = RankedTensorType::get({}, b.getF32Type());
  return ConstantOp::create(b, loc, DenseElementsAttr::get(type, float(value)));
}

Value qnn::alignScales(OpBuilder &b, Location loc, Value scales, int64_t axis,
                       int64_t rank) {
  if (isSingle(scales) || axis + 1 == rank)
    return scales;
  SmallVector<int64_t> shape(rank - axis, 1);
  shape[0] = -1;
  Value dims = ConstantOp::create(b, loc, shape);
  return ReshapeOp::create(b, loc, scales, dims, /*allowzero=*/false);
}

std::optional<int64_t> qnn::getOnlyAxis(RankedTensorType type, int64_t rank) {
  std::optional<int64_t> axis;
  for (auto [i, size] : llvm::enumerate(type.getShape())) {
    if (size == 1)
      continue;
    if (axis)
      return std::nullopt;
    axis = int64_t(i) + rank - type.getRank();
  }
  return axis;
}
