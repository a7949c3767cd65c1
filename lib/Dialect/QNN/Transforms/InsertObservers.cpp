//===- InsertObservers.cpp - Mark the values that calibration watches -----===//

#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "llvm/ADT/SetVector.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_INSERTOBSERVERSPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;

/// Whether calibration can watch `value`: a named tensor of numbers that data
/// decide.
static bool isObservable(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !isa<Float16Type, BFloat16Type, Float32Type, Float64Type>(
                   type.getElementType()))
    return false;
  Operation *op = value.getDefiningOp();
  return !(op && op->hasTrait<OpTrait::ConstantLike>()) &&
         !qnn::getValueName(value).empty();
}

/// The axis of `value` whose indices are channels.
static std::optional<int64_t> getChannelAxis(Value value) {
  for (OpOperand &use : value.getUses())
    if (auto op = dyn_cast<qnn::QuantizableOpInterface>(use.getOwner()))
      if (llvm::is_contained(op.getQuantizableOperands(),
                             use.getOperandNumber()))
        if (auto axis = op.getInputAxis(use.getOperandNumber()))
          return axis;
  if (auto op = value.getDefiningOp<qnn::QuantizableOpInterface>())
    return op.getResultChannelAxis();
  return std::nullopt;
}

namespace {
struct InsertObservers : qnn::impl::InsertObserversPassBase<InsertObservers> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    if (values == "all" || values == "quantizable")
      return success();
    return emitError(UnknownLoc::get(context))
           << "qnn-insert-observers: values=" << values
           << " should be quantizable or all";
  }

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    llvm::SetVector<Value> chosen;
    auto choose = [&](Value value) {
      if (isObservable(value) &&
          (names.empty() ||
           llvm::is_contained(names, qnn::getValueName(value).str())))
        chosen.insert(value);
    };
    if (values == "quantizable") {
      func.walk([&](qnn::QuantizableOpInterface op) {
        for (unsigned index : op.getQuantizableOperands())
          choose(op->getOperand(index));
        llvm::for_each(op->getResults(), choose);
      });
      // Quantization moves through these, in both directions.
      for (size_t i = 0; i < chosen.size(); ++i) {
        if (auto op = chosen[i].getDefiningOp<qnn::SameScaleOpInterface>())
          for (unsigned index : op.getDataOperands())
            choose(op->getOperand(index));
        for (OpOperand &use : chosen[i].getUses())
          if (auto op = dyn_cast<qnn::SameScaleOpInterface>(use.getOwner()))
            if (llvm::is_contained(op.getDataOperands(),
                                   use.getOperandNumber()))
              llvm::for_each(op->getResults(), choose);
      }
    } else {
      llvm::for_each(func.getArguments(), choose);
      func.walk([&](Operation *op) {
        llvm::for_each(op->getResults(), choose);
        for (Region &region : op->getRegions())
          for (Block &block : region)
            llvm::for_each(block.getArguments(), choose);
      });
    }
    for (Value value : chosen)
      observe(value);
  }

  void observe(Value value) {
    OpBuilder b(&getContext());
    b.setInsertionPointAfterValue(value);
    auto observer = qnn::ObserveOp::create(
        b, qnn::getNodeLoc(value.getLoc()), value.getType(), value,
        b.getStringAttr(qnn::getValueName(value)), IntegerAttr());
    observer.setChannelAxis(getChannelAxis(value));
    value.replaceAllUsesExcept(observer, observer);
    ++numObserved;
  }
};
} // namespace
