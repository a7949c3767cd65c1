//===- ColumnSources.cpp - Panels of a product's right-hand side ----------===//

#include "ColumnSources.h"

#include "CodeGen/Target/TileUnit.h"

using namespace mlir;
using namespace quantc;

//===----------------------------------------------------------------------===//
// StridedSource
//===----------------------------------------------------------------------===//

Value StridedSource::getNumSlots(KernelEmitter &e) {
  return e.ceilDiv(n, lanes);
}

ColumnSlot StridedSource::getSlot(KernelEmitter &e, Value slot) {
  Value offset = e.mul(slot, e.index(lanes));
  return {offset, e.sub(n, offset)};
}

bool StridedSource::hasOnlyFullSlots() const {
  std::optional<int64_t> size = KernelEmitter::asConstant(n);
  return size && *size % lanes == 0;
}

/// Exchanges rows and columns of `rows`, as many as each has elements: element
/// by element at a distance of half of them, then of a quarter, and so on.
/// (Upstream lowers vector.transpose to shuffles of registers for 8 x 8 and
/// 16 x 16 floats only.)
static void transpose(KernelEmitter &e, MutableArrayRef<Value> rows) {
  int64_t size = rows.size();
  for (int64_t distance = size / 2; distance > 0; distance /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < size; ++i) {
      low.push_back(i & distance ? size + i - distance : i);
      high.push_back(i & distance ? size + i : i + distance);
    }
    for (int64_t i = 0; i < size; ++i) {
      if (i & distance)
        continue;
      Value x = rows[i], y = rows[i + distance];
      rows[i] = vector::ShuffleOp::create(e.b, e.loc, x, y, low);
      rows[i + distance] = vector::ShuffleOp::create(e.b, e.loc, x, y, high);
    }
  }
}

/// One vector of columns from `first` on, along k. A column beyond the last
/// repeats that one.
void StridedSource::packColumns(KernelEmitter &e, const MicroKernel &kernel,
                                Value base, Value first, Value depth,
                                Value panel, Value offset) {
  Value width = e.index(kernel.columns()), last = e.sub(n, e.index(1));
  SmallVector<Value> starts;
  for (int64_t j = 0; j < lanes; ++j) {
    Value column = e.min(e.add(first, e.index(j)), last);
    starts.push_back(e.add(base, e.mul(column, matrix.columnStride)));
  }
  // Where k is contiguous, as many rows as columns at once.
  Value whole = e.index(0);
  if (e.isConstant(matrix.rowStride, 1) && llvm::isPowerOf2_64(lanes) &&
      lanes > 1)
    whole = e.mul(e.floorDiv(depth, lanes), e.index(lanes));
  e.forLoop(e.index(0), whole, lanes, [&](Value row) {
    SmallVector<Value> block;
    for (Value start : starts)
      block.push_back(e.loadVector(matrix.buffer, e.add(start, row), lanes));
    transpose(e, block);
    for (auto [i, vector] : llvm::enumerate(block))
      e.storeVector(emitFactor(e, kernel, factor, vector, lanes), panel,
                    e.add(offset, e.mul(e.add(row, e.index(i)), width)));
  });
  for (auto [j, start] : llvm::enumerate(starts))
    e.forLoop(whole, depth, 1, [&, start = start, j = j](Value row) {
      Value element =
          e.load(matrix.buffer, e.add(start, e.mul(row, matrix.rowStride)));
      e.store(emitFactor(e, kernel, factor, element, 0), panel,
              e.add(e.add(offset, e.index(j)), e.mul(row, width)));
    });
}

void StridedSource::pack(KernelEmitter &e, const MicroKernel &kernel,
                         ValueRange outer, Value slot, Value k, Value depth,
                         Value panel, Value offset) {
  Value base = e.mul(k, matrix.rowStride);
  for (auto [i, stride] : llvm::zip(outer, matrix.outerStrides))
    base = e.add(base, e.mul(i, stride));
  Value first = e.mul(slot, e.index(lanes));
  int64_t width = kernel.columns();

  if (!e.isConstant(matrix.columnStride, 1)) {
    for (int64_t v = 0; v < kernel.vectors; ++v)
      packColumns(e, kernel, base, e.add(first, e.index(v * lanes)), depth,
                  panel, e.add(offset, e.index(v * lanes)));
    return;
  }

  Value start = e.add(base, first);
  auto copyRows = [&](ArrayRef<Value> masks) {
    e.forLoop(e.index(0), depth, 1, [&](Value row) {
      Value from = e.add(start, e.mul(row, matrix.rowStride));
      Value to = e.add(offset, e.mul(row, e.index(width)));
      for (int64_t v = 0; v < kernel.vectors; ++v) {
        Value at = e.index(v * lanes);
        Value vector = e.loadVector(matrix.buffer, e.add(from, at), lanes,
                                    masks.empty() ? Value() : masks[v]);
        e.storeVector(emitFactor(e, kernel, factor, vector, lanes), panel,
                      e.add(to, at));
      }
    });
  };
  std::optional<int64_t> size = e.asConstant(n);
  if (size && *size % width == 0)
    return copyRows({});
  e.withMasks(e.sub(n, first), kernel.vectors, lanes, copyRows);
}

//===----------------------------------------------------------------------===//
// PackedSource
//===----------------------------------------------------------------------===//

int64_t PackedSource::getNumRows(const MicroKernel &kernel, int64_t depth) {
  int64_t rows = llvm::divideCeil(depth, kernel.dot.group);
  return kernel.dot.usesTiles ? llvm::alignTo(rows, kTileSize) : rows;
}

int64_t PackedSource::getPanelSize(const MicroKernel &kernel, int64_t depth) {
  int64_t rows = getNumRows(kernel, depth);
  int64_t order =
      kernel.dot.hasWideWords ? llvm::alignTo(rows + 1, kernel.columns()) : 0;
  return (rows + hasColumnSums(kernel)) * kernel.columns() + order;
}

Value PackedSource::getStart(KernelEmitter &e, ValueRange outer, Value slot) {
  Value start = e.mul(e.floorDiv(slot, kernel.vectors), panelSize);
  for (auto [i, stride] : llvm::zip(outer, matrix.outerStrides))
    start = e.add(start, e.mul(i, stride));
  return start;
}

std::optional<std::pair<Value, Value>> PackedSource::getPanel(KernelEmitter &e,
                                                              ValueRange outer,
                                                              Value slot,
                                                              Value row) {
  Value inside =
      e.mul(e.floorDiv(row, kernel.dot.group), e.index(kernel.columns()));
  return std::make_pair(matrix.buffer, e.add(getStart(e, outer, slot), inside));
}

std::optional<std::pair<Value, Value>>
PackedSource::getColumnSums(KernelEmitter &e, ValueRange outer, Value slot) {
  if (!hasSums)
    return std::nullopt;
  Value inside = e.mul(numRows, e.index(kernel.columns()));
  return std::make_pair(matrix.buffer, e.add(getStart(e, outer, slot), inside));
}

std::optional<std::pair<Value, Value>>
PackedSource::getOrder(KernelEmitter &e, ValueRange outer, Value slot) {
  if (!kernel.dot.hasWideWords)
    return std::nullopt;
  Value rows = e.add(numRows, e.index(hasSums));
  Value inside = e.mul(rows, e.index(kernel.columns()));
  return std::make_pair(matrix.buffer, e.add(getStart(e, outer, slot), inside));
}

//===----------------------------------------------------------------------===//
// WindowSource
//===----------------------------------------------------------------------===//

Value WindowSource::getSlotsPerRow(KernelEmitter &e) {
  return e.ceilDiv(dims.back().outputSize, lanes);
}

Value WindowSource::getNumSlots(KernelEmitter &e) {
  Value slots = getSlotsPerRow(e);
  for (const Dim &dim : ArrayRef(dims).drop_back())
    slots = e.mul(slots, dim.outputSize);
  return slots;
}

ColumnSlot WindowSource::getSlot(KernelEmitter &e, Value slot) {
  Value perRow = getSlotsPerRow(e);
  Value width = dims.back().outputSize;
  SmallVector<Value> split = e.delinearize(slot, {e.index(0), perRow});
  Value column = e.mul(split[1], e.index(lanes));
  Value valid = e.sub(width, column);
  // The last panel may run over the last row.
  Value exists = e.compare(arith::CmpIPredicate::slt, slot, getNumSlots(e));
  valid = e.b.createOrFold<arith::SelectOp>(e.loc, exists, valid, e.index(0));
  return {e.add(e.mul(split[0], width), column), valid};
}

bool WindowSource::hasOnlyFullSlots() const {
  std::optional<int64_t> width =
      KernelEmitter::asConstant(dims.back().outputSize);
  return width && *width % lanes == 0;
}

int64_t WindowSource::getBlockDepth(int64_t wanted) const {
  int64_t taps = getNumTaps();
  return std::max<int64_t>(1, wanted / taps) * taps;
}

/// Writes one vector: elements first, first + stride ... of an input row that
/// holds them all.
void WindowSource::packInside(KernelEmitter &e, const MicroKernel &kernel,
                              Value start, Value panel, Value at) {
  int64_t stride = dims.back().stride;
  auto emitVector = [&](Value vector) {
    e.storeVector(emitFactor(e, kernel, factor, vector, lanes), panel, at);
  };
  if (stride == 1)
    return emitVector(e.loadVector(input, start, lanes));
  if (stride == 2 && lanes > 1)
    return emitVector(e.loadEven(input, start, lanes));
  e.forLoop(e.index(0), e.index(lanes), 1, [&](Value i) {
    Value element = e.load(input, e.add(start, e.mul(i, e.index(stride))));
    e.store(emitFactor(e, kernel, factor, element, 0), panel, e.add(at, i));
  });
}

/// The same for a row that may end before or begin behind some elements: those
/// are padding.
void WindowSource::packBorder(KernelEmitter &e, const MicroKernel &kernel,
                              Value rowBase, Value first, Value panel,
                              Value at) {
  const Dim &dim = dims.back();
  Type element = cast<MemRefType>(input.getType()).getElementType();
  // Element by element, of every second one half would be in vain.
  bool hasVectors =
      dim.stride == 1 || (dim.stride == 2 && lanes >= kMaskedLanes);
  if (hasVectors && element.getIntOrFloatBitWidth() == 32) {
    auto loadFrom = [&](int64_t distance) {
      Value position = e.add(first, e.index(distance));
      Value mask = e.maskInside(position, dim.inputSize, lanes);
      Value loaded = e.loadVector(input, e.add(rowBase, position), lanes, mask);
      return arith::SelectOp::create(
                 e.b, e.loc, mask, emitFactor(e, kernel, factor, loaded, lanes),
                 e.splat(paddingValue, lanes))
          .getResult();
    };
    Value factors = loadFrom(0);
    if (dim.stride == 2)
      factors = e.pickEven(factors, loadFrom(lanes - 1));
    return e.storeVector(factors, panel, at);
  }
  e.forLoop(e.index(0), e.index(lanes), 1, [&](Value i) {
    Value position = e.add(first, e.mul(i, e.index(dim.stride)));
    Value exists =
        e.compare(arith::CmpIPredicate::ult, position, dim.inputSize);
    Value target = e.add(at, i);
    e.ifThen(
        exists,
        [&] {
          Value element = e.load(input, e.add(rowBase, position));
          e.store(emitFactor(e, kernel, factor, element, 0), panel, target);
        },
        [&] { e.store(paddingValue, panel, target); });
  });
}

void WindowSource::pack(KernelEmitter &e, const MicroKernel &kernel,
                        ValueRange outer, Value slot, Value k, Value depth,
                        Value panel, Value offset) {
  Value base = e.index(0);
  for (auto [i, stride] : llvm::zip(outer, outerStrides))
    base = e.add(base, e.mul(i, stride));
  SmallVector<Value> strides(dims.size());
  Value channelStride = e.index(1);
  for (unsigned i = dims.size(); i-- > 0;) {
    strides[i] = channelStride;
    channelStride = e.mul(channelStride, dims[i].inputSize);
  }
  int64_t taps = getNumTaps(), width = kernel.columns();

  // The window's start for each vector of the panel.
  SmallVector<Value> sizes;
  for (const Dim &dim : ArrayRef(dims).drop_back())
    sizes.push_back(dim.outputSize);
  sizes.push_back(getSlotsPerRow(e));
  SmallVector<SmallVector<Value>> starts;
  for (int64_t v = 0; v < kernel.vectors; ++v) {
    SmallVector<Value> position = e.delinearize(e.add(slot, e.index(v)), sizes);
    position.back() = e.mul(position.back(), e.index(lanes));
    for (auto [start, dim] : llvm::zip(position, dims))
      start = e.sub(e.mul(start, e.index(dim.stride)), dim.padding);
    starts.push_back(position);
  }

  // Where no window of the panel touches the border, nothing is checked.
  Value inside = e.compare(arith::CmpIPredicate::sge, e.index(0), e.index(0));
  for (ArrayRef<Value> position : starts)
    for (auto [start, dim] : llvm::zip(position, dims)) {
      int64_t reach = (dim.window - 1) * dim.dilation;
      if (&dim == &dims.back())
        reach += (lanes - 1) * dim.stride;
      Value end = e.add(start, e.index(reach));
      for (Value holds :
           {e.compare(arith::CmpIPredicate::sge, start, e.index(0)),
            e.compare(arith::CmpIPredicate::slt, end, dim.inputSize)})
        inside = e.b.createOrFold<arith::AndIOp>(e.loc, inside, holds);
    }

  Value firstChannel = e.floorDiv(k, taps);
  Value numChannels = e.floorDiv(depth, taps);
  auto emitVectors = [&](Value channelBase, ArrayRef<Value> tap, Value row,
                         bool isInside) {
    for (int64_t v = 0; v < kernel.vectors; ++v) {
      Value rowBase = channelBase;
      Value rowExists;
      for (unsigned i = 0; i + 1 < dims.size(); ++i) {
        Value position =
            e.add(starts[v][i], e.mul(tap[i], e.index(dims[i].dilation)));
        Value exists =
            e.compare(arith::CmpIPredicate::ult, position, dims[i].inputSize);
        rowExists =
            rowExists
                ? e.b.createOrFold<arith::AndIOp>(e.loc, rowExists, exists)
                : exists;
        rowBase = e.add(rowBase, e.mul(position, strides[i]));
      }
      Value first = e.add(starts[v].back(),
                          e.mul(tap.back(), e.index(dims.back().dilation)));
      Value at =
          e.add(e.add(offset, e.mul(row, e.index(width))), e.index(v * lanes));
      if (isInside) {
        packInside(e, kernel, e.add(rowBase, first), panel, at);
        continue;
      }
      auto border = [&] { packBorder(e, kernel, rowBase, first, panel, at); };
      if (!rowExists) {
        border();
        continue;
      }
      e.ifThen(rowExists, border,
               [&] { e.storeVector(e.splat(paddingValue, lanes), panel, at); });
    }
  };
  auto emitChannels = [&](bool isInside) {
    e.forLoop(e.index(0), numChannels, 1, [&](Value channel) {
      Value channelBase =
          e.add(base, e.mul(e.add(firstChannel, channel), channelStride));
      SmallVector<Value> tap;
      std::function<void(unsigned, Value)> emitTaps = [&](unsigned dim,
                                                          Value row) {
        if (dim == dims.size())
          return emitVectors(channelBase, tap, row, isInside);
        int64_t inner = 1;
        for (const Dim &rest : ArrayRef(dims).drop_front(dim + 1))
          inner *= rest.window;
        e.forLoop(e.index(0), e.index(dims[dim].window), 1, [&](Value i) {
          tap.push_back(i);
          emitTaps(dim + 1, e.add(row, e.mul(i, e.index(inner))));
          tap.pop_back();
        });
      };
      emitTaps(0, e.mul(channel, e.index(taps)));
    });
  };
  e.ifThen(inside, [&] { emitChannels(true); }, [&] { emitChannels(false); });
}
