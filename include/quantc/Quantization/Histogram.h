//===- Histogram.h - Counts on a grid that data do not decide ---*- C++ -*-===//
#ifndef QUANTC_QUANTIZATION_HISTOGRAM_H
#define QUANTC_QUANTIZATION_HISTOGRAM_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/bit.h"

#include <array>
#include <memory>
#include <vector>

namespace quantc {

/// Counts of float32 numbers by sign, exponent and the top 9 bits of the
/// fraction: a bucket is at most 1/512 as wide as its numbers are large. The
/// grid does not depend on the data, so that histograms of parts of the data
/// add up, in any order, to exactly the histogram of all of it; and one huge
/// number (a mask of -1e38) costs the others no resolution.
class Histogram {
public:
  static constexpr unsigned fractionBits = 9;
  /// A bucket's key: the top bits of its numbers.
  static constexpr unsigned keyShift = 23 - fractionBits;
  static uint32_t getKey(float value) {
    return llvm::bit_cast<uint32_t>(value) >> keyShift;
  }

  /// The finite numbers with |lower| <= |x| < |upper| on one side of 0, lower
  /// and upper in the order of the line of numbers.
  struct Bucket {
    uint32_t key;
    float lower, upper;
    uint64_t count;
  };

  Histogram() = default;
  Histogram(const Histogram &other) { *this = other; }
  Histogram(Histogram &&) = default;
  Histogram &operator=(const Histogram &other);
  Histogram &operator=(Histogram &&) = default;
  bool operator==(const Histogram &other) const;

  void add(llvm::ArrayRef<float> values);
  void add(uint32_t key, uint64_t count);
  void merge(const Histogram &other);

  uint64_t countFinite() const;
  uint64_t countInfinite() const;
  uint64_t countNaN() const;

  /// The buckets of finite numbers that are not empty, from the smallest
  /// numbers to the largest.
  std::vector<Bucket> getBuckets() const;

  /// Calls for each key with a count that is not 0 (NaN and Inf, too), by
  /// rising key: what a file holds.
  void forEachKey(llvm::function_ref<void(uint32_t, uint64_t)> call) const;

  static constexpr uint32_t numKeys = 1u << (32 - keyShift);

private:
  static constexpr unsigned pageSize = 1u << fractionBits;
  using Page = std::array<uint64_t, pageSize>;
  Page &getPage(uint32_t index);

  /// One page for each sign and exponent that occurred.
  std::array<std::unique_ptr<Page>, 512> pages;
};

} // namespace quantc

#endif // QUANTC_QUANTIZATION_HISTOGRAM_H
