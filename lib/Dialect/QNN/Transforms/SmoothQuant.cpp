//===- SmoothQuant.cpp - Moves outliers from activations to weights -------===//

#include "ChannelScaling.h"
#include "PassInputs.h"
#include "WeightQuantization.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Dialect/QNN/Transforms/Smooth.h"
#include "quantc/Quantization/Smoothing.h"
#include "quantc/Quantization/WeightRecipes.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_SMOOTHQUANTPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

struct SmoothQuantPass : qnn::impl::SmoothQuantPassBase<SmoothQuantPass> {
  using Base::Base;
  SmoothQuantPass(const Transformation &transformation, const Recipe &recipe,
                  std::shared_ptr<Statistics> statistics)
      : given(std::move(statistics)), parsed(recipe) {
    this->alpha = transformation.alpha.value_or(-1);
    this->steps = transformation.steps;
  }

  LogicalResult initialize(MLIRContext *context) override {
    if (given)
      return success();
    FailureOr<Statistics> loaded =
        valueOrDiagnostic(context, Statistics::load(statistics));
    if (failed(loaded))
      return failure();
    given = std::make_shared<Statistics>(std::move(*loaded));
    FailureOr<Recipe> read = valueOrDiagnostic(context, Recipe::load(recipe));
    if (failed(read))
      return failure();
    parsed = std::move(*read);
    return success();
  }

  void runOnOperation() override {
    if ((alpha < 0 && alpha != -1) || alpha > 1) {
      getOperation().emitError("SmoothQuant's alpha must be in [0, 1], or -1 "
                               "for a search, got ")
          << double(alpha);
      return signalPassFailure();
    }
    for (const ScalableValue &value : findScalableValues(getOperation()))
      if (failed(smooth(value)))
        return signalPassFailure();
  }

private:
  LogicalResult smooth(const ScalableValue &value) {
    StringRef name = getValueName(value.value);
    auto it = given->values.find(name.str());
    Operation *op = value.value.getDefiningOp();
    if (it == given->values.end() ||
        int64_t(it->second.numChannels()) != value.channels)
      return op->emitError("SmoothQuant needs the ranges of the channels of '")
             << name << "': calibrate the model first";
    if (failed(checkNumbers(op, name, it->second)))
      return failure();
    std::vector<std::vector<float>> storage;
    std::vector<WeightMatrix> matrices;
    if (failed(readMatrices(value, storage, matrices)))
      return success();
    std::vector<float> scales;
    if (alpha == -1) {
      llvm::Expected<SmoothQuantResult> found = search(it->second, matrices);
      if (!found)
        return op->emitError("SmoothQuant cannot search scales for '")
               << name << "': " << llvm::toString(found.takeError());
      ++numSearched;
      if (!found->alpha)
        return success();
      scales = std::move(found->scales);
    } else {
      std::vector<float> inputMax;
      for (const quantc::Range &range : it->second.channelRanges)
        inputMax.push_back(std::max(-range.min, range.max));
      scales =
          computeSmoothQuantScales(inputMax, getRowMaxima(matrices), alpha);
    }
    qnn::divideChannels(value, scales);
    quantc::divideChannels(it->second, scales);
    ++numSmoothed;
    return success();
  }

  llvm::Expected<SmoothQuantResult> search(const ValueStatistics &inputs,
                                           ArrayRef<WeightMatrix> matrices) {
    if (inputs.sumSquares.empty())
      return llvm::createStringError(
          "the statistics have no squares of it: calibrate with "
          "--collect=moments");
    std::vector<double> meanSquares;
    for (size_t i = 0; i < inputs.numChannels(); ++i)
      meanSquares.push_back(inputs.meanSquare(i));
    auto method = WeightMethod::create("nearest");
    if (!method)
      return method.takeError();
    const WeightRecipe &weights = parsed.weights;
    WeightFormat format = getWeightFormat(
        weights, weights.granularity == Sharing::Group ? weights.groupSize : 0);
    QuantizationGrid grid = getGrid(parsed.activations);
    SmoothQuantProblem problem{matrices, inputs.channelRanges, meanSquares};
    if (parsed.activations.mode != ActivationMode::Float)
      problem.inputGrid = &grid;
    problem.format = &format;
    problem.method = method->get();
    return searchSmoothQuantScales(problem, steps);
  }

  std::shared_ptr<Statistics> given;
  Recipe parsed;
};

} // namespace

std::unique_ptr<Pass>
qnn::createSmoothQuantPass(const Transformation &transformation,
                           const Recipe &recipe,
                           std::shared_ptr<Statistics> statistics) {
  return std::make_unique<SmoothQuantPass>(transformation, recipe,
                                           std::move(statistics));
}
