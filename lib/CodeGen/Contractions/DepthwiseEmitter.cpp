//===- DepthwiseEmitter.cpp - Convolutions of single channels -------------===//

#include "DepthwiseEmitter.h"

using namespace mlir;
using namespace quantc;

/// Outputs of one task: its input rows fit the first-level cache.
static constexpr int64_t kBlockRows = 8;
static constexpr int64_t kBlockColumns = 512;
static constexpr int64_t kLineColumns = 2048;
/// Weights that stay in registers.
static constexpr int64_t kMaxResidentTaps = 9;
static constexpr int64_t kMaxTaps = 64;
static constexpr int64_t kMaxStride = 4;
/// Rows of so many vectors are short.
static constexpr int64_t kShortVectors = 3;
/// Rows of outputs computed side by side: a chain of all taps takes longer than
/// its arithmetic.
static constexpr int64_t kRowsAtOnce = 2;
/// Elements below which starting threads does not pay.
static constexpr int64_t kParallelWork = 200000;

bool quantc::canEmitDepthwise(const Windows &windows) {
  return windows.dims.size() <= 2 && windows.getNumTaps() <= kMaxTaps &&
         windows.dims.back().stride <= kMaxStride;
}

namespace {
class DepthwiseEmitter {
public:
  DepthwiseEmitter(KernelEmitter &e, const GemmProblem &p,
                   const MicroKernel &kernel, const Windows &windows)
      : e(e), p(p), kernel(kernel), windows(windows), line(windows.dims.back()),
        lanes(kernel.lanes), stride(line.stride) {
    column = {e.index(1), e.index(1), e.index(0), 1, 1, 1};
    if (windows.dims.size() == 2)
      column = windows.dims.front();
  }

  void emit(bool useThreads);

private:
  /// Elements of a phase that a window reads past its first one.
  int64_t getReach() const {
    return (line.window - 1) * line.dilation / stride;
  }
  void chooseBlocks();
  void emitTask(ArrayRef<Value> indices);
  void copyRow(Value target, Value row, Value firstColumn, Value channel);
  void copyVectors(Value numRows, Value firstRow, Value firstColumn,
                   Value channel);
  SmallVector<Value> maskVectors(Value position);
  SmallVector<Value> loadPhases(Value at, ArrayRef<Value> masks);
  void storePhases(Value at, ArrayRef<Value> phases);
  void fill(Value from, Value to, Value target);
  void emitRows(ArrayRef<Value> rows, ArrayRef<Value> inputRows,
                Value firstColumn, Value endColumn, ArrayRef<Value> weights,
                const OutputBases &bases);

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  const Windows &windows;
  const Windows::Dim &line;
  Windows::Dim column; // Over the lines; of size 1 if there is one line.
  int64_t lanes, stride;

  /// Vectors and rows computed side by side, and the block's shape in outputs.
  int64_t vectors, rowsAtOnce, blockRows, blockColumns;
  /// A row of the buffer: for each remainder of a position by the stride, the
  /// elements with that remainder, so that all reads are contiguous. There are
  /// `most` of them; rows of fewer lie as close as those of a known length do,
  /// since at a distance of a page they would share the lines of a cache.
  int64_t mostInPhase;
  Value phaseLength;
  /// Whether rows are copied in whole vectors. Phases are whole vectors long
  /// then, so that the last one reaches into no other phase.
  bool copiesVectors;
  /// As many of each phase as the block's outputs read.
  Value length;
  Value numRowBlocks, numColumnBlocks, buffer;
  /// Whether the last vector of a row may be stored as a whole: what it writes
  /// of the rows behind is written again later, by the same task. Vectors with
  /// masks take some processors (AVX2) as long as all taps. Rows are computed
  /// from their ends, up to the output `endOutput`.
  bool overwrites;
  Value endOutput;
};
} // namespace

/// How much is computed side by side, and by one task.
void DepthwiseEmitter::chooseBlocks() {
  std::optional<int64_t> rows = e.asConstant(column.outputSize);
  std::optional<int64_t> columns = e.asConstant(line.outputSize);
  vectors = windows.getNumTaps() > kMaxResidentTaps ? 2 : 1;
  rowsAtOnce = rows == 1 ? 1 : kRowsAtOnce;
  // Half of two vectors of a short row would be none.
  if (vectors == 2 && rows != 1 && (!columns || *columns <= lanes)) {
    vectors = 1;
    rowsAtOnce *= 2;
  }
  if (columns && llvm::divideCeil(*columns, lanes) == 2) {
    vectors = 2;
    if (windows.getNumTaps() <= kMaxResidentTaps)
      rowsAtOnce = 1;
  }
  blockRows = kBlockRows;
  if (rows) {
    int64_t blocks = std::max<int64_t>(1, llvm::divideCeil(*rows, kBlockRows));
    blockRows = llvm::alignTo(
        std::max<int64_t>(1, llvm::divideCeil(*rows, blocks)), rowsAtOnce);
  }
  blockColumns = blockRows == 1 ? kLineColumns : kBlockColumns;
  int64_t width = vectors * lanes;
  if (columns)
    blockColumns = std::min(blockColumns, *columns);
  blockColumns = llvm::alignTo(std::max<int64_t>(1, blockColumns), width);
}

void DepthwiseEmitter::emit(bool useThreads) {
  chooseBlocks();
  // Vectors of fewer elements are loaded with masks element by element.
  Type element = cast<MemRefType>(windows.input.getType()).getElementType();
  bool isAnySize = !e.asConstant(line.outputSize);
  copiesVectors = (isAnySize || stride == 2) && lanes >= kMaskedLanes &&
                  stride <= 2 && element.getIntOrFloatBitWidth() == 32;
  mostInPhase = blockColumns + getReach();
  if (copiesVectors || isAnySize)
    mostInPhase = llvm::alignTo(mostInPhase, lanes);
  numRowBlocks = e.ceilDiv(column.outputSize, blockRows);
  numColumnBlocks = e.ceilDiv(line.outputSize, blockColumns);

  overwrites = !p.accumulates &&
               llvm::all_of(p.epilogueInputs, [&](const StridedMatrix &input) {
                 return !input.buffer || e.isConstant(input.columnStride, 0);
               });
  Value work = e.mul(p.n, p.k);
  for (Value size : p.outerSizes)
    work = e.mul(work, size);
  SmallVector<Value> sizes(p.outerSizes);
  sizes.append({numRowBlocks, numColumnBlocks});
  e.parallelFor(
      sizes, work, useThreads,
      [&](Value task, ArrayRef<Value> indices) { emitTask(indices); },
      kParallelWork);
}

void DepthwiseEmitter::emitTask(ArrayRef<Value> indices) {
  ArrayRef<Value> outer = indices.drop_back(2);
  OutputBases bases(e, p, outer);
  Value firstRow = e.mul(indices[indices.size() - 2], e.index(blockRows));
  Value firstColumn = e.mul(indices.back(), e.index(blockColumns));
  Value numRows = e.min(e.sub(column.outputSize, firstRow), e.index(blockRows));
  Value endColumn =
      e.min(e.add(firstColumn, e.index(blockColumns)), line.outputSize);

  // The rows of several blocks of columns belong to several tasks.
  endOutput = arith::SelectOp::create(
      e.b, e.loc,
      e.compare(arith::CmpIPredicate::eq, numColumnBlocks, e.index(1)),
      e.mul(e.add(firstRow, numRows), line.outputSize), e.index(0));
  length = e.add(e.sub(endColumn, firstColumn), e.index(getReach()));
  int64_t reach = (column.window - 1) * column.dilation;
  int64_t inputRows = (blockRows - 1) * column.stride + reach + 1;
  int64_t width = vectors * lanes;
  phaseLength = e.index(mostInPhase);
  if (!e.asConstant(line.outputSize))
    phaseLength = e.mul(
        e.ceilDiv(e.add(e.mul(e.ceilDiv(e.sub(endColumn, firstColumn), width),
                              e.index(width)),
                        e.index(getReach())),
                  lanes),
        e.index(lanes));
  Value rowLength = e.mul(e.index(stride), phaseLength);
  buffer = e.allocateOnStack(inputRows * stride * mostInPhase + lanes,
                             kernel.accumulator);
  Value channel = getOffset(
      e, outer, {windows.input, windows.outerStrides, nullptr, nullptr});
  Value numInputRows =
      e.add(e.mul(e.sub(numRows, e.index(1)), e.index(column.stride)),
            e.index(reach + 1));
  Value firstInput =
      e.sub(e.mul(firstRow, e.index(column.stride)), column.padding);
  if (copiesVectors)
    copyVectors(numInputRows, firstInput, firstColumn, channel);
  else
    e.forLoop(e.index(0), numInputRows, 1, [&](Value i) {
      copyRow(e.mul(i, rowLength), e.add(firstInput, i), firstColumn, channel);
    });

  SmallVector<Value> weights;
  Value weightBase = getOffset(e, outer, p.a);
  for (int64_t tap = 0, taps = windows.getNumTaps(); tap < taps; ++tap) {
    Value at = e.add(weightBase, e.mul(e.index(tap), p.a.columnStride));
    Value weight =
        emitFactor(e, kernel, p.factorA, e.load(p.a.buffer, at), /*lanes=*/0);
    weights.push_back(e.splat(weight, lanes));
  }
  Value lastRow = e.sub(numRows, e.index(1));
  e.forLoop(e.index(0), numRows, rowsAtOnce, [&](Value i) {
    SmallVector<Value> rows, inputRows;
    for (int64_t r = 0; r < rowsAtOnce; ++r) {
      // The last one twice, where one is left.
      Value at = r == 0 ? i : e.min(e.add(i, e.index(r)), lastRow);
      rows.push_back(e.add(firstRow, at));
      inputRows.push_back(e.mul(at, e.mul(e.index(column.stride), rowLength)));
    }
    emitRows(rows, inputRows, firstColumn, endColumn, weights, bases);
  });
}

void DepthwiseEmitter::fill(Value from, Value to, Value target) {
  e.forLoop(from, to, 1, [&](Value i) {
    e.store(windows.paddingValue, buffer, e.add(target, i));
  });
}

/// Which elements of `stride` vectors of a line exist, from `position` on.
SmallVector<Value> DepthwiseEmitter::maskVectors(Value position) {
  SmallVector<Value> masks;
  for (int64_t v = 0; v < stride; ++v)
    masks.push_back(e.maskInside(e.add(position, e.index(v * lanes)),
                                 line.inputSize, lanes));
  return masks;
}

/// A vector of each phase, from element `at` of the input on; padding where a
/// mask says so.
SmallVector<Value> DepthwiseEmitter::loadPhases(Value at,
                                                ArrayRef<Value> masks) {
  SmallVector<Value> loaded;
  for (int64_t v = 0; v < stride; ++v) {
    Value mask = masks.empty() ? Value() : masks[v];
    Value factors = emitFactor(
        e, kernel, p.factorB,
        e.loadVector(windows.input, e.add(at, e.index(v * lanes)), lanes, mask),
        lanes);
    if (mask)
      factors = arith::SelectOp::create(e.b, e.loc, mask, factors,
                                        e.splat(windows.paddingValue, lanes));
    loaded.push_back(factors);
  }
  if (stride == 1)
    return loaded;
  SmallVector<Value> phases;
  for (int64_t phase = 0; phase < stride; ++phase) {
    SmallVector<int64_t> picked;
    for (int64_t i = 0; i < lanes; ++i)
      picked.push_back(i * stride + phase);
    phases.push_back(
        vector::ShuffleOp::create(e.b, e.loc, loaded[0], loaded[1], picked));
  }
  return phases;
}

/// Stores a vector of each phase from the buffer's element `at` on.
void DepthwiseEmitter::storePhases(Value at, ArrayRef<Value> phases) {
  for (auto [phase, elements] : llvm::enumerate(phases))
    e.storeVector(elements, buffer,
                  e.add(at, e.mul(e.index(phase), phaseLength)));
}

/// Copies rows of the input with what is around them in whole vectors: rows of
/// a size that only the call knows may be too short for loops over elements.
void DepthwiseEmitter::copyVectors(Value numRows, Value firstRow,
                                   Value firstColumn, Value channel) {
  Value zero = e.index(0), rowLength = e.mul(e.index(stride), phaseLength);
  SmallVector<Value> padding(stride, e.splat(windows.paddingValue, lanes));
  Value start = e.sub(e.mul(firstColumn, e.index(stride)), line.padding);
  auto getPosition = [&](Value i) {
    return e.add(start, e.mul(i, e.index(stride)));
  };
  auto getBase = [&](Value row) {
    return e.add(channel, e.mul(e.add(firstRow, row), line.inputSize));
  };
  // Rows [begin, end) exist.
  Value begin = e.min(e.max(zero, e.sub(zero, firstRow)), numRows);
  Value end = e.max(begin, e.min(e.sub(column.inputSize, firstRow), numRows));
  auto fillRows = [&](Value from, Value to) {
    e.forLoop(from, to, 1, [&](Value row) {
      Value target = e.mul(row, rowLength);
      e.forLoop(zero, length, lanes,
                [&](Value i) { storePhases(e.add(target, i), padding); });
    });
  };
  fillRows(zero, begin);
  fillRows(end, numRows);
  // Of short rows, one vector of each after the other: all have the same mask,
  // and loops over the parts of a row would be mispredicted.
  auto copyShort = [&] {
    e.forLoop(zero, length, lanes, [&](Value i) {
      Value position = getPosition(i);
      SmallVector<Value> masks = maskVectors(position);
      e.forLoop(begin, end, 1, [&](Value row) {
        storePhases(e.add(e.mul(row, rowLength), i),
                    loadPhases(e.add(getBase(row), position), masks));
      });
    });
  };
  // Of others, vectors [first, last) hold elements of the row only: loads with
  // masks wait for each other where they miss the cache.
  auto copyLong = [&] {
    Value before = e.ceilDiv(e.max(zero, e.sub(zero, start)), stride * lanes);
    Value first = e.min(e.mul(before, e.index(lanes)), length);
    Value room = e.max(zero, e.sub(line.inputSize, getPosition(first)));
    Value whole =
        e.min(e.mul(e.floorDiv(room, stride * lanes), e.index(lanes)),
              e.mul(e.floorDiv(e.sub(length, first), lanes), e.index(lanes)));
    Value last = e.add(first, whole);
    e.forLoop(begin, end, 1, [&](Value row) {
      Value target = e.mul(row, rowLength), base = getBase(row);
      auto copy = [&](Value from, Value to, bool isBorder) {
        e.forLoop(from, to, lanes, [&](Value i) {
          Value position = getPosition(i);
          SmallVector<Value> masks;
          if (isBorder)
            masks = maskVectors(position);
          storePhases(e.add(target, i),
                      loadPhases(e.add(base, position), masks));
        });
      };
      copy(zero, first, true);
      copy(first, last, false);
      copy(last, length, true);
    });
  };
  e.ifThen(e.compare(arith::CmpIPredicate::sle, length,
                     e.index(kShortVectors * lanes)),
           copyShort, copyLong);
}

/// Copies a row of the input, or padding, to the buffer from `target` on.
void DepthwiseEmitter::copyRow(Value target, Value row, Value firstColumn,
                               Value channel) {
  Value rowBase = e.add(channel, e.mul(row, line.inputSize));
  auto copyPhase = [&](int64_t phase) {
    // Element i is at i * stride + start in the row.
    Value start =
        e.sub(e.add(e.mul(firstColumn, e.index(stride)), e.index(phase)),
              line.padding);
    Value zero = e.index(0);
    Value phaseTarget = e.add(target, e.mul(e.index(phase), phaseLength));
    Value begin =
        e.min(length, e.ceilDiv(e.max(zero, e.sub(zero, start)), stride));
    Value room = e.max(zero, e.sub(line.inputSize, start));
    Value end = e.max(begin, e.min(length, e.ceilDiv(room, stride)));
    fill(zero, begin, phaseTarget);
    auto getPosition = [&](Value i) {
      return e.add(rowBase, e.add(start, e.mul(i, e.index(stride))));
    };
    // LLVM would take every second element one by one, so that it reads none
    // behind the last one.
    Value rest = begin;
    if (stride == 2 && lanes > 1) {
      rest = e.add(begin,
                   e.mul(e.floorDiv(e.sub(end, begin), lanes), e.index(lanes)));
      e.forLoop(begin, rest, lanes, [&](Value i) {
        Value elements = e.loadEven(windows.input, getPosition(i), lanes);
        e.storeVector(emitFactor(e, kernel, p.factorB, elements, lanes), buffer,
                      e.add(phaseTarget, i));
      });
    }
    e.forLoop(rest, end, 1, [&](Value i) {
      Value element = e.load(windows.input, getPosition(i));
      e.store(emitFactor(e, kernel, p.factorB, element, 0), buffer,
              e.add(phaseTarget, i));
    });
    fill(end, length, phaseTarget);
  };
  Value exists = e.compare(arith::CmpIPredicate::ult, row, column.inputSize);
  e.ifThen(
      exists,
      [&] {
        for (int64_t phase = 0; phase < stride; ++phase)
          copyPhase(phase);
      },
      [&] {
        for (int64_t phase = 0; phase < stride; ++phase)
          fill(e.index(0), length,
               e.add(target, e.mul(e.index(phase), phaseLength)));
      });
}

/// Rows of outputs, from the rows of the buffer at `inputRows`.
void DepthwiseEmitter::emitRows(ArrayRef<Value> rows, ArrayRef<Value> inputRows,
                                Value firstColumn, Value endColumn,
                                ArrayRef<Value> weights,
                                const OutputBases &bases) {
  Value zero = e.zero(VectorType::get(lanes, kernel.accumulator));
  int64_t width = vectors * lanes;
  Value lastVector =
      e.mul(e.floorDiv(e.sub(e.sub(endColumn, firstColumn), e.index(1)), width),
            e.index(width));
  e.forLoop(firstColumn, endColumn, width, [&](Value at) {
    Value position = e.sub(at, firstColumn);
    if (overwrites)
      position = e.sub(lastVector, position);
    Value first = e.add(firstColumn, position);
    SmallVector<Value> sums(rows.size() * vectors, zero);
    // One tap after the other, as ONNX Runtime adds floats up: what rounds them
    // afterwards then rounds the same ones. Rows side by side keep the chains
    // from waiting.
    for (int64_t i = 0; i < column.window; ++i) {
      for (int64_t j = 0; j < line.window; ++j) {
        int64_t tap = j * line.dilation;
        int64_t phase = i * column.dilation * stride + tap % stride;
        Value at = e.add(
            e.add(e.mul(e.index(phase), phaseLength), e.index(tap / stride)),
            position);
        Value weight = weights[i * line.window + j];
        Value *sum = sums.begin();
        for (Value inputRow : inputRows) {
          for (int64_t v = 0; v < vectors; ++v, ++sum) {
            Value input = e.loadVector(
                buffer, e.add(inputRow, e.add(at, e.index(v * lanes))), lanes);
            *sum = emitMultiplyAdd(e, kernel, weight, input, *sum);
          }
        }
      }
    }
    auto store = [&](ArrayRef<Value> masks) {
      SmallVector<OutputVector> outputs;
      for (auto [r, row] : llvm::enumerate(rows)) {
        Value base = e.add(e.mul(row, line.outputSize), first);
        for (int64_t v = 0; v < vectors; ++v)
          outputs.push_back({e.index(0), e.add(base, e.index(v * lanes)),
                             sums[r * vectors + v],
                             masks.empty() ? Value() : masks[v]});
      }
      emitOutputs(e, p, kernel, bases, outputs);
    };
    std::optional<int64_t> size = e.asConstant(line.outputSize);
    if (size && *size % width == 0 && blockColumns % width == 0)
      return store({});
    Value left = e.sub(endColumn, first), room = left;
    if (overwrites)
      room =
          e.max(left, e.sub(endOutput,
                            e.add(e.mul(rows.back(), line.outputSize), first)));
    e.withMasks(left, vectors, lanes, store, room);
  });
}

void quantc::emitDepthwise(KernelEmitter &e, const GemmProblem &problem,
                           const MicroKernel &kernel, const Windows &windows,
                           bool useThreads) {
  DepthwiseEmitter(e, problem, kernel, windows).emit(useThreads);
}
