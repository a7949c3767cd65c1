//===- GroupQuantizer.cpp - Numbers that share a scale --------------------===//

#include "GroupQuantizer.h"

#include "VectorClones.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
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
  format.codebook = {-1.0f,        -0.6961928f,  -0.52507305f,  -0.3949175f,
                     -0.28444138f, -0.18477343f, -0.091050036f, 0.0f,
                     0.0795803f,   0.1609302f,   0.2461123f,    0.33791524f,
                     0.44070983f,  0.562617f,    0.72295684f,   1.0f};
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
                               const WeightMethodOptions &options,
                               const WeightMatrix &weights)
    : format(format), options(options), isCodebook(!format.codebook.empty()) {
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
  case WeightFormat::Scales::Bytes:
  case WeightFormat::Scales::SuperBlocks:
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

llvm::Expected<Range>
GroupQuantizer::findBounds(llvm::ArrayRef<float> values) const {
  if (options.range) {
    llvm::Expected<Distribution> numbers =
        Distribution::fromValues(values, options.range->needsRangeOnly());
    if (!numbers)
      return numbers.takeError();
    return options.range->choose(*numbers, format.grid);
  }
  Range bounds;
  for (float w : values) {
    if (!std::isfinite(w))
      return llvm::createStringError("a weight is NaN or infinite");
    bounds.min = std::min(bounds.min, w);
    bounds.max = std::max(bounds.max, w);
  }
  return bounds;
}

GroupParameters GroupQuantizer::getParameters(Range bounds) const {
  // Nothing: no scale that the second level should have to reach.
  if (hasLevels() && std::max(-bounds.min, bounds.max) < 1e-30f)
    return {0, hasTwoEnds() ? float(format.grid.getMin()) : 0};
  if (!isCodebook) {
    ScaleAndZeroPoint chosen = computeScale(bounds, format.grid);
    return {chosen.scale, float(chosen.zeroPoint)};
  }
  float bound = std::max(-bounds.min, bounds.max);
  if (!std::isnormal(bound / largest))
    return {1, 0};
  return {getScale(bound), 0};
}

llvm::Expected<GroupParameters>
GroupQuantizer::choose(llvm::ArrayRef<float> values, float clip) const {
  llvm::Expected<Range> bounds = findBounds(values);
  if (!bounds)
    return bounds.takeError();
  return getParameters({bounds->min * clip, bounds->max * clip});
}

//===- search -------------------------------------------------------------===//

static double getWeight(llvm::ArrayRef<double> importance, size_t i) {
  return importance.empty() ? 1 : importance[i];
}

double GroupQuantizer::getError(llvm::ArrayRef<float> values,
                                llvm::ArrayRef<double> importance,
                                const GroupParameters &parameters) const {
  double total = 0;
  for (auto [i, value] : llvm::enumerate(values)) {
    double error =
        double(value) - getReal(round(value, parameters), parameters);
    total += getWeight(importance, i) * error * error;
  }
  return total;
}

GroupParameters
GroupQuantizer::fitScale(llvm::ArrayRef<float> values,
                         llvm::ArrayRef<double> importance,
                         const GroupParameters &parameters) const {
  double products = 0, squares = 0;
  const GroupParameters unit{1, parameters.zeroPoint};
  for (auto [i, value] : llvm::enumerate(values)) {
    double number = getReal(round(value, parameters), unit);
    products += getWeight(importance, i) * number * value;
    squares += getWeight(importance, i) * number * number;
  }
  float scale = squares > 0 ? float(products / squares) : parameters.scale;
  return {std::isnormal(scale) ? scale : parameters.scale,
          parameters.zeroPoint};
}

llvm::Expected<GroupParameters>
GroupQuantizer::chooseBest(llvm::ArrayRef<float> values,
                           llvm::ArrayRef<double> importance) const {
  llvm::Expected<GroupParameters> best = choose(values);
  if (!best || !options.searchScales || best->scale == 0)
    return best;
  double smallest = getError(values, importance, *best);
  // Of equals, the first: the whole range.
  auto consider = [&](const GroupParameters &candidate) {
    double error = getError(values, importance, candidate);
    if (error < smallest) {
      smallest = error;
      best = candidate;
    }
  };
  if (format.scales == WeightFormat::Scales::PowerOfTwo) {
    // One exponent more holds the largest number, one less makes a finer grid.
    const GroupParameters start = *best;
    for (float factor : {2.0f, 0.5f})
      consider({start.scale * factor, 0});
    return best;
  }
  bool canFit = format.scales != WeightFormat::Scales::TwoLevelE4M3;
  for (int64_t step = 0; step <= options.clipSteps; ++step) {
    float clip = float(1 - (1 - options.smallestClip) * double(step) /
                               double(options.clipSteps));
    llvm::Expected<GroupParameters> candidate = choose(values, clip);
    if (!candidate)
      return candidate.takeError();
    consider(*candidate);
    if (!canFit)
      continue;
    consider(fitScale(values, importance, *candidate));
    // The one number more may as well be at the other end.
    if (!isCodebook && format.grid.scheme == RangeScheme::Symmetric)
      consider(fitScale(values, importance,
                        {-candidate->scale, candidate->zeroPoint}));
  }
  return best;
}

//===- second level -------------------------------------------------------===//

/// The f16 nearest to `value`.
static float toHalf(float value) {
  APFloat half(value);
  bool losesInfo;
  half.convert(APFloat::IEEEhalf(), APFloat::rmNearestTiesToEven, &losesInfo);
  half.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &losesInfo);
  return half.convertToFloat();
}

void GroupQuantizer::storeLevels(QuantizedMatrix &matrix) const {
  if (!hasLevels())
    return;
  bool isSuper = format.scales == WeightFormat::Scales::SuperBlocks;
  bool hasOffsets = isSuper && hasTwoEnds();
  int64_t n = matrix.n, blocks = int64_t(matrix.scales.size()) / n;
  int64_t perSuper = isSuper
                         ? std::max<int64_t>(1, WeightFormat::superBlockSize /
                                                    matrix.blockSize)
                         : blocks;
  int64_t supers = llvm::divideCeil(blocks, perSuper);
  float largestCode = hasOffsets ? 63 : 127;
  ScaleLevels &levels = matrix.levels;
  levels.scales.resize(blocks * n);
  levels.scaleFactors.resize(supers * n);
  if (hasOffsets) {
    levels.offsets.resize(blocks * n);
    levels.offsetFactors.resize(supers * n);
    matrix.hasFractionalZeroPoints = true;
  }
  for (int64_t super = 0; super < supers; ++super)
    for (int64_t c = 0; c < n; ++c) {
      int64_t first = super * perSuper;
      int64_t end = std::min(first + perSuper, blocks);
      float largestScale = 0, largestOffset = 0;
      for (int64_t g = first; g < end; ++g) {
        float scale = matrix.scales[g * n + c];
        largestScale = std::max(largestScale, std::fabs(scale));
        if (hasOffsets)
          largestOffset =
              std::max(largestOffset, scale * (matrix.zeroPoints[g * n + c] -
                                               float(format.grid.getMin())));
      }
      auto getFactor = [&](float largest, float code) {
        float factor = largest / code;
        if (isSuper)
          factor = toHalf(factor);
        return std::isnormal(factor) && std::isfinite(factor) ? factor : 1;
      };
      float scaleFactor = getFactor(largestScale, largestCode);
      float offsetFactor = getFactor(largestOffset, 63);
      levels.scaleFactors[super * n + c] = scaleFactor;
      if (hasOffsets)
        levels.offsetFactors[super * n + c] = offsetFactor;
      for (int64_t g = first; g < end; ++g) {
        float &scale = matrix.scales[g * n + c];
        float offset = hasOffsets ? scale * (matrix.zeroPoints[g * n + c] -
                                             float(format.grid.getMin()))
                                  : 0;
        float code = std::clamp(std::nearbyint(scale / scaleFactor),
                                -largestCode, largestCode);
        // A scale of 0 would leave no numbers at all.
        if (code == 0)
          code = 1;
        levels.scales[g * n + c] = int16_t(code);
        scale = code * scaleFactor;
        if (!hasOffsets)
          continue;
        float offsetCode =
            std::clamp(std::nearbyint(offset / offsetFactor), 0.0f, 63.0f);
        levels.offsets[g * n + c] = int16_t(offsetCode);
        matrix.zeroPoints[g * n + c] =
            offsetCode * offsetFactor / scale + float(format.grid.getMin());
      }
    }
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

/// `GroupQuantizer::round` and `getReal` for integers of [low, high] and whole
/// zero points, without calls, so that vectors can do it.
QUANTC_FOR_ALL_VECTORS
static void roundToIntegers(const float *values,
                            const GroupParameters *parameters, size_t count,
                            float low, float high, float *reals) {
#pragma clang fp contract(off)
  // In floats of this size, the last bit is a one: sums round to the nearest
  // integer, and of two to the even one.
  constexpr float units = 3 << 22, bound = 1 << 21;
  for (size_t i = 0; i < count; ++i) {
    auto [scale, zeroPoint] = parameters[i];
    float x = values[i] / scale;
    x = x < -bound ? -bound : x;
    x = x > bound ? bound : x;
    float moved = (x + units) - units + zeroPoint;
    moved = moved < low ? low : moved;
    moved = moved > high ? high : moved;
    reals[i] = (moved - zeroPoint) * scale;
  }
}

void GroupQuantizer::roundAll(llvm::ArrayRef<float> values,
                              llvm::ArrayRef<GroupParameters> parameters,
                              float *reals) const {
  bool areWhole = !isCodebook;
  for (const GroupParameters &p : parameters)
    areWhole &= p.zeroPoint == std::floor(p.zeroPoint);
  if (areWhole)
    return roundToIntegers(values.data(), parameters.data(), values.size(),
                           format.grid.getMin(), format.grid.getMax(), reals);
  for (auto [i, value] : llvm::enumerate(values))
    reals[i] = getReal(round(value, parameters[i]), parameters[i]);
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
