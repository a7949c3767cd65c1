//===- GemmEmitter.cpp - Blocked matrix products --------------------------===//

#include "CodeGen/Target/TileUnit.h"
#include "GemmTile.h"

using namespace mlir;
using namespace quantc;

/// Fewer tiles of a panel do not read the next one ahead.
static constexpr int64_t kLeastPrefetchTiles = 3;

namespace {
class GemmEmitter {
public:
  GemmEmitter(KernelEmitter &e, const GemmProblem &p, const MicroKernel &kernel,
              ColumnSource &columns, const GemmBlocking &blocking)
      : e(e), p(p), kernel(kernel), columns(columns), wordPanels(e, p, kernel),
        blocking(blocking),
        tiles(e, p, kernel, columns, wordPanels, this->blocking),
        numSlots(columns.getNumSlots(e)),
        numRowBlocks(e.ceilDiv(p.m, blocking.rows)),
        numColumnBlocks(e.ceilDiv(numSlots, blocking.panels * kernel.vectors)) {
    std::optional<int64_t> count = e.asConstant(numSlots);
    alwaysFull = columns.hasOnlyFullSlots() && count &&
                 (blocking.lastVectors || *count % kernel.vectors == 0);
  }

  void emit(bool useThreads);

private:
  void emitTask(ArrayRef<Value> indices);
  void allocatePanels(GemmBlock &block);
  void emitDepthBlock(GemmBlock &block, Value endSlot);
  bool widensPanels() const;
  GemmTile makeTile(const GemmBlock &block, Value slot, int64_t vectors);
  void findPanel(const GemmBlock &block, GemmTile &tile);
  void findNextPanel(const GemmBlock &block, GemmTile &tile, Value endSlot);
  void packPanel(const GemmBlock &block, const GemmTile &tile);
  void forEachPanel(const GemmBlock &block, Value endSlot,
                    llvm::function_ref<void(const GemmTile &)> emit);
  void forEachRow(const GemmBlock &block, llvm::function_ref<void(Value)> emit);

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  ColumnSource &columns;
  WordPanels wordPanels;
  GemmBlocking blocking;
  GemmTileEmitter tiles;

  Value numSlots, numRowBlocks, numColumnBlocks;
  bool alwaysFull; // Whether all columns of each panel exist.
};
} // namespace

void GemmEmitter::emit(bool useThreads) {
  Value work = e.mul(e.mul(p.m, p.n), p.k);
  for (Value size : p.outerSizes)
    work = e.mul(work, size);
  SmallVector<Value> sizes(p.outerSizes);
  sizes.append({numRowBlocks, numColumnBlocks});
  columns.prepare(e, useThreads);
  e.parallelFor(
      sizes, work, useThreads,
      [&](Value task, ArrayRef<Value> indices) { emitTask(indices); });
  columns.release(e);
}

void GemmEmitter::emitTask(ArrayRef<Value> indices) {
  int64_t blockSlots = blocking.panels * kernel.vectors;

  GemmBlock block;
  block.outer.assign(indices.begin(), indices.end() - 2);
  block.aBase = getOffset(e, block.outer, p.a);
  block.outputs = OutputBases(e, p, block.outer);
  block.firstRow = e.mul(indices[indices.size() - 2], e.index(blocking.rows));
  block.firstSlot = e.mul(indices.back(), e.index(blockSlots));
  Value endSlot = e.min(e.add(block.firstSlot, e.index(blockSlots)), numSlots);
  allocatePanels(block);

  // One turn at least, so that an empty sum is stored as well.
  Value zero = e.index(0), end = e.max(p.k, e.index(1));
  e.forLoop(zero, end, blocking.depth, [&](Value k) {
    block.k = k;
    block.depth = blocking.splitsDepth
                      ? e.min(e.sub(p.k, k), e.index(blocking.depth))
                      : p.k;
    std::optional<int64_t> size = e.asConstant(p.k);
    if (blocking.splitsDepth && size && *size % blocking.depth == 0)
      block.depth = e.index(blocking.depth);
    if (blocking.splitsDepth) {
      block.isFirst = e.compare(arith::CmpIPredicate::eq, k, zero);
      block.isLast = e.compare(arith::CmpIPredicate::sge,
                               e.add(k, e.index(blocking.depth)), p.k);
    }
    emitDepthBlock(block, endSlot);
  });
}

/// The buffers of a task, which are on its thread's stack.
void GemmEmitter::allocatePanels(GemmBlock &block) {
  bool isPacked = columns.isPacked();
  int64_t width = kernel.columns();
  auto allocate = [&](int64_t elements, Type type) {
    return e.allocateOnStack(elements, type);
  };
  Type accumulator = kernel.accumulator, word = kernel.getWordType();
  int64_t depth = blocking.depth;
  if (kernel.dot) {
    // Whole vectors of words are written, and whole tiles of them read.
    depth = llvm::alignTo(columns.getNumWords().value_or(llvm::divideCeil(
                              blocking.depth, kernel.dot.group)),
                          kernel.lanes);
    // Also where a segment is not a whole number of vectors.
    block.wordStride = depth + (p.lines ? kernel.lanes : 0);
    if (kernel.dot.hasWideWords) {
      block.wordForms = WordForms(
          llvm::divideCeil(blocking.depth, kernel.dot.group), kernel.lanes);
      block.wordStride = block.wordForms->size();
    }
    if (!p.rowPanels)
      block.words = allocate(blocking.rows * block.wordStride, word);
    if (!isPacked && !columns.getNumWords())
      block.rawPanel = allocate(depth * width * kernel.dot.group,
                                p.factorB.element.getType());
    if (wordPanels.needsRowSums() && !p.rowPanels)
      block.rowSums = allocate(blocking.rows, accumulator);
    if (wordPanels.needsColumnSums() && !isPacked)
      block.columnSums = allocate(blocking.panels * width, accumulator);
  }
  if (!columns.isInPlace() && (!isPacked || widensPanels())) {
    block.slotStride = blocking.sweepsRows ? depth * kernel.lanes : 0;
    block.panels = allocate(
        (blocking.sweepsRows ? blocking.panels : 1) * depth * width, word);
  }
  block.partialStride = blocking.panels * width;
  if (blocking.splitsDepth)
    block.partial = allocate(blocking.rows * block.partialStride, accumulator);
  block.edge = allocate(kernel.rows * width, accumulator);
  if (kernel.dot.usesTiles)
    block.zeroTiles = allocateZeros(e, kernel);
}

void GemmEmitter::emitDepthBlock(GemmBlock &block, Value endSlot) {
  if (kernel.dot && !p.rowPanels) {
    Value endRow = e.min(e.add(block.firstRow, e.index(blocking.rows)), p.m);
    wordPanels.packRows(block.outer, block.firstRow, endRow, block.k,
                        block.depth, block.words, block.wordStride,
                        block.rowSums, block.isFirst, block.wordForms);
  }
  if (!blocking.sweepsRows)
    return forEachPanel(block, endSlot, [&](const GemmTile &tile) {
      // Panels have room for all vectors, also where a tile has fewer.
      packPanel(block, makeTile(block, tile.slot, kernel.vectors));
      GemmTile current = tile;
      findNextPanel(block, current, endSlot);
      forEachRow(block, [&](Value row) { tiles.emitRow(block, current, row); });
    });
  e.forLoop(block.firstSlot, endSlot, kernel.vectors, [&](Value slot) {
    packPanel(block, makeTile(block, slot, kernel.vectors));
  });
  forEachRow(block, [&](Value row) {
    forEachPanel(block, endSlot, [&](const GemmTile &tile) {
      tiles.emitRow(block, tile, row);
    });
  });
}

/// Calls `emit` for the panels of a block, the last one of which may have fewer
/// vectors.
void GemmEmitter::forEachPanel(
    const GemmBlock &block, Value endSlot,
    llvm::function_ref<void(const GemmTile &)> emit) {
  Value end = endSlot;
  if (blocking.lastVectors)
    end = e.min(end, e.sub(numSlots, e.index(blocking.lastVectors)));
  e.forLoop(block.firstSlot, end, kernel.vectors,
            [&](Value slot) { emit(makeTile(block, slot, kernel.vectors)); });
  if (blocking.lastVectors)
    e.ifThen(e.compare(arith::CmpIPredicate::sgt, endSlot, end),
             [&] { emit(makeTile(block, end, blocking.lastVectors)); });
}

/// Whether panels packed at compile time become others. Words of bytes are as
/// good as new; wider ones are worth making if many rows read them.
bool GemmEmitter::widensPanels() const {
  return columns.isPacked() && !columns.isConverted() &&
         kernel.dot.takesDifferences() && !blocking.readsPackedOnce;
}

/// Fills the panel that `findPanel` found for the tile, unless it is there.
void GemmEmitter::packPanel(const GemmBlock &block, const GemmTile &tile) {
  if (columns.isInPlace() || (columns.isPacked() && !widensPanels()))
    return;
  if (!kernel.dot)
    return columns.pack(e, kernel, block.outer, tile.slot, block.k, block.depth,
                        tile.panel, tile.panelOffset);
  if (columns.isPacked()) {
    auto packed = columns.getPanel(e, block.outer, tile.slot, block.k);
    return wordPanels.widenPanel(packed->first, packed->second,
                                 e.ceilDiv(block.depth, kernel.dot.group),
                                 tile.panel, tile.zeros);
  }
  if (columns.getNumWords())
    return columns.packWords(e, block.outer, tile.slot, tile.panel,
                             tile.panelOffset, tile.columnSums,
                             tile.columnSumsOffset);
  wordPanels.packPanel(columns, block.outer, tile.slot, block.k, block.depth,
                       block.rawPanel, tile.panel, tile.panelOffset, tile.zeros,
                       tile.columnSums, tile.columnSumsOffset, block.isFirst);
}

/// Where the panel of the tile is, or will be.
void GemmEmitter::findPanel(const GemmBlock &block, GemmTile &tile) {
  if (columns.isInPlace()) {
    ColumnWords words =
        columns.getWords(e, block.outer, tile.slot, block.k, block.depth);
    tile.panel = words.buffer;
    tile.panelOffset = words.offset;
    tile.loops = words.loops;
    return;
  }
  if (columns.isPacked() && !widensPanels()) {
    std::tie(tile.panel, tile.panelOffset) =
        *columns.getPanel(e, block.outer, tile.slot, block.k);
    tile.isConverted = columns.isConverted();
  } else {
    tile.panel = block.panels;
    tile.panelOffset =
        e.mul(e.sub(tile.slot, block.firstSlot), e.index(block.slotStride));
  }
  if (!kernel.dot)
    return;
  if (auto sums = columns.getColumnSums(e, block.outer, tile.slot)) {
    std::tie(tile.columnSums, tile.columnSumsOffset) = *sums;
  } else {
    tile.columnSums = block.columnSums;
    tile.columnSumsOffset = tile.partialOffset;
  }
  if (auto order = columns.getOrder(e, block.outer, tile.slot))
    std::tie(tile.order, tile.orderOffset) = *order;
}

/// What is multiplied after the tile's panel. Panels that rows of a few tiles
/// read are streamed through the cache in any case.
void GemmEmitter::findNextPanel(const GemmBlock &block, GemmTile &tile,
                                Value endSlot) {
  if (!columns.isPacked() || widensPanels() || kernel.dot.usesTiles ||
      blocking.rows < kLeastPrefetchTiles * kernel.rows)
    return;
  auto select = [&](Value condition, Value x, Value y) {
    return e.b.createOrFold<arith::SelectOp>(e.loc, condition, x, y);
  };
  // The next panel, the next part of the task's panels, or the next task's.
  Value slot = e.add(tile.slot, e.index(kernel.vectors)), k = block.k;
  if (blocking.splitsDepth) {
    Value isLast = e.compare(arith::CmpIPredicate::sge, slot, endSlot);
    Value isDone = e.b.createOrFold<arith::AndIOp>(e.loc, isLast, block.isLast);
    Value deeper = e.add(k, e.index(blocking.depth));
    k = select(isDone, e.index(0), select(isLast, deeper, k));
    slot = select(isDone, slot, select(isLast, block.firstSlot, slot));
  }
  std::tie(tile.nextPanel, tile.nextPanelOffset) =
      *columns.getPanel(e, block.outer, slot, k);
}

GemmTile GemmEmitter::makeTile(const GemmBlock &block, Value slot,
                               int64_t vectors) {
  GemmTile tile;
  tile.partialOffset =
      e.mul(e.sub(slot, block.firstSlot), e.index(kernel.lanes));
  tile.slot = slot;
  for (int64_t v = 0; v < vectors; ++v)
    tile.slots.push_back(columns.getSlot(e, e.add(slot, e.index(v))));
  Value isFull;
  for (const ColumnSlot &slot : tile.slots) {
    Value full =
        e.compare(arith::CmpIPredicate::sge, slot.valid, e.index(kernel.lanes));
    isFull =
        isFull ? e.b.createOrFold<arith::AndIOp>(e.loc, isFull, full) : full;
  }
  if (!alwaysFull)
    tile.columnsFit = isFull;
  for (const ColumnSlot &column : tile.slots)
    if (Value zeros =
            wordPanels.getColumnZeros(block.outer, column, alwaysFull))
      tile.zeros.push_back(zeros);
  findPanel(block, tile);
  return tile;
}

void GemmEmitter::forEachRow(const GemmBlock &block,
                             llvm::function_ref<void(Value)> emit) {
  Value end = e.min(e.add(block.firstRow, e.index(blocking.rows)), p.m);
  e.forLoop(block.firstRow, end, kernel.rows, emit);
}

Blocking quantc::emitGemm(KernelEmitter &e, const GemmProblem &problem,
                          const MicroKernel &kernel, ColumnSource &columns,
                          bool useThreads) {
  GemmBlocking blocking = GemmBlocking::choose(e, problem, kernel, columns);
  GemmEmitter(e, problem, kernel, columns, blocking).emit(useThreads);
  return {kernel.rows, kernel.vectors, blocking.depth, blocking.rows,
          blocking.panels * kernel.columns()};
}
