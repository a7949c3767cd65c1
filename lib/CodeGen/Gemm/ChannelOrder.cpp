//===- ChannelOrder.cpp - Channels that may be neighbours -----------------===//

#include "ChannelOrder.h"

#include "llvm/ADT/BitVector.h"

using namespace mlir;
using namespace quantc;

/// Pairs of weights that are looked at: with more channels, those next to each
/// other are matched among themselves.
static constexpr int64_t kMaxWork = int64_t(1) << 28;
/// Rounds of exchanges, each over all pairs of pairs; most matchings need few.
static constexpr int kMaxRounds = 16;

namespace {
using Pair = std::pair<int64_t, int64_t>;

/// What it costs that two of `size` items are partners, symmetric.
class PartnerCosts {
public:
  explicit PartnerCosts(int64_t size) : size(size), costs(size * size, 0) {}

  int64_t operator()(int64_t i, int64_t j) const { return costs[i * size + j]; }
  void set(int64_t i, int64_t j, int64_t cost) {
    costs[i * size + j] = costs[j * size + i] = cost;
  }

  /// All items in pairs (their number is even), at little cost.
  SmallVector<Pair> match() const;

private:
  SmallVector<Pair> matchGreedily() const;

  int64_t size;
  std::vector<int32_t> costs;
};

/// Where the channels of filters conflict.
class Conflicts {
public:
  Conflicts(ArrayRef<char> bytes, const WeightRows &rows, int64_t panelRows)
      : numWords(llvm::divideCeil(rows.m, panelRows) * rows.taps),
        weights(rows.getNumChannels()) {
    for (int64_t row = 0; row < rows.m; ++row)
      for (int64_t tap = 0; tap < rows.taps; ++tap) {
        words.push_back(row / panelRows * rows.taps + tap);
        for (auto [channel, own] : llvm::enumerate(weights))
          own.push_back(rows.getWeight(bytes, 0, row, channel, tap));
      }
  }

  /// The words of a group of channels, one bit for each panel and tap, that
  /// need halves if it holds channels `i` and `j` as a pair.
  llvm::BitVector find(int64_t i, int64_t j) const {
    llvm::BitVector found(numWords);
    for (auto [word, x, y] : llvm::zip_equal(words, weights[i], weights[j]))
      if (!DotProduct::isExactPair(x, y))
        found.set(word);
    return found;
  }

private:
  int64_t numWords;
  /// Of each channel, and to which of those words each weight belongs.
  std::vector<std::vector<int8_t>> weights;
  std::vector<int32_t> words;
};
} // namespace

SmallVector<Pair> PartnerCosts::matchGreedily() const {
  SmallVector<Pair> order;
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = i + 1; j < size; ++j)
      order.push_back({i, j});
  llvm::sort(order, [&](const Pair &x, const Pair &y) {
    return std::pair((*this)(x.first, x.second), x) <
           std::pair((*this)(y.first, y.second), y);
  });
  SmallVector<Pair> pairs;
  llvm::BitVector taken(size);
  for (auto [i, j] : order) {
    if (taken[i] || taken[j])
      continue;
    taken.set(i);
    taken.set(j);
    pairs.push_back({i, j});
  }
  return pairs;
}

SmallVector<Pair> PartnerCosts::match() const {
  SmallVector<Pair> pairs = matchGreedily();
  auto cost = [&](const Pair &pair) {
    return (*this)(pair.first, pair.second);
  };
  bool improved = true;
  for (int round = 0; improved && round < kMaxRounds; ++round) {
    improved = false;
    for (size_t x = 0; x < pairs.size(); ++x)
      for (size_t y = x + 1; y < pairs.size(); ++y) {
        auto [a, b] = pairs[x];
        auto [c, d] = pairs[y];
        int64_t least = cost(pairs[x]) + cost(pairs[y]);
        for (auto [first, second] : {std::pair(Pair{a, c}, Pair{b, d}),
                                     std::pair(Pair{a, d}, Pair{b, c})}) {
          if (cost(first) + cost(second) >= least)
            continue;
          least = cost(first) + cost(second);
          pairs[x] = first;
          pairs[y] = second;
          improved = true;
        }
      }
  }
  return pairs;
}

/// The channels from `first` on, `count` of them (whole words), in their order.
static void orderChannels(const Conflicts &conflicts, int64_t first,
                          int64_t count, SmallVectorImpl<int32_t> &order) {
  PartnerCosts costs(count);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = i + 1; j < count; ++j)
      costs.set(i, j, conflicts.find(first + i, first + j).count());
  SmallVector<Pair> pairs = costs.match();

  SmallVector<llvm::BitVector> words;
  for (auto [i, j] : pairs)
    words.push_back(conflicts.find(first + i, first + j));
  PartnerCosts wordCosts(pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i)
    for (size_t j = i + 1; j < pairs.size(); ++j) {
      llvm::BitVector both = words[i];
      both |= words[j];
      wordCosts.set(i, j, both.count());
    }
  for (auto [i, j] : wordCosts.match())
    for (const Pair &pair : {pairs[i], pairs[j]})
      order.append({int32_t(first + pair.first), int32_t(first + pair.second)});
}

SmallVector<int32_t> quantc::chooseChannelOrder(ArrayRef<char> bytes,
                                                const WeightRows &rows,
                                                int64_t panelRows) {
  assert(rows.numMatrices == 1 && "an image has one order");
  int64_t channels = rows.getNumChannels(), group = rows.group;
  int64_t whole = channels / group * group;
  int64_t perChannel = std::max<int64_t>(1, rows.m * rows.taps);
  int64_t most = kMaxWork / (perChannel * std::max<int64_t>(1, whole));
  most = std::max<int64_t>(4 * group, most / group * group);
  Conflicts conflicts(bytes, rows, panelRows);
  SmallVector<int32_t> order;
  for (int64_t first = 0; first < whole; first += most)
    orderChannels(conflicts, first, std::min(most, whole - first), order);
  for (int64_t channel = whole; channel < channels; ++channel)
    order.push_back(channel);
  return order;
}
