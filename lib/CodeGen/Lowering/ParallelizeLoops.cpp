//===- ParallelizeLoops.cpp - Kernels that are plain loops ----------------===//
//
// Contractions have code of their own; everything else in a kernel becomes
// loops here. Elementwise ops on whole buffers become one long loop, however
// short the lines are, so that LLVM vectorizes it well.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Emitter/KernelEmitter.h"
#include "WindowMaxima.h"

#include "quantc/CodeGen/ElementCost.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"

namespace quantc {
#define GEN_PASS_DEF_PARALLELIZELOOPSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// Elements of a long loop that one thread takes at a time.
static constexpr int64_t kChunk = 8192;

/// Whether `op` computes each element from those at the same position in
/// buffers of the same shape.
static bool isFlat(linalg::GenericOp op) {
  if (op.getNumParallelLoops() != op.getNumLoops() || op.getNumLoops() < 2 ||
      op.hasIndexSemantics())
    return false;
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type || !type.getLayout().isIdentity() ||
        !op.getMatchingIndexingMap(&operand).isIdentity())
      return false;
  }
  return true;
}

static linalg::LinalgOp flatten(KernelEmitter &e, linalg::GenericOp op) {
  SmallVector<Value> inputs, outputs;
  for (Value input : op.getInputs())
    inputs.push_back(e.flatten(input));
  for (Value output : op.getOutputs())
    outputs.push_back(e.flatten(output));
  SmallVector<AffineMap> maps(op->getNumOperands(),
                              e.b.getMultiDimIdentityMap(1));
  auto flat = linalg::GenericOp::create(
      e.b, e.loc, TypeRange(), inputs, outputs, maps,
      SmallVector<utils::IteratorType>{utils::IteratorType::parallel});
  flat.getRegion().takeBody(op.getRegion());
  op.erase();
  return flat;
}

/// Reductions over so few elements may be split into passes over a line.
static constexpr int64_t kMaxWindow = 64;
/// So many elements of a window are reduced in each of these passes.
static constexpr int64_t kMaxUnrolledWindow = 16;
/// The least tasks that keep all threads busy.
static constexpr int64_t kMinTasks = 8;
/// Elements that a task should have, so that finding its place costs little.
static constexpr int64_t kMinTaskElements = 256;
/// What an element costs at least that is computed in several vectors at once,
/// as a polynomial does.
static constexpr int64_t kMinInterleavedCost = 10;
static constexpr int64_t kVectorsAtOnce = 4;
/// Fewer elements than these might be none of so many vectors.
static constexpr int64_t kMinInterleaved = 128;

/// The step in which `map` walks through a line of a buffer with the loop
/// `dim`: forward, so that vector loads can pick from it; else 0.
static int64_t getLineStep(AffineMap map, unsigned dim) {
  constexpr int64_t maxStep = 4;
  if (!map.getNumResults() ||
      map.getSliceMap(0, map.getNumResults() - 1).isFunctionOfDim(dim))
    return 0;
  SmallVector<AffineExpr> ends(map.getNumDims(),
                               getAffineConstantExpr(0, map.getContext()));
  int64_t position[2];
  for (int64_t i : {0, 1}) {
    ends[dim] = getAffineConstantExpr(i, map.getContext());
    auto end =
        dyn_cast<AffineConstantExpr>(map.getResults().back().replaceDims(ends));
    if (!end)
      return 0;
    position[i] = end.getValue();
  }
  int64_t step = position[1] - position[0];
  return step >= 1 && step <= maxStep ? step : 0;
}

namespace {
/// A reduction whose innermost loops, so many of them, are to be unrolled.
struct LineReduction {
  linalg::GenericOp op;
  unsigned numUnrolled = 0;
};
} // namespace

/// How many of the last loops of `reductions` have so few iterations together
/// that they may be unrolled. Of windows along a line that overlap in steps of
/// several elements, LLVM would leave the last vector of a line to scalar code:
/// too many elements, if they are narrow.
static unsigned countUnrolled(ArrayRef<unsigned> reductions,
                              ArrayRef<int64_t> sizes, int64_t step,
                              unsigned elementBits) {
  if (step > 1 && sizes[reductions.back()] > step && elementBits < 32)
    return 0;
  int64_t count = 1;
  unsigned numUnrolled = 0;
  for (unsigned dim : llvm::reverse(reductions)) {
    if (ShapedType::isDynamic(sizes[dim]) ||
        (count *= sizes[dim]) > kMaxUnrolledWindow)
      break;
    ++numUnrolled;
  }
  return numUnrolled;
}

/// Puts the last parallel loop of a reduction inside of the others, where that
/// makes lines of outputs from lines of inputs (windows of a pool, sums of
/// columns): LLVM vectorizes such loops, but no window. What is to be unrolled
/// stays inside: outputs are in memory between passes, and LLVM makes the
/// conditional stores of a maximum there, which some processors take tens of
/// cycles for. Each output still adds up in order.
static LineReduction reduceLines(RewriterBase &rewriter, linalg::GenericOp op,
                                 bool threads) {
  SmallVector<unsigned> parallel, reductions;
  op.getParallelDims(parallel);
  op.getReductionDims(reductions);
  if (reductions.empty() || parallel.size() < 2)
    return {op};
  unsigned line = parallel.pop_back_val();
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  int64_t window = 1, tasks = 1;
  for (unsigned dim : reductions)
    window = ShapedType::isDynamic(sizes[dim]) ? kMaxWindow + 1
                                               : window * sizes[dim];
  for (unsigned dim : parallel)
    tasks = ShapedType::isDynamic(sizes[dim]) ? kMinTasks : tasks * sizes[dim];
  if (threads && tasks < kMinTasks)
    return {op};
  int64_t step = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    bool isOutput = op.isDpsInit(&operand);
    if (!isOutput && !map.isFunctionOfDim(line))
      continue;
    int64_t own = getLineStep(map, line);
    if (!own)
      return {op};
    if (!isOutput)
      step = std::max(step, own);
    // A long reduction along a line is as good as it is.
    if (window > kMaxWindow && llvm::any_of(reductions, [&](unsigned dim) {
          return map.getResults().back().isFunctionOfDim(dim);
        }))
      return {op};
  }
  if (!step)
    return {op};
  Type element = getElementTypeOrSelf(op.getDpsInits().front());
  unsigned numUnrolled = countUnrolled(reductions, sizes, step,
                                       DataLayout().getTypeSizeInBits(element));
  SmallVector<unsigned> order(parallel);
  llvm::append_range(order, ArrayRef(reductions).drop_back(numUnrolled));
  order.push_back(line);
  llvm::append_range(order, ArrayRef(reductions).take_back(numUnrolled));
  FailureOr<linalg::GenericOp> ordered =
      linalg::interchangeGenericOp(rewriter, op, order);
  return succeeded(ordered) ? LineReduction{*ordered, numUnrolled}
                            : LineReduction{op};
}

namespace {
/// A buffer of which loops reduce one element.
struct ReducedBuffer {
  Value buffer;
  /// What fills it before, if these are all loops that reduce: their result
  /// then starts from that element, and nothing needs to be written.
  linalg::FillOp fill;
};
} // namespace

/// The results of `op` of which its last loops, so many of them, reduce one
/// element: nothing else is read or written through these buffers there.
static SmallVector<ReducedBuffer> getReduced(linalg::LinalgOp op,
                                             unsigned numLast) {
  SmallVector<ReducedBuffer> reduced;
  SmallVector<Value> inputs = op.getDpsInputs();
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  unsigned numLoops = op.getNumLoops();
  bool isWhole = numLast > 0 && numLast == op.getNumReductionLoops() &&
                 !llvm::is_contained(ArrayRef(sizes).take_back(numLast), 0);
  for (OpOperand &init : op.getDpsInitsMutable()) {
    AffineMap map = op.getMatchingIndexingMap(&init);
    if (llvm::any_of(llvm::seq(numLoops - numLast, numLoops),
                     [&](unsigned i) { return map.isFunctionOfDim(i); }) ||
        llvm::is_contained(inputs, init.get()))
      continue;
    linalg::FillOp fill;
    if (isWhole && map.isProjectedPermutation())
      fill = findFill(init.get(), op);
    reduced.push_back({init.get(), fill});
  }
  return reduced;
}

/// Keeps in registers what the unrolled iterations in `body` reduce to an
/// element of each of `buffers`: LLVM would store it after each of them, since
/// what is read next may lie there for all it knows.
static void forwardStores(RewriterBase &rewriter, Block &body,
                          ArrayRef<ReducedBuffer> buffers) {
  for (auto [buffer, fill] : buffers) {
    Value element = fill ? fill.getInputs()[0] : Value();
    memref::StoreOp last;
    for (Operation &op : llvm::make_early_inc_range(body)) {
      if (auto load = dyn_cast<memref::LoadOp>(op)) {
        if (element && load.getMemRef() == buffer)
          rewriter.replaceOp(load, element);
      } else if (auto store = dyn_cast<memref::StoreOp>(op);
                 store && store.getMemRef() == buffer) {
        if (last)
          rewriter.eraseOp(last);
        last = store;
        element = store.getValueToStore();
      }
    }
  }
}

/// Moves the body of `loop` to where `e` inserts, at `position`.
static void moveBody(KernelEmitter &e, scf::ForOp loop, Value position) {
  loop.getInductionVar().replaceAllUsesWith(position);
  Block *target = e.b.getInsertionBlock();
  target->getOperations().splice(
      e.b.getInsertionPoint(), loop.getBody()->getOperations(),
      loop.getBody()->begin(), std::prev(loop.getBody()->end()));
}

/// How many of the leading loops of `sizes` become one parallel loop, `most` at
/// most: the others are the elements of a task.
static unsigned countTaskLoops(ArrayRef<int64_t> sizes, unsigned most) {
  auto product = [](ArrayRef<int64_t> factors, int64_t unknown) {
    int64_t result = 1;
    for (int64_t factor : factors)
      result *= ShapedType::isDynamic(factor) ? unknown : factor;
    return result;
  };
  while (most > 1 &&
         product(sizes.drop_front(most), kMinTaskElements) < kMinTaskElements &&
         product(sizes.take_front(most - 1), kMinTasks) >= kMinTasks)
    --most;
  return most;
}

/// Runs the loops in parallel, all as one.
static void parallelizeNest(KernelEmitter &e, MutableArrayRef<scf::ForOp> loops,
                            Value condition) {
  SmallVector<Value> sizes;
  Value tasks = e.index(1);
  for (scf::ForOp loop : loops) {
    sizes.push_back(loop.getUpperBound());
    tasks = e.mul(tasks, loop.getUpperBound());
  }
  e.parallelFor(tasks, condition, [&](Value task) {
    SmallVector<Value> positions = e.delinearize(task, sizes);
    for (auto [loop, position] :
         llvm::zip(loops.drop_back(), ArrayRef(positions).drop_back()))
      loop.getInductionVar().replaceAllUsesWith(position);
    moveBody(e, loops.back(), positions.back());
  });
}

static void parallelizeLine(KernelEmitter &e, scf::ForOp loop,
                            Value condition) {
  Value size = loop.getUpperBound();
  e.parallelFor(e.ceilDiv(size, kChunk), condition, [&](Value chunk) {
    Value start = e.mul(chunk, e.index(kChunk));
    Value end = e.min(e.add(start, e.index(kChunk)), size);
    auto inner = scf::ForOp::create(e.b, e.loc, start, end, e.index(1));
    inner->setDiscardableAttrs(loop->getDiscardableAttrDictionary());
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPointToStart(inner.getBody());
    moveBody(e, loop, inner.getInductionVar());
  });
}

namespace {
struct ParallelizeLoopsPass
    : public quantc::impl::ParallelizeLoopsPassBase<ParallelizeLoopsPass> {
  using ParallelizeLoopsPassBase::ParallelizeLoopsPassBase;

  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (!func.isPrivate() || func.isExternal())
        continue;
      // First what takes other ops with it.
      lowerWindowMaxima(func);
      SmallVector<linalg::LinalgOp> ops;
      for (Block &block : func.getBody())
        llvm::append_range(ops, block.getOps<linalg::LinalgOp>());
      // The last one first: it may make one before it needless.
      DenseSet<Operation *> needless;
      for (linalg::LinalgOp op : llvm::reverse(ops))
        if (!needless.contains(op) && op.hasPureBufferSemantics() &&
            failed(lower(op, needless)))
          return signalPassFailure();
    }
  }

  void lowerWindowMaxima(func::FuncOp func);
  /// Adds what it erases besides `op` to `needless`.
  LogicalResult lower(linalg::LinalgOp op, DenseSet<Operation *> &needless);
};
} // namespace

/// Asks LLVM to compute several vectors of `loop` side by side, if its numbers
/// take so long that one vector would wait for itself. Left alone, LLVM does so
/// with short bodies only, whose values all have registers. False if it is not
/// asked.
static bool interleaveVectors(scf::ForOp loop) {
  if (std::optional<APInt> count = loop.getStaticTripCount();
      count && count->ult(kMinInterleaved))
    return false;
  int64_t cost = 0;
  // Integers are positions, and what is read there makes no vectors.
  for (Operation &op : loop.getBody()->without_terminator())
    if (op.getNumResults() == 1 && isa<FloatType>(op.getResult(0).getType()))
      cost += getElementCost(&op);
  if (cost < kMinInterleavedCost)
    return false;
  MLIRContext *context = loop.getContext();
  auto interleave = LLVM::LoopInterleaveAttr::get(
      context, IntegerAttr::get(IntegerType::get(context, 32), kVectorsAtOnce));
  auto annotation = LLVM::LoopAnnotationAttr::get(
      context, /*disableNonforced=*/{}, /*vectorize=*/{}, interleave,
      /*unroll=*/{}, /*unrollAndJam=*/{}, /*licm=*/{}, /*distribute=*/{},
      /*pipeline=*/{}, /*peeled=*/{}, /*unswitch=*/{}, /*mustProgress=*/{},
      /*isVectorized=*/{}, /*startLoc=*/{}, /*endLoc=*/{},
      /*parallelAccesses=*/{});
  // Conversions hand attributes of this dialect on to the branch that repeats
  // the loop, where this is the name of its property.
  loop->setAttr("loop_annotation", annotation);
  return true;
}

/// How many of an op's first loops are parallel.
static unsigned countParallelLoops(linalg::LinalgOp op) {
  unsigned count = 0;
  for (utils::IteratorType type : op.getIteratorTypesArray()) {
    if (type != utils::IteratorType::parallel)
      break;
    ++count;
  }
  return count;
}

/// Whether the nest has so much to do that threads help, if each iteration
/// computes `numOps`.
static Value isWorthThreads(KernelEmitter &e, ArrayRef<Value> bounds,
                            int64_t numOps) {
  Value work = e.index(numOps);
  for (Value bound : bounds)
    work = e.mul(work, bound);
  return e.compare(arith::CmpIPredicate::sgt, work, e.index(kParallelLoopWork));
}

void ParallelizeLoopsPass::lowerWindowMaxima(func::FuncOp func) {
  for (Block &block : func.getBody())
    for (auto op : llvm::to_vector(block.getOps<linalg::GenericOp>())) {
      if (!op.hasPureBufferSemantics())
        continue;
      std::optional<WindowMaxima> maxima = matchWindowMaxima(op);
      if (!maxima)
        continue;
      IRRewriter rewriter(op);
      KernelEmitter e(rewriter, op.getLoc());
      emitWindowMaxima(e, *maxima, threads);
      rewriter.eraseOp(op);
      for (Operation *unused : maxima->unused)
        rewriter.eraseOp(unused);
      ++numTwoSteps;
    }
}

LogicalResult ParallelizeLoopsPass::lower(linalg::LinalgOp op,
                                          DenseSet<Operation *> &needless) {
  IRRewriter rewriter(op);
  KernelEmitter e(rewriter, op.getLoc());
  unsigned numUnrolled = 0;
  if (auto generic = dyn_cast<linalg::GenericOp>(op.getOperation())) {
    if (isFlat(generic)) {
      op = flatten(e, generic);
      ++numFlattened;
    } else {
      rewriter.setInsertionPoint(generic);
      LineReduction reduction = reduceLines(rewriter, generic, threads);
      op = reduction.op;
      numUnrolled = reduction.numUnrolled;
    }
  }
  int64_t numOps =
      std::max<int64_t>(1, op.getBlock()->getOperations().size() - 1);
  unsigned numLoops = op.getNumLoops(), numParallel = countParallelLoops(op);
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  SmallVector<ReducedBuffer> reduced = getReduced(op, numUnrolled);
  rewriter.setInsertionPoint(op);
  FailureOr<linalg::LinalgLoops> loops = linalg::linalgOpToLoops(rewriter, op);
  if (failed(loops))
    return op.emitError("cannot be lowered to loops");
  rewriter.eraseOp(op);
  auto nest = llvm::map_to_vector(*loops, llvm::CastTo<scf::ForOp>);
  if (nest.empty())
    return success();
  auto bounds = llvm::map_to_vector(
      nest, [](scf::ForOp loop) { return loop.getUpperBound(); });
  if (numParallel == numLoops && interleaveVectors(nest.back()))
    ++numInterleaved;
  for (unsigned i = 0; i < numUnrolled; ++i)
    if (failed(loopUnrollFull(nest.pop_back_val())))
      return emitError(e.loc, "a window cannot be unrolled");
  if (numUnrolled)
    forwardStores(rewriter, *nest.back().getBody(), reduced);
  for (const ReducedBuffer &result : reduced)
    if (result.fill) {
      needless.insert(result.fill);
      rewriter.eraseOp(result.fill);
    }
  if (!threads || numParallel == 0)
    return success();

  rewriter.setInsertionPoint(nest.front());
  Value condition = isWorthThreads(e, bounds, numOps);
  if (e.isConstant(condition, 0))
    return success();
  ++numParallelized;
  if (numLoops == 1) {
    parallelizeLine(e, nest.front(), condition);
  } else {
    // The last loop stays for the vectorizer.
    unsigned numOuter = std::min(numParallel, numLoops - numUnrolled - 1);
    parallelizeNest(
        e, MutableArrayRef(nest).take_front(countTaskLoops(sizes, numOuter)),
        condition);
  }
  rewriter.eraseOp(nest.front());
  return success();
}
