//===- IsolateKernels.cpp - What LLVM may assume of kernels ---------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace quantc {
#define GEN_PASS_DEF_ISOLATEKERNELSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

namespace {
struct IsolateKernelsPass
    : public quantc::impl::IsolateKernelsPassBase<IsolateKernelsPass> {
  void runOnOperation() override {
    // A function is a kernel if all that is known of it are its calls.
    llvm::DenseMap<StringAttr, bool> onlyCalled;
    getOperation().walk([&](Operation *op) {
      auto call = dyn_cast<LLVM::CallOp>(op);
      if (call && call.getCalleeAttr())
        onlyCalled.try_emplace(call.getCalleeAttr().getAttr(), true);
      else if (auto address = dyn_cast<LLVM::AddressOfOp>(op))
        onlyCalled[address.getGlobalNameAttr().getAttr()] = false;
    });
    for (auto func : getOperation().getOps<LLVM::LLVMFuncOp>()) {
      if (func.isExternal() || !onlyCalled.lookup(func.getSymNameAttr()))
        continue;
      func.setLinkage(LLVM::Linkage::Internal);
      for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
        if (isa<LLVM::LLVMPointerType>(type))
          func.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                          UnitAttr::get(&getContext()));
      ++numKernels;
    }
  }
};
} // namespace
