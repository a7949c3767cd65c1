//===- FoldUnfused.cpp - Integer ops where QDQ form means floats ----------===//
//
// A model in QDQ form says what is quantized, and leaves it to whoever runs it
// which ops become integer ones. Here those become integer ops already that
// ONNX Runtime, which looks at an op and its direct neighbours, would compute
// with floats, while a library of ours sums integers.
//
//===----------------------------------------------------------------------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/ContractionOps.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_FOLDUNFUSEDPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// The type of what is dequantized to operand `index`.
static Type getStorage(Operation *op, unsigned index) {
  auto dequantize = op->getOperand(index).getDefiningOp<DequantizeOp>();
  return dequantize.getInput().getType().getElementType();
}

/// The relu or clamp between a product and its quantization that the latter
/// does as well, or `value` itself.
static Value skipRelu(Value value) {
  if (!value.hasOneUse())
    return value;
  auto unary = dyn_cast<UnaryOp>(*value.user_begin());
  return unary && unary.getKind() == UnaryKind::relu ? unary.getResult()
                                                     : value;
}

/// Whether the only one that uses `op`'s result quantizes it to the type of the
/// op's first operand.
static bool isQuantizedAtOnce(Operation *op) {
  Value result = op->getResult(0), clamped = skipRelu(result);
  if (!clamped.hasOneUse())
    return false;
  auto quantize = dyn_cast<QuantizeOp>(*clamped.user_begin());
  if (!quantize || !isPerTensor(quantize) ||
      quantize.getType().getElementType() != getStorage(op, 0))
    return false;
  return clamped == result ||
         isClampedByQuantize(quantize, BinaryKind::max, /*bound=*/0.0f);
}

/// What an accumulator's scale, bias, clamp and requantization may move
/// through.
static bool carriesAccumulator(Operation *user) {
  if (auto unary = dyn_cast<UnaryOp>(user))
    return unary.getKind() == UnaryKind::relu;
  if (auto binary = dyn_cast<BinaryOp>(user))
    return (binary.getKind() == BinaryKind::add ||
            binary.getKind() == BinaryKind::max ||
            binary.getKind() == BinaryKind::min) &&
           (getConstantFloats(binary.getLhs()) ||
            getConstantFloats(binary.getRhs()));
  return isa<SameScaleOpInterface>(user);
}

/// Adds what follows `op` up to where its sums are quantized. Gives whether
/// they are anywhere.
static bool collectFollowers(Operation *op, SetVector<Operation *> &chain) {
  bool isQuantized = false;
  for (Operation *user : op->getUsers()) {
    if (isa<QuantizeOp>(user)) {
      chain.insert(user);
      isQuantized = true;
    } else if (carriesAccumulator(user) && chain.insert(user)) {
      isQuantized |= collectFollowers(user, chain);
    }
  }
  return isQuantized;
}

/// Whether ONNX Runtime may make a float Gemm of a product and the sum behind
/// it before it looks for quantized operands.
static bool mayBecomeGemm(MatMulOp op) {
  if (!op->hasOneUse() || op.getRhs().getType().getRank() != 2)
    return false;
  auto sum = dyn_cast<BinaryOp>(*op->user_begin());
  RankedTensorType lhs = op.getLhs().getType();
  return sum && sum.getKind() == BinaryKind::add &&
         (lhs.getRank() == 2 || lhs.hasStaticShape());
}

/// Whether ONNX Runtime makes one integer op of `op` and its neighbours that
/// rounds as ours do.
static bool isFused(QuantizableOpInterface op) {
  SmallVector<unsigned> operands = op.getQuantizableOperands();
  for (unsigned index : operands)
    if (getStorage(op, index).getIntOrFloatBitWidth() != 8)
      return false;
  // Signed activations become unsigned ones where they are quantized at once.
  if (getStorage(op, 0).isSignedInteger() &&
      (!getStorage(op, 1).isSignedInteger() ||
       !op->getOperand(0)
            .getDefiningOp<DequantizeOp>()
            .getInput()
            .getDefiningOp<QuantizeOp>()))
    return false;
  if (auto product = dyn_cast<MatMulOp>(*op)) {
    SetVector<Operation *> chain;
    return isQuantizedAtOnce(op) ||
           (!collectFollowers(op, chain) && !mayBecomeGemm(product));
  }
  if (!isa<ConvOp>(*op))
    return false;
  if (std::optional<unsigned> index = op.getBiasOperand()) {
    auto bias = op->getOperand(*index).getDefiningOp<DequantizeOp>();
    if (!bias || !bias.getInput().getType().getElementType().isInteger(32))
      return false;
  }
  return isQuantizedAtOnce(op);
}

namespace {
struct FoldUnfusedPass : qnn::impl::FoldUnfusedPassBase<FoldUnfusedPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    FoldCounts counts;
    populateContractionPatterns(patterns, counts);
    populateMovementPatterns(patterns, counts);
    FrozenRewritePatternSet frozen(std::move(patterns));
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);

    SetVector<Operation *> chain = collectUnfused();
    // What changes has users that are looked at again.
    bool changed = !chain.empty();
    while (changed) {
      if (failed(applyOpPatternsGreedily(chain.getArrayRef(), frozen, config,
                                         &changed)))
        return signalPassFailure();
      chain = collectAccumulators();
    }

    getOperation().walk([](DequantizeOp op) {
      if (op.use_empty())
        op.erase();
    });
    SmallVector<ConvTransposeOp> tilings;
    getOperation().walk([&](ConvTransposeOp op) {
      if (op.getType().getElementType().isInteger(32) && isTiling(op))
        tilings.push_back(op);
    });
    for (ConvTransposeOp op : tilings)
      multiplyTiles(op);
  }

private:
  /// The contractions to fold, and what follows them.
  SetVector<Operation *> collectUnfused() {
    SetVector<Operation *> chain;
    getOperation().walk([&](QuantizableOpInterface op) {
      if (!explainFloat(op).empty() || isFused(op))
        return;
      // ONNX has no other transposed convolution of integers.
      if (auto transposed = dyn_cast<ConvTransposeOp>(*op);
          transposed && !isTiling(transposed))
        return;
      ++numUnfused;
      chain.insert(op);
      collectFollowers(op, chain);
    });
    return chain;
  }

  /// What follows the contractions that were folded.
  SetVector<Operation *> collectAccumulators() {
    SetVector<Operation *> chain;
    getOperation().walk([&](DequantizeOp op) {
      if (op.getInput().getType().getElementType().isInteger(32) &&
          !op.getInput().getDefiningOp<ConstantOp>())
        collectFollowers(op, chain);
    });
    return chain;
  }
};
} // namespace
