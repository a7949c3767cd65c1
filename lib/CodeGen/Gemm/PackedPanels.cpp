//===- PackedPanels.cpp - Panels of constant matrices ---------------------===//

#include "PackedPanels.h"
#include "WordForms.h"

using namespace mlir;
using namespace quantc;

char *quantc::packPanel(const PanelSource &source, int64_t first,
                        int64_t columns, char *target) {
  int64_t count = std::min(columns, source.n - first);
  unsigned width = source.width;
  for (int64_t row = 0; row < source.k(); ++row, target += columns * width) {
    if (source.columnStride == 1) {
      std::memcpy(target, source.at(row, first), count * width);
    } else {
      for (int64_t j = 0; j < count; ++j)
        std::memcpy(target + j * width, source.at(row, first + j), width);
    }
    std::memset(target + count * width, 0, (columns - count) * width);
  }
  return target;
}

char *quantc::packPanels(const PanelSource &source, int64_t columns,
                         char *target) {
  // Rows that are contiguous are read as such: a few of them for all panels.
  int64_t most = source.columnStride == 1 ? 16 : source.k();
  int64_t rowBytes = columns * source.width;
  int64_t panelBytes = source.k() * rowBytes;
  for (int64_t row = 0; row < source.k(); row += most) {
    PanelSource part = source;
    part.rowOffsets =
        source.rowOffsets.slice(row, std::min(most, source.k() - row));
    char *place = target + row * rowBytes;
    for (int64_t first = 0; first < source.n; first += columns) {
      packPanel(part, first, columns, place);
      place += panelBytes;
    }
  }
  return target + llvm::divideCeil(source.n, columns) * panelBytes;
}

char *quantc::packFloatGroups(const PanelSource &source, int64_t first,
                              const MicroKernel &kernel, char *target) {
  int64_t columns = kernel.columns(), group = kernel.dot.group;
  int64_t words = PackedSource::getNumRows(kernel, source.k());
  std::memset(target, 0, words * columns * group * source.width);
  int64_t count = std::min(columns, source.n - first);
  for (int64_t row = 0; row < source.k(); ++row) {
    if (source.rowOffsets[row] == PanelSource::kNoRow)
      continue;
    int64_t place = row / group * columns * group + row % group;
    for (int64_t j = 0; j < count; ++j)
      std::memcpy(target + (place + j * group) * source.width,
                  source.at(row, first + j), source.width);
  }
  return target + words * columns * group * source.width;
}

/// One weight as the kernel sees it, 0 outside of the matrix.
static int getWeight(const PanelSource &source, int64_t row, int64_t column,
                     bool isSigned, bool isFlipped) {
  if (row >= source.k() || column >= source.n ||
      source.rowOffsets[row] == PanelSource::kNoRow)
    return 0;
  char byte = *source.at(row, column) ^ (isFlipped ? 0x80 : 0);
  return isSigned ? int(int8_t(byte)) : int(uint8_t(byte));
}

namespace {
/// A word of a panel, and its form: a turn of WordForms, or all wide.
struct FormedWord {
  int64_t word, turn;
};
struct WordOrder {
  SmallVector<FormedWord> narrow, wide;
};
} // namespace

/// The words of a panel in the order in which they are multiplied: rows are
/// read form by form.
static WordOrder getWordOrder(const PanelSource &source, int64_t first,
                              const MicroKernel &kernel, bool isFlipped) {
  int64_t group = kernel.dot.group;
  auto isExact = [&](int64_t row, ArrayRef<int64_t> turn) {
    auto weight = [&](int64_t i, int64_t j) {
      return getWeight(source, row + turn[i], first + j, /*isSigned=*/true,
                       isFlipped);
    };
    for (int64_t j = 0; j < kernel.columns(); ++j)
      for (int64_t i = 0; i < group; i += 2)
        if (!DotProduct::isExactPair(weight(i, j), weight(i + 1, j)))
          return false;
    return true;
  };
  WordOrder order;
  for (int64_t word = 0, end = PackedSource::getNumRows(kernel, source.k());
       word < end; ++word) {
    auto turn = llvm::find_if(WordForms::kTurns, [&](ArrayRef<int64_t> turn) {
      return isExact(word * group, turn);
    });
    if (turn == std::end(WordForms::kTurns))
      order.wide.push_back({word, 0});
    else
      order.narrow.push_back({word, turn - std::begin(WordForms::kTurns)});
  }
  llvm::stable_sort(order.narrow, [](const FormedWord &x, const FormedWord &y) {
    return x.turn < y.turn;
  });
  return order;
}

char *quantc::packGroups(const PanelSource &source, int64_t first,
                         const MicroKernel &kernel, bool isFlipped,
                         char *target) {
  int64_t columns = kernel.columns(), group = kernel.dot.group;
  int64_t words = PackedSource::getNumRows(kernel, source.k());
  SmallVector<int32_t> sums(columns, 0);
  // `place` is where a byte of a column's word is among those of all columns.
  auto pack = [&](int64_t word,
                  llvm::function_ref<int64_t(int64_t, int64_t)> place) {
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = 0; i < group; ++i) {
        int weight = getWeight(source, word * group + i, first + j,
                               kernel.dot.isRhsSigned, isFlipped);
        sums[j] += weight;
        target[place(j, i)] = char(weight);
      }
    target += columns * group;
  };
  auto packTurned = [&](int64_t word, ArrayRef<int64_t> turn) {
    pack(word, [&](int64_t j, int64_t i) {
      return j * group + (llvm::find(turn, i) - turn.begin());
    });
  };
  SmallVector<int32_t> places;
  if (kernel.dot.hasWideWords) {
    WordOrder order = getWordOrder(source, first, kernel, isFlipped);
    WordForms forms(words, kernel.lanes);
    places.push_back(order.narrow.size());
    for (auto [word, turn] : order.narrow) {
      packTurned(word, WordForms::kTurns[turn]);
      places.push_back(forms.getTurned(turn, word));
    }
    for (auto [word, turn] : order.wide) {
      pack(word, [&](int64_t j, int64_t i) {
        int64_t lane = j % kernel.lanes, half = group / 2;
        return (j - lane) * group + i / half * half * kernel.lanes +
               lane * half + i % half;
      });
      places.push_back(forms.getWide(word));
    }
  } else {
    for (int64_t word = 0; word < words; ++word)
      pack(word, [&](int64_t j, int64_t i) { return j * group + i; });
  }
  auto append = [&](ArrayRef<int32_t> values, int64_t size) {
    std::memset(target, 0, size * sizeof(int32_t));
    std::memcpy(target, values.data(), values.size() * sizeof(int32_t));
    target += size * sizeof(int32_t);
  };
  if (PackedSource::hasColumnSums(kernel))
    append(sums, columns);
  if (kernel.dot.hasWideWords)
    append(places, llvm::alignTo(places.size(), columns));
  return target;
}

WordCount quantc::countWords(const PanelSource &source, int64_t first,
                             const MicroKernel &kernel, bool isFlipped) {
  WordOrder order = getWordOrder(source, first, kernel, isFlipped);
  WordCount count;
  count.words = order.narrow.size() + order.wide.size();
  count.turnedWords = llvm::count_if(
      order.narrow, [](const FormedWord &word) { return word.turn != 0; });
  count.wideWords = order.wide.size();
  count.panels = 1;
  count.provedPanels = order.wide.empty();
  return count;
}

WordCount &WordCount::operator+=(const WordCount &other) {
  words += other.words;
  turnedWords += other.turnedWords;
  wideWords += other.wideWords;
  panels += other.panels;
  provedPanels += other.provedPanels;
  return *this;
}
