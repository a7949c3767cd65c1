//===- ExportQuantization.cpp - Quantization and integers as nodes --------===//

#include "GraphExporter.h"

#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "TensorData.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;
using namespace quantc::onnx_export;

static Type getElement(Value value) { return typeOf(value).getElementType(); }

static bool holdsOne(Value value) {
  return typeOf(value).hasStaticShape() && typeOf(value).getNumElements() == 1;
}

/// The zero point, or zeros of the type: it is what tells ONNX the type.
std::string GraphExporter::zeroPointOf(Operation *op, Value zeroPoint,
                                       Value scale, Type storage) {
  if (zeroPoint) {
    // One number for all blocks has the shape of their scales in ONNX.
    if (typeOf(zeroPoint).getRank() == typeOf(scale).getRank())
      return nameOf(zeroPoint);
    return compute(op, "Expand",
                   {nameOf(zeroPoint), compute(op, "Shape", {nameOf(scale)})});
  }
  storage = getExportType(storage);
  RankedTensorType type = typeOf(scale);
  if (type.hasStaticShape()) {
    Builder b(op->getContext());
    return initializer("zero_point", DenseElementsAttr::get(
                                         type.clone(storage),
                                         Attribute(b.getZeroAttr(storage))));
  }
  // As many zeros as there are scales.
  return compute(op, "Expand",
                 {scalar(storage, 0), compute(op, "Shape", {nameOf(scale)})});
}

template <typename Node>
static void setAxis(Node node, std::optional<int64_t> axis, int64_t blockSize) {
  if (axis)
    node.set("axis", *axis);
  if (blockSize)
    node.set("block_size", blockSize);
}

/// Sums with one constant scale, of which elements are moved. ONNX Runtime
/// would quantize them again behind the move, to integers of 32 bits, for which
/// it has no kernel; it does so with scalars only. So this is a row of them.
LogicalResult GraphExporter::writeMovedSums(Operation *op, Value codes,
                                            Value scale,
                                            const std::string &result) {
  RankedTensorType type = typeOf(codes);
  DenseElementsAttr number;
  bool isMoved =
      llvm::any_of(op->getUsers(), llvm::IsaPred<qnn::SameScaleOpInterface>);
  if (!type.getElementType().isInteger(32) || !isMoved ||
      codes.getDefiningOp<qnn::ConstantOp>() ||
      !matchPattern(scale, m_Constant(&number)) || number.getNumElements() != 1)
    return failure();
  for (int64_t axis = type.getRank() - 1; axis >= 0; --axis) {
    int64_t size = type.getDimSize(axis);
    if (ShapedType::isDynamic(size) || size == 1)
      continue;
    auto row =
        DenseElementsAttr::get(RankedTensorType::get({size}, getElement(scale)),
                               number.getSplatValue<Attribute>());
    namedNode(op, "DequantizeLinear",
              {nameOf(codes), initializer("scale", row)}, {result})
        .set("axis", axis);
    return success();
  }
  Type element = getElement(scale);
  namedNode(op, "Mul", {castTo(op, nameOf(codes), element), nameOf(scale)},
            {result});
  return success();
}

LogicalResult GraphExporter::writeDequantize(Operation *op, Value codes,
                                             Value scale, Value zeroPoint,
                                             std::optional<int64_t> axis,
                                             int64_t blockSize,
                                             const std::string &result) {
  Type storage = getElement(codes);
  if (!zeroPoint && succeeded(writeMovedSums(op, codes, scale, result)))
    return success();
  if (!zeroPoint || !isFloat(zeroPoint) || isa<FloatType>(storage)) {
    // ONNX Runtime's fusions stumble over a zero point that is left out.
    std::string zero;
    if (!storage.isInteger(32))
      zero = zeroPointOf(op, zeroPoint, scale, storage);
    setAxis(namedNode(op, "DequantizeLinear",
                      {nameOf(codes), nameOf(scale), zero}, {result}),
            axis, blockSize);
    return success();
  }

  // (codes - zero point) · scale, with numbers that broadcast.
  RankedTensorType type = typeOf(codes);
  Type element = getElement(scale);
  std::string numbers = castTo(op, nameOf(codes), element);
  SmallVector<int64_t> shape(type.getShape()), parameters(type.getRank(), 1);
  if (axis && blockSize) {
    if (!type.hasStaticShape() || shape[*axis] % blockSize)
      return fail("zero points of floats in blocks that do not divide the "
                  "dimension have no form in ONNX");
    // The dimension of blocks becomes two.
    parameters = llvm::to_vector(typeOf(scale).getShape());
    parameters.insert(parameters.begin() + *axis + 1, 1);
    shape.insert(shape.begin() + *axis + 1, blockSize);
    shape[*axis] /= blockSize;
    numbers = reshape(op, numbers, shape);
  } else if (axis) {
    parameters[*axis] = -1;
  }
  auto broadcast = [&](Value value) {
    bool isSingle = typeOf(value).getRank() == 0 || (!axis && !blockSize);
    return isSingle ? nameOf(value) : reshape(op, nameOf(value), parameters);
  };
  std::string moved = compute(op, "Sub", {numbers, broadcast(zeroPoint)});
  if (!axis || !blockSize) {
    namedNode(op, "Mul", {moved, broadcast(scale)}, {result});
    return success();
  }
  std::string product = compute(op, "Mul", {moved, broadcast(scale)});
  namedNode(op, "Reshape", {product, initializer(type.getShape())}, {result});
  return success();
}

LogicalResult GraphExporter::writeLookup(Operation *op, Value codes,
                                         Value table,
                                         const std::string &result) {
  if (getElement(table).getIntOrFloatBitWidth() < 8)
    return fail("Gather takes no elements of less than 8 bits");
  Type index = IntegerType::get(op->getContext(), 32);
  std::string indices = castTo(op, nameOf(codes), index);
  Type element = getElement(codes);
  // Negative numbers count by their bits.
  if (!element.isUnsignedInteger())
    indices = compute(
        op, "Mod",
        {indices, scalar(index, double(1 << element.getIntOrFloatBitWidth()))});
  namedNode(op, "Gather", {nameOf(table), indices}, {result});
  return success();
}

//===- integers -----------------------------------------------------------===//

LogicalResult GraphExporter::writeRequantize(qnn::RequantizeOp op) {
  Type storage = op.getType().getElementType();
  Type f32 = Float32Type::get(op->getContext());
  std::string numbers = castTo(op, nameOf(op.getInput()), f32);
  std::string scale = nameOf(op.getScale());
  if (op.getAxis() && op.getScale().getType().getRank() == 1) {
    SmallVector<int64_t> shape(op.getType().getRank(), 1);
    shape[*op.getAxis()] = -1;
    scale = reshape(op, scale, shape);
  }
  std::string product = compute(op, "Mul", {numbers, scale});
  Value zeroPoint = op.getZeroPoint();
  namedNode(op, "QuantizeLinear",
            {product, scalar(f32, 1),
             zeroPoint ? nameOf(zeroPoint) : scalar(storage, 0)},
            {nameOf(op)});
  return success();
}

LogicalResult GraphExporter::writeIntegerProduct(Operation *op) {
  // Both operands have 8 bits in ONNX.
  auto byte = [&](Value value) -> std::string {
    if (!value)
      return "";
    Type element = getElement(value);
    if (element.getIntOrFloatBitWidth() == 8)
      return nameOf(value);
    return castTo(op, nameOf(value),
                  IntegerType::get(op->getContext(), 8,
                                   cast<IntegerType>(element).getSignedness()));
  };
  if (auto product = dyn_cast<qnn::MatMulOp>(op)) {
    if (Value zero = product.getLhsZeroPoint();
        zero && typeOf(zero).hasStaticShape() && !holdsOne(zero))
      return fail("ONNX Runtime's MatMulInteger takes one zero point for all "
                  "rows");
    namedNode(op, "MatMulInteger",
              {byte(product.getLhs()), byte(product.getRhs()),
               byte(product.getLhsZeroPoint()),
               byte(product.getRhsZeroPoint())},
              {nameOf(product)});
    return success();
  }
  auto conv = cast<qnn::ConvOp>(op);
  std::string input = byte(conv.getInput()), weights = byte(conv.getWeights());
  std::string inputZero = byte(conv.getInputZeroPoint());
  Value weightsZero = conv.getWeightsZeroPoint();
  auto convolve = [&](const std::string &kernel, const std::string &zero,
                      const std::string &result) {
    Node node = namedNode(op, "ConvInteger", {input, kernel, inputZero, zero},
                          {result});
    setWindow(node, conv);
    node.set("group", int64_t(conv.getGroup()));
  };
  SmallVector<int64_t> channels(conv.getType().getRank(), 1);
  channels[1] = -1;
  Value bias = conv.getBias();
  std::string sum = bias ? freshName("sum") : nameOf(conv);
  if (!weightsZero || holdsOne(weightsZero)) {
    convolve(weights, byte(weightsZero), sum);
  } else {
    // ONNX Runtime takes one zero point. Σ x·(w - z) is Σ x·w - z·Σ x, with
    // all sums modulo 2³²: Σ x is the convolution with ones, one channel for
    // all of those of a single group.
    RankedTensorType type = typeOf(conv.getWeights());
    if (!type.hasStaticShape())
      return fail("a zero point for each channel of weights whose size is "
                  "unknown has no form that ONNX Runtime runs");
    SmallVector<int64_t> shape(type.getShape());
    if (conv.getGroup() == 1)
      shape[0] = 1;
    Builder b(op->getContext());
    Type element = IntegerType::get(
        op->getContext(), 8,
        cast<IntegerType>(type.getElementType()).getSignedness());
    std::string ones = initializer(
        "ones",
        DenseElementsAttr::get(RankedTensorType::get(shape, element),
                               Attribute(b.getIntegerAttr(element, 1))));
    std::string products = freshName("products"), inputs = freshName("inputs");
    convolve(weights, "", products);
    convolve(ones, "", inputs);
    std::string zeros = castTo(op, nameOf(weightsZero), b.getI32Type());
    std::string moved =
        compute(op, "Mul", {inputs, reshape(op, zeros, channels)});
    namedNode(op, "Sub", {products, moved}, {sum});
  }
  if (bias)
    namedNode(op, "Add", {sum, reshape(op, nameOf(bias), channels)},
              {nameOf(conv)});
  return success();
}

LogicalResult GraphExporter::writeQuantization(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](qnn::QuantizeOp q) {
        Type storage = q.getType().getElementType();
        if (getExportType(storage) != storage)
          return fail("QuantizeLinear gives no elements of this width");
        if (q.getPrecision() && *q.getPrecision() != getElement(q.getScale()))
          return fail("QuantizeLinear divides in the type of the scale");
        Node node = namedNode(
            op, "QuantizeLinear",
            {nameOf(q.getInput()), nameOf(q.getScale()),
             zeroPointOf(op, q.getZeroPoint(), q.getScale(), storage)},
            {nameOf(q)});
        if (isa<FloatType>(storage))
          node.set("saturate", int64_t(q.getSaturate()));
        setAxis(node, q.getAxis(), q.getBlockSize());
        return success();
      })
      .Case([&](qnn::DequantizeOp d) {
        return writeDequantize(op, d.getInput(), d.getScale(), d.getZeroPoint(),
                               d.getAxis(), d.getBlockSize(), nameOf(d));
      })
      .Case([&](qnn::DynamicQuantizeOp d) {
        node(op, "DynamicQuantizeLinear", {d.getInput()});
        return success();
      })
      .Case([&](qnn::LookupOp l) {
        return writeLookup(op, l.getInput(), l.getTable(), nameOf(l));
      })
      .Case([&](qnn::ObserveOp o) {
        alias(op, o, nameOf(o.getInput()));
        return success();
      })
      .Case([&](qnn::RequantizeOp r) { return writeRequantize(r); })
      .Case([&](qnn::WeightOnlyMatMulOp m) { return writeWeightOnly(m); })
      .Case<qnn::MatMulOp, qnn::ConvOp>(
          [&](auto) { return writeIntegerProduct(op); })
      .Default([](Operation *) { return failure(); });
}
