//===- LowerReshapes.cpp - Views with several dynamic dimensions ----------===//
//
// Upstream's expand-strided-metadata computes the sizes of an expanded buffer
// from its source and assumes one dynamic size a group. A model with a dynamic
// batch and a dynamic length splits one dimension into both.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"
#include "quantc/Support/PatternCounter.h"
#include "quantc/Support/RewriteConfig.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERRESHAPESPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

namespace {

struct LowerExpandShape : OpRewritePattern<memref::ExpandShapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(memref::ExpandShapeOp op,
                                PatternRewriter &rewriter) const override {
    MemRefType type = op.getResultType();
    auto groups = op.getReassociationIndices();
    if (llvm::none_of(groups, [&](ArrayRef<int64_t> group) {
          return llvm::count_if(group, [&](int64_t d) {
                   return type.isDynamicDim(d);
                 }) > 1;
        }))
      return rewriter.notifyMatchFailure(op, "one dynamic size a group");
    Location loc = op.getLoc();
    auto source =
        memref::ExtractStridedMetadataOp::create(rewriter, loc, op.getSrc());
    SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
    SmallVector<OpFoldResult> strides(type.getRank());
    auto sourceStrides = source.getConstifiedMixedStrides();
    for (auto [group, sourceStride] : llvm::zip(groups, sourceStrides)) {
      OpFoldResult stride = sourceStride;
      for (int64_t d : llvm::reverse(group)) {
        strides[d] = stride;
        stride = multiply(rewriter, loc, stride, sizes[d]);
      }
    }
    // What the type leaves open may be known here; the type must be kept.
    auto [typeStrides, typeOffset] = type.getStridesAndOffset();
    for (auto [stride, expected] : llvm::zip(strides, typeStrides))
      if (ShapedType::isDynamic(expected))
        stride = getValueOrCreateConstantIndexOp(rewriter, loc, stride);
      else
        stride = rewriter.getIndexAttr(expected);
    OpFoldResult offset = source.getConstifiedMixedOffset();
    if (ShapedType::isDynamic(typeOffset))
      offset = getValueOrCreateConstantIndexOp(rewriter, loc, offset);
    rewriter.replaceOpWithNewOp<memref::ReinterpretCastOp>(
        op, type, source.getBaseBuffer(), offset, sizes, strides);
    return success();
  }

  static OpFoldResult multiply(OpBuilder &b, Location loc, OpFoldResult x,
                               OpFoldResult y) {
    auto cx = getConstantIntValue(x), cy = getConstantIntValue(y);
    if (cx && cy)
      return b.getIndexAttr(*cx * *cy);
    return arith::MulIOp::create(b, loc,
                                 getValueOrCreateConstantIndexOp(b, loc, x),
                                 getValueOrCreateConstantIndexOp(b, loc, y))
        .getResult();
  }
};

struct LowerReshapes : quantc::impl::LowerReshapesPassBase<LowerReshapes> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerExpandShape>(&getContext());
    quantc::PatternCounter counter;
    if (failed(applyPatternsGreedily(
            getOperation(), std::move(patterns),
            quantc::getRewriteConfig().setListener(&counter))))
      signalPassFailure();
    numLowered += counter.count();
  }
};

} // namespace
