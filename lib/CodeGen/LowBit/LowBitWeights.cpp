//===- LowBitWeights.cpp - Packing low-bit weights ------------------------===//

#include "LowBitWeights.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/bit.h"

#include <cmath>

using namespace mlir;
using namespace quantc;

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

/// What calls pass as scales and zero points, as SuperBlockOffset: for each
/// call which pair of constants it has, and all pairs' bytes.
struct PairsOfConstants {
  SmallVector<size_t> ofCall;
  SmallVector<ScalesAndOffsets> packed;
  /// Names of both constants: neither says alone what is packed.
  SmallVector<std::string> suffixes;
};

/// Nothing if the numbers of one call have no such form.
static std::optional<PairsOfConstants>
packPairs(ArrayRef<memref::GlobalOp> scales,
          ArrayRef<memref::GlobalOp> zeroPoints, float smallestCode,
          const LowBitLayout &layout, int64_t n) {
  PairsOfConstants pairs;
  llvm::DenseMap<std::pair<Operation *, Operation *>, size_t> known;
  for (auto [i, call] : llvm::enumerate(scales)) {
    memref::GlobalOp scale = call, zero = zeroPoints[i];
    auto [place, isNew] = known.try_emplace({scale, zero}, pairs.packed.size());
    pairs.ofCall.push_back(place->second);
    pairs.suffixes.push_back(
        (scale.getSymName() + "with" + zero.getSymName()).str());
    if (!isNew)
      continue;
    auto packed = packScalesAndOffsets(readElements<float>(scale),
                                       readElements<float>(zero), smallestCode,
                                       layout, n);
    if (!packed)
      return std::nullopt;
    pairs.packed.push_back(std::move(*packed));
  }
  return pairs;
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

template <typename List> static std::vector<char> toBytes(List &&list) {
  auto *data = reinterpret_cast<const char *>(list.data());
  return std::vector<char>(data, data + list.size() * sizeof(list[0]));
}

namespace {
/// Packs the constants of one product.
class LowBitPacker {
public:
  LowBitPacker(WeightPacker &packer, linalg::LinalgOp root,
               const LowBitBody &body, int64_t lanes)
      : packer(packer), root(root), func(root->getParentOfType<func::FuncOp>()),
        body(body), layout(body.bits, body.depth, body.blockSize, lanes),
        offset(body.isSigned ? 1u << (body.bits - 1) : 0),
        b(root.getContext()) {
    llvm::raw_string_ostream(suffix)
        << "bits" << body.bits << (body.isSigned ? 's' : 'u') << 'x' << lanes
        << "blocks" << layout.blocks;
  }

  std::optional<LowBitWeights> pack();

private:
  /// An argument of the kernel, and what calls pass for it.
  struct Constants {
    BlockArgument argument;
    SmallVector<memref::GlobalOp> globals;
  };

  bool find(int operand, Constants &constants);
  template <typename PackFn>
  Value replace(const Constants &constants, Type element, PackFn &&pack);
  bool packOffsets(LowBitWeights &weights);
  void packScales(LowBitWeights &weights);
  void packZeroPoints(LowBitWeights &weights);
  bool hasFloatZeros() const {
    return body.zeroPoints >= 0 &&
           isa<FloatType>(cast<MemRefType>(zeroPoints.argument.getType())
                              .getElementType());
  }

  WeightPacker &packer;
  linalg::LinalgOp root;
  func::FuncOp func;
  const LowBitBody &body;
  LowBitLayout layout;
  /// What makes signed codes unsigned.
  unsigned offset;
  Builder b;
  std::string suffix;
  Constants codes, scales, zeroPoints;
};
} // namespace

/// Finds the constants behind an operand, if there is one. False if calls pass
/// others than constants.
bool LowBitPacker::find(int operand, Constants &constants) {
  if (operand < 0)
    return true;
  constants.argument = dyn_cast<BlockArgument>(root->getOperand(operand));
  auto globals = packer.getConstants(func, constants.argument, root);
  if (failed(globals))
    return false;
  constants.globals = std::move(*globals);
  return true;
}

template <typename PackFn>
Value LowBitPacker::replace(const Constants &constants, Type element,
                            PackFn &&pack) {
  unsigned number = constants.argument.getArgNumber();
  packer.setConstants(func, number, constants.globals, element, suffix, pack);
  return func.getArgument(number);
}

/// Scales and float zero points as the scales and offsets of super-blocks, if
/// they are such.
bool LowBitPacker::packOffsets(LowBitWeights &weights) {
  if (!hasFloatZeros() || body.scales < 0)
    return false;
  auto pairs = packPairs(scales.globals, zeroPoints.globals, -float(offset),
                         layout, body.columns);
  if (!pairs)
    return false;
  weights.scaleStorage = ScaleStorage::SuperBlockOffset;
  for (std::string &own : pairs->suffixes)
    own = suffix + "offsets" + own;
  auto replacePart = [&](const Constants &constants, auto member) -> Value {
    unsigned number = constants.argument.getArgNumber();
    packer.setConstants(func, number, constants.globals, b.getI8Type(),
                        pairs->suffixes, [&](size_t call) {
                          return pairs->packed[pairs->ofCall[call]].*member;
                        });
    return func.getArgument(number);
  };
  weights.scales = replacePart(scales, &ScalesAndOffsets::scales);
  weights.zeroPoints = replacePart(zeroPoints, &ScalesAndOffsets::offsets);
  return true;
}

void LowBitPacker::packScales(LowBitWeights &weights) {
  ScaleStorage storage =
      chooseCommonStorage(scales.globals, layout, body.columns);
  weights.scaleStorage = storage;
  suffix += "scales" + std::to_string(int(storage));
  bool isFloat = storage == ScaleStorage::Float32;
  weights.scales =
      replace(scales, isFloat ? Type(b.getF32Type()) : Type(b.getI8Type()),
              [&](memref::GlobalOp global) {
                SmallVector<float> numbers = readElements<float>(global);
                return isFloat ? toBytes(packParameters<float>(numbers, layout,
                                                               body.columns))
                               : quantc::packScales(numbers, storage, layout,
                                                    body.columns);
              });
}

/// Zero points of unsigned codes.
void LowBitPacker::packZeroPoints(LowBitWeights &weights) {
  if (hasFloatZeros())
    weights.zeroPoints =
        replace(zeroPoints, b.getF32Type(), [&](memref::GlobalOp global) {
          SmallVector<float> zeros = readElements<float>(global);
          for (float &zero : zeros)
            zero += float(offset);
          return toBytes(packParameters<float>(zeros, layout, body.columns));
        });
  else
    weights.zeroPoints =
        replace(zeroPoints, b.getI8Type(), [&](memref::GlobalOp global) {
          SmallVector<uint8_t> zeros = readElements<uint8_t>(global);
          for (uint8_t &zero : zeros)
            zero = (zero + offset) & ((1u << body.bits) - 1);
          return toBytes(packParameters<uint8_t>(zeros, layout, body.columns));
        });
}

std::optional<LowBitWeights> LowBitPacker::pack() {
  // First look whether all are constants, then change them.
  if (!find(body.codes, codes) || !find(body.scales, scales) ||
      !find(body.zeroPoints, zeroPoints))
    return std::nullopt;
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
  describeTable(packer, root, codes.globals, weights);
  weights.words = replace(codes, b.getI32Type(), [&](memref::GlobalOp global) {
    return toBytes(packCodes(global, layout, body.bits, offset, body.columns));
  });
  if (packOffsets(weights))
    return weights;
  if (body.scales >= 0)
    packScales(weights);
  if (body.zeroPoints >= 0)
    packZeroPoints(weights);
  return weights;
}

std::optional<LowBitWeights> quantc::packLowBitWeights(WeightPacker &packer,
                                                       linalg::LinalgOp root,
                                                       const LowBitBody &body,
                                                       int64_t lanes) {
  return LowBitPacker(packer, root, body, lanes).pack();
}
