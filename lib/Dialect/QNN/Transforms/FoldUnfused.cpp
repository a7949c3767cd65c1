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

/// The quantization that is the only one to use `op`'s result, if it can be
/// part of an integer op; or null.
static QuantizeOp getQuantization(Operation *op) {
  Value result = op->getResult(0), clamped = skipRelu(result);
  if (!clamped.hasOneUse())
    return {};
  auto quantize = dyn_cast<QuantizeOp>(*clamped.user_begin());
  if (!quantize || !isPerTensor(quantize))
    return {};
  bool isPart = clamped == result ||
                isClampedByQuantize(quantize, BinaryKind::max, /*bound=*/0.0f);
  return isPart ? quantize : QuantizeOp();
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

namespace {
/// Which contractions ONNX Runtime makes integer ops of, together with the
/// neighbours that round as ours do. Which ops it has such kernels for is its
/// matter, and none of an interface.
class FusionRules {
public:
  explicit FusionRules(Operation *root);
  /// What has an integer form here and none there.
  ArrayRef<QuantizableOpInterface> getUnfused() const {
    return unfused.getArrayRef();
  }

private:
  bool isFused(QuantizableOpInterface op) const;
  bool isFused(MatMulOp op, QuantizeOp quantize) const;
  bool becomesUnsigned(QuantizeOp quantize) const;

  SetVector<QuantizableOpInterface> unfused;
};
} // namespace

/// What is not fused reads its integers as they are, which may keep what made
/// them from being fused, and so on.
FusionRules::FusionRules(Operation *root) {
  SmallVector<QuantizableOpInterface> candidates;
  root->walk([&](QuantizableOpInterface op) {
    if (explainFloat(op).empty())
      candidates.push_back(op);
  });
  size_t before;
  do {
    before = unfused.size();
    for (QuantizableOpInterface op : candidates)
      if (!isFused(op))
        unfused.insert(op);
  } while (unfused.size() != before);
}

/// On x86, kernels take unsigned activations only. Signed ones become unsigned
/// where one dequantization reads them, and one op that. What moves elements
/// may come to move integers, behind their quantization.
bool FusionRules::becomesUnsigned(QuantizeOp quantize) const {
  if (!quantize || !quantize->hasOneUse() ||
      quantize.getInput().getDefiningOp<SameScaleOpInterface>())
    return false;
  auto dequantize = dyn_cast<DequantizeOp>(*quantize->user_begin());
  if (!dequantize || !dequantize->hasOneUse())
    return false;
  auto reader = dyn_cast<QuantizableOpInterface>(*dequantize->user_begin());
  return !reader || !unfused.contains(reader);
}

bool FusionRules::isFused(MatMulOp op, QuantizeOp quantize) const {
  SetVector<Operation *> chain;
  return quantize || (!collectFollowers(op, chain) && !mayBecomeGemm(op));
}

bool FusionRules::isFused(QuantizableOpInterface op) const {
  for (unsigned index : op.getQuantizableOperands())
    if (getStorage(op, index).getIntOrFloatBitWidth() != 8)
      return false;
  QuantizeOp quantize = getQuantization(op);
  if (quantize && quantize.getType().getElementType() != getStorage(op, 0))
    quantize = {};
  if (!getStorage(op, 0).isUnsignedInteger()) {
    auto input = op->getOperand(0).getDefiningOp<DequantizeOp>();
    if (getStorage(op, 1).isUnsignedInteger() ||
        !becomesUnsigned(input.getInput().getDefiningOp<QuantizeOp>()) ||
        (quantize && !becomesUnsigned(quantize)))
      return false;
  }
  if (auto product = dyn_cast<MatMulOp>(*op))
    return isFused(product, quantize);
  if (!isa<ConvOp>(*op))
    return false;
  if (std::optional<unsigned> index = op.getBiasOperand()) {
    auto bias = op->getOperand(*index).getDefiningOp<DequantizeOp>();
    if (!bias || !bias.getInput().getType().getElementType().isInteger(32))
      return false;
  }
  return bool(quantize);
}

namespace {
struct FoldUnfusedPass : qnn::impl::FoldUnfusedPassBase<FoldUnfusedPass> {
  void runOnOperation() override {
    if (failed(refineShapes(getOperation())))
      return signalPassFailure();
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

    FusionRules rules(getOperation());
    for (QuantizableOpInterface op : rules.getUnfused()) {
      // ONNX has no other transposed convolution of integers.
      if (auto transposed = dyn_cast<ConvTransposeOp>(*op);
          transposed && !isTiling(transposed))
        continue;
      ++numUnfused;
      chain.insert(op);
      collectFollowers(op, chain);
    }
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
