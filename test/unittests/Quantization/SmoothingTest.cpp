//===- SmoothingTest.cpp - Scales between inputs and weights --------------===//

#include "quantc/Quantization/Smoothing.h"
#include "quantc/Quantization/Rotation.h"

#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace quantc;

namespace {

TEST(SmoothQuant, MeetsInTheMiddle) {
  // With alpha 0.5 both sides get the same largest number in each channel.
  std::vector<float> scales =
      computeSmoothQuantScales({16, 1, 0, 9}, {1, 4, 2, 0}, 0.5);
  EXPECT_EQ(scales, (std::vector<float>{4, 0.5f, 1, 1}));
  EXPECT_EQ(computeSmoothQuantScales({16}, {4}, 0)[0], 0.25f);
  EXPECT_EQ(computeSmoothQuantScales({16}, {4}, 1)[0], 16);
}

TEST(SmoothQuant, RowMaximaOverAllMatrices) {
  std::vector<float> a{1, -2, 3, 0}, b{0, -5};
  EXPECT_EQ(getRowMaxima({{a, 2, 2}, {b, 2, 1}}), (std::vector<float>{2, 5}));
}

TEST(Smoothing, DividedStatistics) {
  ValueStatistics value;
  CollectOptions options;
  options.channelAxis = 1;
  options.moments = options.gram = true;
  std::vector<float> data{8, 1, -4, 3}, divided{2, 2, -1, 6};
  value.add(data, {2, 2}, options);
  value.endSample();
  divideChannels(value, {4, 0.5f});
  ValueStatistics expected;
  expected.add(divided, {2, 2}, options);
  expected.endSample();
  EXPECT_EQ(value.range, expected.range);
  EXPECT_EQ(value.channelRanges, expected.channelRanges);
  EXPECT_EQ(value.sums, expected.sums);
  EXPECT_EQ(value.sumAbs, expected.sumAbs);
  EXPECT_EQ(value.sumSquares, expected.sumSquares);
  EXPECT_EQ(value.gram, expected.gram);
  EXPECT_EQ(value.sampleRanges.front(), expected.range);
}

struct AWQ : testing::Test {
  static constexpr int64_t k = 32, n = 24, tokens = 400;
  std::vector<float> weights, meanAbs;
  std::vector<double> gram;
  WeightFormat format;

  void make(float outlier) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    weights.resize(k * n);
    for (float &w : weights)
      w = normal(random);
    meanAbs.assign(k, 0);
    gram.assign(k * k, 0);
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<float> x(k);
      for (float &value : x)
        value = normal(random);
      x[5] *= outlier;
      for (int64_t i = 0; i < k; ++i) {
        meanAbs[i] += std::fabs(x[i]) / tokens;
        for (int64_t j = 0; j < k; ++j)
          gram[i * k + j] += double(x[i]) * x[j];
      }
    }
    format.grid = {3, false, RangeScheme::Asymmetric};
  }

  AWQResult search() {
    auto method = WeightMethod::create("nearest");
    auto result =
        searchAWQScales({{weights, k, n}}, meanAbs, gram, format, **method, 20);
    EXPECT_TRUE(bool(result));
    return *result;
  }
};

TEST_F(AWQ, OutliersAreProtected) {
  make(50);
  AWQResult result = search();
  EXPECT_LE(result.error, 0.8 * result.unscaledError);
  EXPECT_GT(result.scales[5], 2 * result.scales[4]);
}

TEST_F(AWQ, NeverWorse) {
  make(1);
  AWQResult result = search();
  EXPECT_LE(result.error, result.unscaledError);
  // The error is that of the scaled matrix, divided again.
  std::vector<float> scaled = weights;
  for (int64_t i = 0; i < k * n; ++i)
    scaled[i] *= result.scales[i / n];
  auto method = WeightMethod::create("nearest");
  auto quantized = (*method)->quantize({scaled, k, n}, format, {});
  ASSERT_TRUE(bool(quantized));
  double error = 0;
  for (int64_t c = 0; c < n; ++c)
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j) {
        auto getError = [&](int64_t row) {
          return weights[row * n + c] -
                 quantized->getReal(row, c) / double(result.scales[row]);
        };
        error += getError(i) * gram[i * k + j] * getError(j);
      }
  EXPECT_NEAR(result.error, error, 1e-3 * error);
}

//===- searched alpha, outliers, rotations --------------------------------===//

TEST(SmoothQuant, SearchTakesTheAlphaThatLosesLeast) {
  // One channel of inputs is 50 times as large as the others.
  int64_t k = 16, n = 4;
  std::vector<float> w(k * n);
  for (size_t i = 0; i < w.size(); ++i)
    w[i] = float(int(i * 7 % 11) - 5) / 5;
  WeightMatrix matrix{w, k, n};
  std::vector<Range> ranges(k, {-1, 1});
  std::vector<double> squares(k, 0.3);
  ranges[5] = {-50, 50};
  squares[5] = 750;
  QuantizationGrid inputs{8, false, RangeScheme::Asymmetric};
  WeightFormat format;
  format.grid = {8, true, RangeScheme::Restricted};
  auto method = WeightMethod::create("nearest");
  ASSERT_TRUE(bool(method));
  SmoothQuantProblem problem{matrix, ranges, squares};
  problem.inputGrid = &inputs;
  problem.format = &format;
  problem.method = method->get();
  auto found = searchSmoothQuantScales(problem, 20);
  ASSERT_TRUE(bool(found));
  ASSERT_TRUE(found->alpha.has_value());
  EXPECT_LT(found->error, 0.2 * found->unscaledError);
  // Without a scale, the step is 100 / 255 for all channels.
  double inputError = 0;
  for (int64_t i = 0; i < k; ++i)
    for (int64_t c = 0; c < n; ++c)
      inputError += std::min(100.0 * 100 / 255 / 255 / 12, squares[i]) *
                    w[i * n + c] * w[i * n + c];
  EXPECT_NEAR(found->unscaledError, inputError, 0.4 * inputError);
  // Inputs in float and weights that lie on the grid: nothing is better.
  problem.inputGrid = nullptr;
  for (float &value : w)
    value = 127;
  found = searchSmoothQuantScales(problem, 20);
  ASSERT_TRUE(bool(found));
  EXPECT_FALSE(found->alpha.has_value());
}

TEST(Outliers, AreFarFromTheMedian) {
  std::vector<Range> ranges{{-1, 2}, {0, 11}, {-9, 1}, {0, 2}, {-2, 0}};
  EXPECT_EQ(findOutliers(ranges, 5), (llvm::SmallVector<int64_t>{1}));
  EXPECT_EQ(findOutliers(ranges, 4), (llvm::SmallVector<int64_t>{1, 2}));
  EXPECT_TRUE(findOutliers({}, 5).empty());
}

TEST(Rotation, IsOrthogonal) {
  for (int64_t size : {1, 2, 16, 12, 48, 384, 15}) {
    std::vector<float> r = makeRotation(size, 3);
    double largest = 0;
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < size; ++k)
          sum += double(r[k * size + i]) * r[k * size + j];
        largest = std::max(largest, std::fabs(sum - (i == j)));
      }
    EXPECT_LT(largest, 1e-6) << size;
    EXPECT_EQ(r, makeRotation(size, 3));
  }
  // Of a power of two, all elements are of a size.
  for (float value : makeRotation(64, 1))
    EXPECT_FLOAT_EQ(std::fabs(value), 0.125f);
  EXPECT_EQ(getRotationFactor(1024), 32);
  EXPECT_EQ(getRotationFactor(384), 32);
  EXPECT_EQ(getRotationFactor(15), 1);
}

} // namespace
