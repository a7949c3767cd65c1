//===- RowPanels.cpp - Weights on the left as panels ----------------------===//

#include "RowPanels.h"

using namespace mlir;
using namespace quantc;

/// Taps of a line that are multiplied without a loop.
static constexpr int64_t kMaxUnrolledTaps = 4;

static constexpr int64_t kGroup = 4;

//===----------------------------------------------------------------------===//
// At compile time
//===----------------------------------------------------------------------===//

namespace {
/// The bytes of one panel for one word along k.
class PanelWord {
public:
  PanelWord(ArrayRef<char> bytes, const WeightRows &rows, int64_t matrix,
            int64_t firstRow, int64_t panelRows, int64_t word)
      : sumsPairs(rows.sumsPairs), isSigned(rows.isSigned) {
    int64_t channels = rows.getNumChannels();
    int64_t first = word / rows.taps * kGroup, tap = word % rows.taps;
    for (int64_t row = firstRow; row < firstRow + panelRows; ++row)
      for (int64_t place = first; place < first + kGroup; ++place) {
        bool exists = row < rows.m && place < channels;
        int64_t channel = exists && !rows.channelOrder.empty()
                              ? rows.channelOrder[place]
                              : place;
        weights.push_back(
            exists ? rows.getWeight(bytes, matrix, row, channel, tap) : 0);
      }
  }

  bool isExact() const {
    if (!sumsPairs)
      return true;
    for (size_t i = 0; i < weights.size(); i += 2)
      if (!DotProduct::isExactPair(weights[i], weights[i + 1]))
        return false;
    return true;
  }

  /// What is left of the weights when half of each is taken away.
  PanelWord takeHalf() {
    PanelWord half = *this;
    for (auto [own, taken] : llvm::zip(weights, half.weights)) {
      taken = own / 2;
      own -= taken;
    }
    return half;
  }

  void append(std::vector<int32_t> &target) const {
    for (size_t i = 0; i < weights.size(); i += kGroup) {
      uint32_t word = 0;
      for (int64_t j = 0; j < kGroup; ++j)
        word |= uint32_t(uint8_t(weights[i + j])) << (8 * j);
      target.push_back(int32_t(word));
    }
  }

  int getSum(int64_t row) const {
    int sum = 0;
    for (int64_t i = 0; i < kGroup; ++i) {
      int8_t weight = weights[row * kGroup + i];
      sum += isSigned ? weight : uint8_t(weight);
    }
    return sum;
  }

private:
  bool sumsPairs, isSigned;
  SmallVector<int8_t> weights;
};
} // namespace

static void forEachPanel(const WeightRows &rows, int64_t panelRows,
                         llvm::function_ref<void(int64_t, int64_t)> visit) {
  for (int64_t matrix = 0; matrix < rows.numMatrices; ++matrix)
    for (int64_t first = 0; first < rows.m; first += panelRows)
      visit(matrix, first);
}

/// A panel of floats.
static void appendFloats(ArrayRef<char> bytes, const WeightRows &rows,
                         int64_t matrix, int64_t firstRow, int64_t panelRows,
                         std::vector<int32_t> &target) {
  for (int64_t k = 0; k < rows.k; ++k)
    for (int64_t row = firstRow; row < firstRow + panelRows; ++row) {
      int32_t word = 0;
      int64_t at =
          rows.starts[matrix] + row * rows.rowStride + k * rows.columnStride;
      if (row < rows.m)
        std::memcpy(&word, &bytes[at * sizeof(word)], sizeof(word));
      target.push_back(word);
    }
}

/// The words before the panels.
static int64_t getHeaderSize(const WeightRows &rows, int64_t panelRows) {
  int64_t numPanels = rows.numMatrices * llvm::divideCeil(rows.m, panelRows);
  return numPanels + 1 + numPanels * panelRows + rows.channelOrder.size();
}

std::vector<char> quantc::packRowPanels(ArrayRef<char> bytes,
                                        const WeightRows &rows,
                                        int64_t panelRows, int64_t size) {
  std::vector<int32_t> starts, sums, panels;
  int64_t header = getHeaderSize(rows, panelRows);
  forEachPanel(rows, panelRows, [&](int64_t matrix, int64_t first) {
    starts.push_back(header + panels.size());
    SmallVector<int32_t> sum(panelRows, 0);
    if (rows.group == 1) {
      appendFloats(bytes, rows, matrix, first, panelRows, panels);
      return void(llvm::append_range(sums, sum));
    }
    std::vector<int32_t> halves;
    for (int64_t word = 0; word < rows.getNumWords(); ++word) {
      PanelWord weights(bytes, rows, matrix, first, panelRows, word);
      for (int64_t row = 0; row < panelRows; ++row)
        sum[row] += weights.getSum(row);
      if (!weights.isExact()) {
        halves.push_back(word);
        weights.takeHalf().append(halves);
      }
      weights.append(panels);
    }
    llvm::append_range(panels, halves);
    llvm::append_range(sums, sum);
  });
  starts.push_back(header + panels.size());
  starts.insert(starts.end(), sums.begin(), sums.end());
  llvm::append_range(starts, rows.channelOrder);
  starts.insert(starts.end(), panels.begin(), panels.end());
  assert(int64_t(starts.size()) <= size && "the weights were counted");
  starts.resize(size, 0);
  auto *data = reinterpret_cast<const char *>(starts.data());
  return std::vector<char>(data, data + starts.size() * sizeof(int32_t));
}

RowPanelCount quantc::countRowPanels(ArrayRef<char> bytes,
                                     const WeightRows &rows,
                                     int64_t panelRows) {
  RowPanelCount count;
  forEachPanel(rows, panelRows, [&](int64_t matrix, int64_t first) {
    count.words += rows.getNumWords();
    for (int64_t word = 0; rows.sumsPairs && word < rows.getNumWords(); ++word)
      count.splitWords +=
          !PanelWord(bytes, rows, matrix, first, panelRows, word).isExact();
  });
  count.size = getHeaderSize(rows, panelRows) + count.words * panelRows +
               count.splitWords * (panelRows + 1);
  return count;
}

//===----------------------------------------------------------------------===//
// At run time
//===----------------------------------------------------------------------===//

RowPanels::RowPanels(Value words, SmallVector<int64_t> matrixStrides,
                     const WeightRows &rows, int64_t panelRows)
    : words(words), matrixStrides(std::move(matrixStrides)),
      panelRows(panelRows), numWords(rows.getNumWords()),
      panels(llvm::divideCeil(rows.m, panelRows)),
      numPanels(rows.numMatrices * panels), hasHalves(rows.sumsPairs),
      areFloats(rows.group == 1), hasChannelOrder(!rows.channelOrder.empty()) {}

Value RowPanels::loadIndex(KernelEmitter &e, Value at) const {
  return arith::IndexCastUIOp::create(e.b, e.loc, e.b.getIndexType(),
                                      e.load(words, at));
}

Value RowPanels::getFirstPanel(KernelEmitter &e, ValueRange outer) const {
  Value matrix = e.index(0);
  for (auto [i, stride] : llvm::zip(outer, matrixStrides))
    matrix = e.add(matrix, e.mul(i, e.index(stride)));
  return e.mul(matrix, e.index(panels));
}

Value RowPanels::getRowSum(KernelEmitter &e, ValueRange outer,
                           Value row) const {
  Value first = e.mul(getFirstPanel(e, outer), e.index(panelRows));
  return e.load(words, e.add(e.index(numPanels + 1), e.add(first, row)));
}

Value RowPanels::getChannel(KernelEmitter &e, Value place) const {
  return loadIndex(
      e, e.add(e.index(numPanels + 1 + numPanels * panelRows), place));
}

SmallVector<Value> RowPanels::emitProducts(
    KernelEmitter &e, const MicroKernel &kernel, ValueRange outer, Value row,
    Value first, const ColumnWords &columns, SmallVector<Value> sums) const {
  Value panel = e.add(getFirstPanel(e, outer), e.floorDiv(row, panelRows));
  Value begin = loadIndex(e, panel);
  int64_t numRows = sums.size() / kernel.vectors;
  auto addWord = [&](Value column, Value at, ValueRange in) {
    SmallVector<Value> out(in), vectors;
    for (int64_t v = 0; v < kernel.vectors; ++v)
      vectors.push_back(e.loadVector(columns.buffer,
                                     e.add(column, e.index(v * kernel.lanes)),
                                     kernel.lanes));
    for (int64_t r = 0; r < numRows; ++r) {
      Value word = e.load(words, e.add(at, e.index(r)));
      if (areFloats)
        word = arith::BitcastOp::create(e.b, e.loc, kernel.accumulator, word);
      Value factor = e.splat(word, kernel.lanes);
      for (int64_t v = 0; v < kernel.vectors; ++v) {
        Value &sum = out[r * kernel.vectors + v];
        sum = emitMultiplyAdd(e, kernel, factor, vectors[v], sum);
      }
    }
    return out;
  };
  Value start = e.add(begin, e.mul(first, e.index(panelRows)));
  // As many words of the next panel as are multiplied of this one.
  auto prefetchNext = [&](Value word, int64_t steps) {
    Value at = e.add(start, e.mul(word, e.index(panelRows)));
    e.prefetch(words, e.add(at, e.index(numWords * panelRows)),
               steps * panelRows);
  };
  // The loops from `depth` on; so far the word is `word`, and its vectors are
  // at `column`.
  std::function<SmallVector<Value>(unsigned, Value, Value, ValueRange)>
      emitLoops = [&](unsigned depth, Value word, Value column, ValueRange in) {
        ArrayRef<WordLoop> loops =
            ArrayRef<WordLoop>(columns.loops).drop_front(depth);
        if (loops.empty())
          return addWord(column, e.add(start, e.mul(word, e.index(panelRows))),
                         in);
        Value inner = e.index(1);
        for (const WordLoop &loop : loops.drop_front())
          inner = e.mul(inner, loop.count);
        auto emitSteps = [&](Value i, int64_t steps, ValueRange in) {
          SmallVector<Value> out(in);
          for (int64_t j = 0; j < steps; ++j) {
            Value at = e.add(i, e.index(j));
            out = emitLoops(depth + 1, e.add(word, e.mul(at, inner)),
                            e.add(column, e.mul(at, loops[0].stride)), out);
          }
          return out;
        };
        Value count = loops[0].count, zero = e.index(0);
        std::optional<int64_t> known = e.asConstant(count);
        // LLVM would add up the pairs of several steps first, and spill them.
        int64_t unroll = loops.size() > 1 || kernel.dot.sumsPairs ? 1 : 2;
        if (depth > 0 && loops.size() == 1 && *known <= kMaxUnrolledTaps)
          return emitSteps(zero, *known, in);
        Value main = e.mul(e.floorDiv(count, unroll), e.index(unroll));
        auto body = [&](int64_t steps) {
          return [&, steps](Value i, ValueRange in) {
            if (depth == 0)
              prefetchNext(e.mul(i, inner),
                           steps * e.asConstant(inner).value());
            return emitSteps(i, steps, in);
          };
        };
        SmallVector<Value> out =
            e.forLoop(zero, main, unroll, in, body(unroll));
        return e.forLoop(main, count, 1, out, body(1));
      };
  sums = emitLoops(0, e.index(0), columns.offset, sums);
  if (!hasHalves)
    return sums;
  Value halves = e.add(begin, e.index(numWords * panelRows));
  Value end = loadIndex(e, e.add(panel, e.index(1)));
  return e.forLoop(
      halves, end, panelRows + 1, sums, [&](Value at, ValueRange in) {
        Value place = e.mul(loadIndex(e, at), columns.loops[0].stride);
        return addWord(e.add(columns.offset, place), e.add(at, e.index(1)), in);
      });
}
