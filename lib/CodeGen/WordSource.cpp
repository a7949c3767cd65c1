//===- WordSource.cpp - Panels of words from an image ---------------------===//

#include "WordSource.h"

using namespace mlir;
using namespace quantc;

/// Channels of a word of bytes.
static constexpr int64_t kGroup = 4;
/// Images of floats are copied if they have fewer columns than this, and fit
/// into a second-level cache.
static constexpr int64_t kMaxFloatColumns = 64;
static constexpr int64_t kMaxFloatBytes = 1 << 20;
/// With more lines than this in a vector of columns, elements are copied one
/// after the other (WindowSource).
static constexpr int64_t kMaxLinesPerSlot = 4;
/// Words from which on all threads interleave an image.
static constexpr int64_t kParallelWords = 32768;
/// Images up to this size are on the stack.
static constexpr int64_t kMaxStackBytes = 65536;

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

/// Whether a plane of floats is so small that to copy it, with its padding,
/// costs less than the parts of vectors that would stay empty at the end of
/// each line, and the questions whether windows lie on the border.
static bool isSmallFloatImage(const Windows &windows, int64_t channels) {
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
             isPointwise(windows) || !isSmallFloatImage(windows, channels)) {
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
// Words
//===----------------------------------------------------------------------===//

/// One bit pattern for the first `count` bytes of a word.
static int32_t repeatByte(uint8_t byte, int64_t count) {
  uint32_t word = 0;
  for (int64_t i = 0; i < count; ++i)
    word |= uint32_t(byte) << (8 * i);
  return int32_t(word);
}

/// The bytes of `channels` (four at most, zero for the others) at each position
/// as a word. In two steps, since the first moves 32 bits and the second stays
/// within 128: instructions for both are on every target.
Value WordSource::interleave(KernelEmitter &e, ArrayRef<Value> channels) {
  if (group == 1)
    return channels.front();
  int64_t lanes = kernel.lanes;
  auto bytesType = cast<VectorType>(channels.front().getType());
  SmallVector<Value> all(channels);
  while (int64_t(all.size()) < kGroup)
    all.push_back(e.zero(bytesType));
  auto join = [&](Value x, Value y) -> Value {
    int64_t size = cast<VectorType>(x.getType()).getNumElements();
    return vector::ShuffleOp::create(
        e.b, e.loc, x, y, llvm::to_vector(llvm::seq<int64_t>(0, 2 * size)));
  };
  Value bytes = join(join(all[0], all[1]), join(all[2], all[3]));
  auto words = VectorType::get(lanes, e.b.getI32Type());
  auto quads = VectorType::get(lanes * kGroup, e.b.getI8Type());
  int64_t perChannel = lanes / kGroup;
  SmallVector<int64_t> wordOrder, byteOrder;
  for (int64_t i = 0; i < perChannel; ++i)
    for (int64_t channel = 0; channel < kGroup; ++channel)
      wordOrder.push_back(channel * perChannel + i);
  for (int64_t i = 0; i < perChannel; ++i)
    for (int64_t position = 0; position < kGroup; ++position)
      for (int64_t channel = 0; channel < kGroup; ++channel)
        byteOrder.push_back((i * kGroup + channel) * kGroup + position);
  Value moved = vector::BitCastOp::create(e.b, e.loc, words, bytes);
  moved = vector::ShuffleOp::create(e.b, e.loc, moved, moved, wordOrder);
  moved = vector::BitCastOp::create(e.b, e.loc, quads, moved);
  moved = vector::ShuffleOp::create(e.b, e.loc, moved, moved, byteOrder);
  Value result = vector::BitCastOp::create(e.b, e.loc, words, moved);
  if (!isFlipped)
    return result;
  Value signs = arith::ConstantOp::create(
      e.b, e.loc,
      DenseElementsAttr::get(
          words, e.b.getI32IntegerAttr(repeatByte(0x80, channels.size()))));
  return arith::XOrIOp::create(e.b, e.loc, result, signs);
}

/// One word of single elements.
static Value joinElements(KernelEmitter &e, ArrayRef<Value> bytes,
                          bool isFlipped) {
  if (isa<FloatType>(bytes.front().getType()))
    return bytes.front();
  Type i32 = e.b.getI32Type();
  auto constant = [&](int32_t value) {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getI32IntegerAttr(value));
  };
  Value word;
  for (auto [i, byte] : llvm::enumerate(bytes)) {
    Value part = arith::ExtUIOp::create(e.b, e.loc, i32, byte);
    if (i)
      part = arith::ShLIOp::create(e.b, e.loc, part, constant(8 * i));
    word =
        word ? arith::OrIOp::create(e.b, e.loc, word, part).getResult() : part;
  }
  if (isFlipped)
    word = arith::XOrIOp::create(e.b, e.loc, word,
                                 constant(repeatByte(0x80, bytes.size())));
  return word;
}

//===----------------------------------------------------------------------===//
// The interleaved image
//===----------------------------------------------------------------------===//

void WordSource::setLines(KernelEmitter &e) {
  for (const Windows::Dim &dim : windows.dims) {
    Line line{dim.outputSize, dim.stride,    /*stride=*/1, dim.dilation,
              dim.window,     dim.inputSize, dim.padding};
    if (dim.window > 1) {
      line.step = 1;
      line.stride = dim.stride;
      Value last =
          e.mul(e.sub(dim.outputSize, e.index(1)), e.index(dim.stride));
      line.size =
          e.max(e.add(last, e.index((dim.window - 1) * dim.dilation + 1)),
                e.index(0));
    }
    lines.push_back(line);
  }
}

/// Which of the images an index of the outer loops reads.
Value WordSource::getImage(KernelEmitter &e, ValueRange outer) {
  Value image = e.index(0);
  for (auto [i, size, stride] :
       llvm::zip(outer, outerSizes, windows.outerStrides))
    if (!e.isConstant(stride, 0))
      image = e.add(e.mul(image, size), i);
  return image;
}

Value WordSource::getPlaneWords(KernelEmitter &e) {
  Value size = e.index(1);
  for (const Line &line : lines)
    size = e.mul(size, line.size);
  return size;
}

/// Before the first and behind the last word, for vectors that begin before a
/// line or end behind it.
int64_t WordSource::getSlack() const {
  return (lines.back().stride + 1) * kernel.lanes;
}

void WordSource::prepare(KernelEmitter &e, bool useThreads) {
  if (isDirect())
    return;
  setLines(e);
  SmallVector<Value> sizes, strides;
  Value tasks = e.index(numGroups);
  for (auto [size, stride] : llvm::zip(outerSizes, windows.outerStrides))
    if (!e.isConstant(stride, 0)) {
      sizes.push_back(size);
      strides.push_back(stride);
      tasks = e.mul(tasks, size);
    }
  sizes.push_back(e.index(numGroups));
  Value planeWords = getPlaneWords(e);
  Value total = e.mul(tasks, planeWords);
  Value length = e.add(total, e.index(2 * getSlack()));
  std::optional<int64_t> known = e.asConstant(length);
  auto alignment = e.b.getI64IntegerAttr(64);
  auto type = MemRefType::get({known.value_or(ShapedType::kDynamic)},
                              kernel.accumulator);
  SmallVector<Value> dynamic;
  if (!known)
    dynamic.push_back(length);
  isOnHeap = !known || *known * 4 > kMaxStackBytes;
  image =
      isOnHeap
          ? memref::AllocOp::create(e.b, e.loc, type, dynamic, alignment)
                .getResult()
          : memref::AllocaOp::create(e.b, e.loc, type, alignment).getResult();

  Value planeSize = e.index(1);
  for (const Line &line : lines)
    planeSize = e.mul(planeSize, line.inputSize);
  Value condition;
  if (useThreads)
    condition =
        e.compare(arith::CmpIPredicate::sgt, total, e.index(kParallelWords));
  e.parallelFor(tasks, condition, [&](Value task) {
    SmallVector<Value> indices = e.delinearize(task, sizes);
    Value index = indices.back();
    Value input = e.mul(e.mul(index, e.index(group)), planeSize);
    for (auto [i, stride] : llvm::zip(indices, strides))
      input = e.add(input, e.mul(i, stride));
    Value words = e.add(e.mul(task, planeWords), e.index(getSlack()));
    auto emitPlane = [&](int64_t count) {
      SmallVector<Value> planes;
      for (int64_t i = 0; i < count; ++i)
        planes.push_back(e.add(input, e.mul(e.index(i), planeSize)));
      emitRows(e, planes, words);
    };
    int64_t rest = channels % group;
    if (!rest)
      return emitPlane(group);
    e.ifThen(
        e.compare(arith::CmpIPredicate::slt, index, e.index(numGroups - 1)),
        [&] { emitPlane(group); }, [&] { emitPlane(rest); });
  });
}

void WordSource::release(KernelEmitter &e) {
  if (isOnHeap)
    memref::DeallocOp::create(e.b, e.loc, image);
}

/// The padding as a word of which `count` bytes are channels.
Value WordSource::padWord(KernelEmitter &e, int64_t count) {
  SmallVector<Value> bytes(count, windows.paddingValue);
  return joinElements(e, bytes, isFlipped);
}

void WordSource::fill(KernelEmitter &e, Value first, Value end, int64_t count) {
  e.forLoop(first, end, 1,
            [&](Value at) { e.store(padWord(e, count), image, at); });
}

/// The interleaved `planes`, from `words` on.
void WordSource::emitRows(KernelEmitter &e, ArrayRef<Value> planes,
                          Value words) {
  if (lines.size() == 1)
    return emitLine(e, planes, words);
  const Line &rows = lines.front();
  Value width = lines.back().size;
  e.forLoop(e.index(0), rows.size, 1, [&](Value i) {
    Value row = e.sub(e.mul(i, e.index(rows.step)), rows.padding);
    Value to = e.add(words, e.mul(i, width));
    e.ifThen(
        e.compare(arith::CmpIPredicate::ult, row, rows.inputSize),
        [&] {
          SmallVector<Value> starts;
          for (Value plane : planes)
            starts.push_back(e.add(plane, e.mul(row, lines.back().inputSize)));
          emitLine(e, starts, to);
        },
        [&] { fill(e, to, e.add(to, width), planes.size()); });
  });
}

/// One line of the interleaved image, of lines of bytes at `starts`.
void WordSource::emitLine(KernelEmitter &e, ArrayRef<Value> starts, Value to) {
  const Line &line = lines.back();
  int64_t lanes = kernel.lanes;
  Value first = e.min(e.ceilDiv(line.padding, line.step), line.size);
  Value end = e.max(
      first, e.min(e.ceilDiv(e.add(line.inputSize, line.padding), line.step),
                   line.size));
  fill(e, to, e.add(to, first), starts.size());
  fill(e, e.add(to, end), e.add(to, line.size), starts.size());

  auto emitVector = [&](Value at, Value mask) {
    Value column = e.sub(e.mul(at, e.index(line.step)), line.padding);
    SmallVector<Value> vectors;
    for (Value start : starts)
      vectors.push_back(loadBytes(e, e.add(start, column), mask));
    e.storeVector(interleave(e, vectors), image, e.add(to, at), mask);
  };
  auto emitElements = [&] {
    e.forLoop(first, end, 1, [&](Value at) {
      Value column = e.sub(e.mul(at, e.index(line.step)), line.padding);
      SmallVector<Value> bytes;
      for (Value start : starts)
        bytes.push_back(e.load(windows.input, e.add(start, column)));
      e.store(joinElements(e, bytes, isFlipped), image, e.add(to, at));
    });
  };
  if (line.step > 2)
    return emitElements();
  Value count = e.sub(end, first);
  e.ifThen(
      e.compare(arith::CmpIPredicate::sge, count, e.index(lanes)),
      [&] {
        Value whole = e.mul(e.floorDiv(count, lanes), e.index(lanes));
        Value last = e.add(first, whole);
        e.forLoop(first, last, lanes,
                  [&](Value at) { emitVector(at, nullptr); });
        // What is left overlaps what is done.
        e.ifThen(e.compare(arith::CmpIPredicate::slt, last, end),
                 [&] { emitVector(e.sub(end, e.index(lanes)), nullptr); });
      },
      [&] {
        // Masks for bytes come with vectors of 512 bits.
        if ((group > 1 && lanes < 16) || line.step > 1)
          return emitElements();
        Value mask = vector::CreateMaskOp::create(
            e.b, e.loc, VectorType::get(lanes, e.b.getI1Type()), count);
        emitVector(first, mask);
      });
}

/// Every first (or second, as the image's lines step) byte from `at` on.
Value WordSource::loadBytes(KernelEmitter &e, Value at, Value mask) {
  int64_t lanes = kernel.lanes;
  Value low = e.loadVector(windows.input, at, lanes, mask);
  if (isDirect() || lines.back().step == 1)
    return low;
  // Two loads that end with the last byte.
  Value high =
      e.loadVector(windows.input, e.add(at, e.index(lanes - 1)), lanes);
  return takeSecond(e, low, high);
}

/// Elements 0, 2, 4, ... of two vectors of which the second one begins with the
/// last element of the first one.
Value WordSource::takeSecond(KernelEmitter &e, Value low, Value high) {
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < kernel.lanes; ++i)
    mask.push_back(2 * i < kernel.lanes ? 2 * i : 2 * i + 1);
  return vector::ShuffleOp::create(e.b, e.loc, low, high, mask);
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

SmallVector<Value> WordSource::packWords(KernelEmitter &e, ValueRange outer,
                                         Value slot, Value panel, Value offset,
                                         bool needsSums) {
  auto type = VectorType::get(kernel.lanes, kernel.accumulator);
  SmallVector<Value> sums(needsSums ? kernel.vectors : 0, e.zero(type));
  if (isDirect())
    return packDirect(e, outer, slot, panel, offset, std::move(sums));
  return packWindows(e, outer, slot, e.index(0), e.index(numGroups), panel,
                     offset, std::move(sums));
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

/// From planes of bytes.
SmallVector<Value> WordSource::packDirect(KernelEmitter &e, ValueRange outer,
                                          Value slot, Value panel, Value offset,
                                          SmallVector<Value> sums) {
  int64_t lanes = kernel.lanes, width = kernel.columns();
  Value planeSize = windows.dims[0].inputSize;
  Value column = e.mul(slot, e.index(lanes));
  Value base = column;
  for (auto [i, stride] : llvm::zip(outer, windows.outerStrides))
    base = e.add(base, e.mul(i, stride));
  auto emitGroup = [&](Value index, int64_t count, ArrayRef<Value> masks,
                       ValueRange in) {
    SmallVector<Value> out(in);
    Value first = e.mul(index, e.index(kGroup));
    for (int64_t v = 0; v < kernel.vectors; ++v) {
      SmallVector<Value> vectors;
      for (int64_t i = 0; i < count; ++i) {
        Value plane = e.mul(e.add(first, e.index(i)), planeSize);
        vectors.push_back(
            loadBytes(e, e.add(e.add(base, plane), e.index(v * lanes)),
                      masks.empty() ? Value() : masks[v]));
      }
      storeWords(e, interleave(e, vectors), panel,
                 e.add(offset, e.mul(index, e.index(width))), v, out);
    }
    return out;
  };
  // Sums leave the branches of withMasks through memory.
  Value kept;
  auto sumType = VectorType::get(lanes, e.b.getI32Type());
  if (!sums.empty())
    kept = memref::AllocaOp::create(e.b, e.loc,
                                    MemRefType::get({width}, e.b.getI32Type()),
                                    e.b.getI64IntegerAttr(64));
  e.withMasks(e.sub(planeSize, column), kernel.vectors, lanes,
              [&](ArrayRef<Value> masks) {
                int64_t whole = channels / kGroup;
                SmallVector<Value> state =
                    e.forLoop(e.index(0), e.index(whole), 1, sums,
                              [&](Value group, ValueRange in) {
                                return emitGroup(group, kGroup, masks, in);
                              });
                if (channels % kGroup)
                  state = emitGroup(e.index(whole), channels % kGroup, masks,
                                    state);
                for (auto [v, sum] : llvm::enumerate(state))
                  e.storeVector(sum, kept, e.index(v * lanes));
              });
  for (auto [v, sum] : llvm::enumerate(sums))
    sum = vector::LoadOp::create(e.b, e.loc, sumType, kept, e.index(v * lanes));
  return sums;
}

/// Where the columns of one slot are in a plane: line by line, each with the
/// lanes from which on it holds. A line's place is that of lane 0, even if that
/// is before the line.
SmallVector<WordSource::Piece> WordSource::getPieces(KernelEmitter &e,
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
    pieces.push_back(getPieces(e, e.add(slot, e.index(v))));

  auto loadWords = [&](Value at) -> Value {
    Value low = e.loadVector(image, at, lanes);
    if (line.stride == 1)
      return low;
    return takeSecond(
        e, low, e.loadVector(image, e.add(at, e.index(lanes - 1)), lanes));
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
