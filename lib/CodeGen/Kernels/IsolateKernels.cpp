//===- IsolateKernels.cpp - What LLVM may assume of kernels ---------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace quantc {
#define GEN_PASS_DEF_ISOLATEKERNELSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// The pointer of a kernel that `address` is computed from, if it is one.
static BlockArgument findArgument(LLVM::LLVMFuncOp func, Value address) {
  while (auto place = address.getDefiningOp<LLVM::GEPOp>())
    address = place.getBase();
  auto argument = dyn_cast<BlockArgument>(address);
  bool isOfKernel = argument && argument.getOwner() == &func.getBody().front();
  return isOfKernel ? argument : BlockArgument();
}

/// Puts what accesses memory through one pointer of `func` into the scope of
/// that pointer, outside of those of all others. Returns how many these are.
static unsigned scopeAccesses(LLVM::LLVMFuncOp func) {
  SmallVector<std::pair<LLVM::AliasAnalysisOpInterface, BlockArgument>>
      accesses;
  llvm::MapVector<BlockArgument, Attribute> scopes;
  func.walk([&](LLVM::AliasAnalysisOpInterface op) {
    SmallVector<Value> addresses = op.getAccessedOperands();
    if (addresses.size() != 1)
      return;
    if (BlockArgument argument = findArgument(func, addresses.front())) {
      accesses.push_back({op, argument});
      scopes.insert({argument, nullptr});
    }
  });
  MLIRContext *context = func.getContext();
  auto domain = LLVM::AliasScopeDomainAttr::get(context, func.getSymNameAttr());
  for (auto &[argument, scope] : scopes)
    scope = LLVM::AliasScopeAttr::get(domain);
  for (auto [op, argument] : accesses) {
    SmallVector<Attribute> others;
    for (auto [other, scope] : scopes)
      if (other != argument)
        others.push_back(scope);
    op.setAliasScopes(ArrayAttr::get(context, scopes.lookup(argument)));
    if (!others.empty())
      op.setNoAliasScopes(ArrayAttr::get(context, others));
  }
  return accesses.size();
}

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
      numAccesses += scopeAccesses(func);
      ++numKernels;
    }
  }
};
} // namespace
