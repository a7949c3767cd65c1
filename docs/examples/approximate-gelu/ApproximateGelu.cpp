//===- ApproximateGelu.cpp - A pass of your own, as a plug-in -------------===//
//
// Replaces the exact GELU by its tanh approximation, which trades about 1e-3 of
// accuracy for a cheaper function. docs/AddingAPass.md walks through this file.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

using namespace mlir;
using namespace quantc;

namespace {

struct UseTanh : OpRewritePattern<qnn::UnaryOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(qnn::UnaryOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getKind() != qnn::UnaryKind::gelu)
      return rewriter.notifyMatchFailure(op, "not an exact GELU");
    rewriter.modifyOpInPlace(op,
                             [&] { op.setKind(qnn::UnaryKind::gelu_tanh); });
    return success();
  }
};

struct ApproximateGelu
    : PassWrapper<ApproximateGelu, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ApproximateGelu)

  StringRef getArgument() const override { return "approximate-gelu"; }
  StringRef getDescription() const override {
    return "Replace the exact GELU by its tanh approximation";
  }

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<UseTanh>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "ApproximateGelu", "1.0",
          [] { PassRegistration<ApproximateGelu>(); }};
}
