//===- WordSource.cpp - Panels of words from an image ---------------------===//

#include "WordSource.h"

using namespace mlir;
using namespace quantc;

/// Images of floats are copied if they have fewer columns than this, and fit
/// into a second-level cache.
static constexpr int64_t kMaxFloatColumns = 64;
static constexpr int64_t kMaxFloatBytes = 1 << 20;
/// With more lines than this in a vector of columns, elements are copied one
/// after the other (WindowSource).
static constexpr int64_t kMaxLinesPerSlot = 4;

/// Words of one or two channels are empty for the most part, and need more
/// products for each filter. What they save, all filters share: words of
/// neighbouring taps are made byte by byte. So many products an element it is.
static constexpr int64_t kMostEmptyProducts = 6;

/// Whether windows are the elements themselves, with no padding before or after
/// them.
static bool isPointwise(const Windows &windows) {
  if (windows.dims.size() != 1)
    return false;
  const Windows::Dim &dim = windows.dims[0];
  std::optional<int64_t> input = KernelEmitter::asConstant(dim.inputSize),
                         output = KernelEmitter::asConstant(dim.outputSize);
  return dim.window == 1 && dim.stride == 1 &&
         KernelEmitter::isConstant(dim.padding, 0) &&
         (dim.inputSize == dim.outputSize || (input && input == output));
}

bool WordSource::pays(const Windows &windows, int64_t channels,
                      const MicroKernel &kernel) {
  if (kernel.dot)
    return true;
  // A plane of floats may be so small that to copy it, with its padding, costs
  // less than the parts of vectors that would stay empty at the end of each
  // line, and the questions whether windows lie on the border.
  int64_t bytes = 4;
  for (const Windows::Dim &dim : windows.dims) {
    std::optional<int64_t> size = KernelEmitter::asConstant(dim.outputSize);
    if (!size)
      return false;
    bytes *= *size * dim.stride;
  }
  return *KernelEmitter::asConstant(windows.dims.back().outputSize) <
             kMaxFloatColumns &&
         bytes * channels <= kMaxFloatBytes;
}

bool WordSource::canRead(const Windows &windows, int64_t channels,
                         std::optional<int64_t> filters,
                         const MicroKernel &kernel) {
  const DotProduct &dot = kernel.dot;
  if (dot) {
    if (ShapedType::isDynamic(channels) || dot.group != kGroup ||
        dot.elementBits != 8 || dot.usesTiles)
      return false;
    if (channels < kGroup - 1) {
      int64_t emptyBytes = kGroup - channels;
      if (!filters || *filters * emptyBytes > kMostEmptyProducts * channels)
        return false;
    }
  } else if (!kernel.accumulator.isF32() || ShapedType::isDynamic(channels) ||
             isPointwise(windows)) {
    return false;
  }
  if (kernel.lanes % kGroup != 0)
    return false;
  if (isPointwise(windows))
    return true;
  const Windows::Dim &line = windows.dims.back();
  std::optional<int64_t> width = KernelEmitter::asConstant(line.outputSize);
  if (width && (*width + kernel.lanes - 2) / std::max<int64_t>(*width, 1) >=
                   kMaxLinesPerSlot)
    return false;
  return windows.dims.size() <= 2 && (line.window == 1 || line.stride <= 2);
}

WordSource::WordSource(const Windows &windows, int64_t channels, bool isFlipped,
                       ValueRange outerSizes, const MicroKernel &kernel)
    : windows(windows), channels(channels), isFlipped(isFlipped),
      outerSizes(outerSizes), kernel(kernel), group(kernel.dot.group),
      numGroups(llvm::divideCeil(channels, group)) {}

std::optional<int64_t> WordSource::getNumWords() const {
  if (!kernel.dot)
    return std::nullopt;
  return numGroups * windows.getNumTaps();
}

int64_t WordSource::getBlockDepth(int64_t wanted) const {
  int64_t unit = group * windows.getNumTaps();
  return std::max<int64_t>(1, wanted / unit) * unit;
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

bool WordSource::isDirect() const { return isPointwise(windows); }

Value WordSource::getNumColumns(KernelEmitter &e) {
  Value columns = e.index(1);
  for (const Windows::Dim &dim : windows.dims)
    columns = e.mul(columns, dim.outputSize);
  return columns;
}

Value WordSource::getNumSlots(KernelEmitter &e) {
  return e.ceilDiv(getNumColumns(e), kernel.lanes);
}

ColumnSlot WordSource::getSlot(KernelEmitter &e, Value slot) {
  Value offset = e.mul(slot, e.index(kernel.lanes));
  return {offset, e.sub(getNumColumns(e), offset)};
}

bool WordSource::hasOnlyFullSlots() const {
  int64_t columns = 1;
  for (const Windows::Dim &dim : windows.dims) {
    std::optional<int64_t> size = KernelEmitter::asConstant(dim.outputSize);
    if (!size)
      return false;
    columns *= *size;
  }
  return columns % kernel.lanes == 0;
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

void WordSource::packWords(KernelEmitter &e, ValueRange outer, Value slot,
                           Value panel, Value offset, Value sums,
                           Value sumsOffset) {
  auto type = VectorType::get(kernel.lanes, kernel.accumulator);
  SmallVector<Value> zeros(sums ? kernel.vectors : 0, e.zero(type));
  auto storeSums = [&](ValueRange state) {
    for (auto [v, sum] : llvm::enumerate(state))
      e.storeVector(sum, sums, e.add(sumsOffset, e.index(v * kernel.lanes)));
  };
  if (isDirect())
    return packDirect(e, outer, slot, panel, offset, zeros, storeSums);
  packWindows(e, outer, slot, e.index(0), e.index(numGroups), panel, offset,
              zeros, storeSums);
}

void WordSource::pack(KernelEmitter &e, const MicroKernel &, ValueRange outer,
                      Value slot, Value k, Value depth, Value panel,
                      Value offset) {
  int64_t taps = windows.getNumTaps();
  packWindows(e, outer, slot, e.floorDiv(k, taps), e.floorDiv(depth, taps),
              panel, offset, {}, [](ValueRange) {});
}

/// Stores the words of one vector of a panel, and adds their bytes to the sum.
void WordSource::storeWords(KernelEmitter &e, Value words, Value panel,
                            Value at, int64_t v, MutableArrayRef<Value> sums) {
  e.storeVector(words, panel, e.add(at, e.index(v * kernel.lanes)));
  if (!sums.empty())
    sums[v] = kernel.dot.emitSum(e, words, kernel.dot.isRhsSigned, sums[v]);
}

/// From planes of bytes; `storeSums` gets the sums, which begin with `zeros`.
void WordSource::packDirect(KernelEmitter &e, ValueRange outer, Value slot,
                            Value panel, Value offset, ValueRange zeros,
                            llvm::function_ref<void(ValueRange)> storeSums) {
  int64_t lanes = kernel.lanes, width = kernel.columns();
  Value planeSize = windows.dims[0].inputSize;
  Value column = e.mul(slot, e.index(lanes));
  Value base = column;
  for (auto [i, stride] : llvm::zip(outer, windows.outerStrides))
    base = e.add(base, e.mul(i, stride));
  auto emitGroup = [&](Value index, int64_t count, ArrayRef<Value> masks,
                       ValueRange in) {
    SmallVector<Value> out(in);
    SmallVector<Value> planes;
    for (int64_t i = 0; i < count; ++i)
      planes.push_back(e.mul(getChannel(e, index, i), planeSize));
    for (int64_t v = 0; v < kernel.vectors; ++v) {
      SmallVector<Value> vectors;
      for (Value plane : planes)
        vectors.push_back(
            loadBytes(e, e.add(e.add(base, plane), e.index(v * lanes)),
                      masks.empty() ? Value() : masks[v]));
      storeWords(e, interleave(e, vectors), panel,
                 e.add(offset, e.mul(index, e.index(width))), v, out);
    }
    return out;
  };
  e.withMasks(e.sub(planeSize, column), kernel.vectors, lanes,
              [&](ArrayRef<Value> masks) {
                int64_t whole = channels / kGroup, rest = channels % kGroup;
                SmallVector<Value> sums =
                    e.forLoop(e.index(0), e.index(whole), 1, zeros,
                              [&](Value index, ValueRange in) {
                                return emitGroup(index, kGroup, masks, in);
                              });
                if (rest)
                  sums = emitGroup(e.index(whole), rest, masks, sums);
                storeSums(sums);
              });
}

Value WordSource::getLineOfColumn(KernelEmitter &e, Value column,
                                  Value &place) const {
  SmallVector<Value> split =
      e.delinearize(column, {e.index(0), windows.dims.back().outputSize});
  place = split[1];
  return split[0];
}

/// The words of a plane from one line that windows begin in to the next.
Value WordSource::getLineStep(KernelEmitter &e) const {
  return lines.size() == 1
             ? e.index(0)
             : e.mul(lines.back().size, e.index(lines.front().stride));
}

/// Where the columns of one slot are in a plane: line by line, of which there
/// are `count`, each with the lanes from which on it holds. A line's place is
/// that of lane 0, even if that is before the line.
SmallVector<WordSource::Piece>
WordSource::getLinePieces(KernelEmitter &e, Value slot, int64_t count) {
  int64_t lanes = kernel.lanes;
  const Line &line = lines.back();
  Value width = windows.dims.back().outputSize;
  Value slots = getNumSlots(e);
  // A slot that does not exist repeats the last one.
  slot = e.min(slot, e.sub(slots, e.index(1)));
  Value column;
  Value row = getLineOfColumn(e, e.mul(slot, e.index(lanes)), column);
  Value numRows =
      lines.size() == 1 ? e.index(1) : windows.dims.front().outputSize;
  SmallVector<Piece> pieces;
  for (int64_t i = 0; i < count; ++i) {
    Value before = e.mul(width, e.index(i));
    Value place = e.add(e.mul(e.add(row, e.index(i)), getLineStep(e)),
                        e.mul(e.sub(column, before), e.index(line.stride)));
    if (i == 0) {
      pieces.push_back({place, nullptr});
      continue;
    }
    Value exists =
        e.compare(arith::CmpIPredicate::slt, e.add(row, e.index(i)), numRows);
    place = e.b.createOrFold<arith::SelectOp>(e.loc, exists, place,
                                              pieces.front().place);
    Value earlier = vector::CreateMaskOp::create(
        e.b, e.loc, VectorType::get(lanes, e.b.getI1Type()),
        e.sub(before, column));
    pieces.push_back({place, earlier});
  }
  return pieces;
}

/// `count` groups of channels, from `first` on, of the interleaved image.
/// `storeSums` gets the sums, which begin with `sums`.
void WordSource::packWindows(KernelEmitter &e, ValueRange outer, Value slot,
                             Value first, Value count, Value panel,
                             Value offset, ValueRange sums,
                             llvm::function_ref<void(ValueRange)> storeSums) {
  int64_t lanes = kernel.lanes;
  PanelWords words{first, count, panel, offset};
  Value width = windows.dims.back().outputSize;
  auto packPieces = [&](int64_t numPieces) {
    SmallVector<SmallVector<Piece>> pieces;
    for (int64_t v = 0; v < kernel.vectors; ++v)
      pieces.push_back(getLinePieces(e, e.add(slot, e.index(v)), numPieces));
    storeSums(
        packTaps(e, outer, words, sums, [&](Value from, Value to, int64_t v) {
          return loadPieces(e, pieces[v], from);
        }));
  };
  if (std::optional<int64_t> known = e.asConstant(width))
    return packPieces(
        *known % lanes ? (*known + lanes - 2) / std::max<int64_t>(*known, 1) + 1
                       : 1);
  // Where no slot of the panel goes on in the next line, or only in the next
  // one.
  Value isWhole = arith::ConstantIntOp::create(e.b, e.loc, 1, 1);
  for (int64_t v = 0; v < kernel.vectors; ++v) {
    Value column;
    getLineOfColumn(e, e.mul(e.add(slot, e.index(v)), e.index(lanes)), column);
    Value fits = e.compare(arith::CmpIPredicate::sle,
                           e.add(column, e.index(lanes)), width);
    isWhole = e.b.createOrFold<arith::AndIOp>(e.loc, isWhole, fits);
  }
  e.ifThen(
      isWhole, [&] { packPieces(1); },
      [&] {
        e.ifThen(
            e.compare(arith::CmpIPredicate::sge, width, e.index(lanes - 1)),
            [&] { packPieces(2); },
            [&] { storeSums(packColumns(e, outer, slot, words, sums)); });
      });
}

Value WordSource::loadPieces(KernelEmitter &e, ArrayRef<Piece> pieces,
                             Value from) {
  Value words;
  for (const Piece &piece : pieces) {
    Value at = e.add(from, piece.place);
    Value loaded = lines.back().stride == 1
                       ? e.loadVector(image, at, kernel.lanes)
                       : e.loadEven(image, at, kernel.lanes);
    words = piece.earlier ? arith::SelectOp::create(e.b, e.loc, piece.earlier,
                                                    words, loaded)
                                .getResult()
                          : loaded;
  }
  return words;
}

/// The same column by column, for lines that are shorter than a vector: those
/// that exist.
SmallVector<Value> WordSource::packColumns(KernelEmitter &e, ValueRange outer,
                                           Value slot, const PanelWords &words,
                                           ValueRange sums) {
  int64_t lanes = kernel.lanes;
  Value width = windows.dims.back().outputSize;
  Value step = e.index(lines.back().stride);
  Value lineStep = e.sub(getLineStep(e), e.mul(e.sub(width, e.index(1)), step));
  Value firstColumn = e.mul(slot, e.index(lanes)), firstInLine;
  Value count =
      e.min(e.sub(getNumColumns(e), firstColumn), e.index(kernel.columns()));
  Value line = getLineOfColumn(e, firstColumn, firstInLine);
  Value firstPlace =
      e.add(e.mul(line, getLineStep(e)), e.mul(firstInLine, step));
  auto select = [&](Value condition, Value x, Value y) {
    return e.b.createOrFold<arith::SelectOp>(e.loc, condition, x, y);
  };
  auto copyColumns = [&](Value from, Value to) {
    e.forLoop(e.index(0), count, 1, {firstInLine, firstPlace},
              [&](Value i, ValueRange state) -> SmallVector<Value> {
                e.store(e.load(image, e.add(from, state[1])), words.panel,
                        e.add(to, i));
                Value next = e.add(state[0], e.index(1));
                Value isEnd = e.compare(arith::CmpIPredicate::eq, next, width);
                return {select(isEnd, e.index(0), next),
                        e.add(state[1], select(isEnd, lineStep, step))};
              });
  };
  return packTaps(e, outer, words, sums, [&](Value from, Value to, int64_t v) {
    if (v == 0)
      copyColumns(from, to);
    return e.loadVector(words.panel, e.add(to, e.index(v * lanes)), lanes);
  });
}

/// Stores the words that `load` gives for the tap that is `from` behind a
/// window's first word, in vector v of the panel's row at `to`.
SmallVector<Value> WordSource::packTaps(
    KernelEmitter &e, ValueRange outer, const PanelWords &words,
    ValueRange sums,
    llvm::function_ref<Value(Value from, Value to, int64_t v)> load) {
  int64_t width = kernel.columns();
  const Line &line = lines.back();
  Value planeWords = getPlaneWords(e);
  Value base =
      e.add(e.mul(e.mul(getImage(e, outer), e.index(numGroups)), planeWords),
            e.index(getSlack()));
  int64_t rowTaps = lines.size() == 1 ? 1 : lines.front().taps;
  return e.forLoop(
      e.index(0), words.count, 1, sums,
      [&](Value i, ValueRange in) -> SmallVector<Value> {
        Value plane = e.add(base, e.mul(e.add(words.first, i), planeWords));
        Value word = e.mul(i, e.index(rowTaps * line.taps));
        return e.forLoop(
            e.index(0), e.index(rowTaps), 1, in,
            [&](Value rowTap, ValueRange in) {
              SmallVector<Value> out(in);
              Value from = plane;
              if (lines.size() > 1)
                from = e.add(
                    from, e.mul(e.mul(rowTap, e.index(lines.front().dilation)),
                                line.size));
              Value row = e.add(word, e.mul(rowTap, e.index(line.taps)));
              for (int64_t tap = 0; tap < line.taps; ++tap) {
                Value to = e.add(words.offset, e.mul(e.add(row, e.index(tap)),
                                                     e.index(width)));
                for (int64_t v = 0; v < kernel.vectors; ++v)
                  storeWords(
                      e, load(e.add(from, e.index(tap * line.dilation)), to, v),
                      words.panel, to, v, out);
              }
              return out;
            });
      });
}
