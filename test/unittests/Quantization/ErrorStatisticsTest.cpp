//===- ErrorStatisticsTest.cpp - Noise ratios and cosines -----------------===//

#include "quantc/Quantization/ErrorStatistics.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace quantc;

TEST(ErrorStatistics, RatiosAndCosines) {
  ErrorStatistics errors;
  errors.add({3, 4}, {3, 4});
  EXPECT_TRUE(std::isinf(errors.getSQNR()));
  EXPECT_DOUBLE_EQ(errors.getCosine(), 1);
  // Noise of 1 on a signal of 5.
  ErrorStatistics noisy;
  noisy.add({3, 4}, {4, 4});
  EXPECT_NEAR(noisy.getSQNR(), 10 * std::log10(25.0), 1e-12);
  EXPECT_NEAR(noisy.getCosine(), 28 / std::sqrt(25.0 * 32), 1e-12);
  EXPECT_EQ(noisy.largestError, 1);
  errors.merge(noisy);
  EXPECT_EQ(errors.count, 4u);
  EXPECT_NEAR(errors.getSQNR(), 10 * std::log10(50.0), 1e-12);
}

TEST(ErrorStatistics, Zeros) {
  ErrorStatistics zeros;
  zeros.add({0, 0}, {0, 0});
  EXPECT_EQ(zeros.getCosine(), 1);
  ErrorStatistics lost;
  lost.add({1, 2}, {0, 0});
  EXPECT_EQ(lost.getCosine(), 0);
  EXPECT_NEAR(lost.getSQNR(), 0, 1e-12);
}

TEST(ErrorStatistics, EqualInfinitiesAreNoError) {
  float inf = std::numeric_limits<float>::infinity();
  ErrorStatistics masked;
  masked.add({-inf, 1}, {-inf, 1});
  EXPECT_EQ(masked.count, 1u);
  EXPECT_EQ(masked.getCosine(), 1);
}
