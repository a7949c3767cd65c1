//===- LowBitScales.cpp - Scales of blocks in one byte --------------------===//

#include "LowBitScales.h"

#include "LowBitWeights.h"

#include <cmath>

using namespace mlir;
using namespace quantc;

/// Bytes of factors for each column of a panel.
static int64_t getFactorRows(ScaleStorage storage) {
  return storage == ScaleStorage::PowerOfTwo ? 0 : sizeof(float);
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

/// The factor of a column whose scales are multiples of it; 0 if there is none.
static float findByteFactor(ArrayRef<float> scales, int64_t column, int64_t n) {
  float largest = 0, found = 0;
  for (size_t i = column; i < scales.size(); i += n)
    largest = std::max(largest, std::fabs(scales[i]));
  if (!std::isnormal(largest / 127))
    return 0;
  tryFactors(largest / 127, [&](float factor) {
    for (size_t i = column; i < scales.size(); i += n)
      if (std::nearbyint(scales[i] / factor) * factor != scales[i])
        return false;
    found = factor;
    return true;
  });
  return found;
}

ScaleStorage quantc::chooseScaleStorage(ArrayRef<float> scales, int64_t blocks,
                                        int64_t n) {
  if (scales.empty())
    return ScaleStorage::Float32;
  if (llvm::all_of(scales, [](float scale) {
        int exponent;
        return std::isnormal(scale) && std::frexp(scale, &exponent) == 0.5f;
      }))
    return ScaleStorage::PowerOfTwo;
  // A factor for each column has to pay.
  if (blocks < 3)
    return ScaleStorage::Float32;
  if (findFloat8Factor(scales) != 0)
    return ScaleStorage::Float8;
  for (int64_t column = 0; column < n; ++column)
    if (findByteFactor(scales, column, n) == 0)
      return ScaleStorage::Float32;
  return ScaleStorage::Byte;
}

std::vector<char> quantc::packScales(ArrayRef<float> scales,
                                     ScaleStorage storage,
                                     const LowBitLayout &layout, int64_t n) {
  int64_t columns = layout.columns(), panels = llvm::divideCeil(n, columns);
  int64_t rows = getFactorRows(storage) + layout.blocks;
  std::vector<char> bytes(panels * rows * columns, 0);
  float tensor = storage == ScaleStorage::Float8 ? findFloat8Factor(scales) : 0;
  for (int64_t c = 0; c < n; ++c) {
    char *panel = bytes.data() + c / columns * rows * columns;
    int64_t inner = c % columns;
    float factor =
        storage == ScaleStorage::Byte ? findByteFactor(scales, c, n) : tensor;
    for (int64_t block = 0; block < layout.blocks; ++block) {
      float scale = scales[block * n + c];
      int code = 0;
      if (storage == ScaleStorage::PowerOfTwo)
        code = std::ilogb(scale) + 127;
      else if (storage == ScaleStorage::Float8)
        code = toFloat8(scale, factor);
      else
        code = int(std::nearbyint(scale / factor));
      panel[(getFactorRows(storage) + block) * columns + inner] = char(code);
    }
    // The codes of E4M3 are read as the upper bits of an f32, whose exponents
    // count from 120 more.
    if (storage == ScaleStorage::Float8)
      factor = std::ldexp(factor, 120);
    if (getFactorRows(storage))
      std::memcpy(panel + inner * sizeof(float), &factor, sizeof(float));
  }
  return bytes;
}

Value quantc::loadScales(KernelEmitter &e, Value bytes, ScaleStorage storage,
                         const LowBitLayout &layout, Value panel, Value column,
                         Value block) {
  int64_t columns = layout.columns(), lanes = layout.lanes;
  int64_t factorRows = getFactorRows(storage);
  auto words = VectorType::get(lanes, e.b.getI32Type());
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value start = e.mul(panel, e.index((factorRows + layout.blocks) * columns));
  Value row = e.mul(e.add(block, e.index(factorRows)), e.index(columns));
  Value codes = e.loadVector(bytes, e.add(e.add(start, row), column), lanes);
  Value scale;
  if (storage == ScaleStorage::Byte) {
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
  Value factors =
      e.loadVector(bytes, e.add(start, e.mul(column, e.index(factorRows))),
                   lanes * factorRows);
  return arith::MulFOp::create(
      e.b, e.loc, scale, vector::BitCastOp::create(e.b, e.loc, type, factors));
}
