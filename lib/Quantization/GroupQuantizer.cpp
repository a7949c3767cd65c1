//===- GroupQuantizer.cpp - Numbers that share a scale --------------------===//

#include "GroupQuantizer.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>

using namespace quantc;
using llvm::APFloat;

//===- formats ------------------------------------------------------------===//

/// The numbers of all codes of a small float, NaN for those that are none.
static std::vector<float> getNumbers(const llvm::fltSemantics &semantics) {
  unsigned width = APFloat::getSizeInBits(semantics);
  std::vector<float> numbers;
  for (unsigned code = 0; code < (1u << width); ++code) {
    APFloat value(semantics, llvm::APInt(width, code));
    if (!value.isFinite()) {
      numbers.push_back(std::numeric_limits<float>::quiet_NaN());
      continue;
    }
    bool losesInfo;
    value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    numbers.push_back(value.convertToFloat());
  }
  return numbers;
}

WeightFormat WeightFormat::nf4(int64_t blockSize) {
  WeightFormat format;
  format.codebook = {-1.0f,        -0.6961928f,  -0.52507305f, -0.3949175f,
                     -0.28444138f, -0.18477343f, -0.09105004f, 0.0f,
                     0.0795803f,   0.1609302f,   0.2461123f,   0.33791524f,
                     0.44070983f,  0.562617f,    0.72295684f,  1.0f};
  format.blockSize = blockSize;
  return format;
}

WeightFormat WeightFormat::fp4(int64_t blockSize, Scales scales) {
  WeightFormat format;
  format.codebook = getNumbers(APFloat::Float4E2M1FN());
  format.scales = scales;
  format.blockSize = blockSize;
  return format;
}

WeightFormat WeightFormat::fp8(bool isE5M2, int64_t blockSize, Scales scales) {
  WeightFormat format;
  format.codebook =
      getNumbers(isE5M2 ? APFloat::Float8E5M2() : APFloat::Float8E4M3FN());
  format.scales = scales;
  format.blockSize = blockSize;
  return format;
}

//===- quantizer ----------------------------------------------------------===//

GroupQuantizer::GroupQuantizer(const WeightFormat &format,
                               const RangeMethod *range,
                               const WeightMatrix &weights)
    : format(format), range(range), isCodebook(!format.codebook.empty()) {
  if (!isCodebook)
    return;
  for (auto [code, number] : llvm::enumerate(format.codebook))
    if (!std::isnan(number))
      sorted.emplace_back(number, code);
  // Of the two zeros, the positive one.
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](auto a, auto b) { return a.first < b.first; });
  sorted.erase(std::unique(sorted.begin(), sorted.end(),
                           [](auto a, auto b) { return a.first == b.first; }),
               sorted.end());
  for (size_t i = 0; i + 1 < sorted.size(); ++i)
    limits.push_back((sorted[i].first + sorted[i + 1].first) / 2);
  largest = std::max(-sorted.front().first, sorted.back().first);
  if (format.scales == WeightFormat::Scales::TwoLevelE4M3) {
    float bound = 0;
    for (float w : weights.values)
      bound = std::max(bound, std::fabs(w));
    // The largest block scale becomes E4M3's largest number.
    tensorScale = bound / largest / 448.0f;
    if (!std::isnormal(tensorScale))
      tensorScale = 1;
  }
}

float GroupQuantizer::getScale(float bound) const {
  float scale = bound / largest;
  switch (format.scales) {
  case WeightFormat::Scales::Float32:
    return scale;
  case WeightFormat::Scales::PowerOfTwo: {
    int exponent = std::ilogb(bound) - std::ilogb(largest);
    return std::ldexp(1.0f, std::clamp(exponent, -126, 127));
  }
  case WeightFormat::Scales::TwoLevelE4M3: {
    APFloat value(scale / tensorScale);
    bool losesInfo;
    value.convert(APFloat::Float8E4M3FN(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    // Too small a block gives zeros.
    return value.convertToFloat() * tensorScale;
  }
  }
  llvm_unreachable("all cases return");
}

llvm::Expected<GroupParameters>
GroupQuantizer::choose(llvm::ArrayRef<float> values, float clip) const {
  Range bounds;
  if (range) {
    llvm::Expected<Distribution> numbers = Distribution::fromValues(values);
    if (!numbers)
      return numbers.takeError();
    bounds = range->choose(*numbers, format.grid);
  } else {
    for (float w : values) {
      if (!std::isfinite(w))
        return llvm::createStringError("a weight is NaN or infinite");
      bounds.min = std::min(bounds.min, w);
      bounds.max = std::max(bounds.max, w);
    }
  }
  bounds.min *= clip;
  bounds.max *= clip;
  if (!isCodebook) {
    ScaleAndZeroPoint chosen = computeScale(bounds, format.grid);
    return GroupParameters{chosen.scale, float(chosen.zeroPoint)};
  }
  float bound = std::max(-bounds.min, bounds.max);
  if (!std::isnormal(bound / largest))
    return GroupParameters{1, 0};
  return GroupParameters{getScale(bound), 0};
}

int32_t GroupQuantizer::round(float value,
                              const GroupParameters &parameters) const {
  if (!isCodebook) {
    float moved =
        std::nearbyint(value / parameters.scale) + parameters.zeroPoint;
    // Zero points with fractions (HQQ) move before the rounding.
    if (parameters.zeroPoint != std::floor(parameters.zeroPoint))
      moved = std::nearbyint(value / parameters.scale + parameters.zeroPoint);
    float low = format.grid.getMin(), high = format.grid.getMax();
    return int32_t(std::min(std::max(moved, low), high));
  }
  float x = parameters.scale == 0 ? 0 : value / parameters.scale;
  auto it = std::lower_bound(limits.begin(), limits.end(), x);
  size_t i = it - limits.begin();
  if (it != limits.end() && *it == x && sorted[i].second % 2 != 0)
    ++i;
  return sorted[i].second;
}

QuantizedMatrix
GroupQuantizer::createResult(const WeightMatrix &weights) const {
  QuantizedMatrix result;
  result.k = weights.k;
  result.n = weights.n;
  result.blockSize =
      format.blockSize ? format.blockSize : std::max<int64_t>(1, weights.k);
  result.isSigned = !isCodebook && format.grid.isSigned;
  result.codebook = format.codebook;
  result.codes.resize(weights.k * weights.n);
  int64_t blocks = llvm::divideCeil(weights.k, result.blockSize);
  result.scales.resize(blocks * weights.n, 1);
  if (!isCodebook)
    result.zeroPoints.resize(blocks * weights.n, 0);
  return result;
}

float QuantizedMatrix::getReal(int64_t row, int64_t column) const {
  uint8_t code = codes[row * n + column];
  int64_t group = row / blockSize * n + column;
  if (!codebook.empty())
    return codebook[code] * scales[group];
  float number = isSigned ? float(int8_t(code)) : float(code);
  return (number - zeroPoints[group]) * scales[group];
}

std::vector<float> QuantizedMatrix::dequantize() const {
  std::vector<float> values(k * n);
  for (int64_t row = 0; row < k; ++row)
    for (int64_t column = 0; column < n; ++column)
      values[row * n + column] = getReal(row, column);
  return values;
}
