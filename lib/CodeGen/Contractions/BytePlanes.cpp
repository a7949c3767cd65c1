//===- BytePlanes.cpp - Planes of depthwise convolutions of bytes ---------===//

#include "BytePlanes.h"

using namespace mlir;
using namespace quantc;

/// Inputs under a tile, but for what windows reach beyond.
static constexpr int64_t kTileRows = 16;
static constexpr int64_t kTileColumns = 256;
/// The same of images that have no more rows.
static constexpr int64_t kLineColumns = 1024;
/// Each tap has instructions of its own.
static constexpr int64_t kMostTaps = 1024;

Windows BytePlanes::getImages(KernelEmitter &e, Windows windows) {
  if (windows.dims.size() == 1)
    windows.dims.insert(windows.dims.begin(),
                        {e.index(1), e.index(1), e.index(0), /*window=*/1,
                         /*stride=*/1, /*dilation=*/1});
  return windows;
}

bool BytePlanes::isDepthwise() {
  // What is pointwise has no padding; a matrix product does as well.
  return kernel.dot.takesDifferences() && input.dims.size() == 2 &&
         input.paddingValue && input.getNumTaps() <= kMostTaps &&
         e.isConstant(p.m, 1) && e.isConstant(p.a.columnStride, 1) &&
         e.isConstant(p.k, input.getNumTaps());
}

bool BytePlanes::findExtents() {
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
  return rows.output * columns.output >= kernel.lanes;
}

void BytePlanes::setTileExtents() {
  isTiled = true;
  auto get = [](const Windows::Dim &dim, int64_t size) -> Extent {
    return {0, size, 0, dim.window, dim.stride, dim.dilation};
  };
  bool isLine = hasOneRow();
  rows = get(input.dims[0], isLine ? 1 : kTileRows / input.dims[0].stride);
  columns = get(input.dims[1],
                (isLine ? kLineColumns : kTileColumns) / input.dims[1].stride);
}

BytePlanes::Tile BytePlanes::getTile(Value firstRow, Value firstColumn) {
  const Windows::Dim &rowDim = input.dims[0], &columnDim = input.dims[1];
  Tile t;
  t.firstRow = firstRow;
  t.firstColumn = firstColumn;
  t.numRows = e.min(e.index(rows.output), e.sub(rowDim.outputSize, firstRow));
  t.numColumns =
      e.min(e.index(columns.output), e.sub(columnDim.outputSize, firstColumn));
  auto getReached = [&](const Extent &extent, Value size) {
    return e.add(e.mul(e.sub(size, e.index(1)), e.index(extent.stride)),
                 e.index((extent.window - 1) * extent.dilation + 1));
  };
  t.numLines = getReached(rows, t.numRows);
  t.length = getReached(columns, t.numColumns);
  t.row = e.sub(e.mul(firstRow, e.index(rows.stride)), rowDim.padding);
  t.start =
      e.sub(e.mul(firstColumn, e.index(columns.stride)), columnDim.padding);
  Value none = e.index(0);
  t.begin = e.min(t.length, e.max(none, e.sub(none, t.start)));
  t.end = e.max(t.begin, e.min(t.length, e.sub(columnDim.inputSize, t.start)));
  return t;
}

Value BytePlanes::getImage(ValueRange outer) {
  return getOffset(e, outer,
                   {input.input, input.outerStrides, nullptr, nullptr});
}

void BytePlanes::cover(int64_t count, int64_t size,
                       llvm::function_ref<void(Value)> body) {
  int64_t whole = count / size * size;
  e.forLoop(e.index(0), e.index(whole), size, body);
  if (whole != count)
    body(e.index(count - size));
}

void BytePlanes::fill(Value vector, Value plane, Value from, Value to) {
  int64_t size = cast<VectorType>(vector.getType()).getNumElements();
  e.forLoop(from, to, size,
            [&](Value at) { e.storeVector(vector, plane, at); });
}

Value BytePlanes::widen(Value bytes) {
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

/// As i32, less the zero point.
Value BytePlanes::loadWeight(ValueRange outer, int64_t tap) {
  Type i32 = e.b.getI32Type();
  Value at = e.add(getOffset(e, outer, p.a), e.index(tap));
  Value byte = e.load(p.a.buffer, at);
  Value weight = p.quantizedA.isSigned
                     ? Value(arith::ExtSIOp::create(e.b, e.loc, i32, byte))
                     : Value(arith::ExtUIOp::create(e.b, e.loc, i32, byte));
  if (Value zero = wordPanels.rowZero(outer, e.index(0)))
    weight = arith::SubIOp::create(e.b, e.loc, weight, zero);
  return weight;
}

Value BytePlanes::loadWeights(ValueRange outer, std::optional<int64_t> first,
                              std::optional<int64_t> second) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getI32IntegerAttr(value));
  };
  Value word;
  if (first)
    word = arith::AndIOp::create(e.b, e.loc, loadWeight(outer, *first),
                                 constant(0xffff));
  if (second) {
    Value high = arith::ShLIOp::create(e.b, e.loc, loadWeight(outer, *second),
                                       constant(16));
    word = word ? arith::OrIOp::create(e.b, e.loc, word, high) : high;
  }
  return e.splat(word, kernel.lanes);
}

Value BytePlanes::loadWords(Value plane, Value at) {
  return vector::BitCastOp::create(
      e.b, e.loc, VectorType::get(kernel.lanes, e.b.getI32Type()),
      e.loadVector(plane, at, width));
}

void BytePlanes::emitOutputsOf(const OutputBases &bases, Value sums, Value at,
                               int64_t numVectors, Value place, Value left) {
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

void BytePlanes::emitOutputsOf(const OutputBases &bases, Value sums,
                               const Tile &tile) {
  // Lines that a tile has all of lie behind each other.
  Value isWhole = e.compare(arith::CmpIPredicate::eq, tile.numColumns,
                            input.dims[1].outputSize);
  auto select = [&](Value whole, Value line) -> Value {
    return arith::SelectOp::create(e.b, e.loc, isWhole, whole, line);
  };
  Value size = e.mul(tile.numRows, tile.numColumns);
  Value numRuns = select(e.index(1), tile.numRows);
  Value runSize = select(size, tile.numColumns);
  e.forLoop(e.index(0), numRuns, 1, [&](Value run) {
    Value at = e.mul(run, tile.numColumns);
    Value place =
        e.add(e.mul(e.add(tile.firstRow, run), input.dims[1].outputSize),
              tile.firstColumn);
    e.forLoop(e.index(0), runSize, kMostVectors * kernel.lanes, [&](Value x) {
      emitOutputsOf(bases, sums, e.add(at, x), kMostVectors, e.add(place, x),
                    e.sub(runSize, x));
    });
  });
}

void BytePlanes::emitChannel(ValueRange outer) {
  Value plane = allocatePlane();
  fillPlane(outer, plane);
  loadWindow(outer);
  OutputBases bases(e, p, outer);
  // Steps whose sums lie behind each other, as their outputs do. The last block
  // may overlap the one before.
  int64_t stepSize = stepRows * columns.output;
  int64_t numSteps = llvm::divideCeil(rows.output, stepRows);
  int64_t numBlocks =
      llvm::divideCeil(numSteps, std::max<int64_t>(1, kMaxSums / stepSize));
  int64_t blockSteps = llvm::divideCeil(numSteps, numBlocks);
  int64_t blockSize = blockSteps * stepSize;
  // The last step may have fewer rows.
  int64_t least =
      blockSize - (numSteps * stepSize - rows.output * columns.output);
  int64_t numVectors = std::min<int64_t>(
      kMostVectors, llvm::bit_floor(uint64_t(least / kernel.lanes)));
  assert(numVectors > 0 && "blocks of narrow lines have many");
  int64_t size = numVectors * kernel.lanes;
  Value sums = e.allocateOnStack(blockSize + width, e.b.getI32Type());
  e.forLoop(e.index(0), e.index(numSteps), blockSteps, [&](Value first) {
    if (numSteps % blockSteps != 0)
      first = e.min(first, e.index(numSteps - blockSteps));
    e.forLoop(e.index(0), e.index(blockSteps), 1, [&](Value i) {
      emitSums(plane, e.add(first, i), e.index(columns.output), sums,
               e.mul(i, e.index(stepSize)));
    });
    Value place = e.mul(first, e.index(stepSize));
    auto emitOutputs = [&](Value at) {
      emitOutputsOf(bases, sums, at, numVectors, e.add(place, at));
    };
    if (least == blockSize)
      return cover(blockSize, size, emitOutputs);
    Value end = e.min(e.index(blockSize),
                      e.sub(e.index(rows.output * columns.output), place));
    e.forLoop(e.index(0), end, size, [&](Value at) {
      emitOutputs(e.min(at, e.sub(end, e.index(size))));
    });
  });
}

void BytePlanes::emitTile(ValueRange outer, const Tile &tile) {
  Value plane = allocatePlane();
  fillTile(outer, plane, tile);
  loadWindow(outer);
  OutputBases bases(e, p, outer);
  Value sums =
      e.allocateOnStack(rows.output * columns.output + width, e.b.getI32Type());
  // Nothing reads what the last step has too much of.
  Value stepSize = e.mul(tile.numColumns, e.index(stepRows));
  Value numSteps = e.ceilDiv(tile.numRows, stepRows);
  e.forLoop(e.index(0), numSteps, 1, [&](Value i) {
    emitSums(plane, i, tile.numColumns, sums, e.mul(i, stepSize));
  });
  emitOutputsOf(bases, sums, tile);
}

void BytePlanes::emit(bool useThreads) {
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
        emitTile(positions.drop_back(2), getTile(row, column));
      });
}
