//===- WindowMaxima.cpp - Maxima of windows, line by line -----------------===//
//
// A maximum may be taken in any order. Of k lines with k elements each, a
// window needs k · k loads; with the maxima of columns in a line of their own,
// which its neighbours use, too, about 2 · k.
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
/// long as two.
static bool paysOff(const WindowMaxima &m) {
  int64_t numLines = computeProduct(m.lines);
  if (numLines < 2 || numLines > kMaxUnrolled || m.width > kMaxUnrolled)
    return false;
  int64_t load = m.step > 1 ? 3 : 1;
  int64_t twoSteps = m.step * (numLines + 2) + load * m.width;
  return 5 * twoSteps < 4 * load * numLines * m.width;
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
  WindowMaxima m{op};
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
  if (!paysOff(m))
    return std::nullopt;
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
      e.forLoop(e.index(0), length, 1, [&](Value i) {
        e.store(reduceColumn(e.add(first, i)), columns, i);
      });
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

  /// Over the lines of windows, at `column` of the input.
  Value reduceColumn(Value column) {
    linalg::GenericOp op = m.op;
    AffineMap map = op.getMatchingIndexingMap(m.input);
    Value result;
    SmallVector<int64_t> strides = computeStrides(m.lines);
    for (int64_t i = 0, n = computeProduct(m.lines); i < n; ++i) {
      SmallVector<Value> loops(outer);
      loops.push_back(e.index(0));
      for (int64_t line : ::mlir::delinearize(i, strides))
        loops.push_back(e.index(line));
      loops.push_back(e.index(0));
      SmallVector<Value> at;
      for (AffineExpr expr : map.getResults().drop_back())
        at.push_back(affine::expandAffineExpr(e.b, e.loc, expr, loops, {}));
      at.push_back(column);
      Value x = memref::LoadOp::create(e.b, e.loc, m.input->get(), at);
      result = result ? combine(result, x) : x;
    }
    return result;
  }

  /// Over the elements of `columns`, for result `i` of them.
  void reduceWindow(Value columns, Value i, Value place) {
    SmallVector<Value> at(outer);
    at.push_back(place);
    linalg::GenericOp op = m.op;
    Value out = op.getDpsInits()[0];
    Value result = memref::LoadOp::create(e.b, e.loc, out, at);
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
