//===- LowerCopies.cpp - Strided copies as loops --------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERCOPIESPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

namespace {
struct LowerCopiesPass
    : public quantc::impl::LowerCopiesPassBase<LowerCopiesPass> {
  void runOnOperation() override {
    getOperation()->walk([&](memref::CopyOp op) {
      auto source = dyn_cast<MemRefType>(op.getSource().getType());
      auto target = dyn_cast<MemRefType>(op.getTarget().getType());
      if (!source || !target ||
          (source.getLayout().isIdentity() &&
           target.getLayout().isIdentity())) {
        ++numLeft;
        return;
      }
      OpBuilder builder(op);
      linalg::makeMemRefCopyOp(builder, op.getLoc(), op.getSource(),
                               op.getTarget());
      op.erase();
      ++numLowered;
    });
  }
};
} // namespace
