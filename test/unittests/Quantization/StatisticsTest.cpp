//===- StatisticsTest.cpp - Collecting, merging, files, errors ------------===//

#include "quantc/Quantization/Statistics.h"

#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace llvm;
using namespace quantc;

namespace {
constexpr float inf = std::numeric_limits<float>::infinity();

/// Samples of the shape 5x8, some with extremes.
std::vector<std::vector<float>> makeSamples(unsigned seed, size_t count) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> samples(count);
  for (auto &sample : samples)
    for (int i = 0; i < 40; ++i)
      sample.push_back(normal(random) * (i % 8 == 3 ? 100.0f : 1.0f));
  return samples;
}

ValueStatistics collect(ArrayRef<std::vector<float>> samples,
                        CollectOptions options = {1, false, false}) {
  ValueStatistics result;
  for (const auto &sample : samples) {
    result.add(sample, {5, 8}, options);
    result.endSample();
  }
  return result;
}

void expectEqual(const ValueStatistics &a, const ValueStatistics &b) {
  EXPECT_EQ(a.range, b.range);
  EXPECT_TRUE(a.histogram == b.histogram);
  EXPECT_EQ(a.sampleRanges, b.sampleRanges);
  EXPECT_EQ(a.channelAxis, b.channelAxis);
  EXPECT_EQ(a.channelRanges, b.channelRanges);
  EXPECT_EQ(a.countPerChannel, b.countPerChannel);
  ASSERT_EQ(a.sumAbs.size(), b.sumAbs.size());
  ASSERT_EQ(a.gram.size(), b.gram.size());
  for (size_t i = 0; i < a.sumAbs.size(); ++i) {
    EXPECT_NEAR(a.sums[i], b.sums[i], 1e-12 * a.sumAbs[i]);
    EXPECT_NEAR(a.sumAbs[i], b.sumAbs[i], 1e-12 * a.sumAbs[i]);
    EXPECT_NEAR(a.sumSquares[i], b.sumSquares[i], 1e-12 * a.sumSquares[i]);
  }
  for (size_t i = 0; i < a.gram.size(); ++i)
    EXPECT_NEAR(a.gram[i], b.gram[i], 1e-9 * std::fabs(a.gram[i]) + 1e-9);
}

std::string temporaryFile() {
  SmallString<128> path;
  cantFail(errorCodeToError(
      sys::fs::createTemporaryFile("statistics", "npz", path)));
  return path.str().str();
}

Statistics makeStatistics() {
  Statistics statistics;
  statistics.modelHash = "abc";
  statistics.numSamples = 7;
  auto samples = makeSamples(4, 7);
  statistics.values["/layer/MatMul_output_0"] =
      collect(samples, {1, true, true});
  statistics.values["y"] = collect(samples, {});
  statistics.values["rows"] = collect(samples, {0, true, false});
  statistics.values["never"];
  return statistics;
}
} // namespace

TEST(ValueStatistics, RangesAreThoseOfTheNumbers) {
  auto samples = makeSamples(1, 3);
  ValueStatistics all = collect(samples);
  Range range = {inf, -inf};
  std::vector<Range> channels(8, range);
  for (const auto &sample : samples)
    for (auto [i, value] : enumerate(sample)) {
      range.min = std::min(range.min, value);
      range.max = std::max(range.max, value);
      channels[i % 8].min = std::min(channels[i % 8].min, value);
      channels[i % 8].max = std::max(channels[i % 8].max, value);
    }
  EXPECT_EQ(all.range, range);
  EXPECT_EQ(all.channelRanges, channels);
  EXPECT_EQ(all.count(), 120u);
  EXPECT_EQ(all.countPerChannel, 15u);
  EXPECT_EQ(all.sampleRanges.size(), 3u);
}

TEST(ValueStatistics, InnerChannelsAndRemainders) {
  // 2x3x70: the fast path takes 32 numbers at a time.
  std::vector<float> values;
  for (int i = 0; i < 420; ++i)
    values.push_back(float(i));
  ValueStatistics statistics;
  statistics.add(values, {2, 3, 70}, {1, true, false});
  EXPECT_EQ(statistics.range, (Range{0, 419}));
  EXPECT_EQ(statistics.channelRanges,
            (std::vector<Range>{{0, 279}, {70, 349}, {140, 419}}));
  EXPECT_EQ(statistics.countPerChannel, 140u);
  double sum = 0;
  for (int i = 0; i < 70; ++i)
    sum += i + (i + 210);
  EXPECT_EQ(statistics.sumAbs[0], sum);
}

TEST(ValueStatistics, MergingPartsIsOneRun) {
  auto samples = makeSamples(2, 9);
  ArrayRef<std::vector<float>> all(samples);
  CollectOptions options = {1, true, true};
  ValueStatistics whole = collect(all, options);
  for (size_t split : {0, 1, 4, 9}) {
    ValueStatistics merged = collect(all.take_front(split), options);
    cantFail(merged.merge(collect(all.drop_front(split), options)));
    expectEqual(merged, whole);
  }
  // The other way round only the order of samples differs.
  ValueStatistics swapped = collect(all.drop_front(4), options);
  cantFail(swapped.merge(collect(all.take_front(4), options)));
  EXPECT_EQ(swapped.range, whole.range);
  EXPECT_TRUE(swapped.histogram == whole.histogram);
  EXPECT_EQ(swapped.channelRanges, whole.channelRanges);
}

TEST(ValueStatistics, GramIsTheProduct) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6};
  ValueStatistics statistics;
  statistics.add(x, {2, 3}, {1, false, true});
  EXPECT_EQ(statistics.gram,
            (std::vector<double>{17, 22, 27, 22, 29, 36, 27, 36, 45}));
}

// More rows than are summed at once, and columns that fill no tile.
TEST(ValueStatistics, GramOfManyRows) {
  constexpr int64_t rows = 300, columns = 101;
  std::vector<float> x(rows * columns);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = float(int(i * 2654435761u >> 20) - 2048) / 64;
  ValueStatistics statistics;
  statistics.add(x, {rows, columns}, {1, false, true});
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r)
        sum += double(x[r * columns + i]) * x[r * columns + j];
      double scale = std::sqrt(statistics.gram[i * columns + i] *
                               statistics.gram[j * columns + j]);
      EXPECT_NEAR(statistics.gram[i * columns + j], sum, 1e-5 * scale);
    }
}

TEST(ValueStatistics, WhatIsNoNumber) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  ValueStatistics statistics;
  statistics.add({nan, 3.0f, -2.0f, -inf, inf}, {5}, {});
  EXPECT_EQ(statistics.range, (Range{-2, 3}));
  EXPECT_EQ(statistics.getProblem(), "was NaN 1 times");
  ValueStatistics masked;
  masked.add({0.0f, -inf}, {2}, {});
  EXPECT_EQ(masked.getProblem(), "was infinite 1 times");
  ValueStatistics empty;
  empty.add({}, {0, 4}, {});
  EXPECT_EQ(empty.getProblem(), "never held a number");
}

TEST(ValueStatistics, ChannelsThatVaryAreNone) {
  ValueStatistics statistics;
  statistics.add({1, 2, 3}, {1, 3}, {1, true, false});
  statistics.add({1, 2}, {1, 2}, {1, true, false});
  statistics.add({1, 2, 3}, {1, 3}, {1, true, false});
  EXPECT_EQ(statistics.numChannels(), 0u);
  EXPECT_TRUE(statistics.sumAbs.empty());
  EXPECT_EQ(statistics.count(), 8u);
}

TEST(Statistics, FileHoldsAll) {
  Statistics statistics = makeStatistics();
  std::string path = temporaryFile();
  cantFail(statistics.save(path));
  Statistics loaded = cantFail(Statistics::load(path));
  sys::fs::remove(path);
  EXPECT_EQ(loaded.modelHash, "abc");
  EXPECT_EQ(loaded.numSamples, 7u);
  ASSERT_EQ(loaded.values.size(), statistics.values.size());
  for (const auto &[name, value] : statistics.values)
    expectEqual(*loaded.find(name), value);
}

TEST(Statistics, ErrorsNameAllValues) {
  Statistics statistics = makeStatistics();
  statistics.values["nan"].add({std::numeric_limits<float>::quiet_NaN()}, {1},
                               {});
  EXPECT_FALSE(bool(statistics.require({"y", "rows"})));
  EXPECT_EQ(toString(statistics.require({"y", "no", "nan", "nor", "never"})),
            "no statistics of the values 'no', 'nor'; value 'nan' was NaN 1 "
            "times; value 'never' never held a number");
  EXPECT_EQ(toString(statistics.checkModel("def")),
            "the statistics are another model's (hash abc, this model has "
            "def)");
  Statistics other;
  other.modelHash = "def";
  EXPECT_TRUE(errorToBool(statistics.merge(other)));
}

TEST(Statistics, OtherFilesAreErrors) {
  EXPECT_TRUE(errorToBool(Statistics::load("/no/such/file").takeError()));
  std::string path = temporaryFile();
  Statistics statistics;
  cantFail(statistics.save(path));
  EXPECT_NE(toString(Statistics::load(path).takeError()).find("no samples"),
            std::string::npos);
  statistics.numSamples = 1;
  cantFail(statistics.save(path));
  EXPECT_FALSE(errorToBool(Statistics::load(path).takeError()));
  // A range without the numbers that it is of.
  statistics.values["x"].range = {0, 1};
  cantFail(statistics.save(path));
  EXPECT_NE(toString(Statistics::load(path).takeError())
                .find("value 'x': its range does not fit its histogram"),
            std::string::npos);
  std::error_code code;
  {
    raw_fd_ostream os(path, code);
    os << "text";
  }
  EXPECT_TRUE(errorToBool(Statistics::load(path).takeError()));
  sys::fs::remove(path);
}
