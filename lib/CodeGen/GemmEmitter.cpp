//===- GemmEmitter.cpp - Blocked matrix products --------------------------===//

#include "GemmBlocking.h"
#include "OrderedPanel.h"
#include "QuantizedPanels.h"
#include "RowPanels.h"
#include "TileUnit.h"

using namespace mlir;
using namespace quantc;

/// Products with fewer multiplications than this run on one thread.
static constexpr int64_t kParallelWork = 400000;

namespace {
class GemmEmitter {
public:
  GemmEmitter(KernelEmitter &e, const GemmProblem &p, const MicroKernel &kernel,
              ColumnSource &columns, const GemmBlocking &blocking)
      : e(e), p(p), kernel(kernel), columns(columns), quantized(e, p, kernel),
        blocking(blocking), numSlots(columns.getNumSlots(e)),
        numRowBlocks(e.ceilDiv(p.m, blocking.rows)),
        numColumnBlocks(e.ceilDiv(numSlots, blocking.panels * kernel.vectors)) {
    std::optional<int64_t> count = e.asConstant(numSlots);
    alwaysFull =
        columns.hasOnlyFullSlots() && count && *count % kernel.vectors == 0;
  }

  void emit(bool useThreads);

private:
  /// The part of a task that is the same for all of its micro-kernels.
  struct Block {
    SmallVector<Value> outer;
    Value aBase;
    OutputBases outputs;
    Value firstRow, firstSlot;
    Value k, depth;
    Value isFirst, isLast; // Null when k is not split.
    Value partial;         // Sums so far, when k is split.
    int64_t partialStride;
    // Of quantized operands.
    Value words, wideWords, rawPanel, rowSums, columnSums, zeroTiles;
    int64_t wordStride;
    Value edge; // Sums of a tile at the border.
  };
  struct Tile {
    Value row;
    int64_t rows;
    Value rowsFit; // Null if all rows exist.
    Value panel, panelOffset;
    SmallVector<WordLoop> loops; // Of words that are no panel.
    bool isConverted = true; // Whether the panel holds factors, not elements.
    Value slot;              // The first of `slots`.
    SmallVector<ColumnSlot> slots;
    Value columnsFit; // Null if all columns exist.
    Value partialOffset;
    SmallVector<Value> zeros; // Zero points of the columns, or empty.
    Value columnSums, columnSumsOffset;
    Value order, orderOffset; // Of the panel's words, if it has one.
  };

  Value getNumWords(Value depth);
  void emitTask(Value task);
  void emitDepthBlock(Block &block, Value endSlot, Value scratch);
  void packQuantized(const Block &block, Tile &tile, Value slot, Value scratch);
  Tile makeTile(const Block &block, Value slot);
  void forEachRow(const Block &block, llvm::function_ref<void(Value)> emit);
  void emitRow(const Block &block, Tile tile, Value row);
  void emitTile(const Block &block, const Tile &tile);
  void emitTileUnit(const Block &block, const Tile &tile);
  SmallVector<Value> emitDepth(const Block &block, const Tile &tile,
                               ArrayRef<Value> rowOffsets,
                               SmallVector<Value> sums);
  SmallVector<Value> makeMasks(const Tile &tile);
  void emitStores(const Block &block, const Tile &tile, ArrayRef<Value> sums);
  SmallVector<Value> correct(const Block &block, const Tile &tile, Value row,
                             ArrayRef<Value> sums);
  void emitStore(const Block &block, const Tile &tile, Value row,
                 ArrayRef<Value> sums, ArrayRef<Value> masks);
  void emitPieces(const Block &block, const Tile &tile, Value row,
                  ArrayRef<Value> sums,
                  ArrayRef<SmallVector<ColumnPiece>> pieces);

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  ColumnSource &columns;
  QuantizedPanels quantized;

  GemmBlocking blocking;
  Value numSlots, numRowBlocks, numColumnBlocks;
  bool alwaysFull; // Whether all columns of each panel exist.
};
} // namespace

/// How many words a panel holds for `depth` elements along k.
Value GemmEmitter::getNumWords(Value depth) {
  if (std::optional<int64_t> all = columns.getNumWords())
    return e.index(*all);
  return e.ceilDiv(depth, kernel.dot.group);
}

void GemmEmitter::emit(bool useThreads) {
  Value work = e.mul(e.mul(p.m, p.n), p.k);
  Value tasks = e.mul(numRowBlocks, numColumnBlocks);
  for (Value size : p.outerSizes) {
    work = e.mul(work, size);
    tasks = e.mul(tasks, size);
  }
  Value condition;
  if (useThreads)
    condition =
        e.compare(arith::CmpIPredicate::sgt, work, e.index(kParallelWork));
  columns.prepare(e, useThreads);
  e.parallelFor(tasks, condition, [&](Value task) { emitTask(task); });
  columns.release(e);
}

void GemmEmitter::emitTask(Value task) {
  SmallVector<Value> sizes(p.outerSizes);
  sizes.append({numRowBlocks, numColumnBlocks});
  SmallVector<Value> indices = e.delinearize(task, sizes);
  int64_t blockSlots = blocking.panels * kernel.vectors;

  Block block;
  block.outer.assign(indices.begin(), indices.end() - 2);
  block.aBase = getOffset(e, block.outer, p.a);
  block.outputs = OutputBases(e, p, block.outer);
  block.firstRow = e.mul(indices[indices.size() - 2], e.index(blocking.rows));
  block.firstSlot = e.mul(indices.back(), e.index(blockSlots));
  Value endSlot = e.min(e.add(block.firstSlot, e.index(blockSlots)), numSlots);

  Value zero = e.index(0);
  bool isPacked = columns.isPacked();
  int64_t width = kernel.columns();
  auto allocate = [&](int64_t elements, Type type) -> Value {
    return memref::AllocaOp::create(e.b, e.loc,
                                    MemRefType::get({elements}, type),
                                    e.b.getI64IntegerAttr(64));
  };
  Type accumulator = kernel.accumulator;
  Value scratch;
  if (kernel.dot) {
    // Whole vectors of words are written, and whole tiles of them read.
    int64_t numWords =
        llvm::alignTo(columns.getNumWords().value_or(
                          llvm::divideCeil(blocking.depth, kernel.dot.group)),
                      kernel.lanes);
    block.wordStride = numWords;
    if (!p.rowPanels)
      block.words = allocate(blocking.rows * block.wordStride, accumulator);
    if (kernel.dot.hasWideWords)
      block.wideWords =
          allocate(2 * blocking.rows * block.wordStride, accumulator);
    if (!columns.isInPlace())
      scratch = allocate(numWords * width, accumulator);
    if (!isPacked && !columns.getNumWords())
      block.rawPanel =
          allocate(numWords * width * kernel.dot.group, e.b.getI8Type());
    if (quantized.needsRowSums() && !p.rowPanels)
      block.rowSums = allocate(blocking.rows, accumulator);
    if (quantized.needsColumnSums() && !isPacked)
      block.columnSums = allocate(blocking.panels * width, accumulator);
  } else if (!isPacked && !columns.isInPlace()) {
    scratch = allocate(blocking.panels * blocking.depth * width, accumulator);
  }
  block.partialStride = blocking.panels * width;
  if (blocking.splitsDepth)
    block.partial = allocate(blocking.rows * block.partialStride, accumulator);
  block.edge = allocate(kernel.rows * width, accumulator);
  if (kernel.dot.usesTiles)
    block.zeroTiles = allocateZeros(e, kernel);

  // One turn at least, so that an empty sum is stored as well.
  Value end = e.max(p.k, e.index(1));
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
    emitDepthBlock(block, endSlot, scratch);
  });
}

void GemmEmitter::emitDepthBlock(Block &block, Value endSlot, Value scratch) {
  if (kernel.dot && !p.rowPanels) {
    Value endRow = e.min(e.add(block.firstRow, e.index(blocking.rows)), p.m);
    quantized.packRows(block.outer, block.firstRow, endRow, block.k,
                       block.depth, block.words, block.wordStride,
                       block.rowSums, block.isFirst, block.wideWords);
  }
  auto forEachPanel = [&](llvm::function_ref<void(Value)> emit) {
    e.forLoop(block.firstSlot, endSlot, kernel.vectors, emit);
  };
  // Of floats, the scratch holds all panels.
  auto getPlace = [&](Value slot) {
    return e.mul(e.sub(slot, block.firstSlot),
                 e.index(blocking.depth * kernel.lanes));
  };
  auto packFloats = [&](Value slot) {
    columns.pack(e, kernel, block.outer, slot, block.k, block.depth, scratch,
                 getPlace(slot));
  };
  auto useFloats = [&](Tile &tile, Value slot) {
    tile.panel = scratch;
    tile.panelOffset = getPlace(slot);
  };
  if (blocking.sweepsRows) {
    forEachPanel(packFloats);
    return forEachRow(block, [&](Value row) {
      forEachPanel([&](Value slot) {
        Tile tile = makeTile(block, slot);
        useFloats(tile, slot);
        emitRow(block, tile, row);
      });
    });
  }
  forEachPanel([&](Value slot) {
    Tile tile = makeTile(block, slot);
    auto packed = columns.getPanel(e, block.outer, slot, block.k);
    tile.isConverted = !packed;
    if (columns.isInPlace()) {
      ColumnWords words =
          columns.getWords(e, block.outer, slot, block.k, block.depth);
      tile.panel = words.buffer;
      tile.panelOffset = words.offset;
      tile.loops = words.loops;
    } else if (packed) {
      std::tie(tile.panel, tile.panelOffset) = *packed;
    } else if (!kernel.dot) {
      packFloats(slot);
      useFloats(tile, slot);
    }
    for (const ColumnSlot &column : tile.slots)
      if (Value zeros =
              quantized.getColumnZeros(block.outer, column, alwaysFull))
        tile.zeros.push_back(zeros);
    if (kernel.dot && !columns.isInPlace())
      packQuantized(block, tile, slot, scratch);
    forEachRow(block, [&](Value row) { emitRow(block, tile, row); });
  });
}

/// Makes a panel of words, unless the kernel reads a packed one better itself.
void GemmEmitter::packQuantized(const Block &block, Tile &tile, Value slot,
                                Value scratch) {
  bool isPacked = !tile.isConverted;
  if (auto sums = columns.getColumnSums(e, block.outer, slot)) {
    std::tie(tile.columnSums, tile.columnSumsOffset) = *sums;
  } else {
    tile.columnSums = block.columnSums;
    tile.columnSumsOffset = tile.partialOffset;
  }
  if (auto order = columns.getOrder(e, block.outer, slot))
    std::tie(tile.order, tile.orderOffset) = *order;
  Value zero = e.index(0);
  if (columns.getNumWords()) {
    columns.packWords(e, block.outer, slot, scratch, zero, tile.columnSums,
                      tile.columnSumsOffset);
  } else if (!isPacked) {
    // Rows of bytes first, which the source knows how to read.
    MicroKernel raw = kernel;
    raw.accumulator = e.b.getI8Type();
    columns.pack(e, raw, block.outer, slot, block.k, block.depth,
                 block.rawPanel, zero);
    quantized.packColumns(block.rawPanel, block.depth, scratch, zero,
                          tile.zeros, tile.columnSums, tile.columnSumsOffset,
                          block.isFirst);
  } else {
    // Words of bytes are as good as new; wider ones are worth making if many
    // rows read them.
    if (!kernel.dot.takesDifferences() || blocking.readsPackedOnce)
      return;
    quantized.widenPanel(tile.panel, tile.panelOffset,
                         e.ceilDiv(block.depth, kernel.dot.group), scratch,
                         tile.zeros);
  }
  tile.panel = scratch;
  tile.panelOffset = zero;
  tile.isConverted = true;
}

GemmEmitter::Tile GemmEmitter::makeTile(const Block &block, Value slot) {
  Tile tile;
  tile.partialOffset =
      e.mul(e.sub(slot, block.firstSlot), e.index(kernel.lanes));
  tile.slot = slot;
  for (int64_t v = 0; v < kernel.vectors; ++v)
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
  return tile;
}

void GemmEmitter::forEachRow(const Block &block,
                             llvm::function_ref<void(Value)> emit) {
  Value end = e.min(e.add(block.firstRow, e.index(blocking.rows)), p.m);
  e.forLoop(block.firstRow, end, kernel.rows, emit);
}

/// The tile of a panel that begins at `row`.
void GemmEmitter::emitRow(const Block &block, Tile tile, Value row) {
  std::optional<int64_t> m = e.asConstant(p.m);
  tile.row = row;
  tile.rows = kernel.rows;
  if (kernel.dot.usesTiles)
    return emitTileUnit(block, tile);
  // Where few rows are left, the last one is computed again for those that do
  // not exist, unless that were much of the work.
  int64_t rest = m ? *m % kernel.rows : 0;
  bool hasTail = rest && (kernel.rows - rest) * 16 > *m;
  if (m && !rest)
    return emitTile(block, tile);
  Value fits = e.compare(arith::CmpIPredicate::sle,
                         e.add(row, e.index(kernel.rows)), p.m);
  if (!hasTail) {
    tile.rowsFit = fits;
    return emitTile(block, tile);
  }
  Tile tail = tile;
  tail.rows = rest;
  e.ifThen(
      fits, [&] { emitTile(block, tile); }, [&] { emitTile(block, tail); });
}

/// The sums of one tile over the block's depth.
SmallVector<Value> GemmEmitter::emitDepth(const Block &block, const Tile &tile,
                                          ArrayRef<Value> rowOffsets,
                                          SmallVector<Value> sums) {
  if (p.rowPanels) {
    ColumnWords words{tile.panel, tile.panelOffset, tile.loops};
    if (words.loops.empty())
      words.loops.push_back(
          {getNumWords(block.depth), e.index(kernel.columns())});
    return p.rowPanels->emitProducts(e, kernel, block.outer, tile.row,
                                     e.floorDiv(block.k, kernel.dot.group),
                                     words, std::move(sums));
  }
  if (tile.order)
    return emitOrderedPanel(
        e, kernel, quantized,
        {tile.panel, tile.panelOffset, tile.order, tile.orderOffset},
        {block.words, block.wideWords, rowOffsets}, block.depth,
        std::move(sums));
  auto step = [&](Value k, ValueRange in) {
    SmallVector<Value> out(in);
    SmallVector<Value> panel;
    Value at = e.add(tile.panelOffset, e.mul(k, e.index(kernel.columns())));
    for (int64_t v = 0; v < kernel.vectors; ++v) {
      Value vector = e.loadVector(
          tile.panel, e.add(at, e.index(v * kernel.lanes)), kernel.lanes);
      if (!tile.isConverted && kernel.dot)
        vector = quantized.unpack(vector,
                                  tile.zeros.empty() ? Value() : tile.zeros[v]);
      else if (!tile.isConverted)
        vector = emitFactor(e, kernel, p.factorB, vector, kernel.lanes);
      panel.push_back(vector);
    }
    for (int64_t r = 0; r < tile.rows; ++r) {
      Value factor;
      if (kernel.dot) {
        factor = e.load(block.words, e.add(rowOffsets[r], k));
      } else {
        Value element = e.load(
            p.a.buffer, e.add(rowOffsets[r], e.mul(k, p.a.columnStride)));
        factor = emitFactor(e, kernel, p.factorA, element, 0);
      }
      factor = e.splat(factor, kernel.lanes);
      for (int64_t v = 0; v < kernel.vectors; ++v) {
        Value &sum = out[r * kernel.vectors + v];
        sum = emitMultiplyAdd(e, kernel, factor, panel[v], sum);
      }
    }
    return out;
  };
  Value zero = e.index(0);
  // LLVM would add up the pairs of several steps first, and spill them.
  int64_t unroll =
      kernel.dot.takesDifferences() || kernel.dot.sumsPairs ? 1 : 4;
  Value depth = e.ceilDiv(block.depth, kernel.dot.group);
  Value main = e.mul(e.floorDiv(depth, unroll), e.index(unroll));
  sums = e.forLoop(zero, main, unroll, sums, [&](Value k, ValueRange in) {
    SmallVector<Value> out(in);
    for (int64_t i = 0; i < unroll; ++i)
      out = step(e.add(k, e.index(i)), out);
    return out;
  });
  return e.forLoop(main, depth, 1, sums,
                   [&](Value k, ValueRange in) { return step(k, in); });
}

void GemmEmitter::emitTile(const Block &block, const Tile &tile) {
  auto type = VectorType::get(kernel.lanes, kernel.accumulator);
  int64_t count = tile.rows * kernel.vectors;
  SmallVector<Value> rowOffsets;
  Value aBase = e.add(block.aBase, e.mul(block.k, p.a.columnStride));
  for (int64_t r = 0; r < tile.rows; ++r) {
    if (kernel.dot) {
      // Words have room for whole tiles: rows that do not exist are read as
      // others, all at constant distances.
      Value first =
          e.mul(e.sub(tile.row, block.firstRow), e.index(block.wordStride));
      rowOffsets.push_back(e.add(first, e.index(r * block.wordStride)));
      continue;
    }
    Value row = e.add(tile.row, e.index(r));
    if (tile.rowsFit)
      row = e.min(row, e.sub(p.m, e.index(1)));
    rowOffsets.push_back(e.add(aBase, e.mul(row, p.a.rowStride)));
  }
  auto partialAt = [&](int64_t i) {
    Value row =
        e.sub(e.add(tile.row, e.index(i / kernel.vectors)), block.firstRow);
    return e.add(
        e.mul(row, e.index(block.partialStride)),
        e.add(tile.partialOffset, e.index(i % kernel.vectors * kernel.lanes)));
  };

  SmallVector<Value> sums(count, e.zero(type));
  if (blocking.splitsDepth) {
    auto branch = scf::IfOp::create(e.b, e.loc, SmallVector<Type>(count, type),
                                    block.isFirst, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(e.b, e.loc, sums);
    e.b.setInsertionPointToStart(branch.elseBlock());
    SmallVector<Value> loaded;
    for (int64_t i = 0; i < count; ++i)
      loaded.push_back(e.loadVector(block.partial, partialAt(i), kernel.lanes));
    scf::YieldOp::create(e.b, e.loc, loaded);
    sums = branch.getResults();
  }
  sums = emitDepth(block, tile, rowOffsets, sums);

  if (!blocking.splitsDepth)
    return emitStores(block, tile, sums);
  e.ifThen(
      block.isLast, [&] { emitStores(block, tile, sums); },
      [&] {
        for (int64_t i = 0; i < count; ++i)
          e.storeVector(sums[i], block.partial, partialAt(i));
      });
}

/// The same with AMX: the sums are in memory anyway, as those at a border are.
void GemmEmitter::emitTileUnit(const Block &block, const Tile &tile) {
  Value local = e.sub(tile.row, block.firstRow);
  TileOperand sums{block.edge, e.index(0), kernel.columns()};
  if (blocking.splitsDepth)
    sums = {
        block.partial,
        e.add(e.mul(local, e.index(block.partialStride)), tile.partialOffset),
        block.partialStride};
  emitTiles(
      e, kernel,
      {block.words, e.mul(local, e.index(block.wordStride)), block.wordStride},
      {tile.panel, tile.panelOffset, kernel.columns()}, sums,
      e.ceilDiv(block.depth, kernel.dot.group), block.isFirst, block.zeroTiles);
  auto finish = [&](ArrayRef<Value> masks) {
    Value rows = e.min(e.index(kernel.rows), e.sub(p.m, tile.row));
    e.forLoop(e.index(0), rows, 1, [&](Value r) {
      Value from = e.add(sums.offset, e.mul(r, e.index(sums.rowStride)));
      SmallVector<Value> row;
      for (int64_t v = 0; v < kernel.vectors; ++v)
        row.push_back(e.loadVector(
            sums.buffer, e.add(from, e.index(v * kernel.lanes)), kernel.lanes));
      emitStore(block, tile, e.add(tile.row, r), row, masks);
    });
  };
  auto finishAll = [&] {
    if (!tile.columnsFit)
      return finish({});
    e.ifThen(
        tile.columnsFit, [&] { finish({}); }, [&] { finish(makeMasks(tile)); });
  };
  if (!blocking.splitsDepth)
    return finishAll();
  e.ifThen(block.isLast, finishAll);
}

/// What columns of a tile at the border exist.
SmallVector<Value> GemmEmitter::makeMasks(const Tile &tile) {
  SmallVector<Value> masks;
  auto type = VectorType::get(kernel.lanes, e.b.getI1Type());
  for (const ColumnSlot &slot : tile.slots)
    masks.push_back(vector::CreateMaskOp::create(e.b, e.loc, type, slot.valid));
  return masks;
}

/// Stores the sums of a tile, in one piece if all of it exists. A tile at the
/// border goes through memory, so that it needs code for one row only.
void GemmEmitter::emitStores(const Block &block, const Tile &tile,
                             ArrayRef<Value> sums) {
  int64_t vectors = kernel.vectors, lanes = kernel.lanes;
  auto storeWhole = [&] {
    for (int64_t r = 0; r < tile.rows; ++r)
      emitStore(block, tile, e.add(tile.row, e.index(r)),
                sums.slice(r * vectors, vectors), {});
  };
  Value fits = tile.rowsFit ? tile.rowsFit : tile.columnsFit;
  if (tile.rowsFit && tile.columnsFit)
    fits =
        e.b.createOrFold<arith::AndIOp>(e.loc, tile.rowsFit, tile.columnsFit);
  if (!fits)
    return storeWhole();
  e.ifThen(fits, storeWhole, [&] {
    for (auto [i, sum] : llvm::enumerate(sums))
      e.storeVector(sum, block.edge, e.index(i * lanes));
    SmallVector<Value> masks = makeMasks(tile);
    SmallVector<SmallVector<ColumnPiece>> pieces;
    for (int64_t v = 0; v < vectors && columns.isInPlace(); ++v)
      pieces.push_back(columns.getPieces(e, e.add(tile.slot, e.index(v))));
    Value rows = e.index(tile.rows);
    if (tile.rowsFit)
      rows = e.min(e.sub(p.m, tile.row), rows);
    e.forLoop(e.index(0), rows, 1, [&](Value r) {
      SmallVector<Value> row;
      for (int64_t v = 0; v < vectors; ++v)
        row.push_back(e.loadVector(
            block.edge,
            e.add(e.mul(r, e.index(vectors * lanes)), e.index(v * lanes)),
            lanes));
      if (!columns.isInPlace())
        return emitStore(block, tile, e.add(tile.row, r), row, masks);
      emitPieces(block, tile, e.add(tile.row, r), row, pieces);
    });
  });
}

/// Corrects the sums of quantized operands by their zero points.
SmallVector<Value> GemmEmitter::correct(const Block &block, const Tile &tile,
                                        Value row, ArrayRef<Value> sums) {
  SmallVector<Value> corrected(sums);
  if (kernel.dot) {
    Value rowSum, columnSum;
    if (block.rowSums)
      rowSum = e.load(block.rowSums, e.sub(row, block.firstRow));
    else if (p.rowPanels && quantized.needsRowSums())
      rowSum = p.rowPanels->getRowSum(e, block.outer, row);
    for (int64_t v = 0; v < kernel.vectors; ++v) {
      if (tile.columnSums)
        columnSum = e.loadVector(
            tile.columnSums,
            e.add(tile.columnSumsOffset, e.index(v * kernel.lanes)),
            kernel.lanes);
      corrected[v] = quantized.correct(
          block.outer, sums[v], row,
          tile.zeros.empty() ? Value() : tile.zeros[v], rowSum, columnSum);
    }
  }
  return corrected;
}

void GemmEmitter::emitStore(const Block &block, const Tile &tile, Value row,
                            ArrayRef<Value> sums, ArrayRef<Value> masks) {
  SmallVector<Value> columns;
  for (const ColumnSlot &slot : tile.slots)
    columns.push_back(slot.offset);
  emitOutputs(e, p, kernel, block.outputs, row, columns,
              correct(block, tile, row, sums), masks);
}

/// The same for slots whose columns are not all there, or not one after the
/// other.
void GemmEmitter::emitPieces(const Block &block, const Tile &tile, Value row,
                             ArrayRef<Value> sums,
                             ArrayRef<SmallVector<ColumnPiece>> pieces) {
  for (auto [sum, places] :
       llvm::zip_equal(correct(block, tile, row, sums), pieces))
    for (const ColumnPiece &piece : places)
      e.ifThen(piece.exists, [&, sum = sum] {
        emitOutputs(e, p, kernel, block.outputs, row, piece.offset, sum,
                    piece.mask);
      });
}

Blocking quantc::emitGemm(KernelEmitter &e, const GemmProblem &problem,
                          const MicroKernel &kernel, ColumnSource &columns,
                          bool useThreads) {
  GemmBlocking blocking = GemmBlocking::choose(e, problem, kernel, columns);
  GemmEmitter(e, problem, kernel, columns, blocking).emit(useThreads);
  return {kernel.rows, kernel.vectors, blocking.depth, blocking.rows,
          blocking.panels * kernel.columns()};
}
