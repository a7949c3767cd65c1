//===- VerifyFolded.cpp - Nothing quantized is computed as float ----------===//

#include "FoldPatterns.h"

#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "llvm/ADT/StringExtras.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_VERIFYFOLDEDPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;

/// The constant that `v` dequantizes, maybe moved before and after, or null.
static Operation *getDequantizedConstant(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    if (auto dequantize = dyn_cast<qnn::DequantizeOp>(op)) {
      v = dequantize.getInput();
      while (auto mover = v.getDefiningOp<qnn::SameScaleOpInterface>())
        v = mover->getOperand(0);
      return v.getDefiningOp<qnn::ConstantOp>();
    }
    if (!isa<qnn::SameScaleOpInterface>(op))
      return nullptr;
    v = op->getOperand(0);
  }
  return nullptr;
}

static bool isFloat(Value v) {
  auto type = dyn_cast<RankedTensorType>(v.getType());
  return type && isa<FloatType>(type.getElementType());
}

namespace {

struct VerifyFolded : qnn::impl::VerifyFoldedPassBase<VerifyFolded> {
  using Base::Base;

  void runOnOperation() override {
    bool failed = false;
    getOperation().walk([&](Operation *op) {
      if (auto contraction = dyn_cast<qnn::QuantizableOpInterface>(op))
        failed |= !verify(contraction);
      else if (auto dequantize = dyn_cast<qnn::DequantizeOp>(op))
        reportDequantize(dequantize);
      else if (auto quantize = dyn_cast<qnn::QuantizeOp>(op))
        reportQuantize(quantize);
    });
    if (failed)
      signalPassFailure();
  }

private:
  bool verify(qnn::QuantizableOpInterface op) {
    if (!isFloat(op->getResult(0)))
      return true;
    ++numFloat;
    for (unsigned i : op.getQuantizableOperands()) {
      if (!getDequantizedConstant(op->getOperand(i)))
        continue;
      std::string reason = qnn::explainFloat(op);
      op->emitOpError("computes with floats, and dequantizes its weight "
                      "(operand ")
          << i
          << ") for that: " << (reason.empty() ? "it was not folded" : reason);
      return false;
    }
    return true;
  }

  /// The ops that use the floats, by name, once each.
  static std::string nameUsers(Value v) {
    SetVector<StringRef> names;
    for (Operation *user : v.getUsers())
      names.insert(user->getName().getStringRef());
    return llvm::join(names, ", ");
  }

  void reportDequantize(qnn::DequantizeOp op) {
    ++numDequantize;
    if (report)
      op->emitRemark("dequantizes ")
          << op.getInput().getType() << " for " << nameUsers(op.getResult());
  }

  void reportQuantize(qnn::QuantizeOp op) {
    ++numQuantize;
    if (!report)
      return;
    Operation *source = op.getInput().getDefiningOp();
    op->emitRemark("quantizes to ")
        << op.getType() << " what "
        << (source ? source->getName().getStringRef()
                   : StringRef("an input of the model"))
        << " gives";
  }
};

} // namespace
