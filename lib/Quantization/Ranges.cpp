//===- Ranges.cpp - From numbers to scales and zero points ----------------===//

#include "quantc/Quantization/Ranges.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace llvm;
using namespace quantc;

//===- grids --------------------------------------------------------------===//

int64_t QuantizationGrid::getMin() const {
  int64_t least = isSigned ? -(int64_t(1) << (bits - 1)) : 0;
  return scheme == RangeScheme::Restricted ? least + 1 : least;
}

int64_t QuantizationGrid::getMax() const {
  return (int64_t(1) << (isSigned ? bits - 1 : bits)) - 1;
}

ScaleAndZeroPoint quantc::computeScale(Range range,
                                       const QuantizationGrid &grid) {
  double min = std::min(range.min, 0.0f), max = std::max(range.max, 0.0f);
  double least = grid.getMin(), most = grid.getMax();
  if (grid.isSymmetric()) {
    max = std::max(-min, max);
    min = -max;
  }
  double scale = (max - min) / (most - least);
  if (!(scale >= double(std::numeric_limits<float>::min())))
    return {};
  // The middle does not depend on the scale, so that all channels share it.
  double zeroPoint = grid.isSymmetric() ? std::nearbyint((least + most) / 2)
                                        : std::nearbyint(least - min / scale);
  return {float(scale), int64_t(std::clamp(zeroPoint, least, most))};
}

//===- distributions ------------------------------------------------------===//

Expected<Distribution>
Distribution::fromStatistics(const ValueStatistics &statistics) {
  if (std::string problem = statistics.getProblem(); !problem.empty())
    return createStringError(problem);
  Distribution result;
  result.range = statistics.range;
  result.sampleRanges = statistics.sampleRanges;
  for (const Histogram::Bucket &bucket : statistics.histogram.getBuckets()) {
    // The outermost buckets end where the numbers do.
    double lower = std::max(bucket.lower, result.range.min);
    double upper = std::min(bucket.upper, result.range.max);
    result.parts.push_back(
        {lower, std::max(lower, upper), double(bucket.count)});
    result.totalWeight += double(bucket.count);
  }
  return result;
}

Expected<Distribution> Distribution::fromValues(ArrayRef<float> values,
                                                bool rangeOnly) {
  if (values.empty())
    return createStringError("has no elements");
  Distribution result;
  result.range = {values.front(), values.front()};
  for (float value : values) {
    if (!std::isfinite(value))
      return createStringError("has elements that are NaN or infinite");
    result.range.min = std::min(result.range.min, value);
    result.range.max = std::max(result.range.max, value);
  }
  if (rangeOnly)
    return result;
  std::vector<float> sorted(values.begin(), values.end());
  llvm::sort(sorted);
  result.parts.reserve(sorted.size());
  for (float value : sorted)
    result.parts.push_back({value, value, 1});
  result.totalWeight = double(sorted.size());
  return result;
}

//===- both ---------------------------------------------------------------===//

Expected<ScaleAndZeroPoint>
quantc::chooseScale(const ValueStatistics &statistics,
                    const QuantizationGrid &grid, const RangeMethod &method) {
  Expected<Distribution> numbers = Distribution::fromStatistics(statistics);
  if (!numbers)
    return numbers.takeError();
  return computeScale(method.choose(*numbers, grid), grid);
}

SmallVector<int64_t> quantc::getScaleShape(ArrayRef<int64_t> shape,
                                           const Granularity &granularity) {
  if (!granularity.axis)
    return {};
  int64_t size = shape[*granularity.axis];
  if (!granularity.blockSize)
    return {size};
  SmallVector<int64_t> result(shape);
  result[*granularity.axis] = int64_t(divideCeil(size, granularity.blockSize));
  return result;
}

void quantc::forEachPart(ArrayRef<float> values, ArrayRef<int64_t> shape,
                         const Granularity &granularity,
                         function_ref<void(size_t, ArrayRef<float>)> call) {
  if (!granularity.axis) {
    call(0, values);
    return;
  }
  size_t inner = 1, outer = 1, size = shape[*granularity.axis];
  for (int64_t n : shape.take_front(*granularity.axis))
    outer *= n;
  for (int64_t n : shape.drop_front(*granularity.axis + 1))
    inner *= n;
  std::vector<float> part;
  if (!granularity.blockSize) {
    for (size_t channel = 0; channel < size; ++channel) {
      part.clear();
      for (size_t o = 0; o < outer; ++o)
        append_range(part, values.slice((o * size + channel) * inner, inner));
      call(channel, part);
    }
    return;
  }
  size_t block = granularity.blockSize, blocks = divideCeil(size, block);
  for (size_t o = 0; o < outer; ++o)
    for (size_t b = 0; b < blocks; ++b)
      for (size_t i = 0; i < inner; ++i) {
        part.clear();
        for (size_t k = b * block; k < std::min(size, (b + 1) * block); ++k)
          part.push_back(values[(o * size + k) * inner + i]);
        call((o * blocks + b) * inner + i, part);
      }
}

Expected<WeightScales> quantc::chooseScales(ArrayRef<float> values,
                                            ArrayRef<int64_t> shape,
                                            const Granularity &granularity,
                                            const QuantizationGrid &grid,
                                            const RangeMethod &method) {
  WeightScales result;
  result.shape = getScaleShape(shape, granularity);
  size_t count = 1;
  for (int64_t n : result.shape)
    count *= n;
  result.scales.resize(count);
  Error problem = Error::success();
  bool hasFailed = false;
  forEachPart(values, shape, granularity,
              [&](size_t index, ArrayRef<float> part) {
                if (hasFailed)
                  return;
                Expected<Distribution> numbers =
                    Distribution::fromValues(part, method.needsRangeOnly());
                if (!numbers) {
                  hasFailed = true;
                  problem = joinErrors(std::move(problem), numbers.takeError());
                  return;
                }
                result.scales[index] =
                    computeScale(method.choose(*numbers, grid), grid);
              });
  if (problem)
    return std::move(problem);
  return result;
}
