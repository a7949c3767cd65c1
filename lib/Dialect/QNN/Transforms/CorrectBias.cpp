//===- CorrectBias.cpp - Takes what rounding adds on average off biases ---===//
//
// Rounded weights W' make the mean of W' · x differ from that of W · x by
// (W' - W) · E[x], a number for each output channel, which goes into the bias.
//
//===----------------------------------------------------------------------===//

#include "ChannelScaling.h"
#include "LinearLayers.h"
#include "PassInputs.h"
#include "RecipeMatching.h"
#include "WeightQuantization.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/ReductionOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Dialect/QNN/Transforms/Prepare.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_CORRECTBIASPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

struct CorrectBiasPass : qnn::impl::CorrectBiasPassBase<CorrectBiasPass> {
  using Base::Base;
  CorrectBiasPass(const Recipe &recipe,
                  std::shared_ptr<const Statistics> statistics)
      : given(recipe), givenStatistics(std::move(statistics)) {}

  LogicalResult initialize(MLIRContext *context) override {
    if (given)
      return success();
    FailureOr<Recipe> loaded = valueOrDiagnostic(context, Recipe::load(recipe));
    if (failed(loaded))
      return failure();
    given = std::move(*loaded);
    FailureOr<Statistics> read =
        valueOrDiagnostic(context, Statistics::load(statistics));
    if (failed(read))
      return failure();
    givenStatistics = std::make_shared<Statistics>(std::move(*read));
    return success();
  }

  void runOnOperation() override {
    FailureOr<RecipeMatcher> matcher =
        RecipeMatcher::create(*given, getOperation());
    if (failed(matcher))
      return signalPassFailure();
    QuantizableOps all(getOperation());
    for (QuantizableOpInterface op : all.ops) {
      std::optional<LinearLayer> layer = LinearLayer::get(op);
      OpPlan plan = matcher->plan(op, all);
      if (!layer || !plan.skipped.empty())
        continue;
      if (failed(correct(*layer, plan.weights)))
        return signalPassFailure();
    }
  }

private:
  LogicalResult correct(const LinearLayer &layer, const WeightRecipe &how) {
    Value input = layer.op->getOperand(layer.activation);
    const ValueStatistics *found = givenStatistics->find(getValueName(input));
    if (!found || (found->numChannels() && found->sums.empty()))
      return layer.op->emitError("bias correction needs the means of the "
                                 "channels of '")
             << getValueName(input) << "': calibrate the model first";
    if (failed(checkNumbers(layer.op, getValueName(input), *found)))
      return failure();
    size_t channels = layer.getNumInputs() * layer.getOp().getNumGroups();
    // Another op may see other channels in the value; and a product that takes
    // no bias gets one behind it, along the last axis.
    if (found->channelAxis != layer.activationAxis ||
        found->sums.size() != channels ||
        (!layer.getOp().takesBias() &&
         (layer.getType().getRank() != 2 ||
          *layer.getOp().getResultChannelAxis() + 1 !=
              typeOf(layer.op->getResult(0)).getRank()))) {
      ++numSkipped;
      return success();
    }
    std::vector<float> means;
    for (size_t i = 0; i < channels; ++i)
      means.push_back(float(found->mean(i)));

    OpBuilder b(layer.op);
    Location loc = getNodeLoc(layer.op->getLoc());
    llvm::Expected<QuantizedWeight> rounded = quantizeWeight(
        b, loc, layer.getWeights(), {layer.outputAxis, layer.inputAxis}, how,
        {found->gram, found->countPerChannel});
    if (!rounded) {
      // qnn-quantize will say that it stays in float.
      llvm::consumeError(rounded.takeError());
      return success();
    }
    // Σ (W' - W) · E[x] over all but the outputs.
    auto combine = [&](BinaryKind kind, Value lhs, Value rhs) -> Value {
      return BinaryOp::create(b, loc, kind, lhs, rhs);
    };
    Value difference =
        combine(BinaryKind::sub, createDequantize(b, loc, *rounded),
                layer.getWeights());
    Value products = combine(BinaryKind::mul, difference,
                             layer.spreadOverInputs(b, loc, means));
    SmallVector<int64_t> axes;
    for (int64_t axis = 0; axis < layer.getType().getRank(); ++axis)
      if (axis != layer.outputAxis)
        axes.push_back(axis);
    Value list = ConstantOp::create(b, loc, axes);
    Value shift =
        ReduceOp::create(b, loc, ReduceKind::sum, products, list,
                         /*keepdims=*/false, /*noop_with_empty_axes=*/false);
    subtract(layer, shift);
    ++numCorrected;
    return success();
  }

  /// Takes a number for each output channel off the result.
  void subtract(const LinearLayer &layer, Value shift) {
    OpBuilder b(layer.op);
    QuantizableOpInterface op = layer.op;
    Location loc = getNodeLoc(op->getLoc());
    auto subtractFrom = [&](Value value) -> Value {
      return BinaryOp::create(b, loc, value.getType(), BinaryKind::sub, value,
                              shift);
    };
    if (op.takesBias()) {
      Value bias;
      if (std::optional<unsigned> index = op.getBiasOperand())
        bias = op->getOperand(*index);
      else
        bias = ConstantOp::create(
            b, loc,
            DenseElementsAttr::get(typeOf(shift), b.getF32FloatAttr(0)));
      op.setBias(subtractFrom(bias));
      return;
    }
    // A bias of its own, or the one that is added behind.
    Value result = op->getResult(0);
    int64_t axis = *op.getResultChannelAxis();
    if (result.hasOneUse())
      if (auto sum = dyn_cast<BinaryOp>(*result.user_begin());
          sum && sum.getKind() == BinaryKind::add &&
          sum.getType() == result.getType())
        for (OpOperand &operand : sum->getOpOperands())
          if (operand.get() != result &&
              operand.get().getDefiningOp<ConstantOp>() &&
              getPerChannelSize(operand.get(), sum.getType(), axis) ==
                  layer.getNumOutputs()) {
            b.setInsertionPoint(sum);
            operand.set(subtractFrom(operand.get()));
            return;
          }
    b.setInsertionPointAfter(op);
    StringRef name = getValueName(result);
    Value corrected = subtractFrom(result);
    result.replaceAllUsesExcept(corrected, corrected.getDefiningOp());
    setValueName(result, "");
    setValueName(corrected, name);
  }

  std::optional<Recipe> given;
  std::shared_ptr<const Statistics> givenStatistics;
};

} // namespace

std::unique_ptr<Pass>
qnn::createCorrectBiasPass(const Recipe &recipe,
                           std::shared_ptr<const Statistics> statistics) {
  return std::make_unique<CorrectBiasPass>(recipe, std::move(statistics));
}
