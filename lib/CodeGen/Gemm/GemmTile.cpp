//===- GemmTile.cpp - Tiles of a blocked matrix product -------------------===//

#include "GemmTile.h"

#include "CodeGen/Target/TileUnit.h"
#include "OrderedPanel.h"
#include "RowPanels.h"

using namespace mlir;
using namespace quantc;

/// How many words a panel holds for `depth` elements along k.
static Value getNumWords(KernelEmitter &e, const MicroKernel &kernel,
                         const ColumnSource &columns, Value depth) {
  if (std::optional<int64_t> all = columns.getNumWords())
    return e.index(*all);
  return e.ceilDiv(depth, kernel.dot.group);
}

/// The micro-kernel with as many vectors as the tile has.
MicroKernel GemmTileEmitter::getKernel(const GemmTile &tile) const {
  MicroKernel narrow = kernel;
  narrow.vectors = tile.vectors();
  return narrow;
}

/// The tile of a panel that begins at `row`.
void GemmTileEmitter::emitRow(const GemmBlock &block, GemmTile tile,
                              Value row) {
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
    if (m || kernel.rows == 1 || !columns.isPacked() || !p.oftenHasOneRow)
      return emitTile(block, tile);
    // A decoder multiplies one row most of the time, and reads all weights for
    // it.
    GemmTile single = tile;
    single.rows = 1;
    single.rowsFit = nullptr;
    Value isSingle =
        e.compare(arith::CmpIPredicate::eq, e.add(row, e.index(1)), p.m);
    return e.ifThen(
        isSingle, [&] { emitTile(block, single); },
        [&] { emitTile(block, tile); });
  }
  GemmTile tail = tile;
  tail.rows = rest;
  e.ifThen(
      fits, [&] { emitTile(block, tile); }, [&] { emitTile(block, tail); });
}

/// Reads a part of the next panel ahead, while `steps` words along k from `k`
/// on are multiplied: all tiles of this panel together read all of it.
void GemmTileEmitter::emitPrefetch(const GemmBlock &block, const GemmTile &tile,
                                   Value k, int64_t steps) {
  if (!tile.nextPanel)
    return;
  int64_t tiles = blocking.rows / kernel.rows;
  int64_t share = llvm::divideCeil(kernel.columns(), tiles);
  Value depth = e.ceilDiv(block.depth, kernel.dot.group);
  Value index = e.floorDiv(e.sub(tile.row, block.firstRow), kernel.rows);
  e.prefetch(tile.nextPanel,
             e.add(tile.nextPanelOffset,
                   e.mul(e.add(e.mul(index, depth), k), e.index(share))),
             steps * share);
}

/// The sums of one tile over the block's depth.
SmallVector<Value> GemmTileEmitter::emitDepth(const GemmBlock &block,
                                              const GemmTile &tile,
                                              ArrayRef<Value> rowOffsets,
                                              SmallVector<Value> sums) {
  if (p.rowPanels) {
    ColumnWords words{tile.panel, tile.panelOffset, tile.loops};
    if (words.loops.empty())
      words.loops.push_back({getNumWords(e, kernel, columns, block.depth),
                             e.index(kernel.columns())});
    return p.rowPanels->emitProducts(e, getKernel(tile), block.outer, tile.row,
                                     e.floorDiv(block.k, kernel.dot.group),
                                     words, std::move(sums));
  }
  if (tile.order)
    return emitOrderedPanel(
        e, kernel, wordPanels,
        {tile.panel, tile.panelOffset, tile.order, tile.orderOffset},
        {block.words, rowOffsets}, block.depth, std::move(sums));
  auto step = [&](Value k, Value aStep, ValueRange in) {
    SmallVector<Value> out(in);
    SmallVector<Value> panel;
    Value at = e.add(tile.panelOffset, e.mul(k, e.index(kernel.columns())));
    for (int64_t v = 0; v < tile.vectors(); ++v) {
      Value vector = e.loadVector(
          tile.panel, e.add(at, e.index(v * kernel.lanes)), kernel.lanes);
      if (!tile.isConverted && kernel.dot)
        vector = wordPanels.unpack(vector, tile.zeros.empty() ? Value()
                                                              : tile.zeros[v]);
      else if (!tile.isConverted)
        vector = emitFactor(e, kernel, p.factorB, vector, kernel.lanes);
      panel.push_back(vector);
    }
    for (int64_t r = 0; r < tile.rows; ++r) {
      Value factor;
      if (kernel.dot) {
        factor = e.load(block.words, e.add(rowOffsets[r], k));
      } else {
        Value element = e.load(p.a.buffer, e.add(rowOffsets[r], aStep));
        factor = emitFactor(e, kernel, p.factorA, element, 0);
      }
      factor = e.splat(factor, kernel.lanes);
      for (int64_t v = 0; v < tile.vectors(); ++v) {
        Value &sum = out[r * tile.vectors() + v];
        sum = emitMultiplyAdd(e, kernel, factor, panel[v], sum);
      }
    }
    return out;
  };
  // LLVM would add up the pairs of several steps first, and spill them.
  int64_t unroll =
      kernel.dot.takesDifferences() || kernel.dot.sumsPairs ? 1 : 4;
  // From `first` on, where the rows of A are `aFirst` further.
  auto emitSteps = [&](Value first, Value aFirst, Value count, ValueRange in) {
    auto body = [&](int64_t steps) {
      return [&, steps](Value i, ValueRange in) {
        SmallVector<Value> out(in);
        emitPrefetch(block, tile, e.add(first, i), steps);
        for (int64_t j = 0; j < steps; ++j) {
          Value k = e.add(i, e.index(j));
          out = step(e.add(first, k), e.add(aFirst, e.mul(k, p.a.columnStride)),
                     out);
        }
        return out;
      };
    };
    Value zero = e.index(0);
    Value main = e.mul(e.floorDiv(count, unroll), e.index(unroll));
    SmallVector<Value> out = e.forLoop(zero, main, unroll, in, body(unroll));
    return e.forLoop(main, count, 1, out, body(1));
  };
  Value zero = e.index(0), depth = e.ceilDiv(block.depth, kernel.dot.group);
  if (kernel.dot || !p.lines || blocking.depth <= p.lines->segment)
    return emitSteps(zero, zero, depth, sums);
  Value segment = e.index(p.lines->segment);
  return e.forLoop(zero, e.floorDiv(depth, p.lines->segment), 1, sums,
                   [&](Value i, ValueRange in) {
                     return emitSteps(e.mul(i, segment),
                                      e.mul(i, p.lines->segmentStride), segment,
                                      in);
                   });
}

void GemmTileEmitter::emitTile(const GemmBlock &block, const GemmTile &tile) {
  auto type = VectorType::get(kernel.lanes, kernel.accumulator);
  int64_t count = tile.rows * tile.vectors();
  SmallVector<Value> rowOffsets;
  Value aBase = e.add(block.aBase, p.getStepOffset(e, block.k));
  // Where lines are whole tiles, a tile is in one of them.
  std::optional<int64_t> width =
      p.lines ? e.asConstant(p.lines->width) : std::nullopt;
  bool isInLine = width && *width % kernel.rows == 0;
  // Without a constant to divide by, rows are looked for one after the other.
  SmallVector<Value> walked;
  if (p.lines && !width && !kernel.dot)
    walked = p.getRowOffsets(e, tile.row, tile.rows);
  for (int64_t r = 0; r < tile.rows; ++r) {
    if (kernel.dot) {
      // Words have room for whole tiles: rows that do not exist are read as
      // others, all at constant distances.
      Value first =
          e.mul(e.sub(tile.row, block.firstRow), e.index(block.wordStride));
      rowOffsets.push_back(e.add(first, e.index(r * block.wordStride)));
      continue;
    }
    if (!walked.empty()) {
      rowOffsets.push_back(e.add(aBase, walked[r]));
      continue;
    }
    Value row = e.add(tile.row, e.index(r));
    if (tile.rowsFit)
      row = e.min(row, e.sub(p.m, e.index(1)));
    if (isInLine && r)
      rowOffsets.push_back(
          e.add(rowOffsets[0], e.mul(e.index(r), p.a.rowStride)));
    else
      rowOffsets.push_back(e.add(aBase, p.getRowOffset(e, row)));
  }
  auto partialAt = [&](int64_t i) {
    Value row =
        e.sub(e.add(tile.row, e.index(i / tile.vectors())), block.firstRow);
    return e.add(
        e.mul(row, e.index(block.partialStride)),
        e.add(tile.partialOffset, e.index(i % tile.vectors() * kernel.lanes)));
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
void GemmTileEmitter::emitTileUnit(const GemmBlock &block,
                                   const GemmTile &tile) {
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
      for (int64_t v = 0; v < tile.vectors(); ++v)
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
SmallVector<Value> GemmTileEmitter::makeMasks(const GemmTile &tile) {
  SmallVector<Value> masks;
  auto type = VectorType::get(kernel.lanes, e.b.getI1Type());
  for (const ColumnSlot &slot : tile.slots)
    masks.push_back(vector::CreateMaskOp::create(e.b, e.loc, type, slot.valid));
  return masks;
}

/// Stores the sums of a tile, in one piece if all of it exists. A tile at the
/// border goes through memory, so that it needs code for one row only.
void GemmTileEmitter::emitStores(const GemmBlock &block, const GemmTile &tile,
                                 ArrayRef<Value> sums) {
  int64_t vectors = tile.vectors(), lanes = kernel.lanes;
  auto storeWhole = [&] {
    // As many rows as become outputs at a time.
    int64_t atOnce =
        std::max<int64_t>(1, getOutputsAtOnce(p, kernel) / vectors);
    SmallVector<OutputVector> outputs;
    for (int64_t r = 0; r < tile.rows; ++r) {
      addOutputs(block, tile, e.add(tile.row, e.index(r)),
                 sums.slice(r * vectors, vectors), {}, outputs);
      if ((r + 1) % atOnce != 0 && r + 1 < tile.rows)
        continue;
      emitOutputs(e, p, kernel, block.outputs, outputs);
      outputs.clear();
    }
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
SmallVector<Value> GemmTileEmitter::correct(const GemmBlock &block,
                                            const GemmTile &tile, Value row,
                                            ArrayRef<Value> sums) {
  SmallVector<Value> corrected(sums);
  if (kernel.dot) {
    Value rowSum, columnSum;
    if (block.rowSums)
      rowSum = e.load(block.rowSums, e.sub(row, block.firstRow));
    else if (p.rowPanels && wordPanels.needsRowSums())
      rowSum = p.rowPanels->getRowSum(e, block.outer, row);
    for (int64_t v = 0; v < tile.vectors(); ++v) {
      if (tile.columnSums)
        columnSum = e.loadVector(
            tile.columnSums,
            e.add(tile.columnSumsOffset, e.index(v * kernel.lanes)),
            kernel.lanes);
      corrected[v] = wordPanels.correct(
          block.outer, sums[v], row,
          tile.zeros.empty() ? Value() : tile.zeros[v], rowSum, columnSum);
    }
  }
  return corrected;
}

/// Adds the sums of a row, corrected, to `outputs`.
void GemmTileEmitter::addOutputs(const GemmBlock &block, const GemmTile &tile,
                                 Value row, ArrayRef<Value> sums,
                                 ArrayRef<Value> masks,
                                 SmallVectorImpl<OutputVector> &outputs) {
  for (auto [v, sum] : llvm::enumerate(correct(block, tile, row, sums)))
    outputs.push_back(
        {row, tile.slots[v].offset, sum, masks.empty() ? Value() : masks[v]});
}

void GemmTileEmitter::emitStore(const GemmBlock &block, const GemmTile &tile,
                                Value row, ArrayRef<Value> sums,
                                ArrayRef<Value> masks) {
  SmallVector<OutputVector> outputs;
  addOutputs(block, tile, row, sums, masks, outputs);
  emitOutputs(e, p, kernel, block.outputs, outputs);
}

/// The same for slots whose columns are not all there, or not one after the
/// other.
void GemmTileEmitter::emitPieces(const GemmBlock &block, const GemmTile &tile,
                                 Value row, ArrayRef<Value> sums,
                                 ArrayRef<SmallVector<ColumnPiece>> pieces) {
  for (auto [sum, places] :
       llvm::zip_equal(correct(block, tile, row, sums), pieces))
    for (const ColumnPiece &piece : places)
      e.ifThen(piece.exists, [&, sum = sum] {
        emitOutputs(e, p, kernel, block.outputs,
                    OutputVector{row, piece.offset, sum, piece.mask});
      });
}
