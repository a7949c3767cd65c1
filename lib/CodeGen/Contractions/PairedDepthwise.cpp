//===- PairedDepthwise.cpp - Depthwise convolutions by pairs of rows ------===//
//
// Two rows of a plane are interleaved: a word is an element and the one below
// it. Then a vector of words, multiplied by the weights of two rows of a
// window, is products of neighbouring outputs, whichever the column; and the
// same words by the weights moved by a row are products of the outputs below,
// so that two rows of outputs share what is loaded.
//
//===----------------------------------------------------------------------===//

#include "IntegerDepthwise.h"

#include "BytePlanes.h"

using namespace mlir;
using namespace quantc;

namespace {
class PairedDepthwise : public BytePlanes {
public:
  PairedDepthwise(KernelEmitter &e, const MatchedProduct &match)
      : BytePlanes(e, match, /*stepRows=*/2) {}

  /// Whether this convolution suits: with stride 1, of more than a row of
  /// outputs, and of windows that need no more products so than line by line.
  bool analyze();

private:
  /// The words under a window: which rows of words, and which columns of them.
  /// Each has weights for both rows of outputs, null where these do not reach.
  struct Words {
    int64_t row, column;
    Value weights[2];
  };

  /// A row of bytes: of the image, or of padding.
  struct Row {
    Value buffer, at;
  };

  Value allocatePlane() override;
  void fillPlane(ValueRange outer, Value plane) override;
  void fillTile(ValueRange outer, Value plane, const Tile &tile) override;
  void loadWindow(ValueRange outer) override;
  void emitSums(Value plane, Value line, Value numColumns, Value sums,
                Value at) override;
  Row getRow(Value image, Value start, Value padding, Value row);
  /// A row of `size` bytes.
  Value makePadding(int64_t size);
  /// Fills a line of words from two rows.
  void fillLine(Value plane, Value line, const Row &first, const Row &second);

  /// Lines of words that the windows reach; the last one may have one row only.
  int64_t numLines;
  /// 16-bit elements of a line of words.
  int64_t lineSize;
  SmallVector<Words> window;
};
} // namespace

bool PairedDepthwise::analyze() {
  if (!isDepthwise() || hasOneRow())
    return false;
  const Windows::Dim &rowDim = input.dims[0], &columnDim = input.dims[1];
  if (rowDim.stride != 1 || columnDim.stride != 1 || rowDim.dilation != 1)
    return false;
  // The upper row of outputs begins with a line of words, the lower one in the
  // middle of it.
  int64_t linesOfBoth = (rowDim.window + 1) / 2 + rowDim.window / 2 + 1;
  int64_t wordsOfRow =
      columnDim.dilation == 1 ? (columnDim.window + 1) / 2 : columnDim.window;
  if (linesOfBoth * columnDim.window > 2 * rowDim.window * wordsOfRow)
    return false;
  auto fits = [&] {
    numLines = llvm::divideCeil(rows.output, 2) + rows.window / 2;
    lineSize = llvm::alignTo(2 * columns.reached(), width);
    return numLines * lineSize <= kMaxPlane;
  };
  if (findExtents() && fits())
    return true;
  setTileExtents();
  return fits();
}

void PairedDepthwise::loadWindow(ValueRange outer) {
  window.clear();
  for (int64_t row = 0; row <= rows.window / 2; ++row)
    for (int64_t column = 0; column < columns.window; ++column) {
      auto getTap = [&](int64_t tapRow) -> std::optional<int64_t> {
        if (tapRow < 0 || tapRow >= rows.window)
          return std::nullopt;
        return tapRow * columns.window + column;
      };
      Words words{row, column, {}};
      for (int64_t below = 0; below < 2; ++below) {
        auto first = getTap(2 * row - below),
             second = getTap(2 * row + 1 - below);
        if (first || second)
          words.weights[below] = loadWeights(outer, first, second);
      }
      window.push_back(words);
    }
}

/// `padding` may be null if all rows are there; it begins where the row does.
PairedDepthwise::Row PairedDepthwise::getRow(Value image, Value start,
                                             Value padding, Value row) {
  const Windows::Dim &rowDim = input.dims[0], &columnDim = input.dims[1];
  Value from = e.add(image, e.mul(row, columnDim.inputSize));
  Row result{input.input, e.add(from, start)};
  if (!padding)
    return result;
  auto type = MemRefType::get(ShapedType::kDynamic, e.b.getI8Type());
  auto cast = [&](Value buffer) -> Value {
    return memref::CastOp::create(e.b, e.loc, type, buffer);
  };
  // A row above the image is a large number, too.
  Value isThere = e.compare(arith::CmpIPredicate::ult, row, rowDim.inputSize);
  result.buffer = arith::SelectOp::create(e.b, e.loc, isThere,
                                          cast(result.buffer), cast(padding));
  result.at =
      arith::SelectOp::create(e.b, e.loc, isThere, result.at, e.index(0));
  return result;
}

Value PairedDepthwise::makePadding(int64_t size) {
  Value padding =
      e.allocateOnStack(llvm::alignTo(size, width), e.b.getI8Type());
  fill(e.splat(input.paddingValue, width), padding, e.index(0), e.index(size));
  return padding;
}

void PairedDepthwise::fillLine(Value plane, Value line, const Row &first,
                               const Row &second) {
  Value border = widen(e.splat(input.paddingValue, width));
  Value begin = e.add(line, e.index(2 * columns.padding));
  // Around the line's elements, which then overwrite what is too much of it.
  int64_t tail = 2 * (columns.padding + columns.copied()) / width * width;
  fill(border, plane, line, begin);
  fill(border, plane, e.add(line, e.index(tail)),
       e.add(line, e.index(lineSize)));
  int64_t size = width;
  while (columns.copied() < size)
    size /= 2;
  cover(columns.copied(), size, [&](Value x) {
    auto load = [&](const Row &row) {
      return e.loadVector(row.buffer, e.add(row.at, x), size);
    };
    Value upper = load(first), lower = load(second);
    Value at = e.add(begin, e.mul(x, e.index(2)));
    // Half by half, which is how instructions interleave bytes.
    int64_t part = llvm::divideCeil(size, 2);
    for (int64_t from = 0; from < size; from += part) {
      SmallVector<int64_t> order;
      for (int64_t i = from; i < from + part; ++i)
        llvm::append_values(order, i, size + i);
      Value bytes = vector::ShuffleOp::create(e.b, e.loc, upper, lower, order);
      e.storeVector(widen(bytes), plane, e.add(at, e.index(2 * from)));
    }
  });
}

void PairedDepthwise::fillPlane(ValueRange outer, Value plane) {
  Value border = widen(e.splat(input.paddingValue, width));
  Value image = getImage(outer);
  auto lineAt = [&](int64_t i) { return e.index(i * lineSize); };
  // The first line may begin with a row of padding, and the last one end so.
  int64_t begin = rows.padding / 2, row = 2 * begin - rows.padding;
  int64_t count = llvm::divideCeil(rows.copied() - row, 2);
  Value padding;
  if (row != 0 || rows.copied() % 2 != row % 2)
    padding = makePadding(columns.copied());
  fill(border, plane, lineAt(0), lineAt(begin));
  e.forLoop(e.index(0), e.index(count), 1, [&](Value i) {
    Value first = e.add(e.mul(i, e.index(2)), e.index(row));
    fillLine(plane, e.mul(e.add(i, e.index(begin)), e.index(lineSize)),
             getRow(image, e.index(0), padding, first),
             getRow(image, e.index(0), padding, e.add(first, e.index(1))));
  });
  int64_t end = begin + count;
  fill(border, plane, lineAt(end), lineAt(numLines));
}

void PairedDepthwise::emitSums(Value plane, Value line, Value numColumns,
                               Value sums, Value at) {
  int64_t lanes = kernel.lanes;
  Value below = e.add(at, numColumns);
  Value last =
      e.mul(e.floorDiv(e.sub(numColumns, e.index(1)), lanes), e.index(lanes));
  // From the last vector of a row to the first one: what is too much of the
  // upper row is then overwritten by the lower one, and what is too much of
  // that one by the next rows.
  e.forLoop(e.index(0), numColumns, lanes, [&](Value i) {
    Value x = e.sub(last, i);
    Value zero = e.zero(VectorType::get(lanes, e.b.getI32Type()));
    Value results[2] = {zero, zero};
    for (const Words &words : window) {
      Value column = e.add(x, e.index(words.column * columns.dilation));
      Value from = e.mul(e.add(line, e.index(words.row)), e.index(lineSize));
      Value loaded = loadWords(plane, e.add(from, e.mul(column, e.index(2))));
      for (auto [sum, weights] : llvm::zip(results, words.weights))
        if (weights)
          sum = kernel.dot.emit(e, loaded, weights, sum);
    }
    e.storeVector(results[0], sums, e.add(at, x));
    e.storeVector(results[1], sums, e.add(below, x));
  });
}

/// The last vectors of a line reach beyond it.
Value PairedDepthwise::allocatePlane() {
  return e.allocateOnStack(numLines * lineSize + 2 * width, e.b.getI16Type());
}

void PairedDepthwise::fillTile(ValueRange outer, Value plane,
                               const Tile &tile) {
  Value border = widen(input.paddingValue);
  Value image = getImage(outer);
  Value padding = makePadding(columns.reached());
  Value numPairs = e.ceilDiv(tile.numLines, 2);
  e.forLoop(e.index(0), numPairs, 1, [&](Value i) {
    Value line = e.mul(i, e.index(lineSize));
    auto store = [&](Value x, Value first, Value second) {
      Value at = e.add(line, e.mul(x, e.index(2)));
      e.store(first, plane, at);
      e.store(second, plane, e.add(at, e.index(1)));
    };
    auto fillTo = [&](Value from, Value to) {
      e.forLoop(from, to, 1, [&](Value x) { store(x, border, border); });
    };
    fillTo(e.index(0), tile.begin);
    Value row = e.add(tile.row, e.mul(i, e.index(2)));
    // Of the image's elements alone.
    Value start = e.add(tile.start, tile.begin);
    Row first = getRow(image, start, padding, row),
        second = getRow(image, start, padding, e.add(row, e.index(1)));
    e.forLoop(tile.begin, tile.end, 1, [&](Value x) {
      auto load = [&](const Row &from) {
        Value at = e.add(from.at, e.sub(x, tile.begin));
        return widen(e.load(from.buffer, at));
      };
      store(x, load(first), load(second));
    });
    fillTo(tile.end, tile.length);
  });
}

bool quantc::emitPairedDepthwise(KernelEmitter &e, const MatchedProduct &match,
                                 bool useThreads) {
  PairedDepthwise emitter(e, match);
  if (!emitter.analyze())
    return false;
  emitter.emit(useThreads);
  return true;
}
