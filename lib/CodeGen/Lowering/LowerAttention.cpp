//===- LowerAttention.cpp - Attention as one loop -------------------------===//
//
// A kernel with two products and ops over rows between them works on a few rows
// at a time: their scores, what becomes of these, and the rows of the result
// follow each other while they are in the cache, and no matrix with a row for
// each query and a column for each key is ever in memory.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Analysis/BatchedProducts.h"
#include "CodeGen/Analysis/ProductRoots.h"
#include "CodeGen/Analysis/SoftmaxRows.h"
#include "CodeGen/Contractions/TaskPanels.h"
#include "CodeGen/Rows/RowEmitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/IR/IRMapping.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERATTENTIONPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// Bytes of the scores (and what becomes of them) of a block of rows: a part of
/// a second-level cache, beside the panels.
static constexpr int64_t kBlockBytes = 256 * 1024;
static constexpr int64_t kMinRows = 16, kMaxRows = 64;
/// Tasks that a few threads share well; each packs its panels.
static constexpr int64_t kEnoughTasks = 8;
/// Rows of a task where sizes do not tell.
static constexpr int64_t kTaskRows = 256;
/// Scores to which a mask adds no more than this are masked, and weigh nothing
/// in a softmax over a row with a score to which it adds more than the other.
static constexpr float kMasked = -1e8f, kUnmasked = -1e4f;

namespace {
/// The ops of a kernel on buffers.
struct Attention {
  linalg::LinalgOp scores, root;
  /// Everything over rows between the products, with its buffers, but for those
  /// that it reads and leaves.
  SmallVector<Operation *> rows;
  Value input, weights;
  /// What is added to the scores before a softmax, by the number of the
  /// epilogue's input.
  std::optional<unsigned> mask;
};

class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &e, const Attention &attention,
                   MatchedProduct &scores, MatchedProduct &root,
                   const VectorUnit &unit)
      : e(e), attention(attention), scores(scores), root(root), unit(unit),
        numRows(scores.problem.m), numColumns(scores.problem.n),
        outerSizes(scores.problem.outerSizes) {
    for (unsigned i = 0; i < outerSizes.size(); ++i)
      (isShared(i) ? sharedLoops : taskLoops).push_back(i);
  }

  void emit(bool useThreads);

private:
  bool isShared(unsigned loop) const;
  SmallVector<Value> getSizes(ArrayRef<unsigned> loops) const;
  void chooseBlocks();
  MemRefType getBlockType(Value buffer, Value count, Value columns);
  SmallVector<Value> getDynamicSizes(MemRefType type, Value count,
                                     Value columns);
  Value makeBlock(Value bytes, Value buffer, Value count, Value columns);
  Value countBlockBytes(Value buffer);
  bool isMaskShared() const;
  Value countColumns(ValueRange outer, Value row, Value count);
  void emitTask(ArrayRef<Value> indices, Value task, TaskPanels &keys,
                TaskPanels &values);
  void forEachShared(SmallVectorImpl<Value> &outer, ArrayRef<unsigned> loops,
                     llvm::function_ref<void()> emit);
  void emitBlock(ValueRange outer, Value row, Value count, Value columns,
                 Value inputBytes, Value weightBytes, TaskPanels &keys,
                 TaskPanels &values, std::optional<unsigned> rowLoop = {});
  void emitRowOps(Value input, Value weights, Value count, Value columns);
  GemmProblem restrict(const GemmProblem &p, ValueRange outer, Value row,
                       Value count, std::optional<unsigned> rowLoop);

  KernelEmitter &e;
  const Attention &attention;
  MatchedProduct &scores, &root;
  const VectorUnit &unit;
  Value numRows, numColumns;
  SmallVector<Value> outerSizes;
  /// Outer loops with keys and values of their own, and those that share them:
  /// queries of several heads.
  SmallVector<unsigned> taskLoops, sharedLoops;
  int64_t blockRows = kMinRows, taskRows = kTaskRows;
};
} // namespace

/// The product of those of `sizes` that are known.
static int64_t multiplyKnown(ValueRange sizes) {
  int64_t product = 1;
  for (Value size : sizes)
    product *=
        std::max<int64_t>(1, KernelEmitter::asConstant(size).value_or(1));
  return product;
}

/// Whether all indices of an outer loop have the same keys and values.
bool AttentionEmitter::isShared(unsigned loop) const {
  return llvm::all_of(
      ArrayRef<MatchedProduct *>{&scores, &root}, [&](MatchedProduct *match) {
        const StridedMatrix &zeros = match->problem.quantizedB.zeroPoints;
        return e.isConstant(match->b.outerStrides[loop], 0) &&
               (!zeros.buffer || e.isConstant(zeros.outerStrides[loop], 0));
      });
}

SmallVector<Value> AttentionEmitter::getSizes(ArrayRef<unsigned> loops) const {
  return llvm::map_to_vector(loops,
                             [&](unsigned loop) { return outerSizes[loop]; });
}

void AttentionEmitter::chooseBlocks() {
  int64_t most = kMinRows;
  if (std::optional<int64_t> columns = e.asConstant(numColumns)) {
    int64_t bytes = 0;
    for (Value buffer : {attention.input, attention.weights})
      bytes += getElementTypeOrSelf(buffer).getIntOrFloatBitWidth() / 8;
    most = std::clamp(kBlockBytes / std::max<int64_t>(1, *columns * bytes),
                      kMinRows, kMaxRows);
  }
  blockRows = most;
  int64_t numShared = multiplyKnown(getSizes(sharedLoops));
  std::optional<int64_t> rows = e.asConstant(numRows);
  if (!rows) {
    // Whole tiles, since where they end is not known; and as many rows a task
    // for all heads that share its panels.
    if (!sharedLoops.empty())
      blockRows = llvm::alignTo(blockRows, scores.kernel.rows);
    taskRows = std::max(
        blockRows, int64_t(llvm::alignDown(kTaskRows / numShared, blockRows)));
    return;
  }
  // Blocks of equal size if possible, so that no code asks how many rows exist.
  for (blockRows = most; blockRows > most / 2 && *rows % blockRows; --blockRows)
    ;
  if (*rows % blockRows)
    blockRows = llvm::divideCeil(*rows, llvm::divideCeil(*rows, most));
  int64_t perMatrix =
      llvm::divideCeil(kEnoughTasks, multiplyKnown(getSizes(taskLoops)));
  taskRows = llvm::alignTo(llvm::divideCeil(*rows, perMatrix), blockRows);
}

/// The type of `count` rows of `buffer`, `columns` wide unless it has one value
/// a row.
MemRefType AttentionEmitter::getBlockType(Value buffer, Value count,
                                          Value columns) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<int64_t> shape(type.getShape());
  unsigned row = outerSizes.size();
  std::fill_n(shape.begin(), row, 1);
  shape[row] = e.asConstant(count).value_or(ShapedType::kDynamic);
  if (shape.size() > row + 1)
    shape.back() = e.asConstant(columns).value_or(ShapedType::kDynamic);
  return MemRefType::get(shape, type.getElementType());
}

/// Those of `type`, which has rows, and columns unless it has one value a row.
SmallVector<Value>
AttentionEmitter::getDynamicSizes(MemRefType type, Value count, Value columns) {
  SmallVector<Value> sizes;
  Value last[] = {count, columns};
  for (int64_t dim = outerSizes.size(); dim < type.getRank(); ++dim)
    if (type.isDynamicDim(dim))
      sizes.push_back(last[dim - outerSizes.size()]);
  return sizes;
}

/// What getBlockType says as a part of `bytes`.
Value AttentionEmitter::makeBlock(Value bytes, Value buffer, Value count,
                                  Value columns) {
  MemRefType type = getBlockType(buffer, count, columns);
  return memref::ViewOp::create(e.b, e.loc, type, bytes, e.index(0),
                                getDynamicSizes(type, count, columns));
}

Value AttentionEmitter::countBlockBytes(Value buffer) {
  int64_t bytes = getElementTypeOrSelf(buffer).getIntOrFloatBitWidth() / 8;
  return e.mul(numColumns, e.index(blockRows * bytes));
}

/// The part of `matrix` for one index of the outer loops, from `row` on. If
/// `rowLoop` is given, rows are those of that outer loop, whose index is 0.
static StridedMatrix takeRows(KernelEmitter &e, StridedMatrix matrix,
                              ValueRange outer, Value row,
                              std::optional<unsigned> rowLoop = {}) {
  if (!matrix.buffer)
    return {};
  if (rowLoop)
    matrix.rowStride = matrix.outerStrides[*rowLoop];
  StridedMatrix part = matrix;
  part.outerStrides.clear();
  Value offset =
      e.add(getOffset(e, outer, matrix), e.mul(row, matrix.rowStride));
  Value size = e.sub(e.size(matrix.buffer, 0), offset);
  part.buffer = memref::SubViewOp::create(
      e.b, e.loc, matrix.buffer, ArrayRef<OpFoldResult>{offset},
      ArrayRef<OpFoldResult>{size},
      ArrayRef<OpFoldResult>{e.b.getIndexAttr(1)});
  return part;
}

/// `p` for one index of the outer loops, and `count` rows from `row` on.
GemmProblem AttentionEmitter::restrict(const GemmProblem &p, ValueRange outer,
                                       Value row, Value count,
                                       std::optional<unsigned> rowLoop) {
  GemmProblem part = p;
  part.outerSizes.clear();
  part.m = count;
  part.a = takeRows(e, p.a, outer, row, rowLoop);
  part.c = takeRows(e, p.c, outer, row, rowLoop);
  part.output = takeRows(e, p.output, outer, row, rowLoop);
  for (StridedMatrix &input : part.epilogueInputs)
    input = takeRows(e, input, outer, row, rowLoop);
  part.quantizedA.zeroPoints =
      takeRows(e, p.quantizedA.zeroPoints, outer, row, rowLoop);
  part.quantizedB.zeroPoints =
      takeRows(e, p.quantizedB.zeroPoints, outer, e.index(0));
  return part;
}

/// Whether all heads of a task have the same mask.
bool AttentionEmitter::isMaskShared() const {
  const StridedMatrix &mask = scores.problem.epilogueInputs[*attention.mask];
  return llvm::all_of(sharedLoops, [&](unsigned loop) {
    return e.isConstant(mask.outerStrides[loop], 0);
  });
}

/// How many columns the rows [row, row + count) need: behind them all are
/// masked. A row that is masked everywhere weighs all of its columns.
Value AttentionEmitter::countColumns(ValueRange outer, Value row, Value count) {
  const StridedMatrix &mask = scores.problem.epilogueInputs[*attention.mask];
  int64_t lanes = scores.kernel.lanes;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  auto number = [&](float value) {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getF32FloatAttr(value));
  };
  Value lowest = number(-std::numeric_limits<float>::infinity());
  Value base = getOffset(e, outer, mask);
  // NaN is above everything: what it is added to counts.
  auto findMost = [&](Value values) {
    return vector::ReductionOp::create(e.b, e.loc,
                                       vector::CombiningKind::MAXIMUMF, values);
  };
  auto isAbove = [&](Value value, float limit) {
    return arith::CmpFOp::create(e.b, e.loc, arith::CmpFPredicate::UGT, value,
                                 number(limit));
  };
  // Over the rows: how far any of them reaches, and the least of what is added
  // to their best columns.
  SmallVector<Value> found = e.forLoop(
      e.index(0), count, 1,
      {e.index(0), number(std::numeric_limits<float>::infinity())},
      [&](Value i, ValueRange rows) -> SmallVector<Value> {
        Value start = e.add(base, e.mul(e.add(row, i), mask.rowStride));
        SmallVector<Value> own = e.forLoop(
            e.index(0), numColumns, lanes, {rows[0], e.splat(lowest, lanes)},
            [&](Value column, ValueRange in) -> SmallVector<Value> {
              Value exists = vector::CreateMaskOp::create(
                  e.b, e.loc, type.clone(e.b.getI1Type()),
                  e.sub(numColumns, column));
              Value added = e.loadVector(mask.buffer, e.add(start, column),
                                         lanes, exists);
              added = arith::SelectOp::create(e.b, e.loc, exists, added,
                                              e.splat(lowest, lanes));
              Value end = arith::SelectOp::create(
                  e.b, e.loc, isAbove(findMost(added), kMasked),
                  e.max(in[0], e.add(column, e.index(lanes))), in[0]);
              return {end, arith::MaximumFOp::create(e.b, e.loc, in[1], added)};
            });
        return {own[0], arith::MinNumFOp::create(e.b, e.loc, rows[1],
                                                 findMost(own[1]))};
      });
  // Whole panels, so that no column is stored by itself.
  Value columns = e.mul(e.ceilDiv(found[0], scores.kernel.columns()),
                        e.index(scores.kernel.columns()));
  return arith::SelectOp::create(e.b, e.loc, isAbove(found[1], kUnmasked),
                                 e.min(columns, numColumns), numColumns);
}

/// The ops over rows, on a block of them.
void AttentionEmitter::emitRowOps(Value input, Value weights, Value count,
                                  Value columns) {
  IRMapping mapping;
  mapping.map(attention.input, input);
  mapping.map(attention.weights, weights);
  SmallVector<Operation *> block;
  for (Operation *op : attention.rows) {
    auto alloc = dyn_cast<memref::AllocOp>(op);
    if (!alloc) {
      block.push_back(e.b.clone(*op, mapping));
      continue;
    }
    MemRefType type = getBlockType(alloc.getResult(), count, columns);
    Value local = memref::AllocOp::create(
        e.b, e.loc, type, getDynamicSizes(type, count, columns));
    mapping.map(alloc.getResult(), local);
    block.push_back(local.getDefiningOp());
  }
  FailureOr<RowProgram> program = matchRowProgram(block);
  assert(succeeded(program) && "all rows are one");
  emitRows(e, *program, unit, /*useThreads=*/false);
  for (Operation *op : llvm::reverse(block))
    op->erase();
}

/// The result's rows [row, row + count), of the first `columns` scores.
void AttentionEmitter::emitBlock(ValueRange outer, Value row, Value count,
                                 Value columns, Value inputBytes,
                                 Value weightBytes, TaskPanels &keys,
                                 TaskPanels &values,
                                 std::optional<unsigned> rowLoop) {
  Value input = makeBlock(inputBytes, attention.input, count, columns);
  Value weights = makeBlock(weightBytes, attention.weights, count, columns);
  GemmProblem first = restrict(scores.problem, outer, row, count, rowLoop);
  first.n = columns;
  first.output = {e.flatten(input), {}, columns, e.index(1)};
  TaskPanels part = keys.takeColumns(columns);
  emitGemm(e, first, scores.kernel, part, /*useThreads=*/false);
  emitRowOps(input, weights, count, columns);
  GemmProblem second = restrict(root.problem, outer, row, count, rowLoop);
  second.k = columns;
  second.a = {e.flatten(weights), {}, columns, e.index(1)};
  emitGemm(e, second, root.kernel, values, /*useThreads=*/false);
}

/// Sets the indices of `loops` in `outer` to all that there are in turn.
void AttentionEmitter::forEachShared(SmallVectorImpl<Value> &outer,
                                     ArrayRef<unsigned> loops,
                                     llvm::function_ref<void()> emit) {
  if (loops.empty())
    return emit();
  e.forLoop(e.index(0), outerSizes[loops.front()], 1, [&](Value i) {
    outer[loops.front()] = i;
    forEachShared(outer, loops.drop_front(), emit);
  });
}

/// The rows of one task, for one index of the outer loops with panels of their
/// own.
void AttentionEmitter::emitTask(ArrayRef<Value> indices, Value task,
                                TaskPanels &keys, TaskPanels &values) {
  SmallVector<Value> outer(outerSizes.size(), e.index(0));
  for (auto [loop, index] : llvm::zip_equal(taskLoops, indices))
    outer[loop] = index;
  Value first = e.mul(task, e.index(taskRows));
  Value end = e.min(e.add(first, e.index(taskRows)), numRows);
  SmallVector<Value> allocated;
  auto allocate = [&](Value size, Type type) {
    return allocated.emplace_back(e.allocate(size, type));
  };
  for (TaskPanels *panels : {&keys, &values}) {
    Value raw;
    if (Value bytes = panels->getNumRawBytes(e))
      raw = allocate(bytes, e.b.getI8Type());
    panels->pack(e, outer,
                 allocate(panels->getSize(e), panels->getElementType()), raw);
  }
  Value inputBytes =
      allocate(countBlockBytes(attention.input), e.b.getI8Type());
  Value weightBytes =
      allocate(countBlockBytes(attention.weights), e.b.getI8Type());
  std::optional<int64_t> known = e.asConstant(numRows);
  bool isWhole = known && *known % blockRows == 0;
  auto emitRows = [&] {
    e.forLoop(first, end, blockRows, [&](Value row) {
      Value count = isWhole ? e.index(blockRows)
                            : e.min(e.index(blockRows), e.sub(end, row));
      bool isShared = attention.mask && isMaskShared();
      Value columns = isShared ? countColumns(outer, row, count) : numColumns;
      // One after the other, they read the same rows of a mask.
      forEachShared(outer, sharedLoops, [&] {
        Value own = attention.mask && !isShared
                        ? countColumns(outer, row, count)
                        : columns;
        emitBlock(outer, row, count, own, inputBytes, weightBytes, keys,
                  values);
      });
    });
  };
  if (known || sharedLoops.size() != 1) {
    emitRows();
  } else {
    // A single token: the queries of all heads are rows.
    Value heads = outerSizes[sharedLoops[0]];
    auto emitHeads = [&] {
      outer[sharedLoops[0]] = e.index(0);
      e.forLoop(e.index(0), heads, blockRows, [&](Value head) {
        Value count = e.min(e.index(blockRows), e.sub(heads, head));
        emitBlock(outer, head, count, numColumns, inputBytes, weightBytes, keys,
                  values, sharedLoops[0]);
      });
    };
    e.ifThen(e.compare(arith::CmpIPredicate::eq, numRows, e.index(1)),
             emitHeads, emitRows);
  }
  for (Value buffer : allocated)
    e.release(buffer);
}

void AttentionEmitter::emit(bool useThreads) {
  chooseBlocks();
  for (MatchedProduct *match : {&scores, &root})
    match->kernel = MicroKernel::choose(
        unit, match->kernel.accumulator, blockRows,
        e.asConstant(match->problem.n).value_or(ShapedType::kDynamic),
        match->kernel.dot);
  TaskPanels keys(e, scores), values(e, root);
  SmallVector<Value> sizes = getSizes(taskLoops);
  sizes.push_back(e.ceilDiv(numRows, taskRows));
  Value work = e.mul(e.mul(numRows, numColumns),
                     e.add(scores.problem.k, root.problem.n));
  for (Value size : outerSizes)
    work = e.mul(work, size);
  e.parallelFor(sizes, work, useThreads, [&](Value, ArrayRef<Value> indices) {
    emitTask(indices.drop_back(), indices.back(), keys, values);
  });
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// The two products of `body`, and what lies between them.
static FailureOr<Attention> matchAttention(Block &body) {
  Attention attention;
  bool hasReduction = false;
  for (auto op : body.getOps<linalg::LinalgOp>()) {
    if (!isProductRoot(op)) {
      hasReduction |= attention.scores && op.getNumReductionLoops();
      continue;
    }
    linalg::LinalgOp &place =
        attention.scores ? attention.root : attention.scores;
    if (place)
      return failure();
    place = op;
  }
  if (!attention.root || !hasReduction)
    return failure();
  return attention;
}

/// Completes `attention` by what its products leave over.
static LogicalResult findRows(Attention &attention, MatchedProduct &scores,
                              MatchedProduct &root) {
  linalg::GenericOp epilogue = scores.problem.epilogue;
  attention.input =
      epilogue ? epilogue.getDpsInits()[0] : attention.scores.getDpsInits()[0];
  if (!attention.weights.getDefiningOp<memref::AllocOp>() ||
      !attention.input.getDefiningOp<memref::AllocOp>() ||
      scores.problem.outerSizes.size() + 2 !=
          size_t(cast<MemRefType>(attention.input.getType()).getRank()) ||
      root.problem.outerSizes.size() != scores.problem.outerSizes.size())
    return failure();
  llvm::SmallPtrSet<Operation *, 16> absorbed;
  for (MatchedProduct *match : {&scores, &root})
    absorbed.insert(match->absorbed.begin(), match->absorbed.end());
  llvm::SmallPtrSet<Operation *, 16> buffers;
  SmallVector<Operation *> ops;
  for (Operation &op : *attention.root->getBlock()) {
    if (&op == attention.root)
      break;
    if (!isa<linalg::FillOp, linalg::GenericOp>(op) || absorbed.contains(&op))
      continue;
    for (Value operand : op.getOperands()) {
      if (!isa<MemRefType>(operand.getType()) || operand == attention.input ||
          operand == attention.weights)
        continue;
      // Of others, a block of rows is not known.
      auto alloc = operand.getDefiningOp<memref::AllocOp>();
      if (!alloc)
        return failure();
      if (buffers.insert(alloc).second)
        ops.push_back(alloc);
    }
    ops.push_back(&op);
  }
  attention.rows = std::move(ops);
  return matchRowProgram(attention.rows);
}

/// The input of the scores' epilogue that masks them, if it may mask other
/// columns in other rows.
static std::optional<unsigned> findMask(KernelEmitter &e,
                                        const Attention &attention,
                                        const MatchedProduct &scores) {
  linalg::GenericOp epilogue = scores.problem.epilogue;
  if (!epilogue ||
      !isSoftmax(attention.rows, attention.input, attention.weights))
    return std::nullopt;
  linalg::LinalgOp root = attention.scores;
  OpOperand *operand = findAddedMask(epilogue, root.getDpsInits()[0]);
  if (!operand || !getElementTypeOrSelf(operand->get()).isF32())
    return std::nullopt;
  unsigned number = operand->getOperandNumber();
  const StridedMatrix &mask = scores.problem.epilogueInputs[number];
  if (!e.isConstant(mask.columnStride, 1) || e.isConstant(mask.rowStride, 0))
    return std::nullopt;
  return number;
}

namespace {
struct LowerAttentionPass
    : public quantc::impl::LowerAttentionPassBase<LowerAttentionPass> {
  using LowerAttentionPassBase::LowerAttentionPassBase;

  void runOnOperation() override {
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    // Tasks have room for panels of bytes and of f32.
    unit.hasFloatPairs = unit.hasFloatTiles = false;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func.isPrivate() && func.getBody().hasOneBlock())
        lower(func.getBody().front(), unit);
  }

  void lower(Block &body, const VectorUnit &unit) {
    FailureOr<Attention> attention = matchAttention(body);
    if (failed(attention))
      return;
    OpBuilder builder(attention->root);
    KernelEmitter emitter(builder, attention->root->getLoc());
    std::optional<SharedRows> shared =
        findWeights(attention->scores, attention->root);
    if (!shared) {
      ++numUnmatched;
      return;
    }
    attention->weights = shared->weights;
    FailureOr<MatchedProduct> scores =
        matchProduct(emitter, attention->scores, unit, shared->scoresLoop);
    FailureOr<MatchedProduct> root =
        matchProduct(emitter, attention->root, unit, shared->rootLoop);
    if (failed(scores) || failed(root) ||
        failed(findRows(*attention, *scores, *root))) {
      ++numUnmatched;
      return;
    }
    attention->mask = findMask(emitter, *attention, *scores);
    numMasked += attention->mask.has_value();
    AttentionEmitter(emitter, *attention, *scores, *root, unit).emit(threads);
    ++numAttentions;
    for (MatchedProduct *match : {&*scores, &*root})
      for (Operation *op : match->absorbed)
        op->erase();
    for (Operation *op : llvm::reverse(attention->rows))
      if (!isa<memref::AllocOp>(op))
        op->erase();
  }
};
} // namespace
