//===- Statistics.h - What calibration found out about values ---*- C++ -*-===//
//
// Statistics come from running data through a model, part by part: parts merge
// to what one run over all the data gives. Bit for bit for counts, extremes and
// histograms; the ranges of single samples in the order of merging; and the
// sums of products (moments, Gram matrices) up to the rounding of float64.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_STATISTICS_H
#define QUANTC_QUANTIZATION_STATISTICS_H

#include "quantc/Quantization/Histogram.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <map>
#include <optional>
#include <string>

namespace quantc {

/// An interval of real numbers.
struct Range {
  float min = 0, max = 0;
  bool operator==(const Range &other) const {
    return min == other.min && max == other.max;
  }
};

/// What to collect of a value, beyond range and histogram.
struct CollectOptions {
  /// The axis of which each index is a channel: the one that the op which uses
  /// the value sums over. Counted from the front.
  std::optional<int64_t> channelAxis;
  /// Sums of x, |x| and x² per channel (AWQ, bias correction).
  bool moments = false;
  /// Xᵀ·X over the channels (GPTQ); only for channels along the last axis.
  bool gram = false;
};

/// Of one value.
struct ValueStatistics {
  /// Over all finite numbers; an empty range is [+Inf, -Inf].
  Range range = {std::numeric_limits<float>::infinity(),
                 -std::numeric_limits<float>::infinity()};
  Histogram histogram;
  /// The range of each sample, in order, for averages over samples.
  std::vector<Range> sampleRanges;

  /// Without channels (no axis, or one whose size changes), all these are
  /// empty.
  std::optional<int64_t> channelAxis;
  std::vector<Range> channelRanges;
  /// How many numbers each channel had.
  uint64_t countPerChannel = 0;
  std::vector<double> sums, sumAbs, sumSquares;
  /// Row-major, channels × channels.
  std::vector<double> gram;

  size_t numChannels() const { return channelRanges.size(); }
  uint64_t count() const { return histogram.countFinite(); }
  double mean(size_t channel) const {
    return sums[channel] / double(countPerChannel);
  }
  double meanAbs(size_t channel) const {
    return sumAbs[channel] / double(countPerChannel);
  }
  double meanSquare(size_t channel) const {
    return sumSquares[channel] / double(countPerChannel);
  }

  /// Adds a tensor, or a part of a sample: `addSample` ends a sample.
  void add(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape,
           const CollectOptions &options);
  /// Notes the range of the sample that `add` was called for since the last
  /// call. Does nothing if there was none.
  void endSample();

  /// Fails if the two were collected differently.
  llvm::Error merge(const ValueStatistics &other);

  /// Why no quantized range can be chosen; empty if one can.
  std::string getProblem() const;

private:
  void addChannels(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape,
                   const CollectOptions &options);
  std::optional<Range> currentSample;
  /// The value's channels were not the same each time.
  bool hasVaryingChannels = false;
};

/// Of all observed values of a model, by their names.
class Statistics {
public:
  static constexpr unsigned version = 2;

  /// The model that the values belong to (qnn::hashModel).
  std::string modelHash;
  uint64_t numSamples = 0;
  /// The range method that the one who calibrated wants where a recipe does not
  /// say; empty for none. All methods find what they need in the statistics.
  std::string rangeMethod;
  std::map<std::string, ValueStatistics, std::less<>> values;

  const ValueStatistics *find(llvm::StringRef name) const;

  /// Fails with a list of all names that have no statistics, and of those whose
  /// statistics decide no range (NaN, infinities, no numbers at all).
  llvm::Error require(llvm::ArrayRef<llvm::StringRef> names) const;
  /// Fails if these are another model's.
  llvm::Error checkModel(llvm::StringRef hash) const;

  /// Adds the statistics of other data on the same model.
  llvm::Error merge(const Statistics &other);

  /// A .npz file (docs/Quantization.md says what is in it).
  static llvm::Expected<Statistics> load(llvm::StringRef path);
  llvm::Error save(llvm::StringRef path) const;
};

} // namespace quantc

#endif // QUANTC_QUANTIZATION_STATISTICS_H
