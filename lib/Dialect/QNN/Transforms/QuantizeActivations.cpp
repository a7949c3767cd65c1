//===- QuantizeActivations.cpp - Values that data decide, as integers -----===//

#include "Quantizer.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

static QuantizeOp createQuantize(OpBuilder &b, Location loc, Value value,
                                 Type storage, Value scale, Value zeroPoint,
                                 IntegerAttr axis = {},
                                 IntegerAttr blockSize = {}) {
  return QuantizeOp::create(
      b, loc, typeOf(value).clone(storage), value, scale, zeroPoint, axis,
      blockSize ? blockSize : b.getI64IntegerAttr(0),
      /*saturate=*/b.getBoolAttr(true), /*precision=*/TypeAttr());
}

static Value createFloat(OpBuilder &b, Location loc, float value) {
  return ConstantOp::create(b, loc,
                            makeFloatConstant(b.getContext(), {}, {value}));
}

/// A quantize with scalars for scale and zero point, and its dequantize.
LogicalResult Quantizer::createStatic(OpBuilder &b,
                                      QuantizedActivation &activation) {
  const ActivationRecipe &how = activation.key.recipe;
  Value value = activation.key.value;
  Location loc = getNodeLoc(value.getLoc());
  StringRef range = how.range;
  if (range == "default")
    range = statistics->rangeMethod.empty()
                ? StringRef("minmax")
                : StringRef(statistics->rangeMethod);
  auto method = RangeMethod::parse(range);
  if (!method)
    return emitError(loc) << llvm::toString(method.takeError());
  const ValueStatistics *found = statistics->find(getValueName(value));
  llvm::Expected<ScaleAndZeroPoint> parameters =
      chooseScale(*found, getGrid(how), **method);
  if (!parameters)
    return emitError(loc) << "'" << getValueName(value)
                          << "': " << llvm::toString(parameters.takeError());
  bool isSigned = how.isSigned, isMoved = activation.key.isMoved;
  IntegerType storage =
      getStorage(b.getContext(), how.bits, isSigned && !isMoved);
  Value scale = createFloat(b, loc, parameters->scale);
  Value zeroPoint;
  if (parameters->zeroPoint != 0 || !isSigned || isMoved) {
    auto type = RankedTensorType::get({}, storage);
    int64_t moved = isMoved ? int64_t(1) << (how.bits - 1) : 0;
    zeroPoint = ConstantOp::create(
        b, loc,
        DenseElementsAttr::get(
            type, b.getIntegerAttr(storage, parameters->zeroPoint + moved)));
  }
  RankedTensorType type = typeOf(value);
  auto quantize = createQuantize(b, loc, value, storage, scale, zeroPoint);
  auto dequantize = DequantizeOp::create(b, loc, type, quantize, scale,
                                         zeroPoint, IntegerAttr());
  activation.scale = parameters->scale;
  activation.real = dequantize;
  activation.ops = {quantize, dequantize};
  return success();
}

/// One scale and zero point for the tensor, known at run time.
void Quantizer::createDynamic(OpBuilder &b, QuantizedActivation &activation) {
  Value value = activation.key.value;
  Location loc = getNodeLoc(value.getLoc());
  auto quantize = DynamicQuantizeOp::create(b, loc, value);
  auto dequantize = DequantizeOp::create(
      b, loc, typeOf(value), quantize.getOutput(), quantize.getScale(),
      quantize.getZeroPoint(), IntegerAttr());
  activation.real = dequantize;
  activation.ops = {quantize, dequantize};
}

/// One scale for the elements along the last axis: max|x| / 127.
void Quantizer::createPerToken(OpBuilder &b, QuantizedActivation &activation) {
  Value value = activation.key.value;
  Location loc = getNodeLoc(value.getLoc());
  RankedTensorType type = typeOf(value);
  int64_t last = type.getRank() - 1;
  Value axes = ConstantOp::create(b, loc, {last});
  Value magnitude = UnaryOp::create(b, loc, UnaryKind::abs, value, APFloat(0.0),
                                    APFloat(0.0));
  Value largest = ReduceOp::create(b, loc, ReduceKind::max, magnitude, axes,
                                   /*keepdims=*/true,
                                   /*noop_with_empty_axes=*/false);
  // A token of zeros has any scale but 0.
  Value tiny = createFloat(b, loc, std::numeric_limits<float>::min() * 128);
  Value bounded = BinaryOp::create(b, loc, BinaryKind::max, largest, tiny);
  Value scale = BinaryOp::create(b, loc, BinaryKind::div, bounded,
                                 createFloat(b, loc, 127));
  auto axis = b.getI64IntegerAttr(last);
  auto block = b.getI64IntegerAttr(type.getDimSize(last));
  auto quantize =
      createQuantize(b, loc, value, b.getI8Type(), scale, Value(), axis, block);
  auto dequantize =
      DequantizeOp::create(b, loc, type, quantize, scale, Value(), axis, block);
  activation.real = dequantize;
  activation.ops = {magnitude.getDefiningOp(), quantize, dequantize};
}

FailureOr<QuantizedActivation *>
Quantizer::quantizeActivation(ActivationKey key) {
  for (auto &known : activations)
    if (known->key == key)
      return known.get();
  auto activation = std::make_unique<QuantizedActivation>();
  activation->key = key;
  OpBuilder b(func.getContext());
  b.setInsertionPointAfterValue(key.value);
  if (key.recipe.mode == ActivationMode::Static) {
    if (failed(createStatic(b, *activation)))
      return failure();
  } else if (key.recipe.granularity == Sharing::Token) {
    createPerToken(b, *activation);
  } else {
    createDynamic(b, *activation);
  }
  ++report.numActivations;
  activations.push_back(std::move(activation));
  return activations.back().get();
}

/// Ops that compute with a value that is now quantized read what the integers
/// stand for, so that the float value need not exist. Its dimensions, and the
/// results of the model, stay what they were.
void Quantizer::redirectOtherUses() {
  llvm::DenseSet<Value> done;
  for (auto &activation : activations) {
    if (activation->key.recipe.mode != ActivationMode::Static ||
        !activation->key.recipe.everywhere ||
        !done.insert(activation->key.value).second)
      continue;
    activation->key.value.replaceUsesWithIf(
        activation->real, [&](OpOperand &use) {
          Operation *user = use.getOwner();
          return isa_and_present<QNNDialect>(user->getDialect()) &&
                 !isa<QuantizeOp, ShapeOp>(user);
        });
  }
}
