//===- IntegerDepthwise.cpp - Depthwise convolutions of bytes -------------===//
//
// Line by line: each vector of outputs of a row is the sum over pairs of
// neighbouring taps of one word dot product. A vector of the plane's elements,
// taken as words, is the pairs of every second output, or of each where the
// stride is 2. Planes that are large, or of a size that only the call knows,
// are taken in tiles.
//
//===----------------------------------------------------------------------===//

#include "IntegerDepthwise.h"

#include "BytePlanes.h"

using namespace mlir;
using namespace quantc;

namespace {
class LineDepthwise : public BytePlanes {
public:
  LineDepthwise(KernelEmitter &e, const MatchedProduct &match)
      : BytePlanes(e, match, /*stepRows=*/1) {}

  /// Whether this convolution suits.
  bool analyze();

private:
  /// Two neighbouring taps of a row, or the one that has no neighbour.
  struct TapPair {
    int64_t row, column;
    bool hasSecond;
  };

  int64_t getPlaneStride() const;
  Value allocatePlane() override;
  void fillPlane(ValueRange outer, Value plane) override;
  void fillTile(ValueRange outer, Value plane, const Tile &tile) override;
  void loadWindow(ValueRange outer) override;
  void emitSums(Value plane, Value y, Value numColumns, Value sums,
                Value at) override;
  Value loadPairs(Value plane, Value y, Value x, const TapPair &pair);

  int64_t planeStride;
  SmallVector<TapPair> pairs;
  /// For each of them a vector of words, the same in each lane.
  SmallVector<Value> weights;
};
} // namespace

bool LineDepthwise::analyze() {
  if (!isDepthwise())
    return false;
  for (const Windows::Dim &dim : input.dims)
    if (dim.stride > 2)
      return false;
  const Windows::Dim &line = input.dims[1];
  for (int64_t row = 0; row < input.dims[0].window; ++row)
    for (int64_t column = 0; column < line.window;) {
      bool hasSecond = line.dilation == 1 && column + 1 < line.window;
      pairs.push_back({row, column, hasSecond});
      column += hasSecond ? 2 : 1;
    }
  if (findExtents()) {
    planeStride = getPlaneStride();
    // Sums of a row are there before any become outputs.
    bool isLongLine = hasOneRow() && columns.output > kMaxSums;
    if (!isLongLine && rows.reached() * planeStride <= kMaxPlane)
      return true;
  }
  setTileExtents();
  planeStride = getPlaneStride();
  return rows.reached() * planeStride <= kMaxPlane;
}

/// Lines of whole registers; a tap without a neighbour reads one element more
/// than it needs.
int64_t LineDepthwise::getPlaneStride() const {
  return llvm::alignTo(columns.reached() + 1, width);
}

void LineDepthwise::fillPlane(ValueRange outer, Value plane) {
  // One register of 16-bit elements, if lines are that long.
  int64_t size = width;
  while (columns.copied() < size)
    size /= 2;
  Value border = widen(e.splat(input.paddingValue, size));
  auto fillTo = [&](Value from, Value to) { fill(border, plane, from, to); };
  auto lineAt = [&](int64_t y) { return e.index(y * planeStride); };
  int64_t end = rows.padding + rows.copied();
  fillTo(lineAt(0), lineAt(rows.padding));
  Value base = getImage(outer);
  // Around a line's elements, which then overwrite what is too much of it.
  int64_t tail = (columns.padding + columns.copied()) / size * size;
  e.forLoop(e.index(0), e.index(rows.copied()), 1, [&](Value y) {
    Value from = e.add(base, e.mul(y, e.index(columns.input)));
    Value line = e.mul(e.add(y, e.index(rows.padding)), e.index(planeStride));
    fillTo(line, e.add(line, e.index(columns.padding)));
    fillTo(e.add(line, e.index(tail)), e.add(line, e.index(planeStride)));
    Value to = e.add(line, e.index(columns.padding));
    cover(columns.copied(), size, [&](Value x) {
      Value bytes = e.loadVector(input.input, e.add(from, x), size);
      e.storeVector(widen(bytes), plane, e.add(to, x));
    });
  });
  fillTo(lineAt(end), lineAt(std::max(end, rows.reached())));
}

void LineDepthwise::loadWindow(ValueRange outer) {
  weights.clear();
  for (const TapPair &pair : pairs) {
    int64_t tap = pair.row * columns.window + pair.column;
    weights.push_back(loadWeights(
        outer, tap, pair.hasSecond ? std::optional(tap + 1) : std::nullopt));
  }
}

/// The elements under a pair of taps for the outputs of one vector of sums, of
/// which output (y, x) is the first, as words.
Value LineDepthwise::loadPairs(Value plane, Value y, Value x,
                               const TapPair &pair) {
  Value row =
      e.add(e.mul(y, e.index(rows.stride)), e.index(pair.row * rows.dilation));
  Value at = e.add(e.mul(row, e.index(planeStride)),
                   e.add(e.mul(x, e.index(columns.stride)),
                         e.index(pair.column * columns.dilation)));
  return loadWords(plane, at);
}

void LineDepthwise::emitSums(Value plane, Value y, Value numColumns, Value sums,
                             Value at) {
  int64_t lanes = kernel.lanes;
  bool isEverySecond = columns.stride == 1;
  e.forLoop(e.index(0), numColumns, width, [&](Value x) {
    SmallVector<Value> halves;
    for (int64_t half = 0; half < 2; ++half) {
      Value first = e.add(x, e.index(isEverySecond ? half : half * lanes));
      Value sum = e.zero(VectorType::get(lanes, e.b.getI32Type()));
      for (auto [pair, weight] : llvm::zip(pairs, weights))
        sum = kernel.dot.emit(e, loadPairs(plane, y, first, pair), weight, sum);
      halves.push_back(sum);
    }
    Value place = e.add(at, x);
    if (isEverySecond)
      return e.storeVector(
          vector::InterleaveOp::create(e.b, e.loc, halves[0], halves[1]), sums,
          place);
    e.storeVector(halves[0], sums, place);
    e.storeVector(halves[1], sums, e.add(place, e.index(lanes)));
  });
}

/// Loads of a tap's neighbour and of the last vector's end pass the last line.
Value LineDepthwise::allocatePlane() {
  int64_t slack = columns.stride * width;
  return e.allocateOnStack(rows.reached() * planeStride + slack,
                           e.b.getI16Type());
}

void LineDepthwise::fillTile(ValueRange outer, Value plane, const Tile &tile) {
  Value border = widen(input.paddingValue);
  auto fillTo = [&](Value line, Value from, Value to) {
    e.forLoop(from, to, 1,
              [&](Value i) { e.store(border, plane, e.add(line, i)); });
  };
  const Windows::Dim &rowDim = input.dims[0], &columnDim = input.dims[1];
  Value base = getImage(outer), none = e.index(0);
  e.forLoop(none, tile.numLines, 1, [&](Value i) {
    Value line = e.mul(i, e.index(planeStride)), y = e.add(tile.row, i);
    e.ifThen(
        // Rows before the image are large numbers, too.
        e.compare(arith::CmpIPredicate::ult, y, rowDim.inputSize),
        [&] {
          Value from =
              e.add(e.add(base, e.mul(y, columnDim.inputSize)), tile.start);
          fillTo(line, none, tile.begin);
          e.forLoop(tile.begin, tile.end, 1, [&](Value x) {
            Value byte = e.load(input.input, e.add(from, x));
            e.store(widen(byte), plane, e.add(line, x));
          });
          fillTo(line, tile.end, tile.length);
        },
        [&] { fillTo(line, none, tile.length); });
  });
}

bool quantc::emitIntegerDepthwise(KernelEmitter &e, const MatchedProduct &match,
                                  bool useThreads) {
  if (!match.words || !match.kernel.dot)
    return false;
  if (emitPairedDepthwise(e, match, useThreads))
    return true;
  LineDepthwise emitter(e, match);
  if (!emitter.analyze())
    return false;
  emitter.emit(useThreads);
  return true;
}
