//===- Smoothing.cpp - Scales that move between inputs and weights --------===//

#include "quantc/Quantization/Smoothing.h"

#include "llvm/ADT/STLExtras.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>

using namespace quantc;
using llvm::ArrayRef;
using llvm::Expected;

double quantc::computeOutputError(const WeightMatrix &weights,
                                  ArrayRef<float> replacement,
                                  GramMatrix gram) {
  using Matrix =
      Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using DoubleMatrix =
      Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  int64_t k = weights.k, n = weights.n;
  Matrix difference = Eigen::Map<const Matrix>(weights.values.data(), k, n) -
                      Eigen::Map<const Matrix>(replacement.data(), k, n);
  Matrix h = Eigen::Map<const DoubleMatrix>(gram.data(), k, k).cast<float>();
  Matrix product = h * difference;
  double total = product.cwiseProduct(difference).cast<double>().sum();
  return total / double(std::max<int64_t>(1, n));
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
    if (!statistics.sumAbs.empty())
      statistics.sumAbs[i] /= divisor;
    if (!statistics.sumSquares.empty())
      statistics.sumSquares[i] /= double(divisor) * divisor;
    if (!statistics.gram.empty())
      for (size_t j = 0; j < channels; ++j)
        statistics.gram[i * channels + j] /= double(divisor) * divisors[j];
  }
  statistics.range = range;
  statistics.histogram = Histogram();
  statistics.histogram.add({range.min, range.max});
  statistics.sampleRanges = {range};
}
