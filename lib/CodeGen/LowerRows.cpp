//===- LowerRows.cpp - Kernels over rows as vector code -------------------===//

#include "quantc/CodeGen/Passes.h"

#include "RowEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERROWSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// The shape that the reductions of `body` have.
static std::optional<RowShape> findShape(Block &body) {
  for (auto op : body.getOps<linalg::GenericOp>())
    if (op.getNumReductionLoops())
      return getReducedShape(op);
  return std::nullopt;
}

/// Adds `op` to `program`, unless what it reads is written otherwise than it
/// reads it.
static LogicalResult addStep(RowProgram &program, linalg::GenericOp op,
                             const llvm::DenseMap<Value, Value> &fills) {
  std::optional<RowOpKind> kind = classifyRowOp(op, program.shape);
  if (!kind || !op.hasPureBufferSemantics())
    return failure();
  RowStep step;
  step.op = op;
  step.kind = *kind;
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto writer = program.writers.find(input->get());
    if (writer == program.writers.end()) {
      if (program.locals.contains(input->get()))
        return failure();
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

/// The whole of `body` as a program over rows.
static FailureOr<RowProgram> matchProgram(Block &body) {
  std::optional<RowShape> shape = findShape(body);
  if (!shape)
    return failure();
  RowProgram program;
  program.shape = *shape;
  llvm::DenseMap<Value, Value> fills;
  for (Operation &op : body.without_terminator()) {
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      program.locals.insert(alloc.getResult());
    } else if (auto fill = dyn_cast<linalg::FillOp>(op)) {
      if (!fills.try_emplace(fill.getOutputs()[0], fill.getInputs()[0]).second)
        return failure();
    } else if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      if (failed(addStep(program, generic, fills)))
        return failure();
    } else if (!isa<memref::DeallocOp, memref::DimOp>(op) &&
               !op.hasTrait<OpTrait::ConstantLike>()) {
      return failure();
    }
  }
  if (llvm::any_of(fills, [&](auto &fill) {
        return !program.writers.contains(fill.first);
      }))
    return failure();
  return program;
}

namespace {
struct LowerRowsPass : public quantc::impl::LowerRowsPassBase<LowerRowsPass> {
  using LowerRowsPassBase::LowerRowsPassBase;

  void runOnOperation() override {
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (!func.isPrivate() || !func.getBody().hasOneBlock())
        continue;
      Block &body = func.getBody().front();
      FailureOr<RowProgram> program = matchProgram(body);
      if (failed(program))
        continue;
      SmallVector<Operation *> old;
      for (Operation &op : body.without_terminator())
        old.push_back(&op);
      OpBuilder builder(body.getTerminator());
      KernelEmitter emitter(builder, func.getLoc());
      emitRows(emitter, *program, unit, threads);
      ++numRowKernels;
      numSweeps += program->numSweeps();
      for (Operation *op : llvm::reverse(old))
        if (isa<linalg::LinalgOp, memref::DeallocOp>(op) || op->use_empty())
          op->erase();
    }
  }
};
} // namespace
