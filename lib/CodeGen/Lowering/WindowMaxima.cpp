//===- WindowMaxima.cpp - Maxima of windows, line by line -----------------===//
//
// A maximum may be taken in any order. Of k lines with k elements each, a
// window needs k · k loads; with the maxima of columns in a line of their own,
// which its neighbours use, too, about 2 · k.
//
// A padded copy of the input would cost more than the maxima: lines and columns
// beyond the input are left out instead.
//
//===----------------------------------------------------------------------===//

#include "WindowMaxima.h"

#include "CodeGen/Analysis/RowOps.h"

#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;

/// Results of a line that are found at a time: what they need of each line of
/// the input stays in the first-level cache.
static constexpr int64_t kPart = 256;
/// Code is unrolled for so many lines of a window, and elements of a line.
static constexpr int64_t kMaxUnrolled = 16;
static constexpr int64_t kMaxStep = 4;

/// Whether `op` gives the same whatever the order, and however often an element
/// is taken.
static bool isExtremum(Operation *op) {
  return isa<arith::MaximumFOp, arith::MinimumFOp, arith::MaxSIOp,
             arith::MaxUIOp, arith::MinSIOp, arith::MinUIOp>(op);
}

/// Whether finding columns first is clearly less work. A load of every second
/// element takes about as long as three, and leaving a maximum in memory as
/// long as two. One step needs the padded copy.
static bool paysOff(const WindowMaxima &m) {
  int64_t numLines = computeProduct(m.lines);
  if (numLines < 2 || numLines > kMaxUnrolled || m.width > kMaxUnrolled)
    return false;
  int64_t load = m.step > 1 ? 3 : 1;
  int64_t twoSteps = m.step * (numLines + 2) + load * m.width;
  int64_t oneStep = load * numLines * m.width + (m.padding ? 3 * m.step : 0);
  return 5 * twoSteps < 4 * oneStep;
}

/// The factors of `line` and `along` in the last result of `map`, if it is
/// nothing but their sum, and if no other result has them.
static std::optional<std::pair<int64_t, int64_t>>
getLineFactors(AffineMap map, unsigned line, unsigned along) {
  if (!map.getNumResults())
    return std::nullopt;
  AffineMap outer = map.getSliceMap(0, map.getNumResults() - 1);
  if (outer.isFunctionOfDim(line) || outer.isFunctionOfDim(along))
    return std::nullopt;
  MLIRContext *ctx = map.getContext();
  AffineExpr last = map.getResults().back();
  auto valueAt = [&](unsigned dim) -> int64_t {
    SmallVector<AffineExpr> ends(map.getNumDims(),
                                 getAffineConstantExpr(0, ctx));
    ends[dim] = getAffineConstantExpr(1, ctx);
    auto value = dyn_cast<AffineConstantExpr>(last.replaceDims(ends));
    return value ? value.getValue() : 0;
  };
  int64_t step = valueAt(line), dilation = valueAt(along);
  AffineExpr sum = getAffineDimExpr(line, ctx) * step +
                   getAffineDimExpr(along, ctx) * dilation;
  if (simplifyAffineExpr(last - sum, map.getNumDims(), 0) !=
      getAffineConstantExpr(0, ctx))
    return std::nullopt;
  return std::pair(step, dilation);
}

linalg::FillOp quantc::findFill(Value buffer, Operation *op) {
  linalg::FillOp fill;
  for (Operation *user : buffer.getUsers()) {
    if (user == op)
      continue;
    if (user->getBlock() != op->getBlock())
      return nullptr;
    if (!user->isBeforeInBlock(op) || isa<memref::DimOp>(user))
      continue;
    auto found = dyn_cast<linalg::FillOp>(user);
    if (fill || !found || found.getOutputs()[0] != buffer)
      return nullptr;
    fill = found;
  }
  return fill;
}

/// The buffer that `op` copies to `target`, element by element.
static Value getCopied(Operation *op, Value target) {
  auto copy = dyn_cast<linalg::GenericOp>(op);
  if (!copy || copy->getNumOperands() != 2 || copy.getNumDpsInputs() != 1 ||
      copy.getOutputs()[0] != target || copy.getNumReductionLoops() ||
      !llvm::all_of(copy.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return nullptr;
  if (copy.getBody()->getTerminator()->getOperand(0) !=
      copy.getBody()->getArgument(0))
    return nullptr;
  return copy.getInputs()[0];
}

/// Finds what the input of `m` is a padded copy of, if it is one that nobody
/// else reads.
static void matchPadding(WindowMaxima &m) {
  auto alloc = m.input->get().getDefiningOp<memref::AllocOp>();
  if (!alloc)
    return;
  linalg::FillOp fill;
  memref::SubViewOp view;
  SmallVector<Operation *> deallocs;
  for (Operation *user : alloc->getUsers()) {
    if (user == m.op)
      continue;
    if (user->getBlock() != m.op->getBlock())
      return;
    if (isa<memref::DeallocOp>(user)) {
      deallocs.push_back(user);
    } else if (auto found = dyn_cast<linalg::FillOp>(user); found && !fill) {
      fill = found;
    } else if (auto found = dyn_cast<memref::SubViewOp>(user); found && !view) {
      view = found;
    } else {
      return;
    }
  }
  if (!fill || !view || !view->hasOneUse() || !view.hasUnitStride() ||
      view.getType().getRank() != alloc.getType().getRank() ||
      llvm::any_of(view.getStaticOffsets(), ShapedType::isDynamic))
    return;
  Operation *copy = *view->user_begin();
  Value source = getCopied(copy, view);
  if (!source || copy->getBlock() != m.op->getBlock() ||
      !fill->isBeforeInBlock(copy) || !copy->isBeforeInBlock(m.op))
    return;
  // The source must still be what it was when it was copied.
  for (Operation *op = copy->getNextNode(); op != m.op; op = op->getNextNode())
    if (!isMemoryEffectFree(op) && !isa<memref::AllocOp>(op)) {
      auto other = dyn_cast<linalg::FillOp>(op);
      if (!other || other.getOutputs()[0] == source)
        return;
    }
  m.padding = WindowMaxima::Padding{source, fill.getInputs()[0],
                                    llvm::to_vector(view.getStaticOffsets())};
  m.unused.append({copy, view, fill});
  m.unused.append(deallocs);
  m.unused.push_back(alloc);
}

std::optional<WindowMaxima> quantc::matchWindowMaxima(linalg::GenericOp op) {
  // As pools have them: loops over results, then over elements of a window.
  std::optional<RowShape> shape = getReducedShape(op);
  if (!shape || !shape->rows || shape->columns < 2 || op.getNumDpsInits() != 1)
    return std::nullopt;
  AffineMap result = op.getIndexingMapsArray().back();
  if (result !=
      AffineMap::getMultiDimIdentityMap(op.getNumLoops(), op.getContext())
          .getMajorSubMap(shape->rows))
    return std::nullopt;
  std::optional<RowCombiner> combiner = matchRowCombiner(op);
  if (!combiner || !isExtremum(combiner->combine) ||
      op.getBody()->getOperations().size() != 2)
    return std::nullopt;
  WindowMaxima m;
  m.op = op;
  m.combine = combiner->combine;
  for (OpOperand *input : op.getDpsInputOperands())
    if (op.getMatchingBlockArgument(input) == combiner->element)
      m.input = input;
  if (!m.input || !isa<MemRefType>(m.input->get().getType()))
    return std::nullopt;
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  ArrayRef<int64_t> window = ArrayRef(sizes).drop_front(shape->rows);
  if (llvm::any_of(window, ShapedType::isDynamic))
    return std::nullopt;
  m.lines.assign(window.begin(), std::prev(window.end()));
  m.width = window.back();
  auto factors = getLineFactors(op.getMatchingIndexingMap(m.input),
                                shape->rows - 1, op.getNumLoops() - 1);
  if (!factors || factors->first < 1 || factors->first > kMaxStep ||
      factors->second < 1 || factors->second > kMaxStep)
    return std::nullopt;
  std::tie(m.step, m.dilation) = *factors;
  matchPadding(m);
  if (!paysOff(m))
    return std::nullopt;
  if (linalg::FillOp fill = findFill(op.getDpsInits()[0], op)) {
    m.init = fill.getInputs()[0];
    m.unused.push_back(fill);
  }
  return m;
}

namespace {
/// The loops over one line of results.
class LineEmitter {
public:
  LineEmitter(KernelEmitter &e, const WindowMaxima &maxima,
              ArrayRef<Value> outer)
      : e(e), m(maxima), outer(outer),
        element(getElementTypeOrSelf(m.input->get().getType())) {}

  void emit(Value size) {
    int64_t reach = (m.width - 1) * m.dilation + 1;
    Value columns = e.allocateOnStack((kPart - 1) * m.step + reach, element);
    e.forLoop(e.index(0), size, kPart, [&](Value start) {
      Value count = e.min(e.sub(size, start), e.index(kPart));
      Value length = e.add(e.mul(e.sub(count, e.index(1)), e.index(m.step)),
                           e.index(reach));
      Value first = e.mul(start, e.index(m.step));
      reduceColumns(columns, first, length);
      e.forLoop(e.index(0), count, 1,
                [&](Value i) { reduceWindow(columns, i, e.add(start, i)); });
    });
  }

private:
  Value combine(Value x, Value y) {
    IRMapping map;
    map.map(m.combine->getOperand(0), x);
    map.map(m.combine->getOperand(1), y);
    return e.b.clone(*m.combine, map)->getResult(0);
  }

  /// Where each line of the windows is in the input, without the last
  /// dimension.
  SmallVector<SmallVector<Value>> getLines() {
    linalg::GenericOp op = m.op;
    AffineMap map = op.getMatchingIndexingMap(m.input);
    SmallVector<SmallVector<Value>> positions;
    SmallVector<int64_t> strides = computeStrides(m.lines);
    for (int64_t i = 0, n = computeProduct(m.lines); i < n; ++i) {
      SmallVector<Value> loops(outer);
      loops.push_back(e.index(0));
      for (int64_t line : ::mlir::delinearize(i, strides))
        loops.push_back(e.index(line));
      loops.push_back(e.index(0));
      SmallVector<Value> &at = positions.emplace_back();
      for (AffineExpr expr : map.getResults().drop_back())
        at.push_back(affine::expandAffineExpr(e.b, e.loc, expr, loops, {}));
    }
    return positions;
  }

  Value loadAt(Value buffer, ArrayRef<Value> line, Value column) {
    SmallVector<Value> at(line);
    at.push_back(column);
    return memref::LoadOp::create(e.b, e.loc, buffer, at);
  }

  /// From `begin` to `end`: the maxima of `lines` of `buffer`, of which column
  /// 0 is that at `first`.
  void reduceLines(Value columns, Value begin, Value end, Value buffer,
                   ArrayRef<SmallVector<Value>> lines, Value first) {
    e.forLoop(begin, end, 1, [&](Value i) {
      Value column = e.add(first, i), result;
      for (const SmallVector<Value> &line : lines) {
        Value x = loadAt(buffer, line, column);
        result = result ? combine(result, x) : x;
      }
      e.store(result, columns, i);
    });
  }

  /// Over the lines of windows, for `length` columns of the input from `first`
  /// on.
  void reduceColumns(Value columns, Value first, Value length) {
    SmallVector<SmallVector<Value>> lines = getLines();
    if (!m.padding)
      return reduceLines(columns, e.index(0), length, m.input->get(), lines,
                         first);
    auto [source, edge, offsets] = *m.padding;
    first = e.sub(first, e.index(offsets.back()));
    Value columnsLeft = e.sub(e.size(source, offsets.size() - 1), first);
    Value begin = e.min(e.max(e.sub(e.index(0), first), e.index(0)), length);
    Value end = e.max(e.min(columnsLeft, length), begin);
    auto fill = [&, edge = edge](Value from, Value to) {
      e.forLoop(from, to, 1, [&](Value i) { e.store(edge, columns, i); });
    };
    fill(e.index(0), begin);
    fill(end, length);
    SmallVector<Value> exists;
    Value all;
    for (SmallVector<Value> &line : lines) {
      exists.push_back(moveIntoSource(line));
      all = all ? arith::AndIOp::create(e.b, e.loc, all, exists.back())
                : exists.back();
    }
    e.ifThen(
        all,
        [&, source = source] {
          reduceLines(columns, begin, end, source, lines, first);
        },
        [&, source = source] {
          // At least one line is of the edge.
          fill(begin, end);
          for (auto [line, isThere] : llvm::zip_equal(lines, exists))
            e.ifThen(isThere, [&, &line = line] {
              e.forLoop(begin, end, 1, [&](Value i) {
                Value x = loadAt(source, line, e.add(first, i));
                e.store(combine(e.load(columns, i), x), columns, i);
              });
            });
        });
  }

  /// Makes the position `line` of the padded input one of its source. Gives
  /// whether it is one.
  Value moveIntoSource(SmallVector<Value> &line) {
    const WindowMaxima::Padding &padding = *m.padding;
    Value exists;
    for (auto [d, at] : llvm::enumerate(line)) {
      at = e.sub(at, e.index(padding.offsets[d]));
      // What is negative is a large unsigned number.
      Value isHere = arith::CmpIOp::create(
          e.b, e.loc, arith::CmpIPredicate::ult, at, e.size(padding.source, d));
      exists =
          exists ? arith::AndIOp::create(e.b, e.loc, exists, isHere) : isHere;
    }
    return exists;
  }

  /// Over the elements of `columns`, for result `i` of them.
  void reduceWindow(Value columns, Value i, Value place) {
    SmallVector<Value> at(outer);
    at.push_back(place);
    linalg::GenericOp op = m.op;
    Value out = op.getDpsInits()[0];
    Value result = m.init;
    if (!result)
      result = memref::LoadOp::create(e.b, e.loc, out, at);
    Value first = e.mul(i, e.index(m.step));
    for (int64_t k = 0; k < m.width; ++k)
      result = combine(result,
                       e.load(columns, e.add(first, e.index(k * m.dilation))));
    memref::StoreOp::create(e.b, e.loc, result, out, at);
  }

  KernelEmitter &e;
  const WindowMaxima &m;
  ArrayRef<Value> outer;
  Type element;
};
} // namespace

void quantc::emitWindowMaxima(KernelEmitter &e, const WindowMaxima &maxima,
                              bool useThreads) {
  linalg::GenericOp op = maxima.op;
  Value out = op.getDpsInits()[0];
  SmallVector<Value> sizes;
  Value work = e.index(computeProduct(maxima.lines) * maxima.width);
  for (int64_t d = 0, rank = cast<MemRefType>(out.getType()).getRank();
       d < rank; ++d) {
    sizes.push_back(e.size(out, d));
    work = e.mul(work, sizes.back());
  }
  Value line = sizes.pop_back_val();
  e.parallelFor(sizes, work, useThreads, [&](Value, ArrayRef<Value> outer) {
    LineEmitter(e, maxima, outer).emit(line);
  });
}
