//===- InPlaceSource.cpp - Columns that stay in an image ------------------===//

#include "InPlaceSource.h"

using namespace mlir;
using namespace quantc;

/// What it costs to write a word of a panel and to read it again, in rows that
/// multiply it (measured on a processor with AVX-512).
static constexpr double kPanelRows = 7;

/// Larger images would come from memory, once more than the input does.
static constexpr int64_t kMaxImageBytes = 4 << 20;

static int64_t getReach(const Windows::Dim &dim) {
  return (dim.window - 1) * dim.dilation;
}

bool InPlaceSource::pays(const Windows &windows, int64_t channels,
                         const MicroKernel &kernel, int64_t m) {
  int64_t taps = 1, columns = 1, last = 0, positions = 1;
  for (const Windows::Dim &dim : windows.dims) {
    std::optional<int64_t> size = KernelEmitter::asConstant(dim.outputSize);
    if (!size || *size == 0 || dim.stride != 1)
      return false;
    taps *= dim.window;
    last = *size - 1;
    columns *= *size;
    // The last column of the last line, behind all those before it.
    positions = (positions - 1) * (*size + getReach(dim)) + last + 1;
  }
  if (taps == 1 || ShapedType::isDynamic(m) ||
      ShapedType::isDynamic(channels) ||
      channels * columns * 4 / kernel.dot.group > kMaxImageBytes)
    return false;
  auto getSlots = [&](int64_t size) {
    return double(
        llvm::alignTo(llvm::divideCeil(size, kernel.lanes), kernel.vectors));
  };
  return getSlots(positions) <= getSlots(columns) * (1 + kPanelRows / m);
}

int64_t InPlaceSource::getWidth() const {
  return *KernelEmitter::asConstant(windows.dims.back().outputSize);
}

int64_t InPlaceSource::getLineWords() const {
  return getWidth() + getReach(windows.dims.back());
}

Value InPlaceSource::getNumLines(KernelEmitter &e) const {
  return windows.dims.size() == 1 ? e.index(1)
                                  : windows.dims.front().outputSize;
}

/// Slots that do not exist, in the last panel, are read as others.
int64_t InPlaceSource::getSlack() const {
  return (kernel.vectors + 1) * kernel.lanes;
}

Value InPlaceSource::getNumSlots(KernelEmitter &e) {
  Value before =
      e.mul(e.sub(getNumLines(e), e.index(1)), e.index(getLineWords()));
  return e.ceilDiv(e.add(before, e.index(getWidth())), kernel.lanes);
}

std::pair<Value, Value> InPlaceSource::getPosition(KernelEmitter &e,
                                                   Value slot) const {
  SmallVector<Value> split =
      e.delinearize(e.mul(slot, e.index(kernel.lanes)),
                    {e.index(0), e.index(getLineWords())});
  return {split[0], split[1]};
}

ColumnSlot InPlaceSource::getSlot(KernelEmitter &e, Value slot) {
  auto [line, column] = getPosition(e, slot);
  Value exists = e.compare(arith::CmpIPredicate::slt, line, getNumLines(e));
  Value valid = e.b.createOrFold<arith::SelectOp>(
      e.loc, exists, e.sub(e.index(getWidth()), column), e.index(0));
  return {e.add(e.mul(line, e.index(getWidth())), column), valid};
}

ColumnWords InPlaceSource::getWords(KernelEmitter &e, ValueRange outer,
                                    Value slot, Value k, Value depth) {
  Value planeWords = getPlaneWords(e);
  int64_t unit = group * windows.getNumTaps();
  Value first =
      e.add(e.mul(getImage(e, outer), e.index(numGroups)), e.floorDiv(k, unit));
  Value base = e.mul(first, planeWords);
  base = e.add(base, e.index(getSlack()));
  ColumnWords words{image, e.add(base, e.mul(slot, e.index(kernel.lanes))), {}};
  words.loops.push_back({e.ceilDiv(depth, unit), planeWords});
  for (const Line &line : lines) {
    Value step = &line == &lines.back() ? e.index(1) : lines.back().size;
    words.loops.push_back(
        {e.index(line.taps), e.mul(step, e.index(line.dilation))});
  }
  return words;
}

/// One for each line of which the slot may hold something.
SmallVector<ColumnPiece> InPlaceSource::getPieces(KernelEmitter &e,
                                                  Value slot) {
  auto [line, column] = getPosition(e, slot);
  int64_t lanes = kernel.lanes, width = getWidth(), words = getLineWords();
  int64_t numPieces =
      windows.dims.size() == 1 ? 1 : (lanes + words - 2) / words + 1;
  auto type = VectorType::get(lanes, e.b.getI1Type());
  auto maskUpTo = [&](Value end) -> Value {
    return vector::CreateMaskOp::create(e.b, e.loc, type, end);
  };
  SmallVector<ColumnPiece> pieces;
  for (int64_t i = 0; i < numPieces; ++i) {
    Value index = e.add(line, e.index(i));
    // The lane of the line's first column, and the one behind the last.
    Value first = e.sub(e.index(i * words), column);
    Value end = e.add(first, e.index(width));
    Value offset = e.sub(e.mul(index, e.index(width)), first);
    Value exists = e.compare(arith::CmpIPredicate::slt, index, getNumLines(e));
    auto both = [&](Value condition) {
      exists = e.b.createOrFold<arith::AndIOp>(e.loc, exists, condition);
    };
    both(e.compare(arith::CmpIPredicate::sgt, end, e.index(0)));
    both(e.compare(arith::CmpIPredicate::slt, first, e.index(lanes)));
    Value mask = maskUpTo(end);
    if (i > 0) {
      Value all = arith::ConstantOp::create(e.b, e.loc,
                                            DenseElementsAttr::get(type, true));
      mask = arith::AndIOp::create(
          e.b, e.loc, mask,
          arith::XOrIOp::create(e.b, e.loc, maskUpTo(first), all));
    }
    pieces.push_back({offset, mask, exists});
  }
  return pieces;
}
