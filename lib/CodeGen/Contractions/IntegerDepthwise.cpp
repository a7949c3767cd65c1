//===- IntegerDepthwise.cpp - Depthwise convolutions of bytes -------------===//
//
// A channel's plane is first widened to 16 bits, less its zero point and with
// zeros around it. Then each vector of outputs of a row is the sum over pairs
// of taps of one word dot product: the two elements of a pair, interleaved, by
// the two weights. Planes that are large, or of a size that only the call
// knows, are taken in tiles.
//
//===----------------------------------------------------------------------===//

#include "IntegerDepthwise.h"

#include "CodeGen/Gemm/WordPanels.h"

using namespace mlir;
using namespace quantc;

/// Elements of a plane on the stack; larger ones would leave the first cache.
static constexpr int64_t kMaxPlane = 24 * 1024;
/// Outputs of a tile.
static constexpr int64_t kTileRows = 8;
static constexpr int64_t kTileColumns = 64;

namespace {
class IntegerDepthwise {
public:
  IntegerDepthwise(KernelEmitter &e, const MatchedProduct &match)
      : e(e), p(match.problem), kernel(match.kernel), input(*match.words),
        wordPanels(e, p, kernel) {}

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

  bool analyzeWhole();
  void emitChannel(ValueRange outer);
  void fillPlane(ValueRange outer, Value plane);
  void emitTile(ValueRange outer, Value firstRow, Value firstColumn);
  void fillTile(ValueRange outer, Value plane, Value firstRow,
                Value firstColumn, Value numLines);
  Value allocatePlane();
  Value widen(Value bytes);
  SmallVector<Value> loadWeights(ValueRange outer);
  Value loadTap(Value plane, Value y, Value x, int64_t tap);
  /// Computes the outputs from (y, x) of the plane on, which lie at `place`; no
  /// more than `left`, if given.
  void emitWindows(const OutputBases &bases, Value plane, Value y, Value x,
                   Value place, ArrayRef<Value> weights, Value left = {});
  Value offsetOf(ValueRange outer, ArrayRef<Value> strides);
  /// Runs `body` for vectors of `width` that cover `count`; the last may
  /// overlap the one before.
  void coverRow(int64_t count, int64_t width,
                llvm::function_ref<void(Value)> body);

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  const Windows &input;
  WordPanels wordPanels;
  /// Of the whole plane, or of a tile (which has no input and no padding).
  Extent rows, columns;
  bool isTiled = false;
  int64_t planeStride;
  /// Outputs at a time: one vector of sums, or two.
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
  if (analyzeWhole())
    return true;
  isTiled = true;
  auto getTile = [](const Windows::Dim &dim, int64_t size) -> Extent {
    return {0, size, 0, dim.window, dim.stride, dim.dilation};
  };
  width = 2 * kernel.lanes;
  rows = getTile(input.dims[0], kTileRows);
  columns = getTile(input.dims[1], std::max(kTileColumns, width));
  planeStride = llvm::alignTo(columns.reached() + columns.stride - 1, width);
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
  int64_t lanes = kernel.lanes;
  width = columns.output >= 2 * lanes ? 2 * lanes : lanes;
  // Lines of whole registers; a load with stride 2 reads one element more than
  // it needs.
  planeStride =
      llvm::alignTo(columns.reached() + columns.stride - 1, 2 * lanes);
  return columns.output >= width && columns.copied() >= lanes &&
         rows.reached() * planeStride <= kMaxPlane;
}

Value IntegerDepthwise::offsetOf(ValueRange outer, ArrayRef<Value> strides) {
  Value offset = e.index(0);
  for (auto [i, stride] : llvm::zip(outer, strides))
    offset = e.add(offset, e.mul(i, stride));
  return offset;
}

void IntegerDepthwise::coverRow(int64_t count, int64_t width,
                                llvm::function_ref<void(Value)> body) {
  int64_t whole = count / width * width;
  e.forLoop(e.index(0), e.index(whole), width, body);
  if (whole != count)
    body(e.index(count - width));
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
  int64_t size = 2 * kernel.lanes;
  if (columns.copied() < size)
    size = kernel.lanes;
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
    coverRow(columns.copied(), size, [&](Value x) {
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
  int64_t taps = rows.window * columns.window;
  SmallVector<Value> words;
  for (int64_t tap = 0; tap < taps; tap += 2) {
    Value word = arith::AndIOp::create(e.b, e.loc, load(tap), constant(0xffff));
    if (tap + 1 < taps)
      word = arith::OrIOp::create(
          e.b, e.loc, word,
          arith::ShLIOp::create(e.b, e.loc, load(tap + 1), constant(16)));
    words.push_back(e.splat(word, kernel.lanes));
  }
  return words;
}

/// The elements under a tap of the windows of outputs (y, x), (y, x + 1) ...
Value IntegerDepthwise::loadTap(Value plane, Value y, Value x, int64_t tap) {
  int64_t row = tap / columns.window, column = tap % columns.window;
  Value at = e.add(
      e.mul(e.add(e.mul(y, e.index(rows.stride)), e.index(row * rows.dilation)),
            e.index(planeStride)),
      e.add(e.mul(x, e.index(columns.stride)),
            e.index(column * columns.dilation)));
  Value first = e.loadVector(plane, at, width);
  if (columns.stride == 1)
    return first;
  Value second = e.loadVector(plane, e.add(at, e.index(width)), width);
  SmallVector<int64_t> even;
  for (int64_t i = 0; i < width; ++i)
    even.push_back(2 * i);
  return vector::ShuffleOp::create(e.b, e.loc, first, second, even);
}

void IntegerDepthwise::emitWindows(const OutputBases &bases, Value plane,
                                   Value y, Value x, Value place,
                                   ArrayRef<Value> weights, Value left) {
  int64_t lanes = kernel.lanes, taps = rows.window * columns.window;
  auto words = VectorType::get(lanes, e.b.getI32Type());
  // Two vectors of sums take the halves of each 8 outputs, since registers
  // interleave within 128 bits; they are put in order at the end.
  int64_t numSums = width / lanes, run = numSums == 2 ? 4 : lanes;
  SmallVector<SmallVector<int64_t>> positions(numSums);
  for (int64_t i = 0; i < width; ++i)
    positions[i / run % numSums].push_back(i);
  SmallVector<Value> sums(numSums, e.zero(words));
  for (int64_t tap = 0; tap < taps; tap += 2) {
    Value first = loadTap(plane, y, x, tap);
    Value second = tap + 1 < taps ? loadTap(plane, y, x, tap + 1)
                                  : e.zero(first.getType());
    for (auto [sum, half] : llvm::zip(sums, positions)) {
      SmallVector<int64_t> mask;
      for (int64_t i : half)
        mask.append({i, width + i});
      Value pairs = vector::ShuffleOp::create(e.b, e.loc, first, second, mask);
      pairs = vector::BitCastOp::create(e.b, e.loc, words, pairs);
      sum = kernel.dot.emit(e, pairs, weights[tap / 2], sum);
    }
  }
  if (numSums == 2) {
    SmallVector<int64_t> place(width);
    for (int64_t half = 0; half < 2; ++half)
      for (auto [i, position] : llvm::enumerate(positions[half]))
        place[position] = half * lanes + i;
    Value low = sums[0], high = sums[1];
    for (int64_t half = 0; half < 2; ++half)
      sums[half] = vector::ShuffleOp::create(
          e.b, e.loc, low, high, ArrayRef(place).slice(half * lanes, lanes));
  }
  SmallVector<Value> places;
  for (int64_t i = 0; i < numSums; ++i)
    places.push_back(e.add(place, e.index(i * lanes)));
  auto store = [&](ArrayRef<Value> masks) {
    emitOutputs(e, p, kernel, bases, e.index(0), places, sums, masks);
  };
  if (left)
    e.withMasks(left, numSums, lanes, store);
  else
    store({});
}

Value IntegerDepthwise::allocatePlane() {
  return e.allocateOnStack(rows.reached() * planeStride, e.b.getI16Type());
}

void IntegerDepthwise::emitChannel(ValueRange outer) {
  Value plane = allocatePlane();
  fillPlane(outer, plane);
  SmallVector<Value> weights = loadWeights(outer);
  OutputBases bases(e, p, outer);
  e.forLoop(e.index(0), e.index(rows.output), 1, [&](Value y) {
    coverRow(columns.output, width, [&](Value x) {
      Value place = e.add(e.mul(y, e.index(columns.output)), x);
      emitWindows(bases, plane, y, x, place, weights);
    });
  });
}

//===- tiles --------------------------------------------------------------===//

/// Widens what the first `numLines` lines of a tile read.
void IntegerDepthwise::fillTile(ValueRange outer, Value plane, Value firstRow,
                                Value firstColumn, Value numLines) {
  Value border = widen(input.paddingValue);
  auto fill = [&](Value line, Value from, Value to) {
    e.forLoop(from, to, 1,
              [&](Value i) { e.store(border, plane, e.add(line, i)); });
  };
  const Windows::Dim &rowDim = input.dims[0], &columnDim = input.dims[1];
  Value base = offsetOf(outer, input.outerStrides), none = e.index(0);
  Value length = e.index(planeStride);
  // Where the tile's lines begin in the image; before it, if negative.
  Value row = e.sub(e.mul(firstRow, e.index(rows.stride)), rowDim.padding);
  Value start =
      e.sub(e.mul(firstColumn, e.index(columns.stride)), columnDim.padding);
  Value begin = e.min(length, e.max(none, e.sub(none, start)));
  Value end = e.max(begin, e.min(length, e.sub(columnDim.inputSize, start)));
  e.forLoop(none, numLines, 1, [&](Value i) {
    Value line = e.mul(i, length), y = e.add(row, i);
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
  Value numLines =
      e.add(e.mul(e.sub(numRows, e.index(1)), e.index(rows.stride)),
            e.index((rows.window - 1) * rows.dilation + 1));
  Value plane = allocatePlane();
  fillTile(outer, plane, firstRow, firstColumn, numLines);
  SmallVector<Value> weights = loadWeights(outer);
  OutputBases bases(e, p, outer);
  e.forLoop(e.index(0), numRows, 1, [&](Value y) {
    Value line =
        e.add(e.mul(e.add(firstRow, y), columnDim.outputSize), firstColumn);
    e.forLoop(e.index(0), numColumns, width, [&](Value x) {
      emitWindows(bases, plane, y, x, e.add(line, x), weights,
                  e.sub(numColumns, x));
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
