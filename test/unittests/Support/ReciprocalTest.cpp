//===- ReciprocalTest.cpp - Rounded quotients without a division ----------===//

#include "quantc/Support/Reciprocal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <random>

using namespace quantc;

static float clampRound(float x, float limit) {
  return std::clamp(std::nearbyint(x), -limit, limit);
}

static float fromBits(uint32_t bits) {
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

/// Floats near to where the quotient's rounding changes, any others, and
/// special ones.
template <typename Visit>
static void forEachDividend(float divisor, int limit, std::mt19937 &random,
                            Visit visit) {
  for (int n = -limit - 1; n <= limit; ++n) {
    float x = (n + 0.5f) * divisor;
    for (int i = 0; i < 8; ++i)
      x = std::nextafter(x, -INFINITY);
    for (int i = 0; i < 16; ++i, x = std::nextafter(x, INFINITY))
      visit(x);
  }
  for (int i = 0; i < 1000; ++i)
    if (float x = fromBits(random()); !std::isnan(x))
      visit(x);
  using Limits = std::numeric_limits<float>;
  for (float x : {0.0f, Limits::denorm_min(), Limits::min(), Limits::max(),
                  Limits::infinity()}) {
    visit(x);
    visit(-x);
  }
}

TEST(Reciprocal, RoundsAsDivisionDoes) {
  std::mt19937 random(0);
  std::uniform_real_distribution<float> exponents(-20, 10);
  int found = 0;
  for (int i = 0; i < 2000; ++i) {
    float divisor = std::exp2(exponents(random));
    std::optional<Reciprocal> reciprocal = findReciprocal(divisor, 255);
    if (!reciprocal)
      continue;
    ++found;
    EXPECT_GE(reciprocal->low, 0);
    forEachDividend(divisor, 255, random, [&](float x) {
      ASSERT_EQ(clampRound(reciprocal->multiply(x), 255),
                clampRound(x / divisor, 255))
          << x << " / " << divisor;
    });
  }
  // Nearly all divisors have one.
  EXPECT_GT(found, 1990);
}

// One multiplication is not enough, which is why there are two.
TEST(Reciprocal, OneProductRoundsTiesAnotherWay) {
  int different = 0;
  for (int i = 1; i < 1000; ++i) {
    float divisor = i / 1000.0f, reciprocal = 1 / divisor;
    for (int n = 0; n < 255; ++n) {
      float x = (n + 0.5f) * divisor;
      different +=
          std::nearbyint(x * reciprocal) != std::nearbyint(x / divisor);
    }
  }
  EXPECT_GT(different, 0);
}

TEST(Reciprocal, PowersOfTwoAreOneProduct) {
  std::optional<Reciprocal> reciprocal = findReciprocal(0.25f, 65535);
  ASSERT_TRUE(reciprocal);
  EXPECT_EQ(reciprocal->high, 4);
  EXPECT_EQ(reciprocal->low, 0);
  EXPECT_EQ(reciprocal->multiply(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(reciprocal->multiply(NAN)));
}

TEST(Reciprocal, RefusesWhatIsNoScale) {
  for (float divisor : {0.0f, -1.0f, NAN, INFINITY, 1e-30f, 1e30f, 1e-40f})
    EXPECT_FALSE(findReciprocal(divisor, 255)) << divisor;
}
