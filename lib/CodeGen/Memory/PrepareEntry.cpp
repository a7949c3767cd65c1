//===- PrepareEntry.cpp - Entry points that own their results -------------===//
//
// The ABI promises fresh result buffers. Bufferization alone would return an
// argument's buffer for an identity, or one buffer for two results. States are
// arguments that the run updates.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

namespace quantc {
#define GEN_PASS_DEF_PREPAREENTRYPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// The tensor that `value` has another shape of.
static Value getViewed(Value value) {
  if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>())
    return expand.getSrc();
  if (auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>())
    return collapse.getSrc();
  return {};
}

/// Whether bufferization gives the result of `op` a destination: not if it
/// folds to its operand, as what pads by nothing and joins nothing does.
static bool getsDestination(Operation *op) {
  if (auto concat = dyn_cast_or_null<tensor::ConcatOp>(op))
    return !llvm::is_contained(concat.getInputs().getTypes(),
                               concat.getResultType()) &&
           llvm::count_if(concat.getInputs().getTypes(), [](Type type) {
             return !llvm::is_contained(cast<ShapedType>(type).getShape(), 0);
           }) > 1;
  if (auto pad = dyn_cast_or_null<tensor::PadOp>(op))
    return !pad.hasZeroLowPad() || !pad.hasZeroHighPad();
  return false;
}

/// Whether the buffer of `value` is certainly its own: made by an op that
/// writes a destination, and used by nothing but the return.
static bool isOwnBuffer(Value value) {
  while (Value viewed = getViewed(value)) {
    if (!value.hasOneUse())
      return false;
    value = viewed;
  }
  if (!value.hasOneUse())
    return false;
  if (getsDestination(value.getDefiningOp()))
    return true;
  auto producer = value.getDefiningOp<DestinationStyleOpInterface>();
  if (!producer)
    return false;
  Value init = producer.getTiedOpOperand(cast<OpResult>(value))->get();
  while (auto fill = init.getDefiningOp<DestinationStyleOpInterface>())
    init = fill.getTiedOpOperand(cast<OpResult>(init))->get();
  return init.getDefiningOp<tensor::EmptyOp>() != nullptr;
}

namespace {
struct PrepareEntryPass
    : public quantc::impl::PrepareEntryPassBase<PrepareEntryPass> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (func.isDeclaration() || func.isPrivate())
        continue;
      for (unsigned i = 0; i < func.getNumArguments(); ++i)
        if (isa<TensorType>(func.getArgument(i).getType()))
          func.setArgAttr(
              i, bufferization::BufferizationDialect::kWritableAttrName,
              BoolAttr::get(&getContext(),
                            bool(func.getArgAttr(i, "qnn.state"))));
      func.walk([&](func::ReturnOp op) { copyShared(func, op); });
    }
  }

  void copyShared(func::FuncOp func, func::ReturnOp op) {
    OpBuilder builder(op);
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand.get().getType());
      if (!type || isOwnBuffer(operand.get()) ||
          func.getResultAttr(operand.getOperandNumber(), "qnn.state"))
        continue;
      auto copy = bufferization::AllocTensorOp::create(
          builder, op.getLoc(), type, /*dynamicSizes=*/ValueRange(),
          operand.get());
      operand.set(copy);
      ++numCopied;
    }
  }
};
} // namespace
