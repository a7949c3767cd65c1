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
                         const MicroKernel &kernel) {
  const DotProduct &dot = kernel.dot;
  if (dot) {
    // With one or two channels most of a word would be empty.
    if (channels < 3 || dot.group != kGroup || dot.elementBits != 8 ||
        dot.usesTiles)
      return false;
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

bool WordSource::isFlat() const {
  return isDirect() ||
         KernelEmitter::asConstant(windows.dims.back().outputSize);
}

Value WordSource::getNumColumns(KernelEmitter &e) {
  Value columns = e.index(1);
  for (const Windows::Dim &dim : windows.dims)
    columns = e.mul(columns, dim.outputSize);
  return columns;
}

Value WordSource::getSlotsPerLine(KernelEmitter &e) {
  return e.ceilDiv(windows.dims.back().outputSize, kernel.lanes);
}

Value WordSource::getNumSlots(KernelEmitter &e) {
  if (isFlat())
    return e.ceilDiv(getNumColumns(e), kernel.lanes);
  Value slots = getSlotsPerLine(e);
  for (const Windows::Dim &dim : ArrayRef(windows.dims).drop_back())
    slots = e.mul(slots, dim.outputSize);
  return slots;
}

ColumnSlot WordSource::getSlot(KernelEmitter &e, Value slot) {
  if (isFlat()) {
    Value offset = e.mul(slot, e.index(kernel.lanes));
    return {offset, e.sub(getNumColumns(e), offset)};
  }
  Value width = windows.dims.back().outputSize;
  SmallVector<Value> split =
      e.delinearize(slot, {e.index(0), getSlotsPerLine(e)});
  Value column = e.mul(split[1], e.index(kernel.lanes));
  // The last panel may run over the last line.
  Value exists = e.compare(arith::CmpIPredicate::slt, slot, getNumSlots(e));
  Value valid = e.b.createOrFold<arith::SelectOp>(
      e.loc, exists, e.sub(width, column), e.index(0));
  return {e.add(e.mul(split[0], width), column), valid};
}

bool WordSource::hasOnlyFullSlots() const {
  if (!isFlat())
    return false;
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
  storeSums(packWindows(e, outer, slot, e.index(0), e.index(numGroups), panel,
                        offset, std::move(zeros)));
}

void WordSource::pack(KernelEmitter &e, const MicroKernel &, ValueRange outer,
                      Value slot, Value k, Value depth, Value panel,
                      Value offset) {
  int64_t taps = windows.getNumTaps();
  packWindows(e, outer, slot, e.floorDiv(k, taps), e.floorDiv(depth, taps),
              panel, offset, {});
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

/// Where the columns of one slot are in a plane: line by line, each with the
/// lanes from which on it holds. A line's place is that of lane 0, even if that
/// is before the line.
SmallVector<WordSource::Piece> WordSource::getLinePieces(KernelEmitter &e,
                                                         Value slot) {
  int64_t lanes = kernel.lanes;
  const Line &line = lines.back();
  Value width = windows.dims.back().outputSize;
  Value slots = getNumSlots(e);
  // A slot that does not exist repeats the last one.
  slot = e.min(slot, e.sub(slots, e.index(1)));
  Value row, column;
  int64_t numPieces = 1;
  if (isFlat()) {
    SmallVector<Value> split =
        e.delinearize(e.mul(slot, e.index(lanes)), {e.index(0), width});
    row = split[0];
    column = split[1];
    int64_t known = *e.asConstant(width);
    if (known % lanes)
      numPieces = (known + lanes - 2) / known + 1;
  } else {
    SmallVector<Value> split =
        e.delinearize(slot, {e.index(0), getSlotsPerLine(e)});
    row = split[0];
    column = e.mul(split[1], e.index(lanes));
  }
  Value numRows =
      lines.size() == 1 ? e.index(1) : windows.dims.front().outputSize;
  Value rowWords = lines.size() == 1
                       ? e.index(0)
                       : e.mul(line.size, e.index(lines.front().stride));
  SmallVector<Piece> pieces;
  for (int64_t i = 0; i < numPieces; ++i) {
    Value before = e.mul(width, e.index(i));
    Value place = e.add(e.mul(e.add(row, e.index(i)), rowWords),
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
SmallVector<Value> WordSource::packWindows(KernelEmitter &e, ValueRange outer,
                                           Value slot, Value first, Value count,
                                           Value panel, Value offset,
                                           SmallVector<Value> sums) {
  int64_t lanes = kernel.lanes, width = kernel.columns();
  const Line &line = lines.back();
  Value planeWords = getPlaneWords(e);
  Value base =
      e.add(e.mul(e.mul(getImage(e, outer), e.index(numGroups)), planeWords),
            e.index(getSlack()));
  SmallVector<SmallVector<Piece>> pieces;
  for (int64_t v = 0; v < kernel.vectors; ++v)
    pieces.push_back(getLinePieces(e, e.add(slot, e.index(v))));

  auto loadWords = [&](Value at) {
    return line.stride == 1 ? e.loadVector(image, at, lanes)
                            : e.loadEven(image, at, lanes);
  };
  int64_t rowTaps = lines.size() == 1 ? 1 : lines.front().taps;
  return e.forLoop(
      e.index(0), count, 1, sums,
      [&](Value i, ValueRange in) -> SmallVector<Value> {
        Value plane = e.add(base, e.mul(e.add(first, i), planeWords));
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
                Value to = e.add(
                    offset, e.mul(e.add(row, e.index(tap)), e.index(width)));
                for (int64_t v = 0; v < kernel.vectors; ++v) {
                  Value words;
                  for (const Piece &piece : pieces[v]) {
                    Value loaded =
                        loadWords(e.add(e.add(from, piece.place),
                                        e.index(tap * line.dilation)));
                    words = piece.earlier
                                ? arith::SelectOp::create(
                                      e.b, e.loc, piece.earlier, words, loaded)
                                      .getResult()
                                : loaded;
                  }
                  storeWords(e, words, panel, to, v, out);
                }
              }
              return out;
            });
      });
}
