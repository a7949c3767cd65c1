//===- EqualizationTest.cpp - Factors between consecutive layers ----------===//

#include "quantc/Quantization/Equalization.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace quantc;

namespace {

TEST(Equalization, OnePairMeetsInTheMiddle) {
  LayerMagnitudes first{2, 1, 1, {4, 0.25}}, second{1, 1, 2, {1, 1}};
  auto factors = equalizeLayers({first, second}, {{0, {1}}}, 20);
  // Both ranges of a channel become sqrt(r1 · r2).
  EXPECT_EQ(factors, (std::vector<std::vector<float>>{{2, 0.5}}));
}

TEST(Equalization, DeadChannelsStay) {
  LayerMagnitudes first{3, 1, 1, {0, 2, 8}}, second{1, 1, 3, {1, 0, 2}};
  auto factors = equalizeLayers({first, second}, {{0, {1}}}, 20);
  EXPECT_EQ(factors, (std::vector<std::vector<float>>{{1, 1, 2}}));
}

TEST(Equalization, AllConsumersCount) {
  LayerMagnitudes first{1, 1, 1, {9}}, small{1, 1, 1, {0.5}},
      large{1, 1, 1, {1}};
  auto factors = equalizeLayers({first, small, large}, {{0, {1, 2}}}, 20);
  EXPECT_EQ(factors, (std::vector<std::vector<float>>{{3}}));
}

/// A convolution of each channel by itself, between two of all channels: input
/// channel i meets output channel i only.
TEST(Equalization, ChainsConvergeThroughGroups) {
  LayerMagnitudes first{4, 1, 2, {8, 1, 1, 1, 2, 0.1f, 30, 3}},
      depthwise{4, 4, 1, {1, 0.01f, 5, 2}},
      last{2, 1, 4, {1, 2, 3, 4, 0.1f, 7, 0.2f, 1}};
  std::vector<LayerMagnitudes> layers{first, depthwise, last};
  auto factors = equalizeLayers(layers, {{0, {1}}, {1, {2}}}, 100);
  ASSERT_EQ(factors.size(), 2u);
  for (int64_t c = 0; c < 4; ++c) {
    float a = factors[0][c], b = factors[1][c];
    float out = std::max(first.largest[2 * c], first.largest[2 * c + 1]) / a;
    float middle = depthwise.largest[c] * a / b;
    float in = std::max(last.largest[c], last.largest[4 + c]) * b;
    EXPECT_NEAR(middle / out, 1, 0.02);
    EXPECT_NEAR(in / middle, 1, 0.02);
  }
}

/// Groups of two: outputs 0, 1 see inputs 0, 1 and outputs 2, 3 inputs 2, 3.
TEST(Equalization, InputsOfGroups) {
  LayerMagnitudes first{4, 1, 1, {1, 1, 1, 1}},
      grouped{4, 2, 2, {4, 1, 1, 1, 1, 16, 1, 1}};
  auto factors = equalizeLayers({first, grouped}, {{0, {1}}}, 20);
  EXPECT_EQ(factors, (std::vector<std::vector<float>>{{0.5, 1, 1, 0.25}}));
}

} // namespace
