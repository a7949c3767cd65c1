//===- VerifyFolded.cpp - Nothing quantized is computed as float ----------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "llvm/ADT/StringExtras.h"

#include <set>

namespace quantc::qnn {
#define GEN_PASS_DEF_VERIFYFOLDEDPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;

/// The constant that `v` dequantizes, maybe moved before and after, or that was
/// dequantized when constants were folded, or null.
static Operation *getDequantizedConstant(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    if (op->hasAttr(qnn::dequantizedAttr))
      return op;
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
      InFlightDiagnostic diagnostic =
          strict ? op->emitOpError() : op->emitRemark();
      diagnostic << "computes with floats, and dequantizes its weight (operand "
                 << i << ") for that: "
                 << (reason.empty() ? "it was not folded" : reason);
      return !strict;
    }
    return true;
  }

  /// What the floats are for, once each.
  static std::string explainUsers(Value v) {
    std::set<std::string> reasons;
    for (Operation *user : v.getUsers())
      reasons.insert(explainUse(user));
    return llvm::join(reasons, "; ");
  }

  static std::string explainUse(Operation *user) {
    std::string name = user->getName().getStringRef().str();
    if (user->hasTrait<OpTrait::IsTerminator>())
      return "it is a result of the model";
    if (auto contraction = dyn_cast<qnn::QuantizableOpInterface>(user)) {
      std::string reason = qnn::explainFloat(contraction);
      return name + ": " + (reason.empty() ? "it was not folded" : reason);
    }
    if (qnn::isElementwise(user))
      return name + " computes with floats, in one loop with this";
    if (isa<qnn::SameScaleOpInterface>(user))
      return name + " joins or fills with what is not quantized alike";
    return name + " has no integer form";
  }

  void reportDequantize(qnn::DequantizeOp op) {
    ++numDequantize;
    if (report)
      op->emitRemark("dequantizes ")
          << op.getInput().getType() << ": " << explainUsers(op.getResult());
  }

  void reportQuantize(qnn::QuantizeOp op) {
    ++numQuantize;
    if (!report)
      return;
    Operation *source = op.getInput().getDefiningOp();
    auto remark = op->emitRemark("quantizes to ") << op.getType() << ": ";
    if (source)
      remark << explainUse(source);
    else
      remark << "it is an input of the model";
  }
};

} // namespace
