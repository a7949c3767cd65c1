//===- RowEmitter.cpp - One loop over rows --------------------------------===//
//
// A block of rows is swept from left to right once per level of the program, a
// vector of each row at a time. Rows side by side are independent, so that
// their sums do not wait for each other. What a later sweep needs again waits
// in a slot: lines of a small buffer, or the row of a result of the same type
// that is written no earlier.
//
//===----------------------------------------------------------------------===//

#include "RowEmitter.h"

#include "CodeGen/Emitter/LoopGroups.h"
#include "CodeGen/Target/Expressions.h"
#include "RowReduction.h"

#include "quantc/CodeGen/ElementCost.h"

using namespace mlir;
using namespace quantc;

static constexpr int64_t kMaxRows = 4;
/// Bytes of lines that rows side by side may have.
static constexpr int64_t kLineBytes = 32 * 1024;

namespace {
/// Where a row of a buffer begins, and how to go on.
struct RowAccess {
  Access access;
  bool columns;
  bool rows;
};

/// Lines that hold elements between sweeps: of the row of a buffer, or lines
/// one after the other, in a buffer of this code's own.
struct Slot {
  Value flat;
  unsigned step = 0; // Whose output it is, if it is no buffer of its own.
  bool isOutput = false;
  Type element;
  unsigned freeFrom = 0; // The first sweep that may write it.
  unsigned freeUntil = ~0u;
};

class RowEmitter {
public:
  RowEmitter(KernelEmitter &e, const RowProgram &program,
             const VectorUnit &unit)
      : e(e), program(program), permutes(unit.permutes),
        lanes(std::max<int64_t>(RowReduction::kPartialSums, unit.bits / 32)),
        hasFMA(unit.hasFMA) {}

  void emit(bool useThreads);

private:
  using RowValues = SmallVector<Value, 4>;

  Value loopSize(unsigned loop);
  void planSlots();
  void planSlot(unsigned step, unsigned lastSweep);
  int64_t countWork() const;
  const RowAccess &getAccess(Value buffer, AffineMap map);
  Value getBase(const RowAccess &access, ValueRange position);

  void emitBlock(Value first, int64_t numRows);
  void emitPerRow(unsigned level);
  void emitPerRow(const RowStep &step);
  void emitSweep(unsigned level);
  SmallVector<Value> emitColumns(unsigned level, Value column, Value mask,
                                 Value left, ValueRange sums);
  void loadRow(const RowStep &step, unsigned row, Value column, Value mask,
               llvm::DenseMap<Value, Value> &known,
               llvm::DenseMap<Value, Value> &loaded);
  Value getColumnIndices(Value column);
  RowReduction reductionOf(const RowStep &step);
  std::pair<Value, Value> slotAt(unsigned step, unsigned row);
  void storeScalar(const RowStep &step, unsigned row, Value value);

  KernelEmitter &e;
  const RowProgram &program;
  TablePermutes permutes;
  int64_t lanes;
  bool hasFMA;
  SmallVector<Value> rowSizes;
  Value columns;
  llvm::MapVector<std::pair<Value, AffineMap>, RowAccess> accesses;
  SmallVector<Slot> slots;
  llvm::DenseMap<unsigned, unsigned> slotOf; // By step.

  // Of the block of rows that is being emitted:
  int64_t numRows = 1;
  SmallVector<SmallVector<Value>> positions;
  /// By buffer: the values of rows.
  llvm::DenseMap<Value, RowValues> rowValues;
  /// By argument of a body: the values of rows, ready for vector code.
  llvm::DenseMap<Value, RowValues> splats;
};
} // namespace

Value RowEmitter::loopSize(unsigned loop) {
  for (const RowStep &step : program.steps) {
    linalg::GenericOp op = step.op;
    for (OpOperand *input : op.getDpsInputOperands()) {
      if (program.locals.contains(input->get()) ||
          !isa<MemRefType>(input->get().getType()))
        continue;
      AffineMap map = op.getMatchingIndexingMap(input);
      if (loop >= map.getNumDims())
        continue;
      if (std::optional<unsigned> at =
              map.getResultPosition(e.b.getAffineDimExpr(loop)))
        return e.size(input->get(), *at);
    }
  }
  llvm_unreachable("each loop of a step over rows is a loop of its inputs");
}

const RowAccess &RowEmitter::getAccess(Value buffer, AffineMap map) {
  auto [it, isNew] = accesses.try_emplace({buffer, map});
  if (!isNew)
    return it->second;
  RowAccess &access = it->second;
  access.access = Access::get(e, buffer, map);
  access.columns = access.rows = false;
  for (int64_t loop : access.access.loops) {
    access.columns |= loop >= int64_t(program.shape.rows);
    access.rows |= loop >= 0 && loop < int64_t(program.shape.rows);
  }
  return access;
}

Value RowEmitter::getBase(const RowAccess &access, ValueRange position) {
  Value base = e.index(0);
  for (auto [loop, at] : llvm::enumerate(position))
    base = e.add(base, e.mul(at, access.access.strideOf(e, loop)));
  return base;
}

/// Scalar operations on one element of a row.
int64_t RowEmitter::countWork() const {
  int64_t work = 0;
  for (const RowStep &step : program.steps) {
    if (step.kind == RowOpKind::perRow)
      continue;
    linalg::GenericOp op = step.op;
    for (Operation &inner : op.getBody()->without_terminator())
      work += getElementCost(&inner);
    ++work;
  }
  return work;
}

//===- slots --------------------------------------------------------------===//

/// Gives each step whose elements a later sweep reads its lines.
void RowEmitter::planSlots() {
  for (auto [i, step] : llvm::enumerate(program.steps))
    if (step.kind == RowOpKind::elements &&
        !program.locals.contains(step.output())) {
      linalg::GenericOp op = step.op;
      Slot slot;
      const RowAccess &access =
          getAccess(step.output(), op.getIndexingMapsArray().back());
      slot.flat = access.access.flat;
      slot.step = i;
      slot.isOutput = true;
      slot.element = cast<MemRefType>(slot.flat.getType()).getElementType();
      slot.freeUntil = step.level;
      slots.push_back(slot);
    }
  for (unsigned i = 0; i < program.steps.size(); ++i) {
    const RowStep &step = program.steps[i];
    if (step.kind != RowOpKind::elements)
      continue;
    unsigned lastSweep = step.level;
    for (const RowStep &reader : program.steps) {
      linalg::GenericOp op = reader.op;
      if (llvm::is_contained(op.getInputs(), step.output()))
        lastSweep = std::max(lastSweep, reader.level);
    }
    if (lastSweep > step.level)
      planSlot(i, lastSweep);
  }
}

void RowEmitter::planSlot(unsigned i, unsigned lastSweep) {
  const RowStep &step = program.steps[i];
  Type element = cast<MemRefType>(step.output().getType()).getElementType();
  for (auto [s, slot] : llvm::enumerate(slots)) {
    bool own = slot.isOutput && slot.step == i;
    // A sweep loads what it needs of a slot before it writes there.
    if (own || (slot.element == element && slot.freeFrom <= step.level &&
                lastSweep <= slot.freeUntil)) {
      slot.freeFrom = own ? ~0u : lastSweep;
      slotOf[i] = s;
      return;
    }
  }
  Slot slot;
  slot.element = element;
  slot.freeFrom = lastSweep;
  slotOf[i] = slots.size();
  slots.push_back(slot);
}

/// The buffer and position of the line of `row` that holds the elements of
/// `step`.
std::pair<Value, Value> RowEmitter::slotAt(unsigned step, unsigned row) {
  const Slot &slot = slots[slotOf.lookup(step)];
  if (!slot.isOutput)
    return {slot.flat, e.mul(columns, e.index(row))};
  linalg::GenericOp op = program.steps[slot.step].op;
  const RowAccess &access = getAccess(program.steps[slot.step].output(),
                                      op.getIndexingMapsArray().back());
  return {slot.flat, getBase(access, positions[row])};
}

//===- values of rows -----------------------------------------------------===//

void RowEmitter::storeScalar(const RowStep &step, unsigned row, Value value) {
  rowValues[step.output()].push_back(value);
  if (program.locals.contains(step.output()))
    return;
  linalg::GenericOp op = step.op;
  const RowAccess &access = getAccess(
      step.output(), op.getMatchingIndexingMap(op.getDpsInitOperand(0)));
  e.store(value, access.access.flat, getBase(access, positions[row]));
}

void RowEmitter::emitPerRow(const RowStep &step) {
  linalg::GenericOp op = step.op;
  Value result = op.getBody()->getTerminator()->getOperand(0);
  for (unsigned row = 0; row < numRows; ++row) {
    llvm::DenseMap<Value, Value> known;
    for (OpOperand *input : op.getDpsInputOperands()) {
      Value argument = op.getMatchingBlockArgument(input);
      auto local = rowValues.find(input->get());
      if (!isa<MemRefType>(input->get().getType())) {
        known[argument] = input->get();
      } else if (local != rowValues.end()) {
        known[argument] = local->second[row];
      } else {
        const RowAccess &access =
            getAccess(input->get(), op.getMatchingIndexingMap(input));
        known[argument] =
            e.load(access.access.flat, getBase(access, positions[row]));
      }
    }
    storeScalar(step, row, emitExpression(e, result, /*lanes=*/0, known));
  }
}

void RowEmitter::emitPerRow(unsigned level) {
  for (const RowStep &step : program.steps)
    if (step.kind == RowOpKind::perRow && step.level == level)
      emitPerRow(step);
}

//===- sweeps -------------------------------------------------------------===//

RowReduction RowEmitter::reductionOf(const RowStep &step) {
  linalg::GenericOp op = step.op;
  auto writer = program.writers.find(op.getInputs().front());
  linalg::GenericOp producer;
  if (writer != program.writers.end())
    producer = program.steps[writer->second].op;
  return RowReduction(e, op, producer, lanes, hasFMA);
}

/// The positions of a vector of elements from `column` on.
Value RowEmitter::getColumnIndices(Value column) {
  auto type = VectorType::get(lanes, e.b.getIndexType());
  return arith::AddIOp::create(e.b, e.loc, e.splat(column, lanes),
                               vector::StepOp::create(e.b, e.loc, type));
}

/// Loads what `step` reads of one row and does not know yet.
void RowEmitter::loadRow(const RowStep &step, unsigned row, Value column,
                         Value mask, llvm::DenseMap<Value, Value> &known,
                         llvm::DenseMap<Value, Value> &loaded) {
  linalg::GenericOp op = step.op;
  for (auto index : op.getBody()->getOps<linalg::IndexOp>())
    known[index] = getColumnIndices(column);
  for (OpOperand *input : op.getDpsInputOperands()) {
    Value argument = op.getMatchingBlockArgument(input);
    if (argument.use_empty() || known.contains(argument))
      continue;
    auto splat = splats.find(argument);
    if (splat != splats.end()) {
      known[argument] = splat->second[row];
      continue;
    }
    auto writer = program.writers.find(input->get());
    if (writer != program.writers.end()) {
      const RowStep &before = program.steps[writer->second];
      if (before.level == step.level)
        continue; // Computed in this sweep.
      auto [flat, base] = slotAt(writer->second, row);
      Value &value = loaded[before.output()];
      if (!value)
        value = e.loadVector(flat, e.add(base, column), lanes, mask);
      known[argument] = value;
      continue;
    }
    const RowAccess &access =
        getAccess(input->get(), op.getMatchingIndexingMap(input));
    // Of one buffer in two ways, the second is loaded again.
    Value &value = loaded[argument];
    if (!value)
      value = e.loadVector(access.access.flat,
                           e.add(getBase(access, positions[row]), column),
                           lanes, mask);
    known[argument] = value;
  }
}

/// One vector of each row; gives the new partial results of the reductions, by
/// row and reduction. With `left`, only so many elements exist.
SmallVector<Value> RowEmitter::emitColumns(unsigned level, Value column,
                                           Value mask, Value left,
                                           ValueRange sums) {
  SmallVector<Value> results(sums);
  llvm::DenseMap<Value, Value> shared; // Loads that all rows share.
  unsigned next = 0;
  for (unsigned row = 0; row < numRows; ++row) {
    llvm::DenseMap<Value, Value> known, loaded(shared);
    auto isHere = [&](const RowStep &step) {
      return step.kind != RowOpKind::perRow && step.level == level;
    };
    for (const RowStep &step : program.steps)
      if (isHere(step))
        loadRow(step, row, column, mask, known, loaded);
    for (auto [i, step] : llvm::enumerate(program.steps)) {
      if (!isHere(step))
        continue;
      linalg::GenericOp op = step.op;
      for (OpOperand *input : op.getDpsInputOperands()) {
        Value argument = op.getMatchingBlockArgument(input);
        if (!known.contains(argument))
          known[argument] = loaded.lookup(input->get());
        auto access =
            accesses.find({input->get(), op.getMatchingIndexingMap(input)});
        if (access != accesses.end() && !access->second.rows)
          shared[argument] = loaded.lookup(argument);
      }
      if (step.kind == RowOpKind::reduction) {
        results[next] = reductionOf(step).add(sums[next], left, known);
        ++next;
        continue;
      }
      Value result = op.getBody()->getTerminator()->getOperand(0);
      Value value = emitExpression(e, result, lanes, known, permutes);
      loaded[step.output()] = value;
      if (slotOf.contains(i)) {
        auto [flat, base] = slotAt(i, row);
        e.storeVector(value, flat, e.add(base, column), mask);
        if (slots[slotOf.lookup(i)].step == i &&
            slots[slotOf.lookup(i)].isOutput)
          continue;
      }
      if (program.locals.contains(step.output()))
        continue;
      const RowAccess &access = getAccess(
          step.output(), op.getMatchingIndexingMap(op.getDpsInitOperand(0)));
      e.storeVector(value, access.access.flat,
                    e.add(getBase(access, positions[row]), column), mask);
    }
  }
  return results;
}

void RowEmitter::emitSweep(unsigned level) {
  SmallVector<const RowStep *> reductions;
  for (const RowStep &step : program.steps) {
    if (step.kind == RowOpKind::perRow || step.level != level)
      continue;
    if (step.kind == RowOpKind::reduction)
      reductions.push_back(&step);
    // What is the same for all elements of a row.
    linalg::GenericOp op = step.op;
    for (OpOperand *input : op.getDpsInputOperands()) {
      Value argument = op.getMatchingBlockArgument(input);
      bool isScalar = !isa<MemRefType>(input->get().getType());
      if (argument.use_empty() ||
          (!isScalar && hasColumns(input, program.shape)))
        continue;
      for (unsigned row = 0; row < numRows; ++row) {
        auto local = rowValues.find(input->get());
        Value scalar = isScalar ? input->get() : Value();
        if (local != rowValues.end())
          scalar = local->second[row];
        if (!scalar) {
          const RowAccess &access =
              getAccess(input->get(), op.getMatchingIndexingMap(input));
          scalar = e.load(access.access.flat, getBase(access, positions[row]));
        }
        splats[argument].push_back(e.splat(scalar, lanes));
      }
    }
  }

  SmallVector<Value> sums;
  for (unsigned row = 0; row < numRows; ++row)
    for (const RowStep *step : reductions)
      sums.push_back(reductionOf(*step).start(step->init));
  Value whole = e.mul(e.floorDiv(columns, lanes), e.index(lanes));
  sums = e.forLoop(e.index(0), whole, lanes, sums,
                   [&](Value column, ValueRange before) {
                     return emitColumns(level, column, {}, {}, before);
                   });
  sums = e.forLoop(
      whole, columns, lanes, sums, [&](Value column, ValueRange before) {
        Value left = e.sub(columns, column);
        auto type = VectorType::get(lanes, e.b.getI1Type());
        Value mask = vector::CreateMaskOp::create(e.b, e.loc, type, left);
        return emitColumns(level, column, mask, left, before);
      });
  unsigned next = 0;
  for (unsigned row = 0; row < numRows; ++row)
    for (const RowStep *step : reductions)
      storeScalar(*step, row,
                  reductionOf(*step).finish(sums[next++], step->init));
}

//===- rows ---------------------------------------------------------------===//

void RowEmitter::emitBlock(Value first, int64_t count) {
  numRows = count;
  positions.clear();
  rowValues.clear();
  splats.clear();
  for (int64_t row = 0; row < numRows; ++row)
    positions.push_back(e.delinearize(e.add(first, e.index(row)), rowSizes));
  SmallVector<Value> allocated;
  for (Slot &slot : slots) {
    if (slot.isOutput)
      continue;
    slot.flat =
        e.allocate(e.mul(columns, e.index(numRows)), slot.element, kLineBytes);
    allocated.push_back(slot.flat);
  }
  unsigned numSweeps = program.numSweeps();
  for (unsigned level = 0; level <= numSweeps; ++level) {
    emitPerRow(level);
    if (level < numSweeps)
      emitSweep(level);
  }
  for (Value buffer : allocated)
    e.release(buffer);
}

void RowEmitter::emit(bool useThreads) {
  Value numRows = e.index(1);
  for (unsigned loop = 0; loop < program.shape.rows; ++loop) {
    rowSizes.push_back(loopSize(loop));
    numRows = e.mul(numRows, rowSizes.back());
  }
  columns = e.index(1);
  for (unsigned loop = program.shape.rows; loop < program.shape.loops(); ++loop)
    columns = e.mul(columns, loopSize(loop));
  // Everything that blocks of rows share is emitted before the loop.
  for (const RowStep &step : program.steps) {
    linalg::GenericOp op = step.op;
    for (OpOperand &operand : op->getOpOperands())
      if (isa<MemRefType>(operand.get().getType()) &&
          !program.locals.contains(operand.get()))
        getAccess(operand.get(), op.getMatchingIndexingMap(&operand));
  }
  planSlots();

  int64_t block = kMaxRows;
  if (std::optional<int64_t> known = e.asConstant(columns))
    while (block > 1 && block * *known * 4 > kLineBytes)
      block /= 2;
  std::optional<int64_t> knownRows = e.asConstant(numRows);
  while (block > 1 && knownRows && *knownRows < block)
    block /= 2;
  Value condition;
  if (useThreads) {
    Value work = e.mul(e.mul(numRows, columns), e.index(countWork()));
    condition =
        e.compare(arith::CmpIPredicate::sgt, work, e.index(kParallelLoopWork));
  }
  e.parallelFor(e.ceilDiv(numRows, block), condition, [&](Value task) {
    Value first = e.mul(task, e.index(block));
    Value end = e.add(first, e.index(block));
    bool exact = knownRows && *knownRows % block == 0;
    if (exact)
      return emitBlock(first, block);
    e.ifThen(
        e.compare(arith::CmpIPredicate::sle, end, numRows),
        [&] { emitBlock(first, block); },
        [&] {
          e.forLoop(first, numRows, 1, [&](Value row) { emitBlock(row, 1); });
        });
  });
}

void quantc::emitRows(KernelEmitter &e, const RowProgram &program,
                      const VectorUnit &unit, bool useThreads) {
  RowEmitter(e, program, unit).emit(useThreads);
}
