//===- HistogramTest.cpp - Counts that add up exactly ---------------------===//

#include "quantc/Quantization/Histogram.h"

#include "gtest/gtest.h"

#include <limits>
#include <random>

using namespace quantc;

static std::vector<float> randomFloats(unsigned seed, size_t count) {
  std::mt19937 random(seed);
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i)
    values.push_back(llvm::bit_cast<float>(uint32_t(random())));
  return values;
}

TEST(Histogram, EveryNumberIsInsideItsBucket) {
  for (float value : randomFloats(1, 20000)) {
    if (!std::isfinite(value))
      continue;
    Histogram histogram;
    histogram.add({value});
    std::vector<Histogram::Bucket> buckets = histogram.getBuckets();
    ASSERT_EQ(buckets.size(), 1u);
    EXPECT_EQ(buckets[0].count, 1u);
    EXPECT_LE(buckets[0].lower, value);
    EXPECT_GE(buckets[0].upper, value);
    if (std::fabs(value) > 1e-37f && std::fabs(value) < 1e38f)
      EXPECT_LE(buckets[0].upper - buckets[0].lower,
                std::fabs(value) * 1.001f / 512);
  }
}

TEST(Histogram, BucketsRise) {
  Histogram histogram;
  std::vector<float> values = randomFloats(2, 10000);
  values.insert(values.end(), {0.0f, -0.0f, 1e-40f, -1e-40f});
  histogram.add(values);
  float last = -std::numeric_limits<float>::infinity();
  for (const Histogram::Bucket &bucket : histogram.getBuckets()) {
    EXPECT_LE(last, bucket.lower);
    EXPECT_LE(bucket.lower, bucket.upper);
    last = bucket.upper;
  }
}

TEST(Histogram, PartsAddUpInAnyOrder) {
  std::vector<float> values = randomFloats(3, 30000);
  llvm::ArrayRef<float> all(values);
  Histogram whole, a, b, c;
  whole.add(all);
  a.add(all.slice(0, 1000));
  b.add(all.slice(1000, 20000));
  c.add(all.slice(21000));
  Histogram forward = a, backward = c;
  forward.merge(b);
  forward.merge(c);
  backward.merge(b);
  backward.merge(a);
  EXPECT_TRUE(forward == whole);
  EXPECT_TRUE(backward == whole);
  a.add({1.0f});
  EXPECT_FALSE(a == whole);
}

TEST(Histogram, CountsWhatIsNoNumber) {
  float inf = std::numeric_limits<float>::infinity();
  float nan = std::numeric_limits<float>::quiet_NaN();
  Histogram histogram;
  histogram.add(
      {1.0f, inf, -inf, nan, -nan, nan, std::numeric_limits<float>::max()});
  EXPECT_EQ(histogram.countFinite(), 2u);
  EXPECT_EQ(histogram.countInfinite(), 2u);
  EXPECT_EQ(histogram.countNaN(), 3u);
  std::vector<Histogram::Bucket> buckets = histogram.getBuckets();
  ASSERT_EQ(buckets.size(), 2u);
  EXPECT_EQ(buckets[1].upper, std::numeric_limits<float>::max());
}
