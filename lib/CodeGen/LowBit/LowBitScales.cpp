//===- LowBitScales.cpp - Scales of blocks in one byte --------------------===//

#include "LowBitScales.h"

#include "LowBitEmitter.h"
#include "LowBitWeights.h"

#include "llvm/ADT/bit.h"

#include <cmath>

using namespace mlir;
using namespace quantc;

/// Elements of a super-block, as in llama.cpp's formats.
static constexpr int64_t kSuperBlock = 256;

/// Bits of a scale and an offset that are 6 bits each: the lower ones of the
/// offset are above the scale.
static constexpr unsigned kSixBits = 6, kLowerBits = 2, kUpperBits = 4;

static bool hasSuperBlocks(ScaleStorage storage) {
  return storage == ScaleStorage::SuperBlockByte ||
         storage == ScaleStorage::SuperBlockOffset;
}

int64_t quantc::getBlocksOfFactor(ScaleStorage storage,
                                  const LowBitLayout &layout) {
  return hasSuperBlocks(storage)
             ? std::max<int64_t>(1, kSuperBlock / layout.blockSize)
             : layout.blocks;
}

static unsigned getFactorSize(ScaleStorage storage) {
  return hasSuperBlocks(storage) ? sizeof(uint16_t) : sizeof(float);
}

/// Bytes of factors for each column of a panel.
static int64_t getFactorRows(ScaleStorage storage, const LowBitLayout &layout) {
  if (storage == ScaleStorage::PowerOfTwo)
    return 0;
  return getFactorSize(storage) *
         llvm::divideCeil(layout.blocks, getBlocksOfFactor(storage, layout));
}

/// The f16 nearest to `value`.
static float roundToHalf(float value) {
  APFloat half(value);
  bool losesInfo;
  half.convert(APFloat::IEEEhalf(), APFloat::rmNearestTiesToEven, &losesInfo);
  half.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &losesInfo);
  return half.convertToFloat();
}

/// Positive f16 are stored with a bit more for the exponent in the place of the
/// sign. So none is subnormal, and they become f32 by two operations on
/// integers, which all targets have.
static constexpr uint32_t kHalfShift = 13, kHalfBias = (127u - 32) << 23;

static void storeHalf(char *target, float half) {
  uint16_t bits = (llvm::bit_cast<uint32_t>(half) - kHalfBias) >> kHalfShift;
  std::memcpy(target, &bits, sizeof(bits));
}

/// The lower `bits` of words.
static Value mask(KernelEmitter &e, Value words, unsigned bits) {
  return withConstant<arith::AndIOp>(e, words, (1u << bits) - 1);
}

/// The number of an E4M3 code without a sign.
static float fromFloat8(int code) {
  int exponent = code >> 3, mantissa = code & 7;
  return exponent ? std::ldexp(float(8 + mantissa), exponent - 10)
                  : std::ldexp(float(mantissa), -9);
}

/// The code that times `factor` is `scale`, or -1. There are few codes, and the
/// nearest by value is the only candidate.
static int toFloat8(float scale, float factor) {
  int low = 0, high = 0x7e;
  while (low < high) {
    int middle = (low + high) / 2;
    if (fromFloat8(middle) * factor < scale)
      low = middle + 1;
    else
      high = middle;
  }
  return fromFloat8(low) * factor == scale ? low : -1;
}

/// Calls with numbers around a quotient, until one is accepted.
static bool tryFactors(float quotient, llvm::function_ref<bool(float)> accept) {
  float below = std::nextafter(quotient, 0.0f);
  float above = std::nextafter(quotient, 2 * quotient);
  return llvm::any_of(ArrayRef<float>{quotient, below, above}, accept);
}

/// What gives all of E4M3's codes for these scales; 0 if nothing does.
static float findFloat8Factor(ArrayRef<float> scales) {
  float largest = *llvm::max_element(scales), found = 0;
  if (!std::isnormal(largest / 448))
    return 0;
  tryFactors(largest / 448, [&](float factor) {
    if (!llvm::all_of(scales,
                      [&](float s) { return toFloat8(s, factor) >= 0; }))
      return false;
    found = factor;
    return true;
  });
  return found;
}

/// The scales of a column's blocks from `first` on, those that share a factor.
static SmallVector<float> getColumn(ArrayRef<float> values, int64_t column,
                                    int64_t n, int64_t first, int64_t count) {
  int64_t end = std::min<int64_t>(values.size() / n, first + count);
  SmallVector<float> part;
  for (int64_t block = first; block < end; ++block)
    part.push_back(values[block * n + column]);
  return part;
}

static float getLargest(ArrayRef<float> values) {
  float largest = 0;
  for (float value : values)
    largest = std::max(largest, std::fabs(value));
  return largest;
}

/// What `scales` are multiples of; 0 if there is nothing. The largest code is
/// 127, or 63 where there are 6 bits.
static float findByteFactor(ArrayRef<float> scales) {
  float largest = getLargest(scales), found = 0;
  if (largest == 0)
    return 1;
  for (float code : {127.0f, 63.0f}) {
    if (!std::isnormal(largest / code))
      continue;
    if (tryFactors(largest / code, [&](float factor) {
          if (!llvm::all_of(scales, [&](float scale) {
                return std::nearbyint(scale / factor) * factor == scale;
              }))
            return false;
          found = factor;
          return true;
        }))
      break;
  }
  return found;
}

/// The f16 that `scales` are multiples of, `mostCode` times at most; 0 if there
/// is none. A product with so few bits is exact.
static float findHalfFactor(ArrayRef<float> scales, int mostCode) {
  float largest = getLargest(scales);
  if (largest == 0)
    return 1;
  for (int code = mostCode; code > 0; --code) {
    float factor = roundToHalf(largest / float(code));
    if (factor == 0 || factor * float(code) != largest)
      continue;
    if (llvm::all_of(scales, [&](float scale) {
          return std::nearbyint(scale / factor) * factor == scale;
        }))
      return factor;
  }
  return 0;
}

static float findFactor(ArrayRef<float> scales, ScaleStorage storage) {
  return hasSuperBlocks(storage) ? findHalfFactor(scales, 127)
                                 : findByteFactor(scales);
}

/// Whether all scales are bytes times factors in that storage.
static bool areBytes(ArrayRef<float> scales, ScaleStorage storage,
                     const LowBitLayout &layout, int64_t n) {
  int64_t sharing = getBlocksOfFactor(storage, layout);
  for (int64_t column = 0; column < n; ++column)
    for (int64_t first = 0; first < layout.blocks; first += sharing)
      if (findFactor(getColumn(scales, column, n, first, sharing), storage) ==
          0)
        return false;
  return true;
}

ScaleStorage quantc::chooseScaleStorage(ArrayRef<float> scales,
                                        const LowBitLayout &layout, int64_t n) {
  if (scales.empty())
    return ScaleStorage::Float32;
  if (llvm::all_of(scales, [](float scale) {
        int exponent;
        return std::isnormal(scale) && std::frexp(scale, &exponent) == 0.5f;
      }))
    return ScaleStorage::PowerOfTwo;
  // A factor for each column has to pay.
  if (layout.blocks < 3)
    return ScaleStorage::Float32;
  if (findFloat8Factor(scales) != 0)
    return ScaleStorage::Float8;
  if (areBytes(scales, ScaleStorage::Byte, layout, n))
    return ScaleStorage::Byte;
  // So has one for a few blocks.
  if (getBlocksOfFactor(ScaleStorage::SuperBlockByte, layout) >= 3 &&
      areBytes(scales, ScaleStorage::SuperBlockByte, layout, n))
    return ScaleStorage::SuperBlockByte;
  return ScaleStorage::Float32;
}

std::vector<char> quantc::packScales(ArrayRef<float> scales,
                                     ScaleStorage storage,
                                     const LowBitLayout &layout, int64_t n) {
  int64_t columns = layout.columns(), panels = llvm::divideCeil(n, columns);
  int64_t factorRows = getFactorRows(storage, layout);
  int64_t rows = factorRows + layout.blocks;
  int64_t sharing = getBlocksOfFactor(storage, layout);
  std::vector<char> bytes(panels * rows * columns, 0);
  float factor = storage == ScaleStorage::Float8 ? findFloat8Factor(scales) : 0;
  bool isByte =
      storage == ScaleStorage::Byte || storage == ScaleStorage::SuperBlockByte;
  for (int64_t c = 0; c < n; ++c) {
    char *panel = bytes.data() + c / columns * rows * columns;
    int64_t inner = c % columns;
    for (int64_t block = 0; block < layout.blocks; ++block) {
      if (isByte && block % sharing == 0)
        factor = findFactor(getColumn(scales, c, n, block, sharing), storage);
      if (factorRows && block % sharing == 0) {
        char *target = panel + (block / sharing * columns + inner) *
                                   getFactorSize(storage);
        // The codes of E4M3 are read as the upper bits of an f32, whose
        // exponents count from 120 more.
        float stored = isByte ? factor : std::ldexp(factor, 120);
        if (hasSuperBlocks(storage))
          storeHalf(target, factor);
        else
          std::memcpy(target, &stored, sizeof(float));
      }
      float scale = scales[block * n + c];
      int code = 0;
      if (storage == ScaleStorage::PowerOfTwo)
        code = std::ilogb(scale) + 127;
      else if (storage == ScaleStorage::Float8)
        code = toFloat8(scale, factor);
      else
        code = int(std::nearbyint(scale / factor));
      panel[(factorRows + block) * columns + inner] = char(code);
    }
  }
  return bytes;
}

/// The f16 that offsets are multiples of, and the multiples, from which zero
/// points come back as they are; nothing if there is none.
static std::optional<std::pair<float, SmallVector<int>>>
findOffsets(ArrayRef<float> scales, ArrayRef<float> zeroPoints,
            float smallestCode) {
  SmallVector<float> offsets;
  for (auto [scale, zero] : llvm::zip(scales, zeroPoints))
    offsets.push_back((zero - smallestCode) * scale);
  float largest = getLargest(offsets);
  for (int most = (1 << kSixBits) - 1; most > 0; --most) {
    float factor = largest == 0 ? 1 : roundToHalf(largest / float(most));
    if (factor == 0 || !std::isfinite(factor))
      continue;
    SmallVector<int> codes;
    for (auto [i, offset] : llvm::enumerate(offsets)) {
      float code = std::nearbyint(offset / factor);
      if (!(code >= 0) || code >= 1 << kSixBits ||
          code * factor / scales[i] + smallestCode != zeroPoints[i])
        break;
      codes.push_back(int(code));
    }
    if (codes.size() == offsets.size())
      return std::make_pair(factor, codes);
  }
  return std::nullopt;
}

std::optional<ScalesAndOffsets>
quantc::packScalesAndOffsets(ArrayRef<float> scales, ArrayRef<float> zeroPoints,
                             float smallestCode, const LowBitLayout &layout,
                             int64_t n) {
  constexpr ScaleStorage storage = ScaleStorage::SuperBlockOffset;
  int64_t columns = layout.columns(), panels = llvm::divideCeil(n, columns);
  int64_t factorRows = getFactorRows(storage, layout);
  int64_t sharing = getBlocksOfFactor(storage, layout);
  // A factor has to pay.
  if (scales.size() != zeroPoints.size() || sharing < 3)
    return std::nullopt;
  int64_t rows = factorRows + layout.blocks;
  int64_t offsetRows = factorRows + llvm::divideCeil(layout.blocks, 2);
  ScalesAndOffsets packed;
  packed.scales.resize(panels * rows * columns, 0);
  packed.offsets.resize(panels * offsetRows * columns, 0);
  for (int64_t c = 0; c < n; ++c) {
    int64_t panel = c / columns, inner = c % columns;
    char *scalePanel = packed.scales.data() + panel * rows * columns;
    char *offsetPanel = packed.offsets.data() + panel * offsetRows * columns;
    for (int64_t first = 0; first < layout.blocks; first += sharing) {
      SmallVector<float> own = getColumn(scales, c, n, first, sharing);
      float factor = findHalfFactor(own, (1 << kSixBits) - 1);
      if (factor == 0 || llvm::any_of(own, [](float s) { return s <= 0; }))
        return std::nullopt;
      auto offsets = findOffsets(
          own, getColumn(zeroPoints, c, n, first, sharing), smallestCode);
      if (!offsets)
        return std::nullopt;
      int64_t at = (first / sharing * columns + inner) * getFactorSize(storage);
      storeHalf(scalePanel + at, factor);
      storeHalf(offsetPanel + at, offsets->first);
      for (auto [i, offset] : llvm::enumerate(offsets->second)) {
        int64_t block = first + int64_t(i);
        int lower = offset & ((1 << kLowerBits) - 1);
        scalePanel[(factorRows + block) * columns + inner] =
            char(int(own[i] / factor) | lower << kSixBits);
        offsetPanel[(factorRows + block / 2) * columns + inner] |=
            char(offset >> kLowerBits << (block % 2 * kUpperBits));
      }
    }
  }
  return packed;
}

/// A vector of codes of `block` that begin at `column` of `panel`; there are
/// `rows` of them in a panel, each for `blocksOfRow` blocks.
static Value loadCodes(KernelEmitter &e, Value bytes, ScaleStorage storage,
                       const LowBitLayout &layout, Value panel, Value column,
                       Value block, int64_t blocksOfRow) {
  int64_t factorRows = getFactorRows(storage, layout);
  int64_t rows = factorRows + llvm::divideCeil(layout.blocks, blocksOfRow);
  Value row = e.add(e.floorDiv(block, blocksOfRow), e.index(factorRows));
  Value at = e.add(e.mul(panel, e.index(rows)), row);
  return e.loadVector(
      bytes, e.add(e.mul(at, e.index(layout.columns())), column), layout.lanes);
}

/// The factors of those codes.
static Value loadFactors(KernelEmitter &e, Value bytes, ScaleStorage storage,
                         const LowBitLayout &layout, Value panel, Value column,
                         Value block, int64_t blocksOfRow) {
  int64_t columns = layout.columns(), lanes = layout.lanes;
  int64_t size = getFactorSize(storage);
  int64_t rows = getFactorRows(storage, layout) +
                 llvm::divideCeil(layout.blocks, blocksOfRow);
  Value at = e.add(e.mul(panel, e.index(rows * columns)),
                   e.mul(column, e.index(size)));
  if (hasSuperBlocks(storage))
    at = e.add(at, e.mul(e.floorDiv(block, getBlocksOfFactor(storage, layout)),
                         e.index(columns * size)));
  Value factors = e.loadVector(bytes, at, lanes * size);
  auto type = VectorType::get(lanes, e.b.getF32Type());
  if (size == sizeof(float))
    return vector::BitCastOp::create(e.b, e.loc, type, factors);
  auto words = VectorType::get(lanes, e.b.getI32Type());
  Value halves = vector::BitCastOp::create(
      e.b, e.loc, VectorType::get(lanes, e.b.getI16Type()), factors);
  Value bits = withConstant<arith::ShLIOp>(
      e, arith::ExtUIOp::create(e.b, e.loc, words, halves), kHalfShift);
  return arith::BitcastOp::create(
      e.b, e.loc, type, withConstant<arith::AddIOp>(e, bits, kHalfBias));
}

Value quantc::loadScales(KernelEmitter &e, Value bytes, ScaleStorage storage,
                         const LowBitLayout &layout, Value panel, Value column,
                         Value block) {
  int64_t lanes = layout.lanes;
  auto words = VectorType::get(lanes, e.b.getI32Type());
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value codes = loadCodes(e, bytes, storage, layout, panel, column, block, 1);
  Value scale;
  if (storage == ScaleStorage::Byte ||
      storage == ScaleStorage::SuperBlockByte) {
    scale = arith::SIToFPOp::create(e.b, e.loc, type, codes);
  } else {
    Value wide = arith::ExtUIOp::create(e.b, e.loc, words, codes);
    scale = arith::BitcastOp::create(
        e.b, e.loc, type,
        withConstant<arith::ShLIOp>(
            e, wide, storage == ScaleStorage::PowerOfTwo ? 23 : 20));
  }
  if (storage == ScaleStorage::PowerOfTwo)
    return scale;
  return arith::MulFOp::create(
      e.b, e.loc, scale,
      loadFactors(e, bytes, storage, layout, panel, column, block, 1));
}

ScaleAndOffset quantc::loadScaleAndOffsetCodes(KernelEmitter &e, Value scales,
                                               Value offsets,
                                               const LowBitLayout &layout,
                                               Value panel, Value column,
                                               Value block) {
  constexpr ScaleStorage storage = ScaleStorage::SuperBlockOffset;
  auto words = VectorType::get(layout.lanes, e.b.getI32Type());
  Type i32 = e.b.getI32Type();
  Value low = arith::ExtUIOp::create(
      e.b, e.loc, words,
      loadCodes(e, scales, storage, layout, panel, column, block, 1));
  Value high = arith::ExtUIOp::create(
      e.b, e.loc, words,
      loadCodes(e, offsets, storage, layout, panel, column, block, 2));
  // Of two blocks, the second one has the upper half of a byte.
  Value parity = e.sub(block, e.mul(e.floorDiv(block, 2), e.index(2)));
  Value amount = arith::IndexCastOp::create(e.b, e.loc, i32,
                                            e.mul(parity, e.index(kUpperBits)));
  high =
      arith::ShRUIOp::create(e.b, e.loc, high, e.splat(amount, layout.lanes));
  high = withConstant<arith::ShLIOp>(e, mask(e, high, kUpperBits), kLowerBits);
  Value offset = arith::OrIOp::create(
      e.b, e.loc, high, withConstant<arith::ShRUIOp>(e, low, kSixBits));
  return {mask(e, low, kSixBits), offset};
}

ScaleAndOffset quantc::loadScaleAndOffsetFactors(KernelEmitter &e, Value scales,
                                                 Value offsets,
                                                 const LowBitLayout &layout,
                                                 Value panel, Value column,
                                                 Value block) {
  constexpr ScaleStorage storage = ScaleStorage::SuperBlockOffset;
  return {loadFactors(e, scales, storage, layout, panel, column, block, 1),
          loadFactors(e, offsets, storage, layout, panel, column, block, 2)};
}

ScaleAndOffset quantc::loadScaleAndOffset(KernelEmitter &e, Value scales,
                                          Value offsets,
                                          const LowBitLayout &layout,
                                          Value panel, Value column,
                                          Value block) {
  auto type = VectorType::get(layout.lanes, e.b.getF32Type());
  ScaleAndOffset codes =
      loadScaleAndOffsetCodes(e, scales, offsets, layout, panel, column, block);
  ScaleAndOffset factors = loadScaleAndOffsetFactors(e, scales, offsets, layout,
                                                     panel, column, block);
  auto multiply = [&](Value code, Value factor) -> Value {
    Value number = arith::SIToFPOp::create(e.b, e.loc, type, code);
    return arith::MulFOp::create(e.b, e.loc, number, factor);
  };
  return {multiply(codes.scale, factors.scale),
          multiply(codes.offset, factors.offset)};
}
