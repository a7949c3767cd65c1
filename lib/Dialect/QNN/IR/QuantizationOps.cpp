//===- QuantizationOps.cpp - Quantize, dequantize, requantize, observe ----===//

#include "quantc/Dialect/QNN/IR/QuantizationOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/QuantizationOps.cpp.inc"

/// Whether two dimensions may be equal at run time.
static bool mayAgree(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

/// One number for the whole tensor.
static bool isSingle(RankedTensorType type) {
  return type.getRank() == 0 ||
         (type.getRank() == 1 && type.getDimSize(0) == 1);
}

/// A scale along `axis` of the data, or one a block of it, or one alone.
static LogicalResult verifyScale(Operation *op, RankedTensorType data,
                                 RankedTensorType scale,
                                 std::optional<uint64_t> axisAttr,
                                 int64_t blockSize) {
  if (blockSize < 0)
    return op->emitOpError("block_size ") << blockSize << " is negative";
  if (axisAttr && int64_t(*axisAttr) >= data.getRank())
    return op->emitOpError("axis ")
           << int64_t(*axisAttr) << " is no dimension of " << data;
  if (blockSize > 0) {
    if (!axisAttr)
      return op->emitOpError("a block_size needs an axis");
    if (scale.getRank() != data.getRank())
      return op->emitOpError("blocked scale ")
             << scale << " must have the rank of " << data;
    for (int64_t i = 0; i < data.getRank(); ++i) {
      int64_t extent = data.getDimSize(i);
      if (i == int64_t(*axisAttr) && !ShapedType::isDynamic(extent))
        extent = llvm::divideCeil(extent, blockSize);
      if (!mayAgree(extent, scale.getDimSize(i)))
        return op->emitOpError("blocked scale ")
               << scale << " does not match dimension " << i << " of " << data
               << " in blocks of " << blockSize;
    }
    return success();
  }
  if (isSingle(scale))
    return success();
  if (scale.getRank() != 1)
    return op->emitOpError("scale ")
           << scale << " must be a number or a list without a block_size";
  if (!axisAttr)
    return op->emitOpError("a list of scales needs an axis");
  if (!mayAgree(scale.getDimSize(0), data.getDimSize(*axisAttr)))
    return op->emitOpError("scale ") << scale << " does not match dimension "
                                     << int64_t(*axisAttr) << " of " << data;
  return success();
}

static LogicalResult verifyZeroPoint(Operation *op, Value zeroPoint,
                                     RankedTensorType scale, Type element) {
  if (!zeroPoint)
    return success();
  auto type = cast<RankedTensorType>(zeroPoint.getType());
  if (type.getElementType() != element)
    return op->emitOpError("zero point of type ")
           << type << " beside elements of type " << element;
  if (!isSingle(type) && failed(verifyCompatibleShape(type, scale)))
    return op->emitOpError("zero point ")
           << type << " must have the shape of the scale " << scale;
  return success();
}

static LogicalResult verifySameShape(Operation *op, Type input, Type output) {
  if (failed(verifyCompatibleShape(input, output)))
    return op->emitOpError("changes the shape: ") << input << " to " << output;
  return success();
}

/// Integers of 2 to 16 bits.
static bool isQuantizedInteger(Type type) {
  auto integer = dyn_cast<IntegerType>(type);
  return integer && integer.getWidth() > 1 && integer.getWidth() <= 16;
}

static bool isSmallFloat(Type type) {
  auto fp = dyn_cast<FloatType>(type);
  return fp && fp.getWidth() <= 8;
}

//===- quantize -----------------------------------------------------------===//

std::optional<int64_t> QuantizeOp::getParameterAxis() {
  return getBlockSize() ? std::nullopt : getAxis();
}

std::optional<int64_t> DequantizeOp::getParameterAxis() {
  return getBlockSize() ? std::nullopt : getAxis();
}

std::optional<int64_t> RequantizeOp::getParameterAxis() { return getAxis(); }

/// A table is the same for all elements.
SmallVector<unsigned> LookupOp::getParameterOperands() { return {}; }

LogicalResult QuantizeOp::verify() {
  Type element = getType().getElementType();
  if (!isQuantizedInteger(element) && !isSmallFloat(element))
    return emitOpError("cannot quantize to ") << element;
  if (getPrecision() && !isa<FloatType>(*getPrecision()))
    return emitOpError("precision must be a float type, got ")
           << *getPrecision();
  if (failed(verifySameShape(*this, getInput().getType(), getType())) ||
      failed(verifyScale(*this, getInput().getType(), getScale().getType(),
                         getAxis(), getBlockSize())))
    return failure();
  return verifyZeroPoint(*this, getZeroPoint(), getScale().getType(), element);
}

/// Quantizing what was dequantized with the same numbers gives it back: the
/// product and the quotient are off by less than half a step. (The other order
/// would not: it rounds.)
OpFoldResult QuantizeOp::fold(FoldAdaptor) {
  auto source = getInput().getDefiningOp<DequantizeOp>();
  if (!source || !isQuantizedInteger(getType().getElementType()) ||
      source.getInput().getType() != getType() ||
      source.getScale() != getScale() ||
      source.getZeroPoint() != getZeroPoint() ||
      source.getAxis() != getAxis() || source.getBlockSize() != getBlockSize())
    return {};
  // Half precision has fewer bits than the integers may have.
  auto isWide = [](Type type) { return type.getIntOrFloatBitWidth() >= 32; };
  if (!isWide(getScale().getType().getElementType()) ||
      !isWide(source.getType().getElementType()) ||
      !isWide(getPrecision().value_or(getScale().getType().getElementType())))
    return {};
  return source.getInput();
}

//===- dequantize ---------------------------------------------------------===//

LogicalResult DequantizeOp::verify() {
  Type element = getInput().getType().getElementType();
  if (!isQuantizedInteger(element) && !isSmallFloat(element) &&
      !element.isSignlessInteger(32))
    return emitOpError("cannot dequantize ") << element;
  if (failed(verifySameShape(*this, getInput().getType(), getType())) ||
      failed(verifyScale(*this, getInput().getType(), getScale().getType(),
                         getAxis(), getBlockSize())))
    return failure();
  if (getZeroPoint() && isa<IntegerType>(element) &&
      isa<FloatType>(getZeroPoint().getType().getElementType()))
    element = getScale().getType().getElementType();
  return verifyZeroPoint(*this, getZeroPoint(), getScale().getType(), element);
}

//===- requantize ---------------------------------------------------------===//

LogicalResult RequantizeOp::verify() {
  Type element = getType().getElementType();
  if (!isQuantizedInteger(element))
    return emitOpError("cannot requantize to ") << element;
  if (failed(verifySameShape(*this, getInput().getType(), getType())) ||
      failed(verifyScale(*this, getInput().getType(), getScale().getType(),
                         getAxis(), /*blockSize=*/0)))
    return failure();
  return verifyZeroPoint(*this, getZeroPoint(), getScale().getType(), element);
}

//===- dynamic_quantize, observe ------------------------------------------===//

LogicalResult
DynamicQuantizeOp::inferReturnTypes(MLIRContext *ctx, std::optional<Location>,
                                    Adaptor adaptor,
                                    SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  Type ui8 = IntegerType::get(ctx, 8, IntegerType::Unsigned);
  types.push_back(input.clone(ui8));
  types.push_back(RankedTensorType::get({}, Float32Type::get(ctx)));
  types.push_back(RankedTensorType::get({}, ui8));
  return success();
}

LogicalResult ObserveOp::inferReturnTypes(MLIRContext *,
                                          std::optional<Location>,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
  return success();
}

LogicalResult ObserveOp::verify() {
  int64_t rank = getInput().getType().getRank();
  if (std::optional<int64_t> axis = getChannelAxis();
      axis && (*axis < 0 || *axis >= rank))
    return emitOpError("channel_axis ")
           << *axis << " is no dimension of " << getInput().getType();
  return success();
}

//===- unpack, lookup -----------------------------------------------------===//

LogicalResult UnpackOp::inferReturnTypes(MLIRContext *ctx,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  if (input.getRank() == 0)
    return emitOptionalError(loc, "a scalar holds no packed integers");
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = adaptor.getSize();
  types.push_back(RankedTensorType::get(
      shape, IntegerType::get(ctx, adaptor.getBits(), IntegerType::Unsigned)));
  return success();
}

LogicalResult UnpackOp::verify() {
  int64_t bits = getBits(), size = getSize();
  if (bits != 2 && bits != 4 && bits != 8)
    return emitOpError("cannot unpack integers of ") << bits << " bits";
  int64_t bytes = getInput().getType().getShape().back();
  if (size < 0 || (!ShapedType::isDynamic(bytes) && size > bytes * (8 / bits)))
    return emitOpError("there are no ") << size << " integers of " << bits
                                        << " bits in " << getInput().getType();
  return success();
}

LogicalResult LookupOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  types.push_back(
      input.clone(getElementTypeOrSelf(adaptor.getTable().getType())));
  return success();
}

LogicalResult LookupOp::verify() {
  RankedTensorType table = getTable().getType();
  int64_t needed = int64_t(1) << getInput().getType().getElementTypeBitWidth();
  if (table.getRank() != 1 || table.getDimSize(0) != needed)
    return emitOpError("table must be a list of ")
           << needed << " elements, got " << table;
  return success();
}
