//===- FreeLocalBuffers.cpp - Deallocations that need no proof ------------===//
//
// MLIR frees all buffers of a block in one op, and to simplify that, compares
// each of them with each other one: for the block of a whole model that takes
// as long as many other passes together. Most buffers need no comparison.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ShapedOpInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

namespace quantc {
#define GEN_PASS_DEF_FREELOCALBUFFERSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// Whether `op` does no more to the memory of its operand `buffer` than to read
/// and write it: it neither frees it nor hands it on, be it as a number. An op
/// that does not say what it does may do both.
static bool onlyAccesses(Operation *op, Value buffer) {
  if (llvm::any_of(op->getResultTypes(), llvm::IsaPred<BaseMemRefType>))
    return false;
  // Deallocation gives callees no buffers to own; a size is no address.
  if (isa<CallOpInterface, ShapedDimOpInterface>(op))
    return true;
  auto effects = dyn_cast<MemoryEffectOpInterface>(op);
  if (!effects)
    return false;
  SmallVector<MemoryEffects::EffectInstance> onBuffer;
  effects.getEffectsOnValue(buffer, onBuffer);
  return !onBuffer.empty() && llvm::all_of(onBuffer, [](const auto &instance) {
    return isa<MemoryEffects::Read, MemoryEffects::Write>(instance.getEffect());
  });
}

/// Whether no value but views of `buffer` can be its memory, and nothing but
/// `dealloc` frees it or takes it out of the block.
static bool isLocal(Value buffer, bufferization::DeallocOp dealloc) {
  unsigned numDeallocs = 0;
  SmallVector<Value> views{buffer};
  while (!views.empty()) {
    for (OpOperand &use : views.pop_back_val().getUses()) {
      Operation *user = use.getOwner();
      if (user == dealloc) {
        // A view there is another owner, or is retained.
        if (use.get() != buffer || ++numDeallocs > 1)
          return false;
      } else if (isa<ViewLikeOpInterface>(user)) {
        views.append(user->result_begin(), user->result_end());
      } else if (!onlyAccesses(user, use.get())) {
        return false;
      }
    }
  }
  return numDeallocs == 1;
}

namespace {
struct FreeLocalBuffersPass
    : public quantc::impl::FreeLocalBuffersPassBase<FreeLocalBuffersPass> {
  void runOnOperation() override {
    getOperation().walk([&](bufferization::DeallocOp op) { free(op); });
  }

  void free(bufferization::DeallocOp op) {
    OpBuilder builder(op);
    SmallVector<Value> memrefs, conditions;
    for (auto [memref, condition] :
         llvm::zip_equal(op.getMemrefs(), op.getConditions())) {
      auto alloc = memref.getDefiningOp<memref::AllocOp>();
      if (alloc && alloc->getBlock() == op->getBlock() &&
          matchPattern(condition, m_One()) && isLocal(memref, op)) {
        memref::DeallocOp::create(builder, op.getLoc(), memref);
        ++numFreed;
      } else {
        memrefs.push_back(memref);
        conditions.push_back(condition);
      }
    }
    op.getMemrefsMutable().assign(memrefs);
    op.getConditionsMutable().assign(conditions);
  }
};
} // namespace
