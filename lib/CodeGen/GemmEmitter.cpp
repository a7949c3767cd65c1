//===- GemmEmitter.cpp - Blocked matrix products --------------------------===//

#include "QuantizedPanels.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

/// Products with fewer multiplications than this run on one thread: starting
/// the others costs a few microseconds.
static constexpr int64_t kParallelWork = 400000;
/// Depth of a block of B, in words: a panel of it fits half of a first-level
/// cache.
static constexpr int64_t kBlockDepth = 256;
/// Up to here a product is not split along k.
static constexpr int64_t kMaxUnsplitDepth = 512;
static constexpr int64_t kBlockRows = 144;
static constexpr int64_t kBlockColumns = 128;

Value quantc::emitExpression(KernelEmitter &e, Value value, int64_t lanes,
                             llvm::DenseMap<Value, Value> &known) {
  if (Value found = known.lookup(value))
    return found;
  auto toVector = [&](Type type) -> Type {
    return lanes ? VectorType::get(lanes, type) : type;
  };
  Operation *op = value.getDefiningOp();
  Value result;
  Attribute constant;
  if (matchPattern(value, m_Constant(&constant))) {
    auto typed = cast<TypedAttr>(constant);
    if (lanes)
      typed = DenseElementsAttr::get(
          cast<VectorType>(toVector(value.getType())), constant);
    result = arith::ConstantOp::create(e.b, e.loc, typed);
  } else if (!op || !op->hasTrait<OpTrait::Elementwise>()) {
    // A scalar from outside of the expression.
    result = lanes ? e.splat(value, lanes) : value;
  } else {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(emitExpression(e, operand, lanes, known));
    OperationState state(e.loc, op->getName());
    state.addOperands(operands);
    state.addTypes(toVector(value.getType()));
    state.addAttributes(op->getAttrs());
    result = e.b.create(state)->getResult(0);
  }
  known[value] = result;
  return result;
}

static Value toAccumulator(KernelEmitter &e, const MicroKernel &kernel,
                           Value value) {
  Type type = value.getType();
  auto vector = dyn_cast<VectorType>(type);
  Type element = vector ? vector.getElementType() : type;
  if (element == kernel.accumulator)
    return value;
  Type target =
      vector ? Type(VectorType::get(vector.getShape(), kernel.accumulator))
             : kernel.accumulator;
  if (isa<FloatType>(element))
    return arith::ExtFOp::create(e.b, e.loc, target, value);
  return arith::ExtSIOp::create(e.b, e.loc, target, value);
}

Value quantc::emitFactor(KernelEmitter &e, const MicroKernel &kernel,
                         const FactorExpression &factor, Value loaded,
                         int64_t lanes) {
  llvm::DenseMap<Value, Value> known;
  known[factor.element] = loaded;
  for (auto [argument, scalar] : factor.scalars)
    known[argument] = lanes ? e.splat(scalar, lanes) : scalar;
  return toAccumulator(e, kernel,
                       emitExpression(e, factor.result, lanes, known));
}

namespace {
class GemmEmitter {
public:
  GemmEmitter(KernelEmitter &e, const GemmProblem &p, const MicroKernel &kernel,
              ColumnSource &columns)
      : e(e), p(p), kernel(kernel), columns(columns), quantized(e, p, kernel) {}

  void emit(bool useThreads);

private:
  /// The part of a task that is the same for all of its micro-kernels.
  struct Block {
    SmallVector<Value> outer;
    Value aBase, cBase, outBase;
    SmallVector<Value> inputBases;
    Value firstRow, firstSlot;
    Value k, depth;
    Value isFirst, isLast; // Null when k is not split.
    Value partial;         // Sums so far, when k is split.
    int64_t partialStride;
    // Of quantized operands.
    Value words, rawPanel, rowSums, columnSums;
    int64_t wordStride;
  };
  struct Tile {
    Value row;
    int64_t rows;
    bool clampRows;
    Value panel, panelOffset;
    bool isConverted; // Whether the panel holds factors, not elements.
    SmallVector<ColumnSlot> slots;
    SmallVector<Value> masks;
    Value partialOffset;
    SmallVector<Value> zeros; // Zero points of the columns, or empty.
    Value columnSums, columnSumsOffset;
  };

  void emitTask(Value task);
  void emitDepthBlock(Block &block, Value endSlot, Value scratch);
  void packQuantized(const Block &block, Tile &tile, Value slot, Value scratch);
  void emitPanel(const Block &block, Tile tile);
  Tile makeTile(const Block &block, Value slot);
  void emitRows(const Block &block, Tile tile);
  void emitTile(const Block &block, const Tile &tile);
  SmallVector<Value> emitDepth(const Block &block, const Tile &tile,
                               ArrayRef<Value> rowOffsets,
                               SmallVector<Value> sums);
  void emitStore(const Block &block, const Tile &tile, int64_t row,
                 ArrayRef<Value> sums);
  Value multiplyAdd(Value a, Value b, Value sum);
  Value toAccumulator(Value value) { return ::toAccumulator(e, kernel, value); }
  Value offsetOf(ValueRange outer, const StridedMatrix &matrix);
  Type elementOf(const StridedMatrix &matrix) {
    return cast<MemRefType>(matrix.buffer.getType()).getElementType();
  }

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  ColumnSource &columns;
  QuantizedPanels quantized;

  int64_t blockRows, blockPanels, blockDepth;
  bool splitsDepth, alwaysFull;
  Value numRowBlocks, numSlots, numColumnBlocks;
};
} // namespace

Value GemmEmitter::offsetOf(ValueRange outer, const StridedMatrix &matrix) {
  Value offset = e.index(0);
  for (auto [i, stride] : llvm::zip(outer, matrix.outerStrides))
    offset = e.add(offset, e.mul(i, stride));
  return offset;
}

void GemmEmitter::emit(bool useThreads) {
  std::optional<int64_t> m = e.asConstant(p.m), k = e.asConstant(p.k);
  // Blocks of rows of about the same size.
  int64_t numBlocks =
      m ? llvm::divideCeil(std::max<int64_t>(*m, 1), kBlockRows) : 1;
  int64_t rows =
      m ? llvm::divideCeil(std::max<int64_t>(*m, 1), numBlocks) : kBlockRows;
  blockRows = llvm::alignTo(rows, kernel.rows);
  numRowBlocks = e.ceilDiv(p.m, blockRows);

  numSlots = columns.getNumSlots(e);
  blockPanels = std::max<int64_t>(1, kBlockColumns / kernel.columns());
  if (std::optional<int64_t> slots = e.asConstant(numSlots)) {
    // Enough blocks for a few threads, if there are enough panels.
    int64_t panels = llvm::divideCeil(*slots, kernel.vectors);
    blockPanels = std::min(blockPanels,
                           std::max<int64_t>(2, llvm::divideCeil(panels, 4)));
  }
  numColumnBlocks = e.ceilDiv(numSlots, blockPanels * kernel.vectors);
  std::optional<int64_t> count = e.asConstant(numSlots);
  alwaysFull =
      columns.hasOnlyFullSlots() && count && *count % kernel.vectors == 0;

  int64_t group = kernel.dot.group;
  splitsDepth = !k || *k > kMaxUnsplitDepth * group;
  blockDepth = columns.getBlockDepth(splitsDepth ? kBlockDepth * group : *k);
  if (k && *k <= blockDepth)
    splitsDepth = false;
  blockDepth = std::max<int64_t>(1, blockDepth);

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
  e.parallelFor(tasks, condition, [&](Value task) { emitTask(task); });
}

void GemmEmitter::emitTask(Value task) {
  SmallVector<Value> sizes(p.outerSizes);
  sizes.append({numRowBlocks, numColumnBlocks});
  SmallVector<Value> indices = e.delinearize(task, sizes);
  int64_t blockSlots = blockPanels * kernel.vectors;

  Block block;
  block.outer.assign(indices.begin(), indices.end() - 2);
  block.aBase = offsetOf(block.outer, p.a);
  block.cBase = offsetOf(block.outer, p.c);
  block.outBase = offsetOf(block.outer, p.output);
  for (const StridedMatrix &input : p.epilogueInputs)
    block.inputBases.push_back(input.buffer ? offsetOf(block.outer, input)
                                            : Value());
  block.firstRow = e.mul(indices[indices.size() - 2], e.index(blockRows));
  block.firstSlot = e.mul(indices.back(), e.index(blockSlots));
  Value endSlot = e.min(e.add(block.firstSlot, e.index(blockSlots)), numSlots);

  Value zero = e.index(0);
  bool isPacked =
      columns.getPanel(e, block.outer, block.firstSlot, zero).has_value();
  int64_t width = kernel.columns();
  auto allocate = [&](int64_t elements, Type type) -> Value {
    return memref::AllocaOp::create(e.b, e.loc,
                                    MemRefType::get({elements}, type),
                                    e.b.getI64IntegerAttr(64));
  };
  Type accumulator = kernel.accumulator;
  Value scratch;
  int64_t numWords = llvm::divideCeil(blockDepth, kernel.dot.group);
  if (kernel.dot) {
    block.wordStride = llvm::alignTo(numWords, kernel.lanes);
    block.words = allocate(blockRows * block.wordStride, accumulator);
    scratch = allocate(numWords * width, accumulator);
    if (!isPacked)
      block.rawPanel =
          allocate(numWords * width * kernel.dot.group, e.b.getI8Type());
    if (quantized.needsRowSums())
      block.rowSums = allocate(blockRows, accumulator);
    if (quantized.needsColumnSums() && !isPacked)
      block.columnSums = allocate(blockPanels * width, accumulator);
  } else if (!isPacked) {
    scratch = allocate(blockPanels * blockDepth * width, accumulator);
  }
  block.partialStride = blockPanels * width;
  if (splitsDepth)
    block.partial = allocate(blockRows * block.partialStride, accumulator);

  // One turn at least, so that an empty sum is stored as well.
  Value end = e.max(p.k, e.index(1));
  e.forLoop(zero, end, blockDepth, [&](Value k) {
    block.k = k;
    block.depth = splitsDepth ? e.min(e.sub(p.k, k), e.index(blockDepth)) : p.k;
    std::optional<int64_t> size = e.asConstant(p.k);
    if (splitsDepth && size && *size % blockDepth == 0)
      block.depth = e.index(blockDepth);
    if (splitsDepth) {
      block.isFirst = e.compare(arith::CmpIPredicate::eq, k, zero);
      block.isLast = e.compare(arith::CmpIPredicate::sge,
                               e.add(k, e.index(blockDepth)), p.k);
    }
    emitDepthBlock(block, endSlot, scratch);
  });
}

void GemmEmitter::emitDepthBlock(Block &block, Value endSlot, Value scratch) {
  if (kernel.dot) {
    Value endRow = e.min(e.add(block.firstRow, e.index(blockRows)), p.m);
    quantized.packRows(block.outer, block.firstRow, endRow, block.k,
                       block.depth, block.words, block.wordStride,
                       block.rowSums, block.isFirst);
  }
  e.forLoop(block.firstSlot, endSlot, kernel.vectors, [&](Value slot) {
    Tile tile = makeTile(block, slot);
    auto packed = columns.getPanel(e, block.outer, slot, block.k);
    tile.isConverted = !packed;
    if (packed) {
      std::tie(tile.panel, tile.panelOffset) = *packed;
    } else if (!kernel.dot) {
      tile.panel = scratch;
      tile.panelOffset = e.mul(e.sub(slot, block.firstSlot),
                               e.index(blockDepth * kernel.lanes));
      columns.pack(e, kernel, block.outer, slot, block.k, block.depth, scratch,
                   tile.panelOffset);
    }
    if (kernel.dot)
      packQuantized(block, tile, slot, scratch);
    emitPanel(block, tile);
  });
}

/// Makes a panel of words, unless the kernel reads a packed one better itself.
void GemmEmitter::packQuantized(const Block &block, Tile &tile, Value slot,
                                Value scratch) {
  bool isPacked = !tile.isConverted;
  for (const ColumnSlot &column : tile.slots)
    if (Value zeros = quantized.getColumnZeros(block.outer, column, alwaysFull))
      tile.zeros.push_back(zeros);
  if (auto sums = columns.getColumnSums(e, block.outer, slot)) {
    std::tie(tile.columnSums, tile.columnSumsOffset) = *sums;
  } else {
    tile.columnSums = block.columnSums;
    tile.columnSumsOffset = tile.partialOffset;
  }
  Value zero = e.index(0);
  if (!isPacked) {
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
    std::optional<int64_t> m = e.asConstant(p.m);
    if (!kernel.dot.takesDifferences() || (m && *m <= 2 * kernel.rows))
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
  for (int64_t v = 0; v < kernel.vectors; ++v)
    tile.slots.push_back(columns.getSlot(e, e.add(slot, e.index(v))));
  return tile;
}

void GemmEmitter::emitPanel(const Block &block, Tile tile) {
  Value isFull;
  for (const ColumnSlot &slot : tile.slots) {
    Value full =
        e.compare(arith::CmpIPredicate::sge, slot.valid, e.index(kernel.lanes));
    isFull =
        isFull ? e.b.createOrFold<arith::AndIOp>(e.loc, isFull, full) : full;
  }
  if (alwaysFull)
    return emitRows(block, tile);
  e.ifThen(
      isFull, [&] { emitRows(block, tile); },
      [&] {
        auto type = VectorType::get(kernel.lanes, e.b.getI1Type());
        for (const ColumnSlot &slot : tile.slots)
          tile.masks.push_back(
              vector::CreateMaskOp::create(e.b, e.loc, type, slot.valid));
        emitRows(block, tile);
      });
}

void GemmEmitter::emitRows(const Block &block, Tile tile) {
  Value end = e.min(e.add(block.firstRow, e.index(blockRows)), p.m);
  std::optional<int64_t> m = e.asConstant(p.m);
  e.forLoop(block.firstRow, end, kernel.rows, [&](Value row) {
    tile.row = row;
    tile.clampRows = false;
    tile.rows = kernel.rows;
    if (m && *m % kernel.rows == 0)
      return emitTile(block, tile);
    Value fits = e.compare(arith::CmpIPredicate::sle,
                           e.add(row, e.index(kernel.rows)), p.m);
    e.ifThen(
        fits, [&] { emitTile(block, tile); },
        [&] {
          tile.clampRows = !m;
          tile.rows = m ? *m % kernel.rows : kernel.rows;
          emitTile(block, tile);
        });
  });
}

Value GemmEmitter::multiplyAdd(Value a, Value b, Value sum) {
  if (kernel.dot)
    return kernel.dot.emit(e, a, b, sum);
  if (kernel.useFMA)
    return vector::FMAOp::create(e.b, e.loc, a, b, sum);
  if (isa<FloatType>(kernel.accumulator))
    return arith::AddFOp::create(e.b, e.loc, sum,
                                 arith::MulFOp::create(e.b, e.loc, a, b));
  return arith::AddIOp::create(e.b, e.loc, sum,
                               arith::MulIOp::create(e.b, e.loc, a, b));
}

/// The sums of one tile over the block's depth.
SmallVector<Value> GemmEmitter::emitDepth(const Block &block, const Tile &tile,
                                          ArrayRef<Value> rowOffsets,
                                          SmallVector<Value> sums) {
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
        sum = multiplyAdd(factor, panel[v], sum);
      }
    }
    return out;
  };
  Value zero = e.index(0);
  constexpr int64_t unroll = 4;
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
    Value row = e.add(tile.row, e.index(r));
    if (tile.clampRows)
      row = e.min(row, e.sub(p.m, e.index(1)));
    rowOffsets.push_back(kernel.dot ? e.mul(e.sub(row, block.firstRow),
                                            e.index(block.wordStride))
                                    : e.add(aBase, e.mul(row, p.a.rowStride)));
  }
  auto partialAt = [&](int64_t i) {
    Value row =
        e.sub(e.add(tile.row, e.index(i / kernel.vectors)), block.firstRow);
    return e.add(
        e.mul(row, e.index(block.partialStride)),
        e.add(tile.partialOffset, e.index(i % kernel.vectors * kernel.lanes)));
  };

  SmallVector<Value> sums(count, e.zero(type));
  if (splitsDepth) {
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

  auto finish = [&] {
    for (int64_t r = 0; r < tile.rows; ++r) {
      ArrayRef<Value> rowSums =
          ArrayRef(sums).slice(r * kernel.vectors, kernel.vectors);
      if (!tile.clampRows || r == 0) {
        emitStore(block, tile, r, rowSums);
        continue;
      }
      Value exists = e.compare(arith::CmpIPredicate::slt,
                               e.add(tile.row, e.index(r)), p.m);
      e.ifThen(exists, [&] { emitStore(block, tile, r, rowSums); });
    }
  };
  if (!splitsDepth)
    return finish();
  e.ifThen(block.isLast, finish, [&] {
    for (int64_t i = 0; i < count; ++i)
      e.storeVector(sums[i], block.partial, partialAt(i));
  });
}

void GemmEmitter::emitStore(const Block &block, const Tile &tile, int64_t r,
                            ArrayRef<Value> sums) {
  Value row = e.add(tile.row, e.index(r));
  Value cRow = e.add(block.cBase, e.mul(row, p.c.rowStride));
  Value outRow = e.add(block.outBase, e.mul(row, p.output.rowStride));
  Type product = elementOf(p.c);
  Value rowSum;
  if (block.rowSums)
    rowSum = e.load(block.rowSums, e.sub(row, block.firstRow));
  SmallVector<Value> columnSums;
  if (tile.columnSums)
    for (int64_t v = 0; v < kernel.vectors; ++v)
      columnSums.push_back(
          e.loadVector(tile.columnSums,
                       e.add(tile.columnSumsOffset, e.index(v * kernel.lanes)),
                       kernel.lanes));
  for (int64_t v = 0; v < kernel.vectors; ++v) {
    Value offset = tile.slots[v].offset;
    Value mask = tile.masks.empty() ? Value() : tile.masks[v];
    Value sum = sums[v];
    if (kernel.dot)
      sum = quantized.correct(
          block.outer, sum, row, tile.zeros.empty() ? Value() : tile.zeros[v],
          rowSum, columnSums.empty() ? Value() : columnSums[v]);
    if (p.accumulates)
      sum =
          isa<FloatType>(kernel.accumulator)
              ? Value(arith::AddFOp::create(
                    e.b, e.loc, sum,
                    toAccumulator(e.loadVector(p.c.buffer, e.add(cRow, offset),
                                               kernel.lanes, mask))))
              : Value(arith::AddIOp::create(
                    e.b, e.loc, sum,
                    toAccumulator(e.loadVector(p.c.buffer, e.add(cRow, offset),
                                               kernel.lanes, mask))));
    if (product != kernel.accumulator)
      sum = arith::TruncFOp::create(
          e.b, e.loc, VectorType::get(kernel.lanes, product), sum);
    if (p.epilogue)
      sum = emitEpilogue(e, p, block.inputBases, row, offset, kernel.lanes,
                         mask, sum);
    e.storeVector(sum, p.output.buffer, e.add(outRow, offset), mask);
  }
}

Value quantc::emitEpilogue(KernelEmitter &e, const GemmProblem &p,
                           ArrayRef<Value> inputBases, Value row, Value offset,
                           int64_t lanes, Value mask, Value sum) {
  linalg::GenericOp epilogue = p.epilogue;
  llvm::DenseMap<Value, Value> known;
  for (auto [i, input] : llvm::enumerate(p.epilogueInputs)) {
    BlockArgument argument = epilogue.getBody()->getArgument(i);
    if (!input.buffer) {
      known[argument] = sum;
      continue;
    }
    if (argument.use_empty())
      continue;
    Value at = e.add(inputBases[i], e.mul(row, input.rowStride));
    known[argument] =
        e.isConstant(input.columnStride, 0)
            ? e.splat(e.load(input.buffer, at), lanes)
            : e.loadVector(input.buffer, e.add(at, offset), lanes, mask);
  }
  auto yield = cast<linalg::YieldOp>(epilogue.getBody()->getTerminator());
  return emitExpression(e, yield.getOperand(0), lanes, known);
}

void quantc::emitGemm(KernelEmitter &e, const GemmProblem &problem,
                      const MicroKernel &kernel, ColumnSource &columns,
                      bool useThreads) {
  GemmEmitter(e, problem, kernel, columns).emit(useThreads);
}
