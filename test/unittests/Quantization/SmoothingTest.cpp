//===- SmoothingTest.cpp - Scales between inputs and weights --------------===//

#include "quantc/Quantization/Smoothing.h"

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

} // namespace
