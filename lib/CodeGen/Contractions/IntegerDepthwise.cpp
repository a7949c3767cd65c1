//===- IntegerDepthwise.cpp - Depthwise convolutions of bytes -------------===//
//
// A channel's plane is first widened to 16 bits, less its zero point and with
// zeros around it. Then each vector of outputs of a row is the sum over pairs
// of neighbouring taps of one word dot product: the two elements of a pair by
// the two weights. A vector of the plane's elements, taken as words, is the
// pairs of every second output, or of each where the stride is 2. The sums of
// some rows are stored before any of them becomes an output: both loops have
// short chains then, of which a processor holds many in flight. Planes that are
// large, or of a size that only the call knows, are taken in tiles.
//
//===----------------------------------------------------------------------===//

#include "IntegerDepthwise.h"

#include "CodeGen/Gemm/WordPanels.h"

using namespace mlir;
using namespace quantc;

/// Elements of a plane on the stack; larger ones would leave the first cache.
static constexpr int64_t kMaxPlane = 24 * 1024;
/// Inputs under a tile, but for what windows reach beyond.
static constexpr int64_t kTileRows = 16;
static constexpr int64_t kTileColumns = 256;
/// Vectors of sums that become outputs at a time.
static constexpr int64_t kMostVectors = 4;
/// Sums that are stored before they become outputs; a row has more if it must.
static constexpr int64_t kMaxSums = 1024;

namespace {
class IntegerDepthwise {
public:
  IntegerDepthwise(KernelEmitter &e, const MatchedProduct &match)
      : e(e), p(match.problem), kernel(match.kernel), input(*match.words),
        wordPanels(e, p, kernel), width(2 * kernel.lanes) {}

  /// Whether this convolution suits.
  bool analyze();
  void emit(bool useThreads);

private:
  /// One dimension of the image, in numbers.
  struct Extent {
    int64_t input, output, padding, window, stride, dilation;
    /// Padded elements that the windows reach.
    int64_t reached() const {
      return (output - 1) * stride + (window - 1) * dilation + 1;
    }
    int64_t copied() const { return std::min(input, reached() - padding); }
  };

  /// Two neighbouring taps of a row, or the one that has no neighbour.
  struct TapPair {
    int64_t row, column;
    bool hasSecond;
  };

  bool analyzeWhole();
  int64_t getPlaneStride() const;
  void emitChannel(ValueRange outer);
  void fillPlane(ValueRange outer, Value plane);
  void emitTile(ValueRange outer, Value firstRow, Value firstColumn);
  void fillTile(ValueRange outer, Value plane, Value firstRow,
                Value firstColumn, Value numLines, Value length);
  Value allocatePlane();
  Value widen(Value bytes);
  SmallVector<Value> loadWeights(ValueRange outer);
  Value loadPairs(Value plane, Value y, Value x, const TapPair &pair);
  /// Stores the sums of row `y` of the outputs from `at` on, in whole vectors.
  void emitSums(Value plane, Value y, Value numColumns, ArrayRef<Value> weights,
                Value sums, Value at);
  /// Turns vectors of sums from `at` on into the outputs from `place` on; no
  /// more than `left`, if given.
  void emitOutputsOf(const OutputBases &bases, Value sums, Value at,
                     int64_t numVectors, Value place, Value left = {});
  Value offsetOf(ValueRange outer, ArrayRef<Value> strides);
  /// Runs `body` for vectors of `size` that cover `count`; the last may overlap
  /// the one before.
  void cover(int64_t count, int64_t size, llvm::function_ref<void(Value)> body);

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  const Windows &input;
  WordPanels wordPanels;
  /// Of the whole plane, or of a tile (which has no input and no padding).
  Extent rows, columns;
  bool isTiled = false;
  int64_t planeStride;
  SmallVector<TapPair> pairs;
  /// Sums at a time: two vectors.
  int64_t width;
};
} // namespace

bool IntegerDepthwise::analyze() {
  if (!kernel.dot.takesDifferences() || input.dims.size() != 2 ||
      !e.isConstant(p.m, 1) || !e.isConstant(p.a.columnStride, 1))
    return false;
  for (const Windows::Dim &dim : input.dims)
    if (dim.stride > 2)
      return false;
  if (!e.isConstant(p.k, input.getNumTaps()))
    return false;
  const Windows::Dim &line = input.dims[1];
  for (int64_t row = 0; row < input.dims[0].window; ++row)
    for (int64_t column = 0; column < line.window;) {
      bool hasSecond = line.dilation == 1 && column + 1 < line.window;
      pairs.push_back({row, column, hasSecond});
      column += hasSecond ? 2 : 1;
    }
  if (analyzeWhole())
    return true;
  isTiled = true;
  auto getTile = [](const Windows::Dim &dim, int64_t size) -> Extent {
    return {0, size, 0, dim.window, dim.stride, dim.dilation};
  };
  rows = getTile(input.dims[0], kTileRows / input.dims[0].stride);
  columns = getTile(line, kTileColumns / line.stride);
  planeStride = getPlaneStride();
  return rows.reached() * planeStride <= kMaxPlane;
}

/// Sets the sizes, if all of them are known and small.
bool IntegerDepthwise::analyzeWhole() {
  for (auto [extent, dim] :
       llvm::zip(SmallVector<Extent *>{&rows, &columns}, input.dims)) {
    auto in = e.asConstant(dim.inputSize), out = e.asConstant(dim.outputSize),
         padding = e.asConstant(dim.padding);
    if (!in || !out || !padding || *out <= 0)
      return false;
    *extent = {*in, *out, *padding, dim.window, dim.stride, dim.dilation};
    if (extent->copied() <= 0)
      return false;
  }
  planeStride = getPlaneStride();
  return rows.output * columns.output >= kernel.lanes &&
         rows.reached() * planeStride <= kMaxPlane;
}

/// Lines of whole registers; a tap without a neighbour reads one element more
/// than it needs.
int64_t IntegerDepthwise::getPlaneStride() const {
  return llvm::alignTo(columns.reached() + 1, width);
}

Value IntegerDepthwise::offsetOf(ValueRange outer, ArrayRef<Value> strides) {
  Value offset = e.index(0);
  for (auto [i, stride] : llvm::zip(outer, strides))
    offset = e.add(offset, e.mul(i, stride));
  return offset;
}

void IntegerDepthwise::cover(int64_t count, int64_t size,
                             llvm::function_ref<void(Value)> body) {
  int64_t whole = count / size * size;
  e.forLoop(e.index(0), e.index(whole), size, body);
  if (whole != count)
    body(e.index(count - size));
}

/// One input or a vector of them in 16 bits, less the zero point.
Value IntegerDepthwise::widen(Value bytes) {
  Type element = e.b.getI16Type(), type = element;
  auto vector = dyn_cast<VectorType>(bytes.getType());
  if (vector)
    type = vector.clone(element);
  Value value = p.quantizedB.isSigned
                    ? Value(arith::ExtSIOp::create(e.b, e.loc, type, bytes))
                    : Value(arith::ExtUIOp::create(e.b, e.loc, type, bytes));
  Value zero = p.quantizedB.zeroPoint;
  if (!zero)
    return value;
  zero = arith::TruncIOp::create(e.b, e.loc, element, zero);
  if (vector)
    zero = e.splat(zero, vector.getNumElements());
  return arith::SubIOp::create(e.b, e.loc, value, zero);
}

void IntegerDepthwise::fillPlane(ValueRange outer, Value plane) {
  // One register of 16-bit elements, if lines are that long.
  int64_t size = width;
  while (columns.copied() < size)
    size /= 2;
  Value border = widen(e.splat(input.paddingValue, size));
  auto fill = [&](Value from, Value to) {
    e.forLoop(from, to, size,
              [&](Value at) { e.storeVector(border, plane, at); });
  };
  auto lineAt = [&](int64_t y) { return e.index(y * planeStride); };
  int64_t end = rows.padding + rows.copied();
  fill(lineAt(0), lineAt(rows.padding));
  Value base = offsetOf(outer, input.outerStrides);
  // Around a line's elements, which then overwrite what is too much of it.
  int64_t tail = (columns.padding + columns.copied()) / size * size;
  e.forLoop(e.index(0), e.index(rows.copied()), 1, [&](Value y) {
    Value from = e.add(base, e.mul(y, e.index(columns.input)));
    Value line = e.mul(e.add(y, e.index(rows.padding)), e.index(planeStride));
    fill(line, e.add(line, e.index(columns.padding)));
    fill(e.add(line, e.index(tail)), e.add(line, e.index(planeStride)));
    Value to = e.add(line, e.index(columns.padding));
    cover(columns.copied(), size, [&](Value x) {
      Value bytes = e.loadVector(input.input, e.add(from, x), size);
      e.storeVector(widen(bytes), plane, e.add(to, x));
    });
  });
  fill(lineAt(end), lineAt(std::max(end, rows.reached())));
}

/// A vector of words for each pair of taps, the same word in each lane.
SmallVector<Value> IntegerDepthwise::loadWeights(ValueRange outer) {
  Value base = offsetOf(outer, p.a.outerStrides);
  Value zero = wordPanels.rowZero(outer, e.index(0));
  Type i32 = e.b.getI32Type();
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getI32IntegerAttr(value));
  };
  auto load = [&](int64_t tap) -> Value {
    Value byte = e.load(p.a.buffer, e.add(base, e.index(tap)));
    Value weight = p.quantizedA.isSigned
                       ? Value(arith::ExtSIOp::create(e.b, e.loc, i32, byte))
                       : Value(arith::ExtUIOp::create(e.b, e.loc, i32, byte));
    if (zero)
      weight = arith::SubIOp::create(e.b, e.loc, weight, zero);
    return weight;
  };
  SmallVector<Value> words;
  for (const TapPair &pair : pairs) {
    int64_t tap = pair.row * columns.window + pair.column;
    Value word = arith::AndIOp::create(e.b, e.loc, load(tap), constant(0xffff));
    if (pair.hasSecond)
      word = arith::OrIOp::create(
          e.b, e.loc, word,
          arith::ShLIOp::create(e.b, e.loc, load(tap + 1), constant(16)));
    words.push_back(e.splat(word, kernel.lanes));
  }
  return words;
}

/// The elements under a pair of taps for the outputs of one vector of sums, of
/// which output (y, x) is the first, as words.
Value IntegerDepthwise::loadPairs(Value plane, Value y, Value x,
                                  const TapPair &pair) {
  Value row =
      e.add(e.mul(y, e.index(rows.stride)), e.index(pair.row * rows.dilation));
  Value at = e.add(e.mul(row, e.index(planeStride)),
                   e.add(e.mul(x, e.index(columns.stride)),
                         e.index(pair.column * columns.dilation)));
  return vector::BitCastOp::create(
      e.b, e.loc, VectorType::get(kernel.lanes, e.b.getI32Type()),
      e.loadVector(plane, at, width));
}

void IntegerDepthwise::emitSums(Value plane, Value y, Value numColumns,
                                ArrayRef<Value> weights, Value sums, Value at) {
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

void IntegerDepthwise::emitOutputsOf(const OutputBases &bases, Value sums,
                                     Value at, int64_t numVectors, Value place,
                                     Value left) {
  int64_t lanes = kernel.lanes;
  auto store = [&](ArrayRef<Value> masks) {
    SmallVector<OutputVector> outputs;
    for (int64_t i = 0; i < numVectors; ++i) {
      Value offset = e.index(i * lanes);
      outputs.push_back({e.index(0), e.add(place, offset),
                         e.loadVector(sums, e.add(at, offset), lanes),
                         masks.empty() ? Value() : masks[i]});
    }
    emitOutputs(e, p, kernel, bases, outputs);
  };
  if (left)
    e.withMasks(left, numVectors, lanes, store);
  else
    store({});
}

/// Loads of a tap's neighbour and of the last vector's end pass the last line.
Value IntegerDepthwise::allocatePlane() {
  int64_t slack = columns.stride * width;
  return e.allocateOnStack(rows.reached() * planeStride + slack,
                           e.b.getI16Type());
}

void IntegerDepthwise::emitChannel(ValueRange outer) {
  Value plane = allocatePlane();
  fillPlane(outer, plane);
  SmallVector<Value> weights = loadWeights(outer);
  OutputBases bases(e, p, outer);
  // Rows whose sums lie behind each other, as their outputs do. The last block
  // may overlap the one before.
  int64_t mostRows = std::max<int64_t>(1, kMaxSums / columns.output);
  int64_t numBlocks = llvm::divideCeil(rows.output, mostRows);
  int64_t blockRows = llvm::divideCeil(rows.output, numBlocks);
  int64_t blockSize = blockRows * columns.output;
  assert(blockSize >= kernel.lanes && "blocks of narrow lines have many");
  Value last = e.index(rows.output - blockRows);
  Value sums = e.allocateOnStack(blockSize + width, e.b.getI32Type());
  e.forLoop(e.index(0), e.index(rows.output), blockRows, [&](Value at) {
    Value first = rows.output % blockRows == 0 ? at : e.min(at, last);
    e.forLoop(e.index(0), e.index(blockRows), 1, [&](Value y) {
      emitSums(plane, e.add(first, y), e.index(columns.output), weights, sums,
               e.mul(y, e.index(columns.output)));
    });
    Value place = e.mul(first, e.index(columns.output));
    int64_t numVectors = std::min<int64_t>(
        kMostVectors, llvm::bit_floor(uint64_t(blockSize / kernel.lanes)));
    cover(blockSize, numVectors * kernel.lanes, [&](Value at) {
      emitOutputsOf(bases, sums, at, numVectors, e.add(place, at));
    });
  });
}

//===- tiles --------------------------------------------------------------===//

/// Widens what the first `numLines` lines of a tile read, `length` elements of
/// each.
void IntegerDepthwise::fillTile(ValueRange outer, Value plane, Value firstRow,
                                Value firstColumn, Value numLines,
                                Value length) {
  Value border = widen(input.paddingValue);
  auto fill = [&](Value line, Value from, Value to) {
    e.forLoop(from, to, 1,
              [&](Value i) { e.store(border, plane, e.add(line, i)); });
  };
  const Windows::Dim &rowDim = input.dims[0], &columnDim = input.dims[1];
  Value base = offsetOf(outer, input.outerStrides), none = e.index(0);
  // Where the tile's lines begin in the image; before it, if negative.
  Value row = e.sub(e.mul(firstRow, e.index(rows.stride)), rowDim.padding);
  Value start =
      e.sub(e.mul(firstColumn, e.index(columns.stride)), columnDim.padding);
  Value begin = e.min(length, e.max(none, e.sub(none, start)));
  Value end = e.max(begin, e.min(length, e.sub(columnDim.inputSize, start)));
  e.forLoop(none, numLines, 1, [&](Value i) {
    Value line = e.mul(i, e.index(planeStride)), y = e.add(row, i);
    e.ifThen(
        // Rows before the image are large numbers, too.
        e.compare(arith::CmpIPredicate::ult, y, rowDim.inputSize),
        [&] {
          Value from = e.add(e.add(base, e.mul(y, columnDim.inputSize)), start);
          fill(line, none, begin);
          e.forLoop(begin, end, 1, [&](Value x) {
            Value byte = e.load(input.input, e.add(from, x));
            e.store(widen(byte), plane, e.add(line, x));
          });
          fill(line, end, length);
        },
        [&] { fill(line, none, length); });
  });
}

void IntegerDepthwise::emitTile(ValueRange outer, Value firstRow,
                                Value firstColumn) {
  const Windows::Dim &rowDim = input.dims[0], &columnDim = input.dims[1];
  Value numRows =
      e.min(e.index(rows.output), e.sub(rowDim.outputSize, firstRow));
  Value numColumns =
      e.min(e.index(columns.output), e.sub(columnDim.outputSize, firstColumn));
  auto getReached = [&](const Extent &extent, Value size) {
    return e.add(e.mul(e.sub(size, e.index(1)), e.index(extent.stride)),
                 e.index((extent.window - 1) * extent.dilation + 1));
  };
  Value plane = allocatePlane();
  fillTile(outer, plane, firstRow, firstColumn, getReached(rows, numRows),
           getReached(columns, numColumns));
  SmallVector<Value> weights = loadWeights(outer);
  OutputBases bases(e, p, outer);
  Value sums =
      e.allocateOnStack(rows.output * columns.output + width, e.b.getI32Type());
  e.forLoop(e.index(0), numRows, 1, [&](Value y) {
    emitSums(plane, y, numColumns, weights, sums, e.mul(y, numColumns));
  });
  // Lines that a tile has all of lie behind each other.
  Value isWhole =
      e.compare(arith::CmpIPredicate::eq, numColumns, columnDim.outputSize);
  auto select = [&](Value whole, Value line) -> Value {
    return arith::SelectOp::create(e.b, e.loc, isWhole, whole, line);
  };
  Value size = e.mul(numRows, numColumns);
  Value numRuns = select(e.index(1), numRows);
  Value runSize = select(size, numColumns);
  e.forLoop(e.index(0), numRuns, 1, [&](Value run) {
    Value at = e.mul(run, numColumns);
    Value place =
        e.add(e.mul(e.add(firstRow, run), columnDim.outputSize), firstColumn);
    e.forLoop(e.index(0), runSize, kMostVectors * kernel.lanes, [&](Value x) {
      emitOutputsOf(bases, sums, e.add(at, x), kMostVectors, e.add(place, x),
                    e.sub(runSize, x));
    });
  });
}

void IntegerDepthwise::emit(bool useThreads) {
  SmallVector<Value> sizes(p.outerSizes);
  if (isTiled) {
    sizes.push_back(e.ceilDiv(input.dims[0].outputSize, rows.output));
    sizes.push_back(e.ceilDiv(input.dims[1].outputSize, columns.output));
  }
  Value work = e.mul(p.n, p.k);
  for (Value size : p.outerSizes)
    work = e.mul(work, size);
  e.parallelFor(
      sizes, work, useThreads, [&](Value task, ArrayRef<Value> positions) {
        if (!isTiled)
          return emitChannel(positions);
        Value row =
            e.mul(positions[positions.size() - 2], e.index(rows.output));
        Value column = e.mul(positions.back(), e.index(columns.output));
        emitTile(positions.drop_back(2), row, column);
      });
}

bool quantc::emitIntegerDepthwise(KernelEmitter &e, const MatchedProduct &match,
                                  bool useThreads) {
  if (!match.words || !match.kernel.dot)
    return false;
  IntegerDepthwise emitter(e, match);
  if (!emitter.analyze())
    return false;
  emitter.emit(useThreads);
  return true;
}
