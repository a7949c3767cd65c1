//===- LowBitScales.cpp - Scales of blocks in one byte --------------------===//

#include "LowBitScales.h"

#include "LowBitWeights.h"

#include <cmath>

using namespace mlir;
using namespace quantc;

/// Elements of a super-block, as in llama.cpp's formats.
static constexpr int64_t kSuperBlock = 256;

/// Blocks that share a factor.
static int64_t getSharing(ScaleStorage storage, const LowBitLayout &layout) {
  return storage == ScaleStorage::SuperBlockByte
             ? std::max<int64_t>(1, kSuperBlock / layout.blockSize)
             : layout.blocks;
}

/// Bytes of factors for each column of a panel.
static int64_t getFactorRows(ScaleStorage storage, const LowBitLayout &layout) {
  if (storage == ScaleStorage::PowerOfTwo)
    return 0;
  return sizeof(float) *
         llvm::divideCeil(layout.blocks, getSharing(storage, layout));
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

/// The factor of `count` blocks of a column whose scales are multiples of it; 0
/// if there is none. The largest code is 127, or 63 where there are 6 bits.
static float findByteFactor(ArrayRef<float> scales, int64_t column, int64_t n,
                            int64_t first, int64_t count) {
  int64_t end = std::min<int64_t>(scales.size() / n, first + count);
  float largest = 0, found = 0;
  for (int64_t block = first; block < end; ++block)
    largest = std::max(largest, std::fabs(scales[block * n + column]));
  if (largest == 0)
    return 1;
  for (float code : {127.0f, 63.0f}) {
    if (!std::isnormal(largest / code))
      continue;
    if (tryFactors(largest / code, [&](float factor) {
          for (int64_t block = first; block < end; ++block) {
            float scale = scales[block * n + column];
            if (std::nearbyint(scale / factor) * factor != scale)
              return false;
          }
          found = factor;
          return true;
        }))
      break;
  }
  return found;
}

/// Whether all scales are bytes times factors in that storage.
static bool areBytes(ArrayRef<float> scales, ScaleStorage storage,
                     const LowBitLayout &layout, int64_t n) {
  int64_t sharing = getSharing(storage, layout);
  for (int64_t column = 0; column < n; ++column)
    for (int64_t first = 0; first < layout.blocks; first += sharing)
      if (findByteFactor(scales, column, n, first, sharing) == 0)
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
  if (getSharing(ScaleStorage::SuperBlockByte, layout) >= 3 &&
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
  int64_t sharing = getSharing(storage, layout);
  std::vector<char> bytes(panels * rows * columns, 0);
  float factor = storage == ScaleStorage::Float8 ? findFloat8Factor(scales) : 0;
  bool isByte =
      storage == ScaleStorage::Byte || storage == ScaleStorage::SuperBlockByte;
  for (int64_t c = 0; c < n; ++c) {
    char *panel = bytes.data() + c / columns * rows * columns;
    int64_t inner = c % columns;
    for (int64_t block = 0; block < layout.blocks; ++block) {
      if (isByte && block % sharing == 0)
        factor = findByteFactor(scales, c, n, block, sharing);
      if (factorRows && block % sharing == 0) {
        // The codes of E4M3 are read as the upper bits of an f32, whose
        // exponents count from 120 more.
        float stored = isByte ? factor : std::ldexp(factor, 120);
        std::memcpy(panel + (block / sharing * columns + inner) * sizeof(float),
                    &stored, sizeof(float));
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

Value quantc::loadScales(KernelEmitter &e, Value bytes, ScaleStorage storage,
                         const LowBitLayout &layout, Value panel, Value column,
                         Value block) {
  int64_t columns = layout.columns(), lanes = layout.lanes;
  int64_t factorRows = getFactorRows(storage, layout);
  auto words = VectorType::get(lanes, e.b.getI32Type());
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value start = e.mul(panel, e.index((factorRows + layout.blocks) * columns));
  Value row = e.mul(e.add(block, e.index(factorRows)), e.index(columns));
  Value codes = e.loadVector(bytes, e.add(e.add(start, row), column), lanes);
  Value scale;
  if (storage == ScaleStorage::Byte ||
      storage == ScaleStorage::SuperBlockByte) {
    scale = arith::SIToFPOp::create(e.b, e.loc, type, codes);
  } else {
    int shift = storage == ScaleStorage::PowerOfTwo ? 23 : 20;
    Value wide = arith::ExtUIOp::create(e.b, e.loc, words, codes);
    Value amount = arith::ConstantOp::create(
        e.b, e.loc, DenseElementsAttr::get(words, APInt(32, shift)));
    scale = arith::BitcastOp::create(
        e.b, e.loc, type, arith::ShLIOp::create(e.b, e.loc, wide, amount));
  }
  if (factorRows == 0)
    return scale;
  // Four bytes a column; all blocks but those of super-blocks have one factor.
  Value at = e.add(start, e.mul(column, e.index(sizeof(float))));
  if (storage == ScaleStorage::SuperBlockByte)
    at = e.add(at, e.mul(e.floorDiv(block, getSharing(storage, layout)),
                         e.index(columns * sizeof(float))));
  Value factors = e.loadVector(bytes, at, lanes * sizeof(float));
  return arith::MulFOp::create(
      e.b, e.loc, scale, vector::BitCastOp::create(e.b, e.loc, type, factors));
}
