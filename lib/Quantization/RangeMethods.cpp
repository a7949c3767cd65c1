//===- RangeMethods.cpp - Which interval integers should span -------------===//
//
// docs/Quantization.md explains each method and names its source.
//
//===----------------------------------------------------------------------===//

#include "quantc/Quantization/Ranges.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <array>
#include <cmath>
#include <functional>

using namespace llvm;
using namespace quantc;

namespace {

//===- minmax -------------------------------------------------------------===//

class MinMax : public RangeMethod {
public:
  Range choose(const Distribution &numbers,
               const QuantizationGrid &) const override {
    return numbers.range;
  }
  bool needsRangeOnly() const override { return true; }
};

//===- moving average -----------------------------------------------------===//

/// m ← m + c·(x - m) over the samples' extremes, from the first sample's on.
class MovingAverage : public RangeMethod {
public:
  explicit MovingAverage(double constant) : constant(constant) {}
  Range choose(const Distribution &numbers,
               const QuantizationGrid &) const override {
    if (numbers.sampleRanges.empty())
      return numbers.range;
    double min = numbers.sampleRanges.front().min;
    double max = numbers.sampleRanges.front().max;
    for (const Range &range : numbers.sampleRanges.drop_front()) {
      min += constant * (range.min - min);
      max += constant * (range.max - max);
    }
    return {float(min), float(max)};
  }

private:
  double constant;
};

//===- percentile ---------------------------------------------------------===//

/// Parts of |x|, by rising absolute value.
std::vector<Distribution::Part> getAbsoluteParts(const Distribution &numbers) {
  std::vector<Distribution::Part> parts;
  for (Distribution::Part part : numbers.parts) {
    if (part.lower < 0)
      part = {-part.upper, -part.lower, part.weight};
    parts.push_back(part);
  }
  llvm::sort(parts, [](const auto &a, const auto &b) {
    return std::pair(a.lower, a.upper) < std::pair(b.lower, b.upper);
  });
  return parts;
}

/// The number that the share `fraction` of all lies at or below.
double getQuantile(ArrayRef<Distribution::Part> parts, double total,
                   double fraction) {
  double wanted = fraction * total, sum = 0;
  for (const Distribution::Part &part : parts) {
    if (sum + part.weight >= wanted) {
      double share = std::clamp((wanted - sum) / part.weight, 0.0, 1.0);
      return part.lower + share * (part.upper - part.lower);
    }
    sum += part.weight;
  }
  return parts.back().upper;
}

class Percentile : public RangeMethod {
public:
  explicit Percentile(double percent) : fraction(percent / 100) {}
  Range choose(const Distribution &numbers,
               const QuantizationGrid &grid) const override {
    double total = numbers.totalWeight;
    if (grid.isSymmetric()) {
      double limit = getQuantile(getAbsoluteParts(numbers), total, fraction);
      return {float(-limit), float(limit)};
    }
    double outside = (1 - fraction) / 2;
    return {float(getQuantile(numbers.parts, total, outside)),
            float(getQuantile(numbers.parts, total, 1 - outside))};
  }

private:
  double fraction;
};

//===- mse ----------------------------------------------------------------===//

/// The integral of (v - round(v))² from 0 to u.
double integrateRounding(double u) {
  double whole = std::nearbyint(u), rest = u - whole;
  return whole / 12 + rest * rest * rest / 3;
}

/// The weighted sum of squared errors after quantizing with `scale`.
double getSquaredError(const Distribution &numbers,
                       const ScaleAndZeroPoint &scale,
                       const QuantizationGrid &grid) {
  double step = scale.scale;
  double least = double(grid.getMin() - scale.zeroPoint) * step;
  double most = double(grid.getMax() - scale.zeroPoint) * step;
  double error = 0;
  for (const Distribution::Part &part : numbers.parts) {
    double a = part.lower, b = part.upper;
    // Too narrow for integrals in float64: as one number.
    if (b - a < 1e-6 * step) {
      double x = (a + b) / 2;
      double y = std::clamp(std::nearbyint(x / step) * step, least, most);
      error += part.weight * (x - y) * (x - y);
      continue;
    }
    double density = part.weight / (b - a);
    // Past the ends of the grid, the error grows with the distance.
    if (a < least) {
      double end = std::min(b, least);
      error +=
          density * (std::pow(least - a, 3) - std::pow(least - end, 3)) / 3;
      a = end;
    }
    if (b > most) {
      double begin = std::max(a, most);
      error +=
          density * (std::pow(b - most, 3) - std::pow(begin - most, 3)) / 3;
      b = begin;
    }
    if (a < b)
      error += density * step * step * step *
               (integrateRounding(b / step) - integrateRounding(a / step));
  }
  return error;
}

/// Tries ranges that are parts of the full one, first both ends together, then
/// each alone around the best.
class MeanSquaredError : public RangeMethod {
public:
  Range choose(const Distribution &numbers,
               const QuantizationGrid &grid) const override {
    Range full = numbers.range, best = full;
    double least = std::numeric_limits<double>::infinity();
    auto attempt = [&](double low, double high) {
      Range range = {float(full.min * low), float(full.max * high)};
      double error = getSquaredError(numbers, computeScale(range, grid), grid);
      if (error < least) {
        least = error;
        best = range;
        return true;
      }
      return false;
    };
    double low = 1, high = 1;
    constexpr int steps = 64;
    for (int i = steps; i >= 1; --i)
      if (attempt(double(i) / steps, double(i) / steps))
        low = high = double(i) / steps;
    for (double width = 0.5 / steps; width > 1e-3; width /= 2)
      for (double factor : {1 - width, 1 + width}) {
        double l = std::min(low * factor, 1.0),
               h = std::min(high * factor, 1.0);
        if (attempt(l, h))
          low = l, high = h;
      }
    if (grid.isSymmetric() || full.min >= 0 || full.max <= 0)
      return best;
    for (int round = 0; round < 2; ++round) {
      double from = low;
      for (int i = 0; i <= steps; ++i)
        if (double l = double(i) / steps; attempt(l, high))
          from = l;
      low = from;
      from = high;
      for (int i = 0; i <= steps; ++i)
        if (double h = double(i) / steps; attempt(low, h))
          from = h;
      high = from;
    }
    return best;
  }
};

//===- entropy ------------------------------------------------------------===//

/// What n·log(n) of a count gives on average above that of the mean: counts
/// scatter around it as Poisson's distribution does.
double getScatter(double mean) {
  if (mean <= 0)
    return 0;
  constexpr int most = 32;
  if (mean > most / 2)
    return 0.5 + 1 / (12 * mean);
  static const std::array<double, 2 * most> products = [] {
    std::array<double, 2 * most> table{};
    for (int n = 2; n < 2 * most; ++n)
      table[n] = n * std::log(n);
    return table;
  }();
  double probability = std::exp(-mean), sum = 0;
  for (int n = 1; n < 2 * most; ++n) {
    probability *= mean / n;
    sum += probability * products[n];
  }
  return sum - mean * std::log(mean);
}

/// Clips where the histogram, merged to as many parts as there are integers,
/// tells least less than before: by Kullback and Leibler's divergence of the
/// merged distribution from the clipped one. Two things would mislead a plain
/// sum. Numbers that are exactly 0 (half of what a relu gives) are an integer
/// of their own and lose nothing. And counts scatter by chance: merging evens
/// that out, which looks like a loss that grows with the number of bins in a
/// part, so what chance alone would give is subtracted.
class Entropy : public RangeMethod {
public:
  Range choose(const Distribution &numbers,
               const QuantizationGrid &grid) const override {
    double limit =
        std::max(-double(numbers.range.min), double(numbers.range.max));
    struct Candidate {
      Range range;
      double divergence;
    };
    // From the widest to the narrowest.
    std::vector<Candidate> candidates;
    double least = std::numeric_limits<double>::infinity(), deviation = 0;
    // Bins are fine enough for thresholds in the upper half of what they cover:
    // go on with the lower half as long as that finds better ones.
    while (limit > double(std::numeric_limits<float>::min()) * (1 << 20)) {
      Bins bins(numbers, limit);
      bool isBetter = false;
      constexpr int numSteps = 128;
      for (int step = numSteps; step > numSteps / 2; --step) {
        Range range = getRange(numbers, grid, limit * step / numSteps);
        double divergence = bins.getDivergence(range, grid);
        candidates.push_back({range, divergence});
        if (divergence < least) {
          least = divergence;
          deviation = bins.getDeviation();
          isBetter = true;
        }
      }
      if (!isBetter)
        break;
      limit /= 2;
    }
    // Of those that chance may have put in order, the one that clips least.
    Range result = numbers.range;
    for (const Candidate &candidate : candidates)
      if (candidate.divergence <= least + deviation) {
        result = candidate.range;
        break;
      }
    return {std::max(result.min, numbers.range.min),
            std::min(result.max, numbers.range.max)};
  }

private:
  /// The interval that is left of the numbers' at a threshold.
  static Range getRange(const Distribution &numbers,
                        const QuantizationGrid &grid, double threshold) {
    Range range = {float(-threshold), float(threshold)};
    if (grid.isSymmetric())
      return range;
    return {std::min(std::max(range.min, numbers.range.min), 0.0f),
            std::max(std::min(range.max, numbers.range.max), 0.0f)};
  }

  /// Counts of numbers in bins that are unions of histograms' buckets, so that
  /// they are whole numbers. Bins above `top` are twice as wide.
  class Bins {
  public:
    Bins(const Distribution &numbers, double limit) {
      top = std::ldexp(1.0, std::ilogb(limit));
      width = top / double(2 << Histogram::fractionBits);
      half = size_t(std::ceil(getOffset(limit)));
      counts.assign(2 * half, 0);
      for (const Distribution::Part &part : numbers.parts) {
        double x = (part.lower + part.upper) / 2;
        if (std::fabs(x) < double(std::numeric_limits<float>::min()))
          continue; // Zeros.
        total += part.weight;
        double bin = std::floor(getOffset(x)) + double(half);
        if (bin < 0)
          below += part.weight;
        else if (bin >= double(counts.size()))
          above += part.weight;
        else
          counts[size_t(bin)] += part.weight;
      }
    }

    double getDivergence(Range range, const QuantizationGrid &grid) const {
      constexpr double infinite = std::numeric_limits<double>::infinity();
      ArrayRef<double> all = counts;
      size_t begin = getIndex(range.min), end = getIndex(range.max);
      double first = below, last = above;
      for (double count : all.take_front(begin))
        first += count;
      for (double count : all.drop_front(end))
        last += count;
      double inside = total - first - last;
      if (begin == end || inside <= 0)
        return infinite;
      double levels = double(grid.getMax() - grid.getMin()) + 1;
      double step = (double(range.max) - double(range.min)) / levels;
      double loss = 0;
      size_t at = begin;
      for (double level = 1; level <= levels; ++level) {
        size_t next =
            level == levels ? end : getIndex(double(range.min) + level * step);
        if (next <= at)
          continue;
        double sum = 0;
        for (double count : all.slice(at, next - at))
          sum += count;
        double density = sum / (getEdge(next) - getEdge(at));
        double mean = 0, scatter = 0;
        for (size_t i = at; i < next; ++i) {
          // The same for bins of the same width.
          double expected = density * (getEdge(i + 1) - getEdge(i));
          if (expected != mean) {
            mean = expected;
            scatter = getScatter(mean);
          }
          // Clipped numbers count as if they were in the outermost bins.
          double count = all[i];
          count += i == begin ? first : 0;
          count += i + 1 == end ? last : 0;
          if (count > 0)
            loss += count * std::log(count / std::max(mean, rare));
          loss -= scatter;
        }
        loss += getScatter(sum);
        at = next;
      }
      // The merged distribution lacks what was clipped.
      return loss / total + std::log(inside / total);
    }

    /// The standard deviation of a divergence: the logarithms in it have a
    /// variance of 1/2 for each bin that holds more than a few numbers.
    double getDeviation() const {
      double full = double(
          llvm::count_if(counts, [](double count) { return count > 1; }));
      return std::sqrt(full / 2) / std::max(total, 1.0);
    }

  private:
    /// What a bin that nothing fell into could have had.
    static constexpr double rare = 0.5;

    /// A number in bins from 0 on.
    double getOffset(double x) const {
      double size = std::fabs(x);
      double offset =
          size <= top ? size / width : top / width + (size - top) / (2 * width);
      return std::copysign(offset, x);
    }
    size_t getIndex(double x) const {
      return size_t(std::clamp(std::nearbyint(getOffset(x)) + double(half), 0.0,
                               double(counts.size())));
    }
    /// Where a bin begins.
    double getEdge(size_t index) const {
      double offset = double(index) - double(half), most = top / width;
      double size = std::fabs(offset);
      return std::copysign(size <= most ? size * width
                                        : top + (size - most) * 2 * width,
                           offset);
    }

    double top, width, total = 0, below = 0, above = 0;
    size_t half;
    std::vector<double> counts;
  };
};

//===- registry -----------------------------------------------------------===//

struct Entry {
  RangeMethod::Description description;
  /// What the parameter must lie in.
  int least, most;
  std::function<std::unique_ptr<RangeMethod>(double)> create;
};

const std::vector<Entry> &getEntries() {
  static const std::vector<Entry> entries = {
      {{"minmax", "from the smallest number to the largest", "", 0},
       0,
       0,
       [](double) { return std::make_unique<MinMax>(); }},
      {{"moving-average", "exponential averages of the samples' extremes",
        "weight of each new sample", 0.01},
       0,
       1,
       [](double x) { return std::make_unique<MovingAverage>(x); }},
      {{"percentile", "leaves out the most extreme numbers",
        "percent of the numbers inside", 99.99},
       0,
       100,
       [](double x) { return std::make_unique<Percentile>(x); }},
      {{"entropy", "loses the least information (Kullback-Leibler)", "", 0},
       0,
       0,
       [](double) { return std::make_unique<Entropy>(); }},
      {{"mse", "makes the mean squared error smallest", "", 0},
       0,
       0,
       [](double) { return std::make_unique<MeanSquaredError>(); }},
  };
  return entries;
}

} // namespace

std::vector<RangeMethod::Description> RangeMethod::list() {
  std::vector<Description> result;
  for (const Entry &entry : getEntries())
    result.push_back(entry.description);
  return result;
}

Expected<std::unique_ptr<RangeMethod>> RangeMethod::parse(StringRef text) {
  auto [name, number] = text.split('=');
  for (const Entry &entry : getEntries()) {
    const Description &description = entry.description;
    if (description.name != name)
      continue;
    double parameter = description.defaultParameter;
    if (name.size() != text.size()) {
      if (description.parameter.empty())
        return createStringError("range method '" + name + "' takes no number");
      if (number.getAsDouble(parameter) ||
          !(parameter > entry.least && parameter <= entry.most))
        return createStringError(
            formatv("range method '{0}': the number ({1}) must be above {2} "
                    "and at most {3}",
                    text, description.parameter, entry.least, entry.most));
    }
    return entry.create(parameter);
  }
  std::string known;
  for (const Entry &entry : getEntries())
    known += (known.empty() ? "" : ", ") + entry.description.name.str();
  return createStringError("no range method '" + text + "'; there are " +
                           known);
}
