//===- RangesTest.cpp - Grids, scales and range methods -------------------===//

#include "quantc/Quantization/Ranges.h"

#include "gtest/gtest.h"

#include <random>

using namespace llvm;
using namespace quantc;

namespace {
constexpr QuantizationGrid u8 = {8, false, RangeScheme::Asymmetric};
constexpr QuantizationGrid i8 = {8, true, RangeScheme::Asymmetric};
constexpr QuantizationGrid i8Symmetric = {8, true, RangeScheme::Symmetric};
constexpr QuantizationGrid i8Restricted = {8, true, RangeScheme::Restricted};

std::unique_ptr<RangeMethod> method(StringRef text) {
  return cantFail(RangeMethod::parse(text));
}

std::vector<float> normalNumbers(size_t count) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float &value : values)
    value = normal(random);
  return values;
}

ValueStatistics observe(ArrayRef<float> values) {
  ValueStatistics statistics;
  statistics.add(values, {int64_t(values.size())}, {});
  statistics.endSample();
  return statistics;
}

double getError(ArrayRef<float> values, ScaleAndZeroPoint scale,
                const QuantizationGrid &grid) {
  double sum = 0;
  for (float value : values) {
    double q = std::clamp(std::nearbyint(value / double(scale.scale)) +
                              double(scale.zeroPoint),
                          double(grid.getMin()), double(grid.getMax()));
    double error = (q - double(scale.zeroPoint)) * scale.scale - value;
    sum += error * error;
  }
  return sum;
}

void expectScale(Range range, const QuantizationGrid &grid, float scale,
                 int64_t zeroPoint) {
  ScaleAndZeroPoint result = computeScale(range, grid);
  EXPECT_EQ(result.scale, scale);
  EXPECT_EQ(result.zeroPoint, zeroPoint);
}
} // namespace

TEST(Grid, Ends) {
  EXPECT_EQ(u8.getMin(), 0);
  EXPECT_EQ(u8.getMax(), 255);
  EXPECT_EQ(i8Symmetric.getMin(), -128);
  EXPECT_EQ(i8Restricted.getMin(), -127);
  EXPECT_EQ((QuantizationGrid{4, true, RangeScheme::Symmetric}.getMax()), 7);
  EXPECT_EQ((QuantizationGrid{16, false, RangeScheme::Asymmetric}.getMax()),
            65535);
}

TEST(Scale, FollowsTheRules) {
  expectScale({-1, 3}, u8, float(4.0 / 255), 64);
  expectScale({-1, 3}, i8, float(4.0 / 255), -64);
  expectScale({-1, 3}, i8Symmetric, float(6.0 / 255), 0);
  expectScale({-1, 3}, i8Restricted, float(6.0 / 254), 0);
  expectScale({-1, 3}, {8, false, RangeScheme::Symmetric}, float(6.0 / 255),
              128);
  // Widened to hold 0.
  expectScale({2, 4}, u8, float(4.0 / 255), 0);
  expectScale({-4, -2}, u8, float(4.0 / 255), 255);
}

TEST(Scale, ThatWouldBeSubnormalIsOne) {
  expectScale({0, 0}, u8, 1, 0);
  expectScale({0, 0}, i8, 1, 0);
  expectScale({-1e-39f, 1e-39f}, i8Symmetric, 1, 0);
  expectScale({0, 1e-40f}, u8, 1, 0);
}

TEST(Scale, LargestNumbersDoNotOverflow) {
  float max = std::numeric_limits<float>::max();
  ScaleAndZeroPoint result = computeScale({-max, max}, u8);
  EXPECT_TRUE(std::isfinite(result.scale));
  EXPECT_EQ(result.zeroPoint, 128);
}

TEST(RangeMethods, ParseAndErrors) {
  for (StringRef text : {"minmax", "moving-average", "moving-average=0.5",
                         "percentile", "percentile=99.9", "entropy", "mse"})
    EXPECT_TRUE(bool(RangeMethod::parse(text))) << text.str();
  for (StringRef text : {"", "maxmin", "percentile=", "percentile=0",
                         "percentile=101", "percentile=x", "minmax=3"})
    EXPECT_TRUE(errorToBool(RangeMethod::parse(text).takeError()))
        << text.str();
  std::string message = toString(RangeMethod::parse("best").takeError());
  EXPECT_EQ(message, "no range method 'best'; there are minmax, "
                     "moving-average, percentile, entropy, mse");
}

TEST(RangeMethods, ConstantsAndZeros) {
  for (const RangeMethod::Description &description : RangeMethod::list())
    for (const QuantizationGrid &grid : {u8, i8, i8Symmetric, i8Restricted})
      for (float value : {0.0f, 1.5f, -1.5f, 1e-41f}) {
        std::vector<float> values(100, value);
        ScaleAndZeroPoint scale = cantFail(
            chooseScale(observe(values), grid, *method(description.name)));
        EXPECT_TRUE(std::isfinite(scale.scale) && scale.scale > 0);
        float least = float(grid.getMin() - scale.zeroPoint) * scale.scale;
        float most = float(grid.getMax() - scale.zeroPoint) * scale.scale;
        EXPECT_LE(least, value + std::fabs(value) / 64)
            << description.name.str() << " " << value;
        EXPECT_GE(most, value - std::fabs(value) / 64)
            << description.name.str() << " " << value;
      }
}

TEST(RangeMethods, Percentile) {
  std::vector<float> values;
  for (int i = 0; i <= 10000; ++i)
    values.push_back(float(i));
  auto numbers = cantFail(Distribution::fromValues(values));
  Range range = method("percentile=99")->choose(numbers, u8);
  EXPECT_NEAR(range.min, 50, 1);
  EXPECT_NEAR(range.max, 9950, 1);
  range = method("percentile=99")->choose(numbers, i8Symmetric);
  EXPECT_NEAR(range.max, 9900, 1);
  // From a histogram up to the width of a bucket.
  ValueStatistics statistics = observe(values);
  numbers = cantFail(Distribution::fromStatistics(statistics));
  range = method("percentile=99")->choose(numbers, u8);
  EXPECT_NEAR(range.max, 9950, 9950 / 512.0);
  range = method("percentile=100")->choose(numbers, u8);
  EXPECT_EQ(range, statistics.range);
}

TEST(RangeMethods, MovingAverage) {
  ValueStatistics statistics;
  for (float scale : {1.0f, 2.0f, 4.0f}) {
    statistics.add({-scale, scale}, {2}, {});
    statistics.endSample();
  }
  auto numbers = cantFail(Distribution::fromStatistics(statistics));
  Range range = method("moving-average=0.5")->choose(numbers, u8);
  EXPECT_EQ(range, (Range{-2.75f, 2.75f}));
}

TEST(RangeMethods, MeanSquaredErrorIsLeast) {
  std::vector<float> values = normalNumbers(4000);
  values.push_back(40);
  values.push_back(-3);
  ValueStatistics statistics = observe(values);
  for (unsigned bits : {4, 8})
    for (RangeScheme scheme : {RangeScheme::Asymmetric, RangeScheme::Symmetric,
                               RangeScheme::Restricted}) {
      QuantizationGrid grid = {bits, true, scheme};
      auto exact = cantFail(Distribution::fromValues(values));
      ScaleAndZeroPoint fromValues =
          computeScale(method("mse")->choose(exact, grid), grid);
      ScaleAndZeroPoint fromHistogram =
          cantFail(chooseScale(statistics, grid, *method("mse")));
      double best = std::numeric_limits<double>::infinity();
      for (int i = 1; i <= 400; ++i) {
        float limit = 40.0f * float(i) / 400;
        for (float low : {-3.0f, -4.0f, -limit})
          best = std::min(
              best, getError(values, computeScale({low, limit}, grid), grid));
      }
      EXPECT_LE(getError(values, fromValues, grid), 1.02 * best);
      EXPECT_LE(getError(values, fromHistogram, grid), 1.03 * best);
    }
}

TEST(RangeMethods, EntropyClipsOutliers) {
  std::vector<float> values = normalNumbers(100000);
  values.push_back(60);
  Range range = method("entropy")->choose(
      cantFail(Distribution::fromStatistics(observe(values))), i8Symmetric);
  EXPECT_LT(range.max, 20);
  EXPECT_GT(range.max, 2.5);
}

/// Clipping that pays is far out: chance in a histogram's counts is no reason
/// for it, nor are numbers that are exactly 0.
TEST(RangeMethods, EntropyIsNotMisledByChanceOrZeros) {
  QuantizationGrid u8Asymmetric = {8, false, RangeScheme::Asymmetric};
  for (size_t count : {2000, 50000})
    for (bool isPositive : {false, true})
      for (const QuantizationGrid &grid : {u8Asymmetric, i8Symmetric}) {
        std::vector<float> values = normalNumbers(count);
        if (isPositive)
          for (float &value : values)
            value = std::max(value, 0.0f);
        ValueStatistics observed = observe(values);
        Distribution numbers = cantFail(Distribution::fromStatistics(observed));
        Range entropy = method("entropy")->choose(numbers, grid);
        Range best = method("mse")->choose(numbers, grid);
        // 1 dB.
        EXPECT_LE(getError(values, computeScale(entropy, grid), grid),
                  1.26 * getError(values, computeScale(best, grid), grid))
            << count << isPositive << grid.isSigned;
      }
}

TEST(WeightScales, Granularities) {
  std::vector<float> values;
  for (int i = 0; i < 24; ++i)
    values.push_back(float(i + 1));
  auto minmax = method("minmax");
  auto choose = [&](Granularity granularity) {
    return cantFail(
        chooseScales(values, {2, 6, 2}, granularity, i8Restricted, *minmax));
  };
  auto tensor = choose({});
  EXPECT_TRUE(tensor.shape.empty());
  ASSERT_EQ(tensor.scales.size(), 1u);
  EXPECT_EQ(tensor.scales[0].scale, float(24.0 / 127));
  auto channel = choose({1, 0});
  EXPECT_EQ(channel.shape, (SmallVector<int64_t>{6}));
  EXPECT_EQ(channel.scales[0].scale, float(14.0 / 127));
  EXPECT_EQ(channel.scales[5].scale, float(24.0 / 127));
  // Blocks of 4 along an axis of 6: the last one is short.
  auto block = choose({1, 4});
  EXPECT_EQ(block.shape, (SmallVector<int64_t>{2, 2, 2}));
  EXPECT_EQ(block.scales[0].scale, float(7.0 / 127));
  EXPECT_EQ(block.scales[1].scale, float(8.0 / 127));
  EXPECT_EQ(block.scales[2].scale, float(11.0 / 127));
  EXPECT_EQ(block.scales[7].scale, float(24.0 / 127));
}

TEST(WeightScales, WhatIsNoNumberIsAnError) {
  float values[] = {1, std::numeric_limits<float>::quiet_NaN()};
  auto result =
      chooseScales(values, {2}, {0, 0}, i8Restricted, *method("minmax"));
  EXPECT_EQ(toString(result.takeError()),
            "has elements that are NaN or infinite");
}
