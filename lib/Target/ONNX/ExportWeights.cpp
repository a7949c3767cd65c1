//===- ExportWeights.cpp - Products with low-bit weights as nodes ---------===//
//
// com.microsoft's MatMulNBits and MatMulBnb4 hold a weight [K, N] by its
// columns, in packed bytes. What they do not take is dequantized by standard
// ops.
//
//===----------------------------------------------------------------------===//

#include "GraphExporter.h"

#include "Codebooks.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

namespace {
/// The elements of a constant, in row-major order.
template <typename T> struct Elements {
  SmallVector<int64_t> shape;
  std::vector<T> values;

  /// Of a constant, which may be moved on the way: nothing if it is none.
  static std::optional<Elements> read(Value value);
  /// Element [row, column], or the only one, or that of the only row.
  T at(int64_t row, int64_t column) const {
    if (values.size() == 1)
      return values.front();
    return values[(shape.front() == 1 ? 0 : row) * shape.back() + column];
  }
};
} // namespace

template <typename T>
std::optional<Elements<T>> Elements<T>::read(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (auto constant = value.getDefiningOp<qnn::ConstantOp>()) {
    Elements result{SmallVector<int64_t>(type.getShape()), {}};
    Type element = type.getElementType();
    if constexpr (std::is_floating_point_v<T>) {
      std::optional<std::vector<float>> floats =
          qnn::readFloats(constant.getValue());
      if (!floats)
        return std::nullopt;
      result.values = std::move(*floats);
      return result;
    } else {
      if (!isa<IntegerType>(element))
        return std::nullopt;
      bool isSigned = !element.isUnsignedInteger();
      auto bytes = qnn::getConstantBytes(constant.getValue());
      if (bytes && element.getIntOrFloatBitWidth() <= 8) {
        for (char byte : *bytes)
          result.values.push_back(isSigned ? T(int8_t(byte))
                                           : T(uint8_t(byte)));
        return result;
      }
      auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
      if (!dense)
        return std::nullopt;
      for (const APInt &number : dense.getValues<APInt>())
        result.values.push_back(
            T(isSigned ? number.getSExtValue() : number.getZExtValue()));
      return result;
    }
  }
  if (auto reshape = value.getDefiningOp<qnn::ReshapeOp>()) {
    std::optional<Elements> result = read(reshape.getInput());
    if (result)
      result->shape = SmallVector<int64_t>(type.getShape());
    return result;
  }
  if (auto expand = value.getDefiningOp<qnn::ExpandOp>()) {
    std::optional<Elements> result = read(expand.getInput());
    if (!result || result->values.size() != 1)
      return std::nullopt;
    result->shape = SmallVector<int64_t>(type.getShape());
    return result;
  }
  auto transpose = value.getDefiningOp<qnn::TransposeOp>();
  if (!transpose || transpose.getPermutation() != ArrayRef<int64_t>({1, 0}))
    return std::nullopt;
  std::optional<Elements> source = read(transpose.getInput());
  if (!source)
    return std::nullopt;
  Elements result{SmallVector<int64_t>(type.getShape()), {}};
  result.values.reserve(source->values.size());
  for (int64_t row = 0; row < result.shape[0]; ++row)
    for (int64_t column = 0; column < result.shape[1]; ++column)
      result.values.push_back(source->values[column * result.shape[0] + row]);
  return result;
}

static ElementsAttr makeBytes(MLIRContext *context, ArrayRef<int64_t> shape,
                              ArrayRef<uint8_t> bytes) {
  auto type = RankedTensorType::get(
      shape, IntegerType::get(context, 8, IntegerType::Unsigned));
  return qnn::makeConstant(
      type,
      ArrayRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()));
}

/// Numbers [blocks, N] as the ops have them: those of a column side by side.
static ElementsAttr byColumn(MLIRContext *context,
                             const Elements<float> &numbers, int64_t blocks,
                             int64_t n) {
  std::vector<float> result;
  for (int64_t column = 0; column < n; ++column)
    for (int64_t block = 0; block < blocks; ++block)
      result.push_back(numbers.at(block, column));
  return qnn::makeFloatConstant(context, {n * blocks}, result);
}

/// (code + offset), `bits` wide, so that codes are not negative.
LogicalResult GraphExporter::writeMatMulNBits(qnn::WeightOnlyMatMulOp op,
                                              const std::string &input) {
  auto element =
      dyn_cast<IntegerType>(op.getWeights().getType().getElementType());
  int64_t depth = op.getWeights().getType().getDimSize(0);
  int64_t ownBlock = op.getBlockSize(), blockSize = ownBlock;
  // Where a column has one scale, all its blocks share it: any size of blocks
  // that MatMulNBits takes will do.
  if (ownBlock >= depth)
    blockSize = std::clamp<int64_t>(llvm::PowerOf2Ceil(depth), 16, 256);
  if (!element || op.getCodebook() || depth == 0 || blockSize < 16 ||
      !llvm::isPowerOf2_64(blockSize) || op.getInput().getType().getRank() < 2)
    return failure();
  int64_t width = element.getWidth();
  bool hasRealZeros = op.getZeroPoints() && isFloat(op.getZeroPoints());
  // What ONNX Runtime takes: blocks of 2 bits are at most 256 long.
  int64_t bits = width <= 2 && blockSize <= 256 ? 2 : width <= 4 ? 4 : 8;
  if (hasRealZeros && bits == 8)
    return failure();
  auto codes = Elements<int16_t>::read(op.getWeights());
  auto scales = Elements<float>::read(op.getScales());
  if (!codes || !scales)
    return failure();
  int64_t k = codes->shape[0], n = codes->shape[1];
  int64_t blocks = llvm::divideCeil(k, blockSize);
  int64_t middle = int64_t(1) << (bits - 1);
  int64_t offset = element.isUnsigned() ? 0 : middle;
  auto pack = [&](std::vector<uint8_t> &bytes, size_t row, size_t rowBytes,
                  int64_t i, int64_t code) {
    bytes[row * rowBytes + i * bits / 8] |= uint8_t(code + offset)
                                            << (i * bits % 8);
  };

  MLIRContext *context = op.getContext();
  size_t rowBytes = blocks * blockSize * bits / 8;
  std::vector<uint8_t> bytes(n * rowBytes);
  for (int64_t row = 0; row < k; ++row)
    for (int64_t column = 0; column < n; ++column)
      pack(bytes, column, rowBytes, row, codes->at(row, column));
  SmallVector<std::string> inputs{
      input,
      initializer("weight",
                  makeBytes(context, {n, blocks, blockSize * bits / 8}, bytes)),
      initializer("scales", byColumn(context, *scales, blocks, n))};

  if (hasRealZeros) {
    auto zeros = Elements<float>::read(op.getZeroPoints());
    if (!zeros)
      return failure();
    for (float &zero : zeros->values)
      zero += float(offset);
    inputs.push_back(
        initializer("zero_points", byColumn(context, *zeros, blocks, n)));
  } else {
    Elements<int16_t> zeros{{1}, {0}};
    if (op.getZeroPoints()) {
      auto read = Elements<int16_t>::read(op.getZeroPoints());
      if (!read)
        return failure();
      zeros = std::move(*read);
    }
    // The middle is what is meant by none.
    if (llvm::any_of(zeros.values,
                     [&](int16_t z) { return z + offset != middle; })) {
      size_t zeroBytes = llvm::divideCeil(blocks * bits, 8);
      std::vector<uint8_t> packed(n * zeroBytes);
      for (int64_t column = 0; column < n; ++column)
        for (int64_t block = 0; block < blocks; ++block)
          pack(packed, column, zeroBytes, block, zeros.at(block, column));
      inputs.push_back(initializer(
          "zero_points", makeBytes(context, {n * int64_t(zeroBytes)}, packed)));
    }
  }
  // Accuracy level 1: the activations stay f32.
  contribNode(op, "MatMulNBits", inputs)
      .set("K", k)
      .set("N", n)
      .set("bits", bits)
      .set("block_size", blockSize)
      .set("accuracy_level", 1);
  return success();
}

LogicalResult GraphExporter::writeMatMulBnb4(qnn::WeightOnlyMatMulOp op) {
  int64_t blockSize = op.getBlockSize();
  if (!op.getCodebook() || blockSize < 16 || !llvm::isPowerOf2_64(blockSize) ||
      op.getInput().getType().getRank() < 2)
    return failure();
  auto table = Elements<float>::read(op.getCodebook());
  auto codes = Elements<int16_t>::read(op.getWeights());
  auto scales = Elements<float>::read(op.getScales());
  if (!table || !codes || !scales)
    return failure();
  int64_t k = codes->shape[0], n = codes->shape[1];
  bool isFloat4 = llvm::equal(table->values, bnb4Float4);
  if (k % blockSize || k * n % 2 ||
      (!isFloat4 && !llvm::equal(table->values, bnb4NormalFloat4)))
    return failure();
  // The first of two codes is in the high bits.
  std::vector<uint8_t> bytes(k * n / 2);
  for (int64_t row = 0; row < k; ++row)
    for (int64_t column = 0; column < n; ++column) {
      int64_t i = column * k + row;
      bytes[i / 2] |= uint8_t(codes->at(row, column)) << (i % 2 ? 0 : 4);
    }
  MLIRContext *context = op.getContext();
  contribNode(
      op, "MatMulBnb4",
      {nameOf(op.getInput()),
       initializer("weight",
                   makeBytes(context, {int64_t(bytes.size())}, bytes)),
       initializer("absmax", byColumn(context, *scales, k / blockSize, n))})
      .set("K", k)
      .set("N", n)
      .set("block_size", blockSize)
      .set("quant_type", isFloat4 ? 0 : 1);
  return success();
}

LogicalResult GraphExporter::writeWeightOnly(qnn::WeightOnlyMatMulOp op) {
  Type scaleType = op.getScales().getType().getElementType();
  // Bytes are multiplied as numbers: no op multiplies them by weights in
  // groups.
  std::string input = nameOf(op.getInput());
  bool isFloatInput = isFloat(op.getInput());
  if (!isFloatInput)
    input = castTo(op, input, scaleType);
  bool isF32 =
      scaleType.isF32() &&
      (!isFloatInput || op.getInput().getType().getElementType().isF32());
  if (isF32 && options.contribOps &&
      (succeeded(writeMatMulNBits(op, input)) ||
       (isFloatInput && succeeded(writeMatMulBnb4(op)))))
    return success();

  std::string weight = freshName("weight");
  ArrayRef<int64_t> shape = op.getWeights().getType().getShape();
  int64_t blockSize = op.getBlockSize();
  if (!op.getCodebook()) {
    if (failed(writeDequantize(op, op.getWeights(), op.getScales(),
                               op.getZeroPoints(), 0, blockSize, weight)))
      return failure();
  } else {
    std::string numbers = freshName("numbers");
    if (shape[0] % blockSize)
      return fail("a codebook in blocks that do not divide the dimension has "
                  "no form in ONNX");
    if (failed(writeLookup(op, op.getWeights(), op.getCodebook(), numbers)))
      return failure();
    int64_t blocks = shape[0] / blockSize;
    std::string product =
        compute(op, "Mul",
                {reshape(op, numbers, {blocks, blockSize, shape[1]}),
                 reshape(op, nameOf(op.getScales()), {blocks, 1, shape[1]})});
    namedNode(op, "Reshape", {product, initializer(shape)}, {weight});
  }
  namedNode(op, "MatMul", {input, weight}, {nameOf(op)});
  return success();
}
