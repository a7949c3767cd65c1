//===- ReturnStates.cpp - States stay in the caller's memory --------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace quantc {
#define GEN_PASS_DEF_RETURNSTATESPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

static constexpr StringLiteral stateName("qnn.state");

namespace {
struct ReturnStatesPass
    : public quantc::impl::ReturnStatesPassBase<ReturnStatesPass> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (!func.isPrivate() && !func.isExternal() && failed(returnStates(func)))
        return signalPassFailure();
  }

  LogicalResult returnStates(func::FuncOp func) {
    auto ret = cast<func::ReturnOp>(func.getBody().back().getTerminator());
    for (unsigned i = func.getNumResults(); i-- > 0;) {
      Attribute key = func.getResultAttr(i, stateName);
      if (!key)
        continue;
      BlockArgument state;
      for (BlockArgument argument : func.getArguments())
        if (func.getArgAttr(argument.getArgNumber(), stateName) == key)
          state = argument;
      if (!state)
        return func.emitError("result #")
               << i << " is a state that no argument is";
      Value value = ret.getOperand(i);
      while (auto cast = value.getDefiningOp<memref::CastOp>())
        value = cast.getSource();
      if (value != state) {
        OpBuilder builder(ret);
        memref::CopyOp::create(builder, ret.getLoc(), value, state);
        ++numCopied;
      } else {
        ++numInPlace;
      }
      ret->eraseOperand(i);
      if (failed(func.eraseResult(i)))
        return failure();
    }
    return success();
  }
};
} // namespace
