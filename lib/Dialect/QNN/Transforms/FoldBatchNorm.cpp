//===- FoldBatchNorm.cpp - Factors and summands go to weights and bias ----===//
//
// A batch normalization with known statistics is a product and a sum per
// channel. Both go into the op before them if its weights are constant. All
// arithmetic is left to qnn ops on constants, which qnn-fold-constants
// computes.
//
//===----------------------------------------------------------------------===//

#include "LinearLayers.h"

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Support/RewriteConfig.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_FOLDBATCHNORMPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

/// The ops that are constants, or that qnn-fold-constants will make some of,
/// kept while patterns rewrite: for a value that is none, one would look
/// through all that is before it. Dequantized weights are not constant: they
/// would become floats.
class ConstantOps : public RewriterBase::Listener {
public:
  explicit ConstantOps(Operation *root) {
    root->walk<WalkOrder::PreOrder>([&](Operation *op) { update(op); });
  }

  bool contains(Value value) const {
    return known.contains(value.getDefiningOp());
  }

  void notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) override {
    update(op);
  }
  void notifyOperationModified(Operation *op) override { update(op); }
  void notifyOperationErased(Operation *op) override { known.erase(op); }

private:
  void update(Operation *op) {
    if (isConstant(op))
      known.insert(op);
    else
      known.erase(op);
  }

  bool isConstant(Operation *op) const {
    if (isa<ConstantOp>(op))
      return true;
    return isa_and_present<QNNDialect>(op->getDialect()) && isPure(op) &&
           op->getNumRegions() == 0 && op->getNumOperands() > 0 &&
           llvm::all_of(op->getOperands(), [&](Value operand) {
             return contains(operand) && !isByte(operand);
           });
  }

  static bool isByte(Value value) {
    Type element = getElementTypeOrSelf(value.getType());
    return isa<IntegerType>(element) && element.getIntOrFloatBitWidth() <= 8;
  }

  llvm::DenseSet<Operation *> known;
};

Value reshape(OpBuilder &b, Location loc, Value value,
              ArrayRef<int64_t> shape) {
  RankedTensorType type = typeOf(value);
  if (type.getShape() == shape)
    return value;
  Value dims = ConstantOp::create(b, loc, shape);
  return ReshapeOp::create(
      b, loc, RankedTensorType::get(shape, type.getElementType()), value, dims,
      /*allowzero=*/true);
}

Value combine(OpBuilder &b, BinaryKind kind, Value lhs, Value rhs) {
  return BinaryOp::create(b, lhs.getLoc(), kind, lhs, rhs);
}

/// An op with constant weights whose result a value is, for nobody else.
struct LinearOp {
  QuantizableOpInterface op;
  /// The operand that holds the weights, the axis of their channels, and where
  /// the channels are in the result.
  unsigned weights;
  int64_t weightsAxis, resultAxis;

  Value getWeights() const { return op->getOperand(weights); }

  static std::optional<LinearOp> match(Value result,
                                       const ConstantOps &constants) {
    auto op = result.getDefiningOp<QuantizableOpInterface>();
    if (!op || !result.hasOneUse() || op->getNumResults() != 1 ||
        !isa<FloatType>(typeOf(result).getElementType()))
      return std::nullopt;
    std::optional<int64_t> resultAxis = op.getResultChannelAxis();
    if (!resultAxis)
      return std::nullopt;
    for (unsigned index : op.getQuantizableOperands()) {
      std::optional<int64_t> axis = op.getChannelAxis(index);
      if (axis && constants.contains(op->getOperand(index)))
        return LinearOp{op, index, *axis, *resultAxis};
    }
    return std::nullopt;
  }
};

/// One of the operands of `op` that is a constant, and the other one.
struct ConstantOperand {
  Value constant, other;
  bool isRhs;
};
std::optional<ConstantOperand>
getConstantOperand(BinaryOp op, const ConstantOps &constants) {
  if (constants.contains(op.getRhs()))
    return ConstantOperand{op.getRhs(), op.getLhs(), true};
  if (constants.contains(op.getLhs()))
    return ConstantOperand{op.getLhs(), op.getRhs(), false};
  return std::nullopt;
}

/// The linear op takes the name of the value that it computes now.
void replaceByLinear(PatternRewriter &rewriter, Operation *op,
                     const LinearOp &linear) {
  StringRef name = getValueName(op->getResult(0));
  rewriter.replaceOp(op, linear.op->getResult(0));
  setValueName(linear.op->getResult(0), name);
}

/// A pattern that counts what it did in a statistic of the pass.
template <typename Op> struct CountingPattern : OpRewritePattern<Op> {
  CountingPattern(MLIRContext *context, const ConstantOps &constants,
                  Pass::Statistic &count)
      : OpRewritePattern<Op>(context), constants(constants), count(count) {}
  const ConstantOps &constants;
  Pass::Statistic &count;
};

/// batch_norm(x) -> x * factor + shift.
struct ExpandBatchNorm : CountingPattern<BatchNormOp> {
  using CountingPattern::CountingPattern;
  LogicalResult matchAndRewrite(BatchNormOp op,
                                PatternRewriter &rewriter) const override {
    Value parameters[] = {op.getScale(), op.getBias(), op.getMean(),
                          op.getVariance()};
    RankedTensorType type = typeOf(op.getInput());
    for (Value parameter : parameters)
      if (!constants.contains(parameter) ||
          typeOf(parameter).getElementType() != type.getElementType() ||
          typeOf(parameter).getRank() != 1)
        return rewriter.notifyMatchFailure(
            op, "parameters are no constants of the input's type");
    if (type.getRank() < 2)
      return rewriter.notifyMatchFailure(op, "no channels");
    Location loc = op.getLoc();
    auto scalarType = RankedTensorType::get({}, type.getElementType());
    Value epsilon = ConstantOp::create(
        rewriter, loc,
        DenseElementsAttr::get(
            scalarType,
            rewriter.getFloatAttr(type.getElementType(),
                                  op.getEpsilonAttr().getValueAsDouble())));
    Value variance =
        combine(rewriter, BinaryKind::add, op.getVariance(), epsilon);
    Value deviation = UnaryOp::create(rewriter, loc, UnaryKind::sqrt, variance,
                                      APFloat(0.0), APFloat(0.0));
    Value factor = combine(rewriter, BinaryKind::div, op.getScale(), deviation);
    Value shift =
        combine(rewriter, BinaryKind::sub, op.getBias(),
                combine(rewriter, BinaryKind::mul, op.getMean(), factor));
    SmallVector<int64_t> shape(type.getRank() - 1, 1);
    shape.front() = typeOf(factor).getDimSize(0);
    Value product =
        BinaryOp::create(rewriter, getNodeLoc(loc), type, BinaryKind::mul,
                         op.getInput(), reshape(rewriter, loc, factor, shape));
    rewriter.replaceOpWithNewOp<BinaryOp>(op, op.getType(), BinaryKind::add,
                                          product,
                                          reshape(rewriter, loc, shift, shape));
    ++count;
    return success();
  }
};

/// linear(x, w) * c -> linear(x, w * c).
struct FoldFactor : CountingPattern<BinaryOp> {
  using CountingPattern::CountingPattern;
  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    bool isDivision = op.getKind() == BinaryKind::div;
    if (op.getKind() != BinaryKind::mul && !isDivision)
      return rewriter.notifyMatchFailure(op, "no product");
    std::optional<ConstantOperand> factor = getConstantOperand(op, constants);
    if (!factor || (isDivision && !factor->isRhs))
      return rewriter.notifyMatchFailure(op, "no constant factor");
    std::optional<LinearOp> linear = LinearOp::match(factor->other, constants);
    if (!linear || factor->other.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no op with constant weights");
    std::optional<int64_t> size =
        getPerChannelSize(factor->constant, op.getType(), linear->resultAxis);
    if (!size)
      return rewriter.notifyMatchFailure(op, "not one factor a channel");

    rewriter.setInsertionPoint(linear->op);
    // The constant may come after the op.
    Value constant = moveUp(rewriter, factor->constant);
    Location loc = getNodeLoc(op.getLoc());
    Value weights = linear->getWeights();
    SmallVector<int64_t> shape(typeOf(weights).getRank(), 1);
    shape[linear->weightsAxis] = *size;
    Value scaled =
        BinaryOp::create(rewriter, loc, weights.getType(), op.getKind(),
                         weights, reshape(rewriter, loc, constant, shape));
    Value bias;
    std::optional<unsigned> biasIndex = linear->op.getBiasOperand();
    if (biasIndex) {
      bias = linear->op->getOperand(*biasIndex);
      bias = BinaryOp::create(rewriter, loc, bias.getType(), op.getKind(), bias,
                              reshape(rewriter, loc, constant, {*size}));
    }
    rewriter.modifyOpInPlace(linear->op, [&] {
      linear->op->setOperand(linear->weights, scaled);
      if (bias)
        linear->op->setOperand(*biasIndex, bias);
    });
    replaceByLinear(rewriter, op, *linear);
    ++count;
    return success();
  }

  /// Makes the computation of a constant available at the insertion point.
  static Value moveUp(PatternRewriter &rewriter, Value constant) {
    Operation *op = constant.getDefiningOp();
    if (op->getBlock() != rewriter.getInsertionBlock() ||
        op->isBeforeInBlock(&*rewriter.getInsertionPoint()))
      return constant;
    Operation *copy = op->clone();
    for (OpOperand &operand : copy->getOpOperands())
      operand.set(moveUp(rewriter, operand.get()));
    rewriter.insert(copy);
    return copy->getResult(cast<OpResult>(constant).getResultNumber());
  }
};

/// linear(x, w) + c -> linear(x, w) bias c, if the op takes a bias.
struct FoldSummand : CountingPattern<BinaryOp> {
  using CountingPattern::CountingPattern;
  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    bool isDifference = op.getKind() == BinaryKind::sub;
    if (op.getKind() != BinaryKind::add && !isDifference)
      return rewriter.notifyMatchFailure(op, "no sum");
    std::optional<ConstantOperand> summand = getConstantOperand(op, constants);
    if (!summand || (isDifference && !summand->isRhs))
      return rewriter.notifyMatchFailure(op, "no constant summand");
    std::optional<LinearOp> linear = LinearOp::match(summand->other, constants);
    if (!linear || summand->other.getType() != op.getType() ||
        !linear->op.takesBias())
      return rewriter.notifyMatchFailure(op, "no op that takes a bias");
    std::optional<int64_t> size =
        getPerChannelSize(summand->constant, op.getType(), linear->resultAxis);
    if (!size)
      return rewriter.notifyMatchFailure(op, "not one summand a channel");

    rewriter.setInsertionPoint(linear->op);
    Location loc = getNodeLoc(op.getLoc());
    Value constant = FoldFactor::moveUp(rewriter, summand->constant);
    constant = reshape(rewriter, loc, constant, {*size});
    int64_t channels = op.getType().getDimSize(linear->resultAxis);
    auto biasType =
        RankedTensorType::get({channels}, op.getType().getElementType());
    Value bias;
    if (std::optional<unsigned> index = linear->op.getBiasOperand())
      bias = linear->op->getOperand(*index);
    else
      bias = ConstantOp::create(
          rewriter, loc,
          DenseElementsAttr::get(
              biasType, rewriter.getZeroAttr(biasType.getElementType())));
    bias =
        BinaryOp::create(rewriter, loc, biasType, op.getKind(), bias, constant);
    rewriter.modifyOpInPlace(linear->op, [&] { linear->op.setBias(bias); });
    replaceByLinear(rewriter, op, *linear);
    ++count;
    return success();
  }
};

/// (linear(x, w) + b) * c -> linear(x, w) * c + b * c, where the op takes no
/// bias.
struct DistributeFactor : CountingPattern<BinaryOp> {
  using CountingPattern::CountingPattern;
  LogicalResult matchAndRewrite(BinaryOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getKind() != BinaryKind::mul && op.getKind() != BinaryKind::div)
      return rewriter.notifyMatchFailure(op, "no product");
    std::optional<ConstantOperand> factor = getConstantOperand(op, constants);
    if (!factor || (op.getKind() == BinaryKind::div && !factor->isRhs))
      return rewriter.notifyMatchFailure(op, "no constant factor");
    auto sum = factor->other.getDefiningOp<BinaryOp>();
    if (!sum || sum.getKind() != BinaryKind::add || !sum->hasOneUse() ||
        sum.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no factor of a sum");
    std::optional<ConstantOperand> summand = getConstantOperand(sum, constants);
    if (!summand || summand->other.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no constant summand");
    std::optional<LinearOp> linear = LinearOp::match(summand->other, constants);
    if (!linear ||
        !getPerChannelSize(factor->constant, op.getType(), linear->resultAxis))
      return rewriter.notifyMatchFailure(op, "no op with constant weights");
    Location loc = getNodeLoc(op.getLoc());
    Value product = BinaryOp::create(rewriter, loc, op.getType(), op.getKind(),
                                     summand->other, factor->constant);
    Value shift = BinaryOp::create(rewriter, loc, op.getKind(),
                                   summand->constant, factor->constant);
    rewriter.replaceOpWithNewOp<BinaryOp>(op, op.getType(), BinaryKind::add,
                                          product, shift);
    return success();
  }
};

struct FoldBatchNormPass : qnn::impl::FoldBatchNormPassBase<FoldBatchNormPass> {
  void runOnOperation() override {
    ConstantOps constants(getOperation());
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandBatchNorm>(&getContext(), constants, numBatchNorms);
    patterns.add<FoldFactor, DistributeFactor>(&getContext(), constants,
                                               numFactors);
    patterns.add<FoldSummand>(&getContext(), constants, numSummands);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns),
                                  getRewriteConfig().setListener(&constants))))
      signalPassFailure();
  }
};

} // namespace
