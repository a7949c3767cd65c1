//===- LowBitWeights.cpp - Matching and packing low-bit weights -----------===//

#include "LowBitWeights.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace mlir;
using namespace quantc;

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

/// The number of the operand that `value` is an element of, through casts of
/// floats; -1 if it is none.
static int getOperandNumber(linalg::LinalgOp op, Value value) {
  while (Operation *cast = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(cast))
      return -1;
    value = cast->getOperand(0);
  }
  auto argument = dyn_cast<BlockArgument>(value);
  return argument && argument.getOwner() == op.getBlock()
             ? int(argument.getArgNumber())
             : -1;
}

/// `truncate(element)`, or an element of 8 bits.
static int matchCode(linalg::LinalgOp op, Value value, unsigned &bits) {
  bits = value.getType().getIntOrFloatBitWidth();
  if (auto truncate = value.getDefiningOp<arith::TruncIOp>())
    value = truncate.getIn();
  return value.getType().isInteger(8) ? getOperandNumber(op, value) : -1;
}

/// `extend(code)`.
static int matchExtended(linalg::LinalgOp op, Value value, unsigned &bits,
                         bool &isSigned) {
  Operation *extend = value.getDefiningOp();
  if (!extend || !isa<arith::ExtSIOp, arith::ExtUIOp>(extend))
    return -1;
  isSigned = isa<arith::ExtSIOp>(extend);
  return matchCode(op, extend->getOperand(0), bits);
}

static std::optional<float> getConstantFloat(Value value) {
  FloatAttr attr;
  if (!matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  return float(attr.getValueAsDouble());
}

/// The weight before it is scaled.
static bool matchNumber(linalg::LinalgOp op, Value value, LowBitBody &body) {
  Operation *producer = value.getDefiningOp();
  if (!producer)
    return false;
  if (isa<tensor::ExtractOp, memref::LoadOp>(producer)) {
    auto index =
        producer->getNumOperands() == 2
            ? producer->getOperand(1).getDefiningOp<arith::IndexCastUIOp>()
            : nullptr;
    if (!index || !value.getType().isF32())
      return false;
    body.table = producer->getOperand(0);
    body.codes = matchCode(op, index.getIn(), body.bits);
    // A code in several planes would have to be put together first.
    return body.codes >= 0 && llvm::isPowerOf2_32(body.bits);
  }
  if (auto difference = dyn_cast<arith::SubFOp>(producer)) {
    if (auto constant = getConstantFloat(difference.getRhs()))
      body.constantZeroPoint = *constant;
    else if ((body.zeroPoints = getOperandNumber(op, difference.getRhs())) < 0)
      return false;
    producer = difference.getLhs().getDefiningOp();
  }
  auto convert = dyn_cast_or_null<arith::SIToFPOp>(producer);
  if (!convert)
    return false;
  Value code = convert.getIn();
  if (auto difference = code.getDefiningOp<arith::SubIOp>()) {
    APInt constant;
    unsigned bits;
    bool isSigned;
    if (matchPattern(difference.getRhs(), m_ConstantInt(&constant)))
      body.constantZeroPoint = constant.getSExtValue();
    else if ((body.zeroPoints =
                  matchExtended(op, difference.getRhs(), bits, isSigned)) < 0)
      return false;
    code = difference.getLhs();
  }
  body.codes = matchExtended(op, code, body.bits, body.isSigned);
  return body.codes >= 0;
}

/// The size of blocks along the loop `k`, as the scales or zero points are
/// indexed; 0 if they are in another way.
static int64_t getBlockSize(linalg::LinalgOp op, const LowBitBody &body,
                            AffineExpr k) {
  int operand = body.scales >= 0 ? body.scales : body.zeroPoints;
  if (operand < 0)
    return 0;
  AffineMap map = op.getIndexingMapsArray()[operand];
  if (map.getNumResults() == 0)
    return 0;
  auto block = dyn_cast<AffineBinaryOpExpr>(map.getResult(0));
  if (!block || block.getKind() != AffineExprKind::FloorDiv ||
      block.getLHS() != k)
    return 0;
  auto size = dyn_cast<AffineConstantExpr>(block.getRHS());
  return size ? size.getValue() : 0;
}

std::optional<LowBitBody> quantc::matchLowBitProduct(linalg::LinalgOp op) {
  unsigned numReductions = op.getNumReductionLoops();
  if (!isa<linalg::GenericOp>(op) || op.getNumDpsInits() != 1 ||
      numReductions < 1 || numReductions > 2)
    return std::nullopt;
  Block *block = op.getBlock();
  auto sum =
      block->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!sum || sum.getLhs() != block->getArguments().back())
    return std::nullopt;
  auto product = sum.getRhs().getDefiningOp<arith::MulFOp>();
  if (!product || !product.getType().isF32())
    return std::nullopt;
  auto scaled = product.getRhs().getDefiningOp<arith::MulFOp>();
  LowBitBody body;
  body.inputFactor = product.getLhs();
  Value input = body.inputFactor;
  if (auto convert = input.getDefiningOp<arith::SIToFPOp>();
      convert && convert.getIn().getType().isInteger(8))
    input = convert.getIn();
  body.input = getOperandNumber(op, input);
  if (!scaled || body.input < 0 || !matchNumber(op, scaled.getLhs(), body))
    return std::nullopt;
  if (auto constant = getConstantFloat(scaled.getRhs()))
    body.constantScale = *constant;
  else if ((body.scales = getOperandNumber(op, scaled.getRhs())) < 0)
    return std::nullopt;

  // The loops: [..., n, block, k], or [..., n, k].
  unsigned loops = op.getNumLoops();
  MLIRContext *context = op.getContext();
  SmallVector<AffineExpr> outer;
  unsigned column = loops - 1 - numReductions;
  for (unsigned i = 0; i < column; ++i)
    outer.push_back(getAffineDimExpr(i, context));
  AffineExpr n = getAffineDimExpr(column, context);
  AffineExpr k = getAffineDimExpr(loops - 1, context);
  AffineExpr b = getAffineDimExpr(loops - 2, context);
  SmallVector<AffineExpr> inner{b, k};
  auto codesType = cast<ShapedType>(op->getOperand(body.codes).getType());
  if (!codesType.hasStaticShape() ||
      codesType.getRank() != int64_t(numReductions) + 1)
    return std::nullopt;
  body.columns = codesType.getShape().back();
  if (numReductions == 2) {
    body.blockSize = codesType.getDimSize(1);
    body.depth = codesType.getDimSize(0) * body.blockSize;
  } else {
    body.depth = codesType.getDimSize(0);
    body.blockSize = getBlockSize(op, body, k);
    if (body.blockSize <= 0)
      return std::nullopt;
    inner = {k};
    b = k.floorDiv(body.blockSize);
  }
  auto hasMap = [&](int operand, ArrayRef<AffineExpr> tail, bool isOuter) {
    if (operand < 0)
      return true;
    SmallVector<AffineExpr> expected;
    if (isOuter)
      expected = outer;
    llvm::append_range(expected, tail);
    return llvm::equal(op.getIndexingMapsArray()[operand].getResults(),
                       expected);
  };
  SmallVector<AffineExpr> ofCodes(inner);
  ofCodes.push_back(n);
  if (!hasMap(body.input, inner, true) || !hasMap(body.codes, ofCodes, false) ||
      !hasMap(body.scales, {b, n}, false) ||
      !hasMap(body.zeroPoints, {b, n}, false) ||
      !hasMap(op.getNumDpsInputs(), {n}, true))
    return std::nullopt;
  return body;
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

LowBitLayout::LowBitLayout(unsigned bits, int64_t depth, int64_t blockSize,
                           int64_t lanes)
    : depth(depth), lanes(lanes), blocks(llvm::divideCeil(depth, blockSize)),
      blockSize(blockSize) {
  for (unsigned size : {8u, 4u, 2u, 1u}) {
    if (!(bits & size))
      continue;
    unsigned shift = bits & (size - 1);
    planes.push_back({size, shift, wordsPerBlock});
    wordsPerBlock += llvm::divideCeil(blockSize, 32 / size);
  }
  wordsPerPanel = blocks * wordsPerBlock;
  if (int64_t size = shortBlockInMemory())
    wordsPerPanel -= llvm::divideCeil(blockSize, planes.back().codesPerWord()) -
                     llvm::divideCeil(size, planes.back().codesPerWord());
}

int64_t LowBitLayout::shortBlockInMemory() const {
  return std::min<int64_t>(blockSize, llvm::alignTo(shortBlock(), 32));
}

/// The elements of a constant of bytes or floats, as T; splats are expanded.
template <typename T>
static SmallVector<T> readElements(memref::GlobalOp global) {
  auto value = cast<ElementsAttr>(*global.getInitialValue());
  int64_t count = value.getNumElements();
  SmallVector<T> elements(count);
  if (std::optional<ArrayRef<char>> bytes = WeightPacker::getBytes(value)) {
    Type type = value.getElementType();
    unsigned width = type.getIntOrFloatBitWidth() / 8;
    for (int64_t i = 0; i < count; ++i) {
      const char *at = bytes->data() + i * width;
      if (auto fp = dyn_cast<FloatType>(type)) {
        uint64_t code = 0;
        std::memcpy(&code, at, width);
        APFloat number(fp.getFloatSemantics(), APInt(width * 8, code));
        elements[i] = T(number.convertToDouble());
      } else {
        elements[i] = T(*at);
      }
    }
    return elements;
  }
  auto dense = cast<DenseElementsAttr>(value);
  if (isa<FloatType>(dense.getElementType()))
    std::fill(elements.begin(), elements.end(),
              T(dense.getSplatValue<APFloat>().convertToDouble()));
  else
    std::fill(elements.begin(), elements.end(),
              T(dense.getSplatValue<APInt>().getSExtValue()));
  return elements;
}

/// Words of codes; `offset` makes signed codes unsigned.
static SmallVector<uint32_t> packCodes(memref::GlobalOp global,
                                       const LowBitLayout &layout,
                                       unsigned bits, unsigned offset,
                                       int64_t n) {
  SmallVector<uint8_t> codes = readElements<uint8_t>(global);
  int64_t columns = layout.columns();
  int64_t panels = llvm::divideCeil(n, columns);
  SmallVector<uint32_t> words(panels * layout.wordsPerPanel * columns, 0);
  unsigned mask = (1u << bits) - 1;
  for (int64_t row = 0; row < layout.depth; ++row) {
    int64_t block = row / layout.blockSize, k = row % layout.blockSize;
    for (int64_t column = 0; column < n; ++column) {
      unsigned code = (codes[row * n + column] + offset) & mask;
      int64_t panel = column / columns;
      uint32_t *target =
          words.data() +
          (panel * layout.wordsPerPanel + block * layout.wordsPerBlock) *
              columns +
          column % columns;
      for (const LowBitLayout::Plane &plane : layout.planes) {
        unsigned part = (code >> plane.shift) & ((1u << plane.bits) - 1);
        int64_t word = plane.firstWord + k / plane.codesPerWord();
        target[word * columns] |= part
                                  << (k % plane.codesPerWord() * plane.bits);
      }
    }
  }
  return words;
}

/// [block][n] to [panel][block][column].
template <typename T>
static SmallVector<T> packParameters(ArrayRef<T> values,
                                     const LowBitLayout &layout, int64_t n) {
  int64_t columns = layout.columns();
  SmallVector<T> packed(llvm::divideCeil(n, columns) * layout.blocks * columns,
                        T(0));
  for (int64_t block = 0; block < layout.blocks; ++block)
    for (int64_t column = 0; column < n; ++column)
      packed[(column / columns * layout.blocks + block) * columns +
             column % columns] = values[block * n + column];
  return packed;
}

/// One storage for the scales of all products that share a kernel.
static ScaleStorage chooseCommonStorage(ArrayRef<memref::GlobalOp> globals,
                                        const LowBitLayout &layout, int64_t n) {
  std::optional<ScaleStorage> common;
  llvm::SmallPtrSet<Operation *, 4> seen;
  for (memref::GlobalOp global : globals) {
    if (!seen.insert(global).second)
      continue;
    ScaleStorage own =
        quantc::chooseScaleStorage(readElements<float>(global), layout, n);
    if (common && *common != own)
      return ScaleStorage::Float32;
    common = own;
  }
  return common.value_or(ScaleStorage::Float32);
}

float LowBitWeights::getBiasFactor() const {
  // 7 bits for exponent and mantissa.
  int bias = (1 << (6 - mantissaBits)) - 1;
  return std::ldexp(1.0f, 127 - bias);
}

/// Looks whether the table has the numbers of a small float of 8 bits, for all
/// codes that occur.
static void findSmallFloat(ArrayRef<float> table,
                           ArrayRef<memref::GlobalOp> codes,
                           LowBitWeights &weights) {
  SmallVector<bool> occurs(256, false);
  for (memref::GlobalOp global : codes)
    for (uint8_t code : readElements<uint8_t>(global))
      occurs[code] = true;
  for (unsigned bits : {3u, 2u}) {
    weights.mantissaBits = bits;
    bool isSame = true;
    for (unsigned code = 0; code < 256 && isSame; ++code) {
      float number = llvm::bit_cast<float>((code & 0x7fu) << (23 - bits)) *
                     weights.getBiasFactor();
      isSame = !occurs[code] || table[code] == (code & 0x80 ? -number : number);
    }
    if (isSame)
      return;
  }
  weights.mantissaBits = 0;
}

/// Describes the table by arithmetic, where that is faster than to look
/// numbers up.
static void describeTable(WeightPacker &packer, linalg::LinalgOp root,
                          ArrayRef<memref::GlobalOp> codes,
                          LowBitWeights &weights) {
  auto func = root->getParentOfType<func::FuncOp>();
  auto argument = dyn_cast_or_null<BlockArgument>(weights.table);
  if (!argument || argument.use_empty())
    return;
  // The body reads it.
  auto globals =
      packer.getConstants(func, argument, *argument.getUsers().begin());
  if (failed(globals) || globals->empty())
    return;
  SmallVector<float> table = readElements<float>(globals->front());
  for (memref::GlobalOp global : llvm::drop_begin(*globals))
    if (readElements<float>(global) != table)
      return;
  if (weights.bits == 8 && table.size() == 256)
    return findSmallFloat(table, codes, weights);
  if (weights.bits != 4)
    return;
  float step = 0;
  for (float number : table)
    if (number != 0 && (step == 0 || std::fabs(number) < step))
      step = std::fabs(number);
  SmallVector<int64_t> multiples;
  for (float number : table) {
    float multiple = step == 0 ? 0.5f : number / step;
    if (multiple != std::nearbyint(multiple) || std::fabs(multiple) > 15)
      return;
    multiples.push_back(int64_t(multiple));
  }
  weights.step = step;
  weights.smallestMultiple = *llvm::min_element(multiples);
  for (int64_t multiple : multiples)
    weights.multiples.push_back(uint8_t(multiple - weights.smallestMultiple));
}

std::optional<LowBitWeights> quantc::packLowBitWeights(WeightPacker &packer,
                                                       linalg::LinalgOp root,
                                                       const LowBitBody &body,
                                                       int64_t lanes) {
  auto func = root->getParentOfType<func::FuncOp>();
  int64_t n = body.columns;
  LowBitLayout layout(body.bits, body.depth, body.blockSize, lanes);
  // First look whether all are constants, then change them.
  SmallVector<std::pair<BlockArgument, SmallVector<memref::GlobalOp>>> found;
  for (int operand : {body.codes, body.scales, body.zeroPoints}) {
    found.emplace_back();
    if (operand < 0)
      continue;
    auto argument = dyn_cast<BlockArgument>(root->getOperand(operand));
    auto globals = packer.getConstants(func, argument, root);
    if (failed(globals))
      return std::nullopt;
    found.back() = {argument, std::move(*globals)};
  }
  std::string suffix;
  llvm::raw_string_ostream(suffix)
      << "bits" << body.bits << (body.isSigned ? 's' : 'u') << 'x' << lanes
      << "blocks" << layout.blocks;
  unsigned offset = body.isSigned ? 1u << (body.bits - 1) : 0;

  LowBitWeights weights{layout,
                        body.bits,
                        {},
                        {},
                        {},
                        ScaleStorage::Float32,
                        body.constantScale,
                        body.constantZeroPoint + float(offset),
                        body.table,
                        {}};
  describeTable(packer, root, found[0].second, weights);
  Builder b(root.getContext());
  auto replace = [&](unsigned i, Type element, auto &&pack) -> Value {
    auto &[argument, globals] = found[i];
    packer.setConstants(func, argument.getArgNumber(), globals, element, suffix,
                        pack);
    return func.getArgument(argument.getArgNumber());
  };
  auto toBytes = [](auto &&list) {
    auto *data = reinterpret_cast<const char *>(list.data());
    return std::vector<char>(data, data + list.size() * sizeof(list[0]));
  };
  weights.words = replace(0, b.getI32Type(), [&](memref::GlobalOp global) {
    return toBytes(packCodes(global, layout, body.bits, offset, n));
  });
  if (body.scales >= 0) {
    ScaleStorage storage = chooseCommonStorage(found[1].second, layout, n);
    weights.scaleStorage = storage;
    suffix += "scales" + std::to_string(int(storage));
    bool isFloat = storage == ScaleStorage::Float32;
    weights.scales =
        replace(1, isFloat ? Type(b.getF32Type()) : Type(b.getI8Type()),
                [&](memref::GlobalOp global) {
                  SmallVector<float> scales = readElements<float>(global);
                  return isFloat
                             ? toBytes(packParameters<float>(scales, layout, n))
                             : packScales(scales, storage, layout, n);
                });
  }
  if (body.zeroPoints < 0)
    return weights;
  bool isFloat = isa<FloatType>(
      cast<MemRefType>(found[2].first.getType()).getElementType());
  if (isFloat)
    weights.zeroPoints =
        replace(2, b.getF32Type(), [&](memref::GlobalOp global) {
          SmallVector<float> zeros = readElements<float>(global);
          for (float &zero : zeros)
            zero += float(offset);
          return toBytes(packParameters<float>(zeros, layout, n));
        });
  else
    weights.zeroPoints =
        replace(2, b.getI8Type(), [&](memref::GlobalOp global) {
          SmallVector<uint8_t> zeros = readElements<uint8_t>(global);
          for (uint8_t &zero : zeros)
            zero = (zero + offset) & ((1u << body.bits) - 1);
          return toBytes(packParameters<uint8_t>(zeros, layout, n));
        });
  return weights;
}
