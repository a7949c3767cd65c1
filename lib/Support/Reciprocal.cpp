//===- Reciprocal.cpp - Rounded quotients without a division --------------===//

#include "quantc/Support/Reciprocal.h"

#include <cmath>
#include <limits>

using namespace quantc;

static constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Divisors and their reciprocals stay between these.
static constexpr float kLeast = 0x1p-60f, kMost = 0x1p60f;

float Reciprocal::multiply(float x) const {
  // A product with 0 would make NaN of infinities.
  return low == 0 ? x * high : std::fma(x, high, x * low);
}

std::optional<Reciprocal> quantc::findReciprocal(float divisor, int64_t limit) {
  if (!(divisor >= kLeast && divisor <= kMost))
    return std::nullopt;
  Reciprocal reciprocal;
  reciprocal.high = float(1 / double(divisor));
  // The product of two floats is exact in double.
  if (double(reciprocal.high) * divisor > 1)
    reciprocal.high = std::nextafter(reciprocal.high, 0.0f);
  reciprocal.low =
      float((1 - double(reciprocal.high) * divisor) / double(divisor));

  auto divide = [&](float x) { return std::nearbyint(x / divisor); };
  auto multiply = [&](float x) {
    return std::nearbyint(reciprocal.multiply(x));
  };
  for (int64_t n = -limit; n < limit; ++n) {
    // The least x whose quotient rounds to more than n.
    float x = float((double(n) + 0.5) * divisor);
    while (divide(x) > float(n))
      x = std::nextafter(x, -kInfinity);
    while (divide(x) <= float(n))
      x = std::nextafter(x, kInfinity);
    if (multiply(x) <= float(n) ||
        multiply(std::nextafter(x, -kInfinity)) > float(n))
      return std::nullopt;
  }
  return reciprocal;
}
