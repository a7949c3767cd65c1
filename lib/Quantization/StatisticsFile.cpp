//===- StatisticsFile.cpp - Statistics in a .npz file ---------------------===//
//
// One array for each kind of number, over all values: a value's part is found
// by counts. So numpy reads it, and a model with thousands of values makes few
// entries. Gram matrices are arrays of their own.
//
//===----------------------------------------------------------------------===//

#include "quantc/Quantization/Statistics.h"
#include "quantc/Support/NumpyFiles.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>

using namespace llvm;
using namespace quantc;

//===- writing ------------------------------------------------------------===//

namespace {
template <typename T> constexpr char kindOf() {
  if (std::is_floating_point_v<T>)
    return 'f';
  return std::is_signed_v<T> ? 'i' : 'u';
}

class Writer {
public:
  std::vector<NumpyArray> arrays;

  template <typename T>
  void add(StringRef name, ArrayRef<T> data, ArrayRef<int64_t> shape) {
    NumpyArray &array = arrays.emplace_back();
    array.name = name.str();
    array.kind = kindOf<T>();
    array.itemSize = sizeof(T);
    array.shape.assign(shape.begin(), shape.end());
    auto *bytes = reinterpret_cast<const char *>(data.data());
    array.bytes.assign(bytes, bytes + data.size() * sizeof(T));
  }
  template <typename T> void add(StringRef name, const std::vector<T> &data) {
    add(name, ArrayRef<T>(data), {int64_t(data.size())});
  }
  void addRanges(StringRef name, const std::vector<Range> &ranges) {
    std::vector<float> flat;
    for (const Range &range : ranges) {
      flat.push_back(range.min);
      flat.push_back(range.max);
    }
    add(name, ArrayRef<float>(flat), {int64_t(ranges.size()), 2});
  }
  void addText(StringRef name, StringRef text) {
    add(name, ArrayRef<uint8_t>(text.bytes_begin(), text.size()),
        {int64_t(text.size())});
  }
};
} // namespace

Error Statistics::save(StringRef path) const {
  std::string names;
  std::vector<Range> ranges, sampleRanges, channelRanges;
  std::vector<int64_t> channelAxes;
  std::vector<uint64_t> bucketCounts, counts, sampleCounts, channelCounts,
      perChannel;
  std::vector<uint32_t> keys;
  std::vector<double> sums, sumAbs, sumSquares;
  std::vector<uint8_t> hasMoments;
  Writer writer;
  for (const auto &[name, value] : values) {
    if (!names.empty())
      names += '\n';
    names += name;
    ranges.push_back(value.range);
    size_t before = keys.size();
    value.histogram.forEachKey([&](uint32_t key, uint64_t count) {
      keys.push_back(key);
      counts.push_back(count);
    });
    bucketCounts.push_back(keys.size() - before);
    append_range(sampleRanges, value.sampleRanges);
    sampleCounts.push_back(value.sampleRanges.size());
    channelAxes.push_back(value.channelAxis.value_or(-1));
    append_range(channelRanges, value.channelRanges);
    channelCounts.push_back(value.channelRanges.size());
    perChannel.push_back(value.countPerChannel);
    hasMoments.push_back(!value.sumAbs.empty());
    append_range(sums, value.sums);
    append_range(sumAbs, value.sumAbs);
    append_range(sumSquares, value.sumSquares);
    if (!value.gram.empty()) {
      int64_t n = value.numChannels();
      writer.add("gram_" + utostr(ranges.size() - 1),
                 ArrayRef<double>(value.gram), {n, n});
    }
  }
  writer.add("version", ArrayRef<uint32_t>{version}, {});
  writer.add("num_samples", ArrayRef<uint64_t>{numSamples}, {});
  writer.addText("model_hash", modelHash);
  writer.addText("range_method", rangeMethod);
  writer.addText("names", names);
  writer.addRanges("range", ranges);
  writer.add("histogram_size", bucketCounts);
  writer.add("histogram_key", keys);
  writer.add("histogram_count", counts);
  writer.add("sample_size", sampleCounts);
  writer.addRanges("sample_range", sampleRanges);
  writer.add("channel_axis", channelAxes);
  writer.add("channel_size", channelCounts);
  writer.addRanges("channel_range", channelRanges);
  writer.add("count_per_channel", perChannel);
  writer.add("has_moments", hasMoments);
  writer.add("sum", sums);
  writer.add("sum_abs", sumAbs);
  writer.add("sum_squares", sumSquares);
  return writeNpz(path, writer.arrays);
}

//===- reading ------------------------------------------------------------===//

namespace {
/// Hands out arrays of a file by name, and parts of them one after the other.
class Reader {
public:
  explicit Reader(std::vector<NumpyArray> arrays) {
    for (NumpyArray &array : arrays)
      byName[array.name] = std::move(array);
  }

  template <typename T> Expected<ArrayRef<T>> get(StringRef name) {
    auto it = byName.find(name);
    if (it == byName.end())
      return createStringError("has no array '" + name + "'");
    const NumpyArray &array = it->second;
    if (array.kind != kindOf<T>() || array.itemSize != sizeof(T))
      return createStringError("array '" + name + "' has the wrong type");
    return ArrayRef<T>(reinterpret_cast<const T *>(array.bytes.data()),
                       array.bytes.size() / sizeof(T));
  }
  bool has(StringRef name) const { return byName.contains(name); }

  /// Copies an array; the first problem is kept for `takeError`.
  template <typename T> std::vector<T> read(StringRef name) {
    Expected<ArrayRef<T>> array = get<T>(name);
    if (array)
      return array->vec();
    fail(toString(array.takeError()));
    return {};
  }
  std::vector<Range> readRanges(StringRef name) {
    std::vector<float> flat = read<float>(name);
    std::vector<Range> ranges;
    for (size_t i = 0; i + 1 < flat.size(); i += 2)
      ranges.push_back({flat[i], flat[i + 1]});
    return ranges;
  }
  std::string readText(StringRef name) {
    std::vector<uint8_t> bytes = read<uint8_t>(name);
    return std::string(bytes.begin(), bytes.end());
  }

  void fail(const Twine &text) {
    if (problem.empty())
      problem = text.str();
  }
  std::string problem;

private:
  StringMap<NumpyArray> byName;
};

/// Takes `count` elements from where the last call stopped.
template <typename T> class Cursor {
public:
  Cursor(Reader &reader, std::vector<T> data)
      : reader(reader), data(std::move(data)) {}
  std::vector<T> take(uint64_t count) {
    if (count > data.size() - at) {
      reader.fail("its arrays do not fit each other");
      return {};
    }
    at += count;
    return std::vector<T>(data.begin() + (at - count), data.begin() + at);
  }
  bool isAtEnd() const { return at == data.size(); }

private:
  Reader &reader;
  std::vector<T> data;
  size_t at = 0;
};
} // namespace

/// What no data can have led to; empty if there is nothing. Data that are NaN
/// or infinite can: who uses the value says so (`getProblem`).
static StringRef findDamage(const ValueStatistics &value) {
  auto isRange = [](const Range &range) {
    return std::isfinite(range.min) && std::isfinite(range.max) &&
           range.min <= range.max;
  };
  auto isFinite = [](double number) { return std::isfinite(number); };
  bool hasNumbers = value.count() > 0;
  if (isRange(value.range) != hasNumbers)
    return "its range does not fit its histogram";
  if (!hasNumbers || !value.getProblem().empty() || !value.numChannels())
    return "";
  if (!value.countPerChannel)
    return "its channels have no numbers";
  if (!all_of(value.channelRanges, isRange))
    return "ranges of its channels are none";
  if (!all_of(value.sums, isFinite) || !all_of(value.sumAbs, isFinite) ||
      !all_of(value.sumSquares, isFinite))
    return "sums over its channels are no numbers";
  if (!all_of(value.gram, isFinite))
    return "its Gram matrix has elements that are no numbers";
  return "";
}

Expected<Statistics> Statistics::load(StringRef path) {
  Expected<std::vector<NumpyArray>> arrays = readNumpyFile(path);
  if (!arrays)
    return arrays.takeError();
  Reader reader(std::move(*arrays));
  auto error = [&](const Twine &text) {
    return createStringError("'" + path +
                             "' is no file of statistics: " + text);
  };
  std::vector<uint32_t> fileVersion = reader.read<uint32_t>("version");
  if (!reader.problem.empty())
    return error(reader.problem);
  if (fileVersion != std::vector<uint32_t>{version})
    return createStringError("'" + path +
                             "' holds statistics of another version of "
                             "quantc: calibrate again");
  Statistics result;
  std::vector<uint64_t> numSamples = reader.read<uint64_t>("num_samples");
  result.numSamples = numSamples.size() == 1 ? numSamples[0] : 0;
  result.modelHash = reader.readText("model_hash");
  result.rangeMethod = reader.readText("range_method");
  std::string text = reader.readText("names");
  SmallVector<StringRef> names;
  if (!text.empty())
    StringRef(text).split(names, '\n');
  auto perValue = [&](StringRef name) {
    auto array = reader.read<uint64_t>(name);
    if (array.size() != names.size())
      reader.fail("array '" + name + "' does not fit the names");
    array.resize(names.size());
    return array;
  };
  auto ranges = reader.readRanges("range");
  auto axes = reader.read<int64_t>("channel_axis");
  auto hasMoments = reader.read<uint8_t>("has_moments");
  auto histogramSizes = perValue("histogram_size");
  auto sampleSizes = perValue("sample_size");
  auto channelSizes = perValue("channel_size");
  auto countsPerChannel = perValue("count_per_channel");
  Cursor<uint32_t> keys(reader, reader.read<uint32_t>("histogram_key"));
  Cursor<uint64_t> counts(reader, reader.read<uint64_t>("histogram_count"));
  Cursor<Range> sampleRanges(reader, reader.readRanges("sample_range"));
  Cursor<Range> channelRanges(reader, reader.readRanges("channel_range"));
  Cursor<double> sums(reader, reader.read<double>("sum"));
  Cursor<double> sumAbs(reader, reader.read<double>("sum_abs"));
  Cursor<double> sumSquares(reader, reader.read<double>("sum_squares"));
  if (ranges.size() != names.size() || axes.size() != names.size() ||
      hasMoments.size() != names.size())
    reader.fail("its arrays do not fit the names");
  if (!reader.problem.empty())
    return error(reader.problem);
  for (auto [i, name] : enumerate(names)) {
    ValueStatistics &value = result.values[name.str()];
    value.range = ranges[i];
    for (auto [key, count] :
         zip(keys.take(histogramSizes[i]), counts.take(histogramSizes[i]))) {
      if (key >= Histogram::numKeys)
        return error("a key of a histogram is out of range");
      value.histogram.add(key, count);
    }
    value.sampleRanges = sampleRanges.take(sampleSizes[i]);
    if (axes[i] >= 0)
      value.channelAxis = axes[i];
    value.channelRanges = channelRanges.take(channelSizes[i]);
    value.countPerChannel = countsPerChannel[i];
    if (hasMoments[i]) {
      value.sums = sums.take(channelSizes[i]);
      value.sumAbs = sumAbs.take(channelSizes[i]);
      value.sumSquares = sumSquares.take(channelSizes[i]);
    }
    if (std::string gram = "gram_" + utostr(i); reader.has(gram)) {
      value.gram = reader.read<double>(gram);
      if (value.gram.size() != channelSizes[i] * channelSizes[i])
        reader.fail("array '" + gram + "' has the wrong shape");
    }
    if (!reader.problem.empty())
      return error(reader.problem);
    if (StringRef damage = findDamage(value); !damage.empty())
      return error("value '" + name + "': " + damage);
  }
  if (result.values.size() != names.size())
    return error("two values have the same name");
  if (!result.numSamples)
    return error("it holds no samples");
  if (!keys.isAtEnd() || !counts.isAtEnd() || !sampleRanges.isAtEnd() ||
      !channelRanges.isAtEnd() || !sums.isAtEnd() || !sumAbs.isAtEnd() ||
      !sumSquares.isAtEnd())
    return error("its arrays do not fit each other");
  return result;
}
