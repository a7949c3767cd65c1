//===- RangeMethods.cpp - Which interval integers should span -------------===//
//
// docs/Quantization.md explains each method and names its source.
//
//===----------------------------------------------------------------------===//

#include "quantc/Quantization/Ranges.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

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

/// Kullback and Leibler's divergence of q from p (both of any sum). What p has
/// and q lacks counts as a little, as when both are smoothed.
double getDivergence(ArrayRef<double> p, ArrayRef<double> q) {
  double sumP = 0, sumQ = 0;
  for (auto [a, b] : zip_equal(p, q)) {
    sumP += a;
    sumQ += b;
  }
  if (sumP == 0 || sumQ == 0)
    return std::numeric_limits<double>::infinity();
  constexpr double little = 1e-9;
  double divergence = 0;
  for (auto [a, b] : zip_equal(p, q))
    if (a > 0)
      divergence += a / sumP * std::log(a / sumP / std::max(b / sumQ, little));
  return divergence;
}

/// Clips at the threshold ±t at which the histogram, merged to as many parts as
/// there are integers, tells least less than before.
class Entropy : public RangeMethod {
public:
  Range choose(const Distribution &numbers,
               const QuantizationGrid &grid) const override {
    constexpr size_t half = 1024;
    double largest =
        std::max(-double(numbers.range.min), double(numbers.range.max));
    if (largest <= 0)
      return numbers.range;
    std::vector<double> bins = makeBins(numbers, half, largest);
    // Both halves of the line, as many integers on each.
    size_t levels =
        std::min<size_t>(size_t(grid.getMax() - grid.getMin() + 1), half);
    double best = std::numeric_limits<double>::infinity();
    size_t bestWidth = half;
    for (size_t width = levels / 2; width <= half;
         width += std::max<size_t>(1, half / 512)) {
      double divergence = tryWidth(bins, half, width, levels);
      if (divergence < best) {
        best = divergence;
        bestWidth = width;
      }
    }
    double threshold = largest * double(bestWidth) / half;
    return {float(std::max(-threshold, double(numbers.range.min))),
            float(std::min(threshold, double(numbers.range.max)))};
  }

private:
  /// 2·half bins of equal width over [-largest, largest].
  static std::vector<double> makeBins(const Distribution &numbers, size_t half,
                                      double largest) {
    std::vector<double> bins(2 * half, 0);
    double width = largest / double(half);
    auto binOf = [&](double x) {
      double bin = std::floor((x + largest) / width);
      return size_t(std::clamp(bin, 0.0, double(2 * half - 1)));
    };
    for (const Distribution::Part &part : numbers.parts) {
      size_t first = binOf(part.lower), last = binOf(part.upper);
      if (first == last) {
        bins[first] += part.weight;
        continue;
      }
      double density = part.weight / (part.upper - part.lower);
      for (size_t i = first; i <= last; ++i) {
        double begin = std::max(part.lower, double(i) * width - largest);
        double end = std::min(part.upper, double(i + 1) * width - largest);
        bins[i] += density * std::max(0.0, end - begin);
      }
    }
    return bins;
  }

  static double tryWidth(ArrayRef<double> bins, size_t half, size_t width,
                         size_t levels) {
    ArrayRef<double> inside = bins.slice(half - width, 2 * width);
    std::vector<double> p(inside.begin(), inside.end()), q(p.size(), 0);
    for (double outside : bins.take_front(half - width))
      p.front() += outside;
    for (double outside : bins.drop_front(half + width))
      p.back() += outside;
    for (size_t level = 0; level < levels; ++level) {
      size_t begin = level * p.size() / levels;
      size_t end = (level + 1) * p.size() / levels;
      double sum = 0;
      size_t occupied = 0;
      for (size_t i = begin; i < end; ++i) {
        sum += inside[i];
        occupied += p[i] > 0;
      }
      for (size_t i = begin; i < end; ++i)
        if (p[i] > 0)
          q[i] = sum / double(occupied);
    }
    return getDivergence(p, q);
  }
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
