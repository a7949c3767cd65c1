//===- RowProgram.cpp - Ops over rows, in order ---------------------------===//

#include "RowProgram.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace quantc;

unsigned RowProgram::numSweeps() const {
  unsigned sweeps = 0;
  for (const RowStep &step : steps)
    if (step.kind != RowOpKind::perRow)
      sweeps = std::max(sweeps, step.level + 1);
  return sweeps;
}

/// The shape that the reductions among `ops` have.
static std::optional<RowShape> findShape(ArrayRef<Operation *> ops) {
  for (Operation *op : ops)
    if (auto generic = dyn_cast<linalg::GenericOp>(op))
      if (generic.getNumReductionLoops())
        return getReducedShape(generic);
  return std::nullopt;
}

/// Adds `op` to `program`, unless what it reads is written otherwise than it
/// reads it, or it writes what an op before it reads, which may run after it:
/// sweeps come in order, not ops. `isRead` has the buffers that were read
/// before they are written.
static LogicalResult addStep(RowProgram &program, linalg::GenericOp op,
                             const llvm::DenseMap<Value, Value> &fills,
                             llvm::DenseSet<Value> &isRead) {
  std::optional<RowOpKind> kind = classifyRowOp(op, program.shape);
  if (!kind || !op.hasPureBufferSemantics())
    return failure();
  RowStep step;
  step.op = op;
  step.kind = *kind;
  if (isRead.contains(step.output()))
    return failure();
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto writer = program.writers.find(input->get());
    if (writer == program.writers.end()) {
      if (program.locals.contains(input->get()) || fills.contains(input->get()))
        return failure();
      isRead.insert(input->get());
      continue;
    }
    if (!readsInPlace(input, program.shape))
      return failure();
    const RowStep &before = program.steps[writer->second];
    step.level =
        std::max(step.level,
                 before.level + (before.kind == RowOpKind::reduction ? 1 : 0));
  }
  Value fill = fills.lookup(step.output());
  if ((step.kind == RowOpKind::reduction) != bool(fill))
    return failure();
  step.init = fill;
  if (!program.writers.try_emplace(step.output(), program.steps.size()).second)
    return failure();
  program.steps.push_back(step);
  return success();
}

FailureOr<RowProgram> quantc::matchRowProgram(ArrayRef<Operation *> ops) {
  std::optional<RowShape> shape = findShape(ops);
  if (!shape)
    return failure();
  RowProgram program;
  program.shape = *shape;
  llvm::DenseMap<Value, Value> fills;
  llvm::DenseSet<Value> isRead;
  for (Operation *op : ops) {
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      program.locals.insert(alloc.getResult());
    } else if (auto fill = dyn_cast<linalg::FillOp>(op)) {
      if (isRead.contains(fill.getOutputs()[0]) ||
          !fills.try_emplace(fill.getOutputs()[0], fill.getInputs()[0]).second)
        return failure();
    } else if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      if (failed(addStep(program, generic, fills, isRead)))
        return failure();
    } else if (!isa<memref::DeallocOp, memref::DimOp>(op) &&
               !op->hasTrait<OpTrait::ConstantLike>()) {
      return failure();
    }
  }
  if (llvm::any_of(fills, [&](auto &fill) {
        return !program.writers.contains(fill.first);
      }))
    return failure();
  return program;
}
