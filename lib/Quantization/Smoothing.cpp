//===- Smoothing.cpp - Scales that move between inputs and weights --------===//

#include "quantc/Quantization/Smoothing.h"

#include "Columns.h"

#include "llvm/ADT/STLExtras.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace quantc;
using llvm::ArrayRef;
using llvm::Expected;
using llvm::SmallVector;

double quantc::computeOutputError(const WeightMatrix &weights,
                                  ArrayRef<float> replacement,
                                  GramMatrix gram) {
  using Matrix =
      Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using DoubleMatrix =
      Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  int64_t k = weights.k, n = weights.n;
  Eigen::Map<const Matrix> before(weights.values.data(), k, n),
      after(replacement.data(), k, n);
  const Matrix h =
      Eigen::Map<const DoubleMatrix>(gram.data(), k, k).cast<float>();
  std::vector<double> errors(n);
  llvm::cantFail(forEachPart(n, [&](int64_t first, int64_t end) {
    Matrix difference = before.middleCols(first, end - first) -
                        after.middleCols(first, end - first);
    // H is symmetric: its lower triangle, twice, and the diagonal are half the
    // work.
    Matrix product = h.triangularView<Eigen::StrictlyLower>() * difference;
    product *= 2;
    product += h.diagonal().asDiagonal() * difference;
    product.array() *= difference.array();
    for (int64_t c = first; c < end; ++c)
      errors[c] = product.col(c - first).cast<double>().sum();
    return llvm::Error::success();
  }));
  return std::accumulate(errors.begin(), errors.end(), 0.0) /
         double(std::max<int64_t>(1, n));
}

std::vector<float> quantc::computeSmoothQuantScales(ArrayRef<float> inputMax,
                                                    ArrayRef<float> weightMax,
                                                    double alpha) {
  std::vector<float> scales;
  for (auto [x, w] : llvm::zip_equal(inputMax, weightMax)) {
    double scale = x > 0 && w > 0 ? std::pow(double(x), alpha) /
                                        std::pow(double(w), 1 - alpha)
                                  : 1;
    scales.push_back(std::isnormal(float(scale)) ? float(scale) : 1);
  }
  return scales;
}

std::vector<float> quantc::getRowMaxima(ArrayRef<WeightMatrix> matrices) {
  std::vector<float> maxima(matrices.empty() ? 0 : matrices.front().k, 0);
  for (const WeightMatrix &matrix : matrices)
    for (int64_t row = 0; row < matrix.k; ++row)
      for (float w : matrix.values.slice(row * matrix.n, matrix.n))
        maxima[row] = std::max(maxima[row], std::fabs(w));
  return maxima;
}

/// Σk Σn error of the products, per row of inputs.
static Expected<double> estimateError(const SmoothQuantProblem &problem,
                                      ArrayRef<float> scales) {
  size_t channels = scales.size();
  // The error of an input counts as often as its weights are large.
  std::vector<double> inputErrors(channels, 0);
  if (problem.inputGrid) {
    Range all;
    for (auto [range, scale] : llvm::zip_equal(problem.ranges, scales)) {
      all.min = std::min(all.min, range.min / scale);
      all.max = std::max(all.max, range.max / scale);
    }
    double step = computeScale(all, *problem.inputGrid).scale;
    for (size_t i = 0; i < channels; ++i)
      inputErrors[i] = std::min(step * step / 12 * scales[i] * scales[i],
                                problem.meanSquares[i]);
  }
  double error = 0;
  std::vector<double> squares(channels);
  for (size_t i = 0; i < channels; ++i)
    squares[i] = problem.meanSquares[i] / (double(scales[i]) * scales[i]);
  for (const WeightMatrix &matrix : problem.matrices) {
    std::vector<float> scaled(matrix.values);
    for (int64_t row = 0; row < matrix.k; ++row)
      for (int64_t c = 0; c < matrix.n; ++c)
        scaled[row * matrix.n + c] *= scales[row];
    Expected<QuantizedMatrix> quantized = problem.method->quantize(
        {scaled, matrix.k, matrix.n}, *problem.format, squares);
    if (!quantized)
      return quantized.takeError();
    std::vector<float> real = quantized->dequantize();
    for (int64_t row = 0; row < matrix.k; ++row) {
      double weightError = 0, size = 0;
      for (int64_t i = row * matrix.n; i < (row + 1) * matrix.n; ++i) {
        double difference = double(scaled[i]) - real[i];
        weightError += difference * difference;
        size += double(matrix.values[i]) * matrix.values[i];
      }
      error += weightError * squares[row] + size * inputErrors[row];
    }
  }
  return error;
}

Expected<SmoothQuantResult>
quantc::searchSmoothQuantScales(const SmoothQuantProblem &problem,
                                int64_t steps) {
  size_t channels = problem.ranges.size();
  std::vector<float> inputMax;
  for (const Range &range : problem.ranges)
    inputMax.push_back(std::max(-range.min, range.max));
  std::vector<float> weightMax = getRowMaxima(problem.matrices);
  SmoothQuantResult best;
  best.scales.assign(channels, 1);
  Expected<double> unscaled = estimateError(problem, best.scales);
  if (!unscaled)
    return unscaled.takeError();
  best.error = best.unscaledError = *unscaled;
  for (int64_t step = 0; step <= std::max<int64_t>(1, steps); ++step) {
    double alpha = double(step) / double(std::max<int64_t>(1, steps));
    std::vector<float> scales =
        computeSmoothQuantScales(inputMax, weightMax, alpha);
    Expected<double> error = estimateError(problem, scales);
    if (!error)
      return error.takeError();
    if (*error < best.error) {
      best.scales = std::move(scales);
      best.alpha = alpha;
      best.error = *error;
    }
  }
  return best;
}

/// mean|x|^a around 1: the geometric middle of the extremes. Channels without
/// input keep 1.
static std::vector<float> raise(ArrayRef<float> meanAbs, double exponent) {
  double smallest = std::numeric_limits<double>::infinity(), largest = 0;
  for (float x : meanAbs) {
    if (x <= 0)
      continue;
    smallest = std::min(smallest, std::pow(double(x), exponent));
    largest = std::max(largest, std::pow(double(x), exponent));
  }
  double middle = largest > 0 ? std::sqrt(smallest * largest) : 1;
  std::vector<float> scales;
  for (float x : meanAbs) {
    double scale = x > 0 ? std::pow(double(x), exponent) / middle : 1;
    scales.push_back(std::isnormal(float(scale)) ? float(scale) : 1);
  }
  return scales;
}

Expected<AWQResult> quantc::searchAWQScales(
    ArrayRef<WeightMatrix> matrices, ArrayRef<float> meanAbs, GramMatrix gram,
    const WeightFormat &format, const WeightMethod &method, int64_t steps) {
  AWQResult best;
  for (int64_t step = 0; step <= std::max<int64_t>(1, steps); ++step) {
    double exponent = double(step) / double(std::max<int64_t>(1, steps));
    std::vector<float> scales = raise(meanAbs, exponent);
    double error = 0;
    for (const WeightMatrix &matrix : matrices) {
      std::vector<float> scaled(matrix.values);
      for (int64_t row = 0; row < matrix.k; ++row)
        for (int64_t c = 0; c < matrix.n; ++c)
          scaled[row * matrix.n + c] *= scales[row];
      // What method rounds by sees the inputs as they will be.
      std::vector<double> divided;
      if (method.needsGram()) {
        divided.assign(gram.begin(), gram.end());
        for (int64_t i = 0; i < matrix.k; ++i)
          for (int64_t j = 0; j < matrix.k; ++j)
            divided[i * matrix.k + j] /= double(scales[i]) * scales[j];
      }
      Expected<QuantizedMatrix> quantized =
          method.quantize({scaled, matrix.k, matrix.n}, format, divided);
      if (!quantized)
        return quantized.takeError();
      std::vector<float> real = quantized->dequantize();
      for (int64_t row = 0; row < matrix.k; ++row)
        for (int64_t c = 0; c < matrix.n; ++c)
          real[row * matrix.n + c] /= scales[row];
      error += computeOutputError(matrix, real, gram) * double(matrix.n);
    }
    if (step == 0)
      best.unscaledError = error;
    if (step == 0 || error < best.error) {
      best.scales = std::move(scales);
      best.exponent = exponent;
      best.error = error;
    }
  }
  return best;
}

/// What can be said of all numbers when channels changed: the two extremes.
static void setRange(ValueStatistics &statistics, Range range) {
  statistics.range = range;
  statistics.histogram = Histogram();
  statistics.histogram.add({range.min, range.max});
  statistics.sampleRanges = {range};
}

void quantc::divideChannels(ValueStatistics &statistics,
                            ArrayRef<float> divisors) {
  size_t channels = statistics.numChannels();
  if (channels == 0 || channels != divisors.size())
    return;
  Range range = {std::numeric_limits<float>::infinity(),
                 -std::numeric_limits<float>::infinity()};
  for (auto [i, divisor] : llvm::enumerate(divisors)) {
    Range &channel = statistics.channelRanges[i];
    channel = {channel.min / divisor, channel.max / divisor};
    range.min = std::min(range.min, channel.min);
    range.max = std::max(range.max, channel.max);
    if (!statistics.sums.empty())
      statistics.sums[i] /= divisor;
    if (!statistics.sumAbs.empty())
      statistics.sumAbs[i] /= divisor;
    if (!statistics.sumSquares.empty())
      statistics.sumSquares[i] /= double(divisor) * divisor;
    if (!statistics.gram.empty())
      for (size_t j = 0; j < channels; ++j)
        statistics.gram[i * channels + j] /= double(divisor) * divisors[j];
  }
  setRange(statistics, range);
}

SmallVector<int64_t> quantc::findOutliers(ArrayRef<Range> ranges,
                                          double threshold) {
  std::vector<float> sizes;
  for (const Range &range : ranges)
    sizes.push_back(std::max(-range.min, range.max));
  SmallVector<int64_t> outliers;
  if (sizes.empty())
    return outliers;
  std::vector<float> sorted = sizes;
  auto middle = sorted.begin() + sorted.size() / 2;
  std::nth_element(sorted.begin(), middle, sorted.end());
  for (auto [channel, size] : llvm::enumerate(sizes))
    if (size > threshold * *middle)
      outliers.push_back(channel);
  return outliers;
}

void quantc::keepChannels(ValueStatistics &statistics, ArrayRef<float> mask) {
  size_t channels = mask.size();
  Range range;
  for (auto [i, factor] : llvm::enumerate(mask)) {
    if (factor == 0) {
      statistics.channelRanges[i] = Range();
      if (!statistics.sumAbs.empty())
        statistics.sumAbs[i] = 0;
      if (!statistics.sumSquares.empty())
        statistics.sumSquares[i] = 0;
    }
    range.min = std::min(range.min, statistics.channelRanges[i].min);
    range.max = std::max(range.max, statistics.channelRanges[i].max);
    if (!statistics.gram.empty())
      for (size_t j = 0; j < channels; ++j)
        if (factor == 0 || mask[j] == 0)
          statistics.gram[i * channels + j] = 0;
  }
  setRange(statistics, range);
}
