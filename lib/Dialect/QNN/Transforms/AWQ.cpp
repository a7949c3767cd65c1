//===- AWQ.cpp - Protects the weights of large activations ----------------===//

#include "ChannelScaling.h"
#include "PassInputs.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Dialect/QNN/Transforms/Smooth.h"
#include "quantc/Quantization/Smoothing.h"
#include "quantc/Quantization/WeightRecipes.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_AWQPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

struct AWQPass : qnn::impl::AWQPassBase<AWQPass> {
  using Base::Base;
  AWQPass(const WeightRecipe &weights, int64_t steps,
          std::shared_ptr<Statistics> statistics)
      : weights(weights), given(std::move(statistics)) {
    this->steps = steps;
  }

  LogicalResult initialize(MLIRContext *context) override {
    if (given)
      return success();
    FailureOr<Recipe> parsed = valueOrDiagnostic(context, Recipe::load(recipe));
    if (failed(parsed))
      return failure();
    weights = parsed->weights;
    FailureOr<Statistics> loaded =
        valueOrDiagnostic(context, Statistics::load(statistics));
    if (failed(loaded))
      return failure();
    given = std::make_shared<Statistics>(std::move(*loaded));
    return success();
  }

  void runOnOperation() override {
    for (const ScalableValue &value : findScalableValues(getOperation()))
      if (failed(scale(value)))
        return signalPassFailure();
  }

private:
  LogicalResult scale(const ScalableValue &value) {
    Operation *op = value.value.getDefiningOp();
    StringRef name = getValueName(value.value);
    auto it = given->values.find(name.str());
    if (it == given->values.end() || it->second.gram.empty() ||
        int64_t(it->second.numChannels()) != value.channels)
      return op->emitError("AWQ needs the Gram matrix of '")
             << name << "': calibrate the model with --collect=gram";
    if (failed(checkNumbers(op, name, it->second)))
      return failure();
    std::vector<float> meanAbs;
    for (int64_t i = 0; i < value.channels; ++i)
      meanAbs.push_back(float(it->second.meanAbs(i)));
    std::vector<std::vector<float>> storage;
    std::vector<WeightMatrix> matrices;
    if (failed(readMatrices(value, storage, matrices)))
      return success();
    auto method = WeightMethod::create("nearest");
    if (!method)
      return op->emitError() << llvm::toString(method.takeError());
    WeightFormat format = getWeightFormat(
        weights, weights.granularity == Sharing::Group ? weights.groupSize : 0);
    llvm::Expected<AWQResult> found = searchAWQScales(
        matrices, meanAbs, it->second.gram, format, **method, steps);
    if (!found)
      return op->emitError() << llvm::toString(found.takeError());
    ++numSearched;
    if (found->exponent == 0)
      return success();
    qnn::divideChannels(value, found->scales);
    quantc::divideChannels(it->second, found->scales);
    ++numScaled;
    return success();
  }

  WeightRecipe weights;
  std::shared_ptr<Statistics> given;
};

} // namespace

std::unique_ptr<Pass>
qnn::createAWQPass(const WeightRecipe &weights, int64_t steps,
                   std::shared_ptr<Statistics> statistics) {
  return std::make_unique<AWQPass>(weights, steps, std::move(statistics));
}
