//===- LowerRows.cpp - Kernels over rows as vector code -------------------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Rows/RowEmitter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERROWSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

namespace {
struct LowerRowsPass : public quantc::impl::LowerRowsPassBase<LowerRowsPass> {
  using LowerRowsPassBase::LowerRowsPassBase;

  void runOnOperation() override {
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (!func.isPrivate() || !func.getBody().hasOneBlock())
        continue;
      Block &body = func.getBody().front();
      SmallVector<Operation *> old;
      for (Operation &op : body.without_terminator())
        old.push_back(&op);
      FailureOr<RowProgram> program = matchRowProgram(old);
      if (failed(program))
        continue;
      OpBuilder builder(body.getTerminator());
      KernelEmitter emitter(builder, func.getLoc());
      emitRows(emitter, *program, unit, threads);
      ++numRowKernels;
      numSweeps += program->numSweeps();
      for (Operation *op : llvm::reverse(old))
        if (isa<linalg::LinalgOp, memref::DeallocOp>(op) || op->use_empty())
          op->erase();
    }
  }
};
} // namespace
