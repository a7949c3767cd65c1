//===- InferShapes.cpp - Refines types after constants became known -------===//

#include "FoldPatterns.h"

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/Transforms/InferShapes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_INFERSHAPESPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;

namespace {

class TypeRefiner {
public:
  /// Gives how many values got another type.
  unsigned run(func::FuncOp func) {
    refineOps(func.getBody());
    refineSignature(func);
    return numRefined;
  }

  /// Fails if ops contradict each other, or have results without elements.
  LogicalResult run(Region &region) {
    refineOps(region);
    return failure(isContradicted);
  }

private:
  void refineOps(Region &region) {
    // Ops come after what they use, so one walk refines all.
    region.walk([&](Operation *op) {
      if (isa<qnn::QNNDialect>(op->getDialect()))
        refineResults(op);
      else if (auto branch = dyn_cast<scf::IfOp>(op))
        refineBranch(branch);
    });
  }

  /// Gives `value` the type and keeps the old one for users that cannot do
  /// with another: all but qnn ops, and casts, which look at their operands.
  void refine(Value value, RankedTensorType type) {
    Type old = value.getType();
    ++numRefined;
    value.setType(type);
    tensor::CastOp cast;
    for (OpOperand &use : llvm::make_early_inc_range(value.getUses())) {
      Operation *user = use.getOwner();
      if (isa<qnn::QNNDialect>(user->getDialect()) ||
          isa<tensor::CastOp, tensor::DimOp>(user))
        continue;
      if (!cast) {
        OpBuilder b(value.getContext());
        b.setInsertionPointAfterValue(value);
        cast = tensor::CastOp::create(b, value.getLoc(), old, value);
      }
      use.set(cast);
    }
  }

  /// Nothing if they cannot be inferred.
  SmallVector<Type> inferTypes(Operation *op) {
    SmallVector<Type> types;
    if (auto inferable = dyn_cast<InferTypeOpInterface>(op)) {
      if (failed(inferable.inferReturnTypes(
              op->getContext(), std::nullopt, op->getOperands(),
              op->getAttrDictionary(), op->getPropertiesStorage(),
              op->getRegions(), types))) {
        isContradicted = true;
        return {};
      }
    } else if (isa<qnn::PointwiseOpInterface>(op) ||
               (op->hasTrait<qnn::ElementwiseTrait>() &&
                op->getNumOperands() == 1)) {
      Type element = getElementTypeOrSelf(op->getResult(0).getType());
      types.push_back(
          cast<RankedTensorType>(op->getOperand(0).getType()).clone(element));
    }
    return types;
  }

  void refineResults(Operation *op) {
    // What is cast to be less static was more static before.
    for (OpOperand &operand : op->getOpOperands())
      if (auto cast = operand.get().getDefiningOp<tensor::CastOp>())
        if (tensor::canFoldIntoConsumerOp(cast))
          operand.set(cast.getSource());
    for (auto [result, type] : llvm::zip(op->getResults(), inferTypes(op))) {
      auto met = qnn::meetTypes(cast<RankedTensorType>(result.getType()),
                                cast<RankedTensorType>(type));
      isContradicted |= failed(met) || llvm::is_contained(met->getShape(), 0);
      if (succeeded(met) && *met != result.getType())
        refine(result, *met);
    }
  }

  /// A result of scf.if is as static as both branches are.
  void refineBranch(scf::IfOp op) {
    if (op.getNumResults() == 0)
      return;
    auto source = [](Value v) {
      auto cast = v.getDefiningOp<tensor::CastOp>();
      return cast && tensor::canFoldIntoConsumerOp(cast) ? cast.getSource() : v;
    };
    for (OpResult result : op.getResults()) {
      OpOperand *yields[] = {
          &op.thenYield()->getOpOperand(result.getResultNumber()),
          &op.elseYield()->getOpOperand(result.getResultNumber())};
      auto old = dyn_cast<RankedTensorType>(result.getType());
      if (!old)
        continue;
      auto a = cast<RankedTensorType>(source(yields[0]->get()).getType());
      auto b = cast<RankedTensorType>(source(yields[1]->get()).getType());
      SmallVector<int64_t> shape(old.getShape());
      for (auto [d, x, y] : llvm::zip(shape, a.getShape(), b.getShape()))
        if (ShapedType::isDynamic(d) && x == y)
          d = x;
      auto type = RankedTensorType::get(shape, old.getElementType());
      if (type == old)
        continue;
      for (OpOperand *yield : yields) {
        Value v = source(yield->get());
        OpBuilder builder(yield->getOwner());
        if (v.getType() != type)
          v = tensor::CastOp::create(builder, v.getLoc(), type, v);
        yield->set(v);
      }
      refine(result, type);
    }
  }

  /// The function returns what its values are; it must not be called.
  void refineSignature(func::FuncOp func) {
    if (func.isPrivate() || func.isExternal())
      return;
    auto ret = cast<func::ReturnOp>(func.getBody().back().getTerminator());
    for (OpOperand &operand : ret->getOpOperands())
      if (auto cast = operand.get().getDefiningOp<tensor::CastOp>())
        if (tensor::canFoldIntoConsumerOp(cast))
          operand.set(cast.getSource());
    func.setType(FunctionType::get(func.getContext(), func.getArgumentTypes(),
                                   ret.getOperandTypes()));
  }

  unsigned numRefined = 0;
  bool isContradicted = false;
};

struct InferShapesPass : qnn::impl::InferShapesPassBase<InferShapesPass> {
  void runOnOperation() override {
    numRefined += TypeRefiner().run(getOperation());
  }
};

} // namespace

LogicalResult qnn::refineBranch(scf::IfOp op, Region &region) {
  ScopedDiagnosticHandler silence(op.getContext(),
                                  [](Diagnostic &) { return success(); });
  return success(succeeded(TypeRefiner().run(region)) && succeeded(verify(op)));
}

LogicalResult qnn::refineShapes(func::FuncOp func) {
  return success(TypeRefiner().run(func) == 0 || succeeded(verify(func)));
}
