//===- LowerCopies.cpp - Strided copies as loops --------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/SymbolTable.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERCOPIESPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// Copies of fewer elements take less code than a call.
static constexpr int64_t kLeastElements = 8;

static bool isContiguous(MemRefType type) {
  return type.getLayout().isIdentity();
}

namespace {
struct LowerCopiesPass
    : public quantc::impl::LowerCopiesPassBase<LowerCopiesPass> {
  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    getOperation()->walk([&](memref::CopyOp op) {
      auto source = dyn_cast<MemRefType>(op.getSource().getType());
      auto target = dyn_cast<MemRefType>(op.getTarget().getType());
      if (source && target && !(isContiguous(source) && isContiguous(target)))
        copies.push_back(op);
      else
        ++numLeft;
    });
    for (memref::CopyOp op : copies) {
      OpBuilder builder(op);
      auto type = cast<MemRefType>(op.getTarget().getType());
      bool isSmall =
          type.hasStaticShape() && type.getNumElements() < kLeastElements;
      // Kernels have one copy each; the function that calls them, some for each
      // layer of a model.
      if (isSmall || op->getParentOfType<func::FuncOp>().isPrivate())
        linalg::makeMemRefCopyOp(builder, op.getLoc(), op.getSource(),
                                 op.getTarget());
      else
        func::CallOp::create(builder, op.getLoc(), getCopier(op),
                             op->getOperands());
      op.erase();
      ++numLowered;
    }
  }

  /// The function that copies between buffers of such types.
  func::FuncOp getCopier(memref::CopyOp op) {
    Type source = op.getSource().getType(), target = op.getTarget().getType();
    func::FuncOp &copier = copiers[{source, target}];
    if (copier)
      return copier;
    ++numCopiers;
    OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
    copier =
        func::FuncOp::create(builder, op.getLoc(), "copy",
                             builder.getFunctionType({source, target}, {}));
    copier.setPrivate();
    SymbolTable(getOperation()).insert(copier);
    Block *body = copier.addEntryBlock();
    builder.setInsertionPointToStart(body);
    linalg::makeMemRefCopyOp(builder, op.getLoc(), body->getArgument(0),
                             body->getArgument(1));
    func::ReturnOp::create(builder, op.getLoc());
    return copier;
  }

  llvm::DenseMap<std::pair<Type, Type>, func::FuncOp> copiers;
};
} // namespace
