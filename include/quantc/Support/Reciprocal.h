//===- Reciprocal.h - Rounded quotients without a division ------*- C++ -*-===//

#ifndef QUANTC_SUPPORT_RECIPROCAL_H
#define QUANTC_SUPPORT_RECIPROCAL_H

#include <cstdint>
#include <optional>

namespace quantc {

/// 1 / divisor as the sum of two floats: `high` is no larger than it, and `low`
/// at least 0 is what `high` lacks.
///
/// `fma(x, high, x * low)` is x / divisor but for the last bit in rare cases
/// (Brisebarre, Muller, Raina 2004, "Accelerating Correctly Rounded
/// Floating-Point Division when the Divisor Is Known in Advance").
struct Reciprocal {
  float high = 0, low = 0;

  /// The same as x / divisor for infinities and NaN.
  float multiply(float x) const;
};

/// The reciprocal of `divisor` if, for every float x, the quotient that it
/// gives rounds to the same integer (half to even) as the float x / divisor
/// does, as far as both are clamped to [-limit, limit]. None if some x differs,
/// or if `divisor` is not positive or too far from 1 for products without
/// underflow.
///
/// This is a proof, not a sample: both quotients grow with x, so that they
/// agree everywhere if the least x of each integer is the same.
std::optional<Reciprocal> findReciprocal(float divisor, int64_t limit);

} // namespace quantc

#endif // QUANTC_SUPPORT_RECIPROCAL_H
