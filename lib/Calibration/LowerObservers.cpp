//===- LowerObservers.cpp - Observers call the calibrating process --------===//

#include "quantc/Calibration/Passes.h"

#include "quantc/Dialect/QNN/IR/QuantizationOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace quantc {
#define GEN_PASS_DEF_LOWEROBSERVERSPASS
#include "quantc/Calibration/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

namespace {
struct LowerObservers : quantc::impl::LowerObserversPassBase<LowerObservers> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<qnn::ObserveOp> observers;
    module.walk([&](qnn::ObserveOp op) { observers.push_back(op); });
    SmallVector<Attribute> names;
    SmallVector<int64_t> axes;
    for (qnn::ObserveOp op : observers) {
      OpBuilder b(op);
      Type element = op.getInput().getType().getElementType();
      auto unranked = UnrankedTensorType::get(element);
      Value number = arith::ConstantOp::create(
          b, op.getLoc(), b.getI64IntegerAttr(names.size()));
      Value tensor =
          tensor::CastOp::create(b, op.getLoc(), unranked, op.getInput());
      func::CallOp::create(b, op.getLoc(), declare(module, unranked),
                           ValueRange{number, tensor});
      names.push_back(op.getIdAttr());
      axes.push_back(op.getChannelAxis().value_or(-1));
      op.replaceAllUsesWith(op.getInput());
      op.erase();
      ++numLowered;
    }
    Builder b(&getContext());
    module->setAttr("qnn.observed", b.getArrayAttr(names));
    module->setAttr("qnn.observed_axes", b.getDenseI64ArrayAttr(axes));
  }

  /// The host function for tensors of this type.
  func::FuncOp declare(ModuleOp module, UnrankedTensorType type) {
    std::string name;
    llvm::raw_string_ostream(name)
        << "quantc_observe_" << type.getElementType();
    if (auto existing = module.lookupSymbol<func::FuncOp>(name))
      return existing;
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    auto func =
        func::FuncOp::create(b, module.getLoc(), name,
                             b.getFunctionType({b.getI64Type(), type}, {}));
    func.setPrivate();
    func.setArgAttr(1,
                    bufferization::BufferizationDialect::kBufferAccessAttrName,
                    b.getStringAttr("read"));
    return func;
  }
};
} // namespace
