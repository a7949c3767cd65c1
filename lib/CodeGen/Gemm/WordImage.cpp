//===- WordImage.cpp - The image that a WordSource reads ------------------===//

#include "WordSource.h"

using namespace mlir;
using namespace quantc;

/// Words from which on all threads interleave an image.
static constexpr int64_t kParallelWords = 32768;

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
// The image
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

/// Which channel is byte `i` of the words of a group of channels.
Value WordSource::getChannel(KernelEmitter &e, Value group, int64_t i) {
  Value place = e.add(e.mul(group, e.index(this->group)), e.index(i));
  return filters ? filters->getChannel(e, place) : place;
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
  image = e.allocate(length, kernel.accumulator);

  Value planeSize = e.index(1);
  for (const Line &line : lines)
    planeSize = e.mul(planeSize, line.inputSize);
  auto emitTask = [&](Value task, ArrayRef<Value> indices) {
    Value index = indices.back();
    Value input = e.index(0);
    for (auto [i, stride] : llvm::zip(indices, strides))
      input = e.add(input, e.mul(i, stride));
    Value words = e.add(e.mul(task, planeWords), e.index(getSlack()));
    auto emitPlane = [&](int64_t count) {
      SmallVector<Value> planes;
      for (int64_t i = 0; i < count; ++i)
        planes.push_back(
            e.add(input, e.mul(getChannel(e, index, i), planeSize)));
      emitRows(e, planes, words);
    };
    int64_t rest = channels % group;
    if (!rest)
      return emitPlane(group);
    e.ifThen(
        e.compare(arith::CmpIPredicate::slt, index, e.index(numGroups - 1)),
        [&] { emitPlane(group); }, [&] { emitPlane(rest); });
  };
  e.parallelFor(sizes, total, useThreads, emitTask, kParallelWords);
}

void WordSource::release(KernelEmitter &e) {
  if (image)
    e.release(image);
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

/// Every byte, or every second one, as the image's lines step, from `at` on.
Value WordSource::loadBytes(KernelEmitter &e, Value at, Value mask) {
  if (isDirect() || lines.back().step == 1)
    return e.loadVector(windows.input, at, kernel.lanes, mask);
  return e.loadEven(windows.input, at, kernel.lanes);
}
