//===- Statistics.cpp - What calibration found out about values -----------===//

#include "quantc/Quantization/Statistics.h"

#include "Gram.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace llvm;
using namespace quantc;

//===- one value ----------------------------------------------------------===//

static void extend(Range &range, const Range &other) {
  range.min = std::min(range.min, other.min);
  range.max = std::max(range.max, other.max);
}

static bool isEmpty(const Range &range) { return !(range.min <= range.max); }

static constexpr Range emptyRange = {std::numeric_limits<float>::infinity(),
                                     -std::numeric_limits<float>::infinity()};

/// Extends ranges[i] by rows[r][i] for each row. NaN never compares as smaller,
/// so it changes nothing; infinities do.
static void extendColumns(const float *rows, size_t numRows, size_t numColumns,
                          Range *ranges) {
  for (size_t r = 0; r < numRows; ++r, rows += numColumns)
    for (size_t i = 0; i < numColumns; ++i) {
      ranges[i].min = rows[i] < ranges[i].min ? rows[i] : ranges[i].min;
      ranges[i].max = rows[i] > ranges[i].max ? rows[i] : ranges[i].max;
    }
}

/// The range of all finite numbers.
static Range getRange(ArrayRef<float> values) {
  // Independent columns, for the vectorizer; the rest one by one.
  constexpr size_t columns = 32;
  Range partial[columns];
  std::fill_n(partial, columns, emptyRange);
  extendColumns(values.data(), values.size() / columns, columns, partial);
  Range range = emptyRange;
  for (const Range &part : partial)
    extend(range, part);
  extendColumns(values.data() + values.size() / columns * columns,
                values.size() % columns, 1, &range);
  if (isEmpty(range) || (std::isfinite(range.min) && std::isfinite(range.max)))
    return range;
  range = emptyRange;
  for (float value : values)
    if (std::isfinite(value))
      extend(range, {value, value});
  return range;
}

void ValueStatistics::add(ArrayRef<float> values, ArrayRef<int64_t> shape,
                          const CollectOptions &options) {
  if (values.empty())
    return;
  Range found = getRange(values);
  extend(range, found);
  if (!currentSample)
    currentSample = emptyRange;
  extend(*currentSample, found);
  histogram.add(values);
  if (options.channelAxis && *options.channelAxis < int64_t(shape.size()) &&
      !hasVaryingChannels)
    addChannels(values, shape, options);
}

void ValueStatistics::addChannels(ArrayRef<float> values,
                                  ArrayRef<int64_t> shape,
                                  const CollectOptions &options) {
  int64_t axis = *options.channelAxis;
  size_t channels = shape[axis], inner = 1;
  for (int64_t size : shape.drop_front(axis + 1))
    inner *= size;
  size_t outer = values.size() / (channels * inner);
  if (channelRanges.empty()) {
    channelAxis = axis;
    channelRanges.assign(channels, emptyRange);
    if (options.moments) {
      sums.assign(channels, 0);
      sumAbs.assign(channels, 0);
      sumSquares.assign(channels, 0);
    }
    if (options.gram && inner == 1)
      gram.assign(channels * channels, 0);
  }
  if (channelRanges.size() != channels || channelAxis != axis) {
    // A dynamic dimension: its indices mean nothing in particular.
    hasVaryingChannels = true;
    channelAxis.reset();
    channelRanges.clear();
    sums.clear();
    sumAbs.clear();
    sumSquares.clear();
    gram.clear();
    countPerChannel = 0;
    return;
  }
  countPerChannel += outer * inner;
  if (inner == 1)
    extendColumns(values.data(), outer, channels, channelRanges.data());
  else
    for (size_t i = 0; i < outer * channels; ++i)
      extend(channelRanges[i % channels],
             getRange(values.slice(i * inner, inner)));
  if (!sumAbs.empty())
    for (size_t o = 0; o < outer; ++o)
      for (size_t c = 0; c < channels; ++c) {
        const float *from = values.data() + (o * channels + c) * inner;
        double sum = 0, absolute = 0, squares = 0;
        for (size_t i = 0; i < inner; ++i) {
          sum += from[i];
          absolute += std::fabs(from[i]);
          squares += double(from[i]) * from[i];
        }
        sums[c] += sum;
        sumAbs[c] += absolute;
        sumSquares[c] += squares;
      }
  if (!gram.empty())
    addGram(values.data(), outer, channels, gram.data());
}

void ValueStatistics::endSample() {
  if (currentSample)
    sampleRanges.push_back(*currentSample);
  currentSample.reset();
}

template <typename T>
static void addAll(std::vector<T> &sums, const std::vector<T> &others) {
  for (auto [sum, other] : zip_equal(sums, others))
    sum += other;
}

Error ValueStatistics::merge(const ValueStatistics &other) {
  if (other.sampleRanges.empty() && other.histogram == Histogram())
    return Error::success();
  if (sampleRanges.empty() && histogram == Histogram()) {
    *this = other;
    return Error::success();
  }
  if (sumAbs.empty() != other.sumAbs.empty() ||
      gram.empty() != other.gram.empty())
    if (!channelRanges.empty() && !other.channelRanges.empty())
      return createStringError("was collected with other options");
  extend(range, other.range);
  histogram.merge(other.histogram);
  llvm::append_range(sampleRanges, other.sampleRanges);
  if (channelAxis != other.channelAxis ||
      channelRanges.size() != other.channelRanges.size()) {
    hasVaryingChannels = true;
    channelAxis.reset();
    channelRanges.clear();
    sums.clear();
    sumAbs.clear();
    sumSquares.clear();
    gram.clear();
    countPerChannel = 0;
    return Error::success();
  }
  for (auto [mine, its] : zip_equal(channelRanges, other.channelRanges))
    extend(mine, its);
  countPerChannel += other.countPerChannel;
  addAll(sums, other.sums);
  addAll(sumAbs, other.sumAbs);
  addAll(sumSquares, other.sumSquares);
  addAll(gram, other.gram);
  return Error::success();
}

std::string ValueStatistics::getProblem() const {
  if (uint64_t count = histogram.countNaN())
    return "was NaN " + utostr(count) + " times";
  if (uint64_t count = histogram.countInfinite())
    return "was infinite " + utostr(count) + " times";
  if (isEmpty(range))
    return "never held a number";
  return "";
}

//===- all values ---------------------------------------------------------===//

const ValueStatistics *Statistics::find(StringRef name) const {
  auto it = values.find(name.str());
  return it == values.end() ? nullptr : &it->second;
}

Error Statistics::require(ArrayRef<StringRef> names) const {
  std::string missing, problems;
  for (StringRef name : names) {
    const ValueStatistics *value = find(name);
    if (!value)
      missing += (missing.empty() ? "'" : ", '") + name.str() + "'";
    else if (std::string problem = value->getProblem(); !problem.empty())
      problems += "; value '" + name.str() + "' " + problem;
  }
  if (!missing.empty())
    problems = "; no statistics of the values " + missing + problems;
  if (problems.empty())
    return Error::success();
  return createStringError(problems.substr(2));
}

Error Statistics::checkModel(StringRef hash) const {
  if (modelHash == hash)
    return Error::success();
  return createStringError("the statistics are another model's (hash " +
                           modelHash + ", this model has " + hash + ")");
}

Error Statistics::merge(const Statistics &other) {
  if (Error error = other.checkModel(modelHash))
    return error;
  for (const auto &[name, value] : other.values)
    if (Error error = values[name].merge(value))
      return createStringError("value '" + name + "' " +
                               toString(std::move(error)));
  numSamples += other.numSamples;
  if (rangeMethod.empty())
    rangeMethod = other.rangeMethod;
  return Error::success();
}
