//===- LowerTransposes.cpp - Blocks that are transposed in registers ------===//
//
// An elementwise op whose input and output have different dimensions innermost
// reads or writes one element of a line at a time, whatever the order of its
// loops. Here a square of elements is read by rows, transposed in registers,
// and written by columns, so that both buffers are accessed by vectors.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Target/Expressions.h"
#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERTRANSPOSESPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// What shuffles two vectors in one instruction everywhere.
static constexpr int64_t kVectorBytes = 16;
/// Lanes of 32 bits, at most: so many vectors, and those that they become, fit
/// into sixteen registers.
static constexpr int64_t kMaxLanes = 8;
/// Columns of a task: lines of a cache that are written whole, and loops that
/// are not too short for rows that fill no square.
static constexpr int64_t kStripBytes = 256;

static bool isInnermost(AffineMap map, unsigned dim) {
  return map.getNumResults() &&
         map.getResults().back() == getAffineDimExpr(dim, map.getContext());
}

namespace {
/// An elementwise op some inputs of which are crossed: they have another loop
/// innermost than the output.
struct CrossedOp {
  linalg::LinalgOp op;
  /// The loops that are innermost in crossed inputs, and in the output.
  unsigned row = 0, column = 0;
  /// The square that is transposed has so many rows and columns.
  int64_t lanes = 0;
  /// Loops that all operands walk through together, in the output's order.
  SmallVector<ReassociationIndices> lines;

  static FailureOr<CrossedOp> match(linalg::LinalgOp op,
                                    const VectorUnit &unit);
  bool isCrossed(OpOperand *input) {
    AffineMap map = op.getMatchingIndexingMap(input);
    return map.isFunctionOfDim(column) && isInnermost(map, row);
  }
  /// Makes one loop of each of `lines`.
  LogicalResult orderLoops(RewriterBase &rewriter);

private:
  void findLines();
  /// How long the line is that ends with `loop`, if it is known.
  int64_t getLength(unsigned loop);
};
} // namespace

/// Whether `op` can be computed in vectors, element by element.
static bool isVectorizable(linalg::LinalgOp op) {
  if (!op.hasPureBufferSemantics() || op.getNumDpsInits() != 1 ||
      op.getNumParallelLoops() != op.getNumLoops() || op.hasIndexSemantics())
    return false;
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (!map.isProjectedPermutation() || (!type && map.getNumResults()) ||
        (type && !type.isLastDimUnitStride()))
      return false;
  }
  if (!op.getMatchingIndexingMap(op.getDpsInitOperand(0)).isPermutation() ||
      !op.getRegionOutputArgs().front().use_empty())
    return false;
  return llvm::all_of(op.getBlock()->without_terminator(),
                      [](Operation &inner) {
                        return OpTrait::hasElementwiseMappableTraits(&inner) ||
                               inner.hasTrait<OpTrait::ConstantLike>();
                      });
}

FailureOr<CrossedOp> CrossedOp::match(linalg::LinalgOp op,
                                      const VectorUnit &unit) {
  if (!isVectorizable(op) || op.getNumLoops() < 2)
    return failure();
  CrossedOp result;
  result.op = op;
  AffineMap output = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  result.column = output.getDimPosition(output.getNumResults() - 1);
  std::optional<unsigned> row;
  unsigned bits = 0;
  for (OpOperand *input : op.getDpsInputOperands()) {
    AffineMap map = op.getMatchingIndexingMap(input);
    if (!map.isFunctionOfDim(result.column) || isInnermost(map, result.column))
      continue;
    unsigned loop = map.getDimPosition(map.getNumResults() - 1);
    unsigned width = getElementTypeOrSelf(input->get()).getIntOrFloatBitWidth();
    if ((row && row != loop) || (bits && bits != width))
      return failure();
    row = loop;
    bits = width;
  }
  if (!row || bits % 8 || bits > 32)
    return failure();
  result.row = *row;
  result.lanes = std::max<int64_t>(8 * kVectorBytes / bits,
                                   std::min(kMaxLanes, unit.bits / 32));
  result.findLines();
  for (unsigned loop : {result.row, result.column})
    if (int64_t length = result.getLength(loop);
        !ShapedType::isDynamic(length) && length < result.lanes)
      return failure();
  return result;
}

void CrossedOp::findLines() {
  bool isContiguous = llvm::all_of(op->getOperandTypes(), [](Type type) {
    auto buffer = dyn_cast<MemRefType>(type);
    return !buffer || buffer.getLayout().isIdentity();
  });
  AffineMap output = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  for (unsigned i = 0; i < output.getNumResults(); ++i) {
    unsigned loop = output.getDimPosition(i);
    if (isContiguous && !lines.empty()) {
      ReassociationIndices longer = lines.back();
      longer.push_back(loop);
      if (linalg::areDimSequencesPreserved(op.getIndexingMapsArray(), longer)) {
        lines.back() = longer;
        continue;
      }
    }
    lines.push_back({loop});
  }
}

int64_t CrossedOp::getLength(unsigned loop) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  int64_t length = 1;
  for (int64_t part : *llvm::find_if(lines, [&](const auto &line) {
         return line.back() == int64_t(loop);
       }))
    length = ShapedType::isDynamic(length) || ShapedType::isDynamic(sizes[part])
                 ? ShapedType::kDynamic
                 : length * sizes[part];
  return length;
}

LogicalResult CrossedOp::orderLoops(RewriterBase &rewriter) {
  rewriter.setInsertionPoint(op);
  auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
  if (!generic) {
    FailureOr<linalg::GenericOp> general =
        linalg::generalizeNamedOp(rewriter, op);
    if (failed(general))
      return failure();
    generic = *general;
  }
  unsigned numLoops = generic.getNumLoops();
  SmallVector<unsigned> order;
  unsigned newRow = 0;
  for (auto [i, line] : llvm::enumerate(lines)) {
    if (line.back() == int64_t(row))
      newRow = i;
    for (int64_t &loop : line) {
      order.push_back(loop);
      loop = order.size() - 1;
    }
  }
  row = newRow;
  column = lines.size() - 1;
  FailureOr<linalg::GenericOp> ordered =
      linalg::interchangeGenericOp(rewriter, generic, order);
  if (failed(ordered))
    return failure();
  op = *ordered;
  if (lines.size() == numLoops)
    return success();
  FailureOr<linalg::CollapseResult> collapsed =
      linalg::collapseOpIterationDims(op, lines, rewriter);
  if (failed(collapsed))
    return failure();
  rewriter.eraseOp(op);
  op = collapsed->collapsedOp;
  return success();
}

/// Transposes as many vectors as each has lanes: each step interleaves the
/// first half of them with the second one.
static void transpose(KernelEmitter &e, MutableArrayRef<Value> rows) {
  int64_t lanes = rows.size(), half = lanes / 2;
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < half; ++i) {
    llvm::append_values(low, i, lanes + i);
    llvm::append_values(high, half + i, lanes + half + i);
  }
  for (int64_t step = 1; step < lanes; step *= 2) {
    SmallVector<Value> last(rows);
    for (int64_t i = 0; i < half; ++i) {
      rows[2 * i] =
          vector::ShuffleOp::create(e.b, e.loc, last[i], last[half + i], low);
      rows[2 * i + 1] =
          vector::ShuffleOp::create(e.b, e.loc, last[i], last[half + i], high);
    }
  }
}

namespace {
class TransposeEmitter {
public:
  TransposeEmitter(KernelEmitter &e, CrossedOp crossed, TablePermutes permutes)
      : e(e), crossed(crossed), op(crossed.op), permutes(permutes) {
    AffineMap output = getMap(op.getDpsInitOperand(0));
    for (unsigned dim = 0; dim < output.getNumResults(); ++dim)
      sizes.push_back(e.size(op.getDpsInits()[0], dim));
  }

  /// Each task is a strip of columns, with all of their rows.
  void emit(bool useThreads) {
    Value work = e.index(
        std::max<int64_t>(1, op.getBlock()->getOperations().size() - 1));
    for (Value size : sizes)
      work = e.mul(work, size);
    Type element = getElementTypeOrSelf(op.getDpsInits()[0]);
    int64_t strip = std::max<int64_t>(
        crossed.lanes, 8 * kStripBytes / element.getIntOrFloatBitWidth());
    Value numColumns = sizes[crossed.column];
    SmallVector<Value> tasks(sizes);
    tasks[crossed.row] = e.index(1);
    tasks[crossed.column] = e.ceilDiv(numColumns, strip);
    e.parallelFor(tasks, work, useThreads, [&](Value, ArrayRef<Value> task) {
      position.assign(task.begin(), task.end());
      Value first = e.mul(task[crossed.column], e.index(strip));
      emitStrip(first, e.min(e.add(first, e.index(strip)), numColumns));
    });
  }

private:
  AffineMap getMap(OpOperand *operand) {
    return op.getMatchingIndexingMap(operand);
  }

  /// The last multiple of the lanes from `first` on that is at most `end`.
  Value getWhole(Value first, Value end) {
    return e.add(first, e.mul(e.floorDiv(e.sub(end, first), crossed.lanes),
                              e.index(crossed.lanes)));
  }

  void emitStrip(Value first, Value end) {
    Value zero = e.index(0), numRows = sizes[crossed.row];
    // Strips of a known number of columns are cut at multiples of the lanes.
    std::optional<int64_t> columns = e.asConstant(sizes[crossed.column]);
    bool isWhole = columns && *columns % crossed.lanes == 0;
    Value wholeRows = getWhole(zero, numRows);
    Value wholeColumns = isWhole ? end : getWhole(first, end);
    e.forLoop(zero, wholeRows, crossed.lanes, [&](Value row) {
      e.forLoop(first, wholeColumns, crossed.lanes,
                [&](Value column) { emitSquare(row, column); });
      if (!isWhole)
        emitElements(row, e.add(row, e.index(crossed.lanes)), wholeColumns,
                     end);
    });
    if (std::optional<int64_t> rows = e.asConstant(numRows);
        !rows || *rows % crossed.lanes)
      emitElements(wholeRows, numRows, first, end);
  }

  SmallVector<Value> getIndices(OpOperand *operand, Value row, Value column) {
    position[crossed.row] = row;
    position[crossed.column] = column;
    SmallVector<Value> indices;
    for (AffineExpr dim : getMap(operand).getResults())
      indices.push_back(position[cast<AffineDimExpr>(dim).getPosition()]);
    return indices;
  }

  Value loadElement(OpOperand *input, Value row, Value column) {
    if (!isa<MemRefType>(input->get().getType()))
      return input->get();
    return memref::LoadOp::create(e.b, e.loc, input->get(),
                                  getIndices(input, row, column));
  }

  Value loadVector(OpOperand *input, Value row, Value column) {
    auto type =
        VectorType::get(crossed.lanes, getElementTypeOrSelf(input->get()));
    return vector::LoadOp::create(e.b, e.loc, type, input->get(),
                                  getIndices(input, row, column));
  }

  Value compute(llvm::DenseMap<Value, Value> &known, int64_t lanes) {
    Value result = op.getBlock()->getTerminator()->getOperand(0);
    return emitExpression(e, result, lanes, known, permutes);
  }

  void emitSquare(Value firstRow, Value column) {
    llvm::DenseMap<OpOperand *, SmallVector<Value>> squares;
    for (OpOperand *input : op.getDpsInputOperands()) {
      if (!crossed.isCrossed(input))
        continue;
      SmallVector<Value> &rows = squares[input];
      for (int64_t i = 0; i < crossed.lanes; ++i)
        rows.push_back(loadVector(input, firstRow, e.add(column, e.index(i))));
      transpose(e, rows);
    }
    for (int64_t i = 0; i < crossed.lanes; ++i) {
      Value row = e.add(firstRow, e.index(i));
      llvm::DenseMap<Value, Value> known;
      for (OpOperand *input : op.getDpsInputOperands()) {
        Value &element = known[op.getMatchingBlockArgument(input)];
        if (crossed.isCrossed(input))
          element = squares[input][i];
        else if (getMap(input).isFunctionOfDim(crossed.column))
          element = loadVector(input, row, column);
        else
          element = e.splat(loadElement(input, row, column), crossed.lanes);
      }
      OpOperand *output = op.getDpsInitOperand(0);
      vector::StoreOp::create(e.b, e.loc, compute(known, crossed.lanes),
                              output->get(), getIndices(output, row, column));
    }
  }

  void emitElements(Value firstRow, Value endRow, Value firstColumn,
                    Value endColumn) {
    e.forLoop(firstRow, endRow, 1, [&](Value row) {
      e.forLoop(firstColumn, endColumn, 1, [&](Value column) {
        llvm::DenseMap<Value, Value> known;
        for (OpOperand *input : op.getDpsInputOperands())
          known[op.getMatchingBlockArgument(input)] =
              loadElement(input, row, column);
        OpOperand *output = op.getDpsInitOperand(0);
        memref::StoreOp::create(e.b, e.loc, compute(known, 0), output->get(),
                                getIndices(output, row, column));
      });
    });
  }

  KernelEmitter &e;
  CrossedOp crossed;
  linalg::LinalgOp op;
  TablePermutes permutes;
  SmallVector<Value> sizes;
  /// Of each loop; those of rows and columns are set with each access.
  SmallVector<Value> position;
};

struct LowerTransposesPass
    : public quantc::impl::LowerTransposesPassBase<LowerTransposesPass> {
  using LowerTransposesPassBase::LowerTransposesPassBase;

  void runOnOperation() override {
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::LinalgOp> ops;
    getOperation().walk([&](linalg::LinalgOp op) { ops.push_back(op); });
    for (linalg::LinalgOp op : ops) {
      FailureOr<CrossedOp> crossed = CrossedOp::match(op, unit);
      if (failed(crossed))
        continue;
      if (failed(crossed->orderLoops(rewriter))) {
        emitError(op.getLoc(), "loops cannot be put in another order");
        return signalPassFailure();
      }
      op = crossed->op;
      rewriter.setInsertionPoint(op);
      KernelEmitter emitter(rewriter, op.getLoc());
      // Only kernels run on several threads: nothing calls them in parallel.
      auto func = dyn_cast<func::FuncOp>(op->getParentOp());
      TransposeEmitter(emitter, *crossed, unit.permutes)
          .emit(threads && func && func.isPrivate());
      rewriter.eraseOp(op);
      ++numTransposes;
    }
  }
};
} // namespace
