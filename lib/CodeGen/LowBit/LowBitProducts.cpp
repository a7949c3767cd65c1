//===- LowBitProducts.cpp - Emits products with low-bit weights -----------===//
//
// Few rows read each weight once, straight from its bits: their cost is that of
// reading the weights. Many rows unpack panels and go on as any product.
//
//===----------------------------------------------------------------------===//

#include "LowBitDigits.h"

using namespace mlir;
using namespace quantc;

/// Up to here, unpacking for each block of rows costs less than a panel.
static constexpr int64_t kFewRows = 4;
/// The same where the number of rows comes at run time and each row unpacks.
static constexpr int64_t kFewDynamicRows = 2;
/// Rows of bytes for which codes are unpacked once, and the bytes of rows that
/// are prepared at a time: they should stay in the second-level cache, beside a
/// panel of codes, and the more there are, the less often codes are read.
static constexpr int64_t kByteRows = 4;
static constexpr int64_t kPreparedBytes = 512 * 1024;

namespace {

/// The product of few rows, a panel of columns at a time.
class FewRowsEmitter {
public:
  FewRowsEmitter(KernelEmitter &e, const GemmProblem &p,
                 const MicroKernel &kernel, LowBitSource &columns,
                 DigitProduct *integers)
      : e(e), p(p), kernel(kernel), columns(columns), integers(integers) {}

  void emit(bool useThreads) {
    if (integers)
      integers->prepare(e, p.a.buffer, p.m,
                        e.asConstant(p.m).value_or(kFewDynamicRows));
    Value numPanels = e.ceilDiv(columns.getNumSlots(e), kernel.vectors);
    Value work = e.mul(e.mul(p.m, p.n), p.k);
    Value condition;
    if (useThreads)
      condition = e.compare(arith::CmpIPredicate::sgt, work,
                            e.index(kParallelLoopWork));
    e.parallelFor(numPanels, condition, [&](Value panel) {
      Value slot = e.mul(panel, e.index(kernel.vectors));
      e.forLoop(e.index(0), p.m, kernel.rows,
                [&](Value row) { emitRows(slot, row); });
    });
  }

  /// The same for rows of bytes, in groups.
  void emitBytes(bool useThreads, int64_t groupSize) {
    int64_t depth = e.asConstant(p.k).value();
    int64_t most = std::max<int64_t>(
        1, kPreparedBytes / std::max<int64_t>(1, depth * groupSize));
    if (std::optional<int64_t> m = e.asConstant(p.m))
      most = std::min<int64_t>(most, llvm::divideCeil(*m, groupSize));
    integers->allocate(e, most);
    Value numPanels = e.ceilDiv(columns.getNumSlots(e), kernel.vectors);
    Value condition;
    if (useThreads)
      condition =
          e.compare(arith::CmpIPredicate::sgt, e.mul(e.mul(p.m, p.n), p.k),
                    e.index(kParallelLoopWork));
    int64_t step = kernel.lanes == 16 || groupSize == 1 ? 4 : 2;
    e.forLoop(e.index(0), p.m, most * groupSize, [&](Value first) {
      Value count = e.min(e.sub(p.m, first), e.index(most * groupSize));
      integers->prepareBytes(e, p.a.buffer, first, count);
      Value numGroups = e.ceilDiv(count, groupSize);
      e.parallelFor(numPanels, condition, [&](Value panel) {
        Value slot = e.mul(panel, e.index(kernel.vectors));
        e.forLoop(e.index(0), numGroups, 1, [&](Value group) {
          for (int64_t v = 0; v < kernel.vectors; v += step) {
            Value from = e.add(slot, e.index(v));
            SmallVector<Value> sums =
                integers->multiply(e, columns, step, group, from);
            for (int64_t r = 0; r < groupSize; ++r) {
              Value row = e.add(
                  first, e.add(e.mul(group, e.index(groupSize)), e.index(r)));
              auto store = [&] {
                storeRows(from, step, row,
                          ArrayRef(sums).slice(r * step, step));
              };
              if (groupSize == 1)
                store();
              else
                e.ifThen(e.compare(arith::CmpIPredicate::slt, row, p.m), store);
            }
          }
        });
      });
    });
    integers->release(e);
  }

private:
  void emitRows(Value slot, Value firstRow) {
    SmallVector<Value> rows, offsets;
    for (int64_t r = 0; r < kernel.rows; ++r) {
      rows.push_back(e.add(firstRow, e.index(r)));
      offsets.push_back(e.mul(rows.back(), p.a.rowStride));
    }
    SmallVector<Value> sums;
    if (integers) {
      // As many vectors at a time as leave registers for all their sums.
      int64_t step = kernel.lanes == 16 ? 4 : 2;
      for (int64_t v = 0; v < kernel.vectors; v += step)
        llvm::append_range(sums, integers->multiply(e, columns, step, firstRow,
                                                    e.add(slot, e.index(v))));
    } else {
      sums = columns.multiply(e, kernel, p.a.buffer, offsets, slot);
    }
    for (auto [r, row] : llvm::enumerate(rows))
      storeRows(slot, kernel.vectors, row,
                ArrayRef(sums).slice(r * kernel.vectors, kernel.vectors));
  }

  /// The sums of one row, from `slot` on, through the epilogue.
  void storeRows(Value slot, int64_t vectors, Value row, ArrayRef<Value> sums) {
    SmallVector<Value> bases(p.epilogueInputs.size(), e.index(0));
    auto type = VectorType::get(kernel.lanes, e.b.getI1Type());
    for (int64_t v = 0; v < vectors; ++v) {
      ColumnSlot column = columns.getSlot(e, e.add(slot, e.index(v)));
      auto store = [&](Value mask) {
        Value sum = sums[v];
        if (p.epilogue)
          sum = emitEpilogue(e, p, bases,
                             OutputVector{row, column.offset, sum, mask},
                             kernel.lanes);
        Value at = e.add(e.mul(row, p.output.rowStride), column.offset);
        e.storeVector(sum, p.output.buffer, at, mask);
      };
      std::optional<int64_t> n = e.asConstant(p.n);
      if (n && *n % kernel.columns() == 0) {
        store(Value());
        continue;
      }
      Value isFull = e.compare(arith::CmpIPredicate::sge, column.valid,
                               e.index(kernel.lanes));
      e.ifThen(
          isFull, [&] { store(Value()); },
          [&] {
            // Panels are whole, so some slots may lie behind the last column.
            Value count = e.max(column.valid, e.index(0));
            store(vector::CreateMaskOp::create(e.b, e.loc, type, count));
          });
    }
  }

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  LowBitSource &columns;
  DigitProduct *integers; // Null for floats.
};

} // namespace

/// Everything but the weights.
static MatchedProduct matchProblem(KernelEmitter &e, linalg::LinalgOp root,
                                   const LowBitBody &body) {
  MatchedProduct match;
  match.root = root;
  GemmProblem &p = match.problem;
  Value input = root->getOperand(body.input), out = root.getDpsInits()[0];
  auto outType = cast<MemRefType>(out.getType());
  p.k = e.index(body.depth);
  p.n = e.index(body.columns);
  p.m = e.index(1);
  SmallVector<unsigned> rowLoops;
  for (int64_t i = 0; i + 1 < outType.getRank(); ++i) {
    p.m = e.mul(p.m, e.size(out, i));
    rowLoops.push_back(i);
  }
  p.a = {e.flatten(input), {}, p.k, e.index(1)};
  p.c = {e.flatten(out), {}, p.n, e.index(1)};
  p.factorA.result = body.inputFactor;
  p.factorA.element = root.getBlock()->getArgument(body.input);
  LoopGroups groups;
  groups.m = rowLoops;
  groups.n = {unsigned(rowLoops.size())};
  matchNeighbours(e, match, groups);
  auto *it = match.absorbed.begin();
  match.absorbed.insert(p.epilogue ? it + 1 : it, root);
  return match;
}

bool quantc::emitLowBitProduct(KernelEmitter &e, WeightPacker &packer,
                               linalg::LinalgOp root, const VectorUnit &unit,
                               bool useThreads) {
  std::optional<LowBitBody> body = matchLowBitProduct(root);
  if (!body || !root.hasPureBufferSemantics())
    return false;
  if (body->depth == 0 || body->columns == 0)
    return false;
  for (Value operand : root->getOperands())
    if (!cast<MemRefType>(operand.getType()).getLayout().isIdentity())
      return false;
  MatchedProduct match = matchProblem(e, root, *body);
  const GemmProblem &p = match.problem;
  if (p.accumulates)
    return false;
  Type f32 = e.b.getF32Type();
  int64_t m = e.asConstant(p.m).value_or(ShapedType::kDynamic);
  MicroKernel many =
      MicroKernel::choose(unit, f32, m, e.asConstant(p.n).value());
  // Panels of weights are whole numbers of those of the kernel.
  many.vectors =
      1 << llvm::Log2_64(std::min(many.vectors, LowBitLayout::slots));
  std::optional<LowBitWeights> weights =
      packLowBitWeights(packer, root, *body, many.lanes);
  if (!weights)
    return false;
  LowBitSource columns(*weights, p.n, unit);

  MicroKernel few = many;
  few.vectors = LowBitLayout::slots;
  few.rows = ShapedType::isDynamic(m) ? 1 : m;
  bool isFloat = cast<MemRefType>(p.a.buffer.getType()).getElementType() == f32;
  DigitProduct integers(*weights, unit);
  bool useIntegers = few.rows == 1 && DigitProduct::isSupported(*weights, unit);
  auto emitFew = [&] {
    FewRowsEmitter(e, p, few, columns, useIntegers ? &integers : nullptr)
        .emit(useThreads);
  };
  auto emitBytes = [&](int64_t groupSize) {
    DigitProduct bytes(*weights, unit, groupSize);
    FewRowsEmitter(e, p, few, columns, &bytes).emitBytes(useThreads, groupSize);
  };
  auto emitMany = [&] { emitGemm(e, p, many, columns, useThreads); };
  bool isBytes =
      cast<MemRefType>(p.a.buffer.getType()).getElementType().isInteger(8);
  if (isBytes && DigitProduct::isSupported(*weights, unit)) {
    if (m == 1)
      emitBytes(1);
    else if (!ShapedType::isDynamic(m))
      emitBytes(kByteRows);
    else
      e.ifThen(
          e.compare(arith::CmpIPredicate::sle, p.m, e.index(1)),
          [&] { emitBytes(1); }, [&] { emitBytes(kByteRows); });
  } else if (!isFloat || (!ShapedType::isDynamic(m) && m > kFewRows))
    emitMany();
  else if (!ShapedType::isDynamic(m))
    emitFew();
  else
    e.ifThen(
        e.compare(arith::CmpIPredicate::sle, p.m, e.index(kFewDynamicRows)),
        emitFew, emitMany);
  for (Operation *op : match.absorbed)
    op->erase();
  return true;
}
