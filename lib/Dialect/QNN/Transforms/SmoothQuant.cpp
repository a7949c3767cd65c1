//===- SmoothQuant.cpp - Moves outliers from activations to weights -------===//

#include "ChannelScaling.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Dialect/QNN/Transforms/Smooth.h"
#include "quantc/Quantization/Smoothing.h"

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
  SmoothQuantPass(double alpha, std::shared_ptr<Statistics> statistics)
      : given(std::move(statistics)) {
    this->alpha = alpha;
  }

  LogicalResult initialize(MLIRContext *context) override {
    if (given)
      return success();
    llvm::Expected<Statistics> loaded = Statistics::load(statistics);
    if (!loaded)
      return emitError(UnknownLoc::get(context))
             << llvm::toString(loaded.takeError());
    given = std::make_shared<Statistics>(std::move(*loaded));
    return success();
  }

  void runOnOperation() override {
    if (alpha < 0 || alpha > 1) {
      getOperation().emitError("SmoothQuant's alpha must be in [0, 1], got ")
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
    std::vector<float> inputMax;
    for (const quantc::Range &range : it->second.channelRanges)
      inputMax.push_back(std::max(-range.min, range.max));
    std::vector<std::vector<float>> storage;
    std::vector<WeightMatrix> matrices;
    if (failed(readMatrices(value, storage, matrices)))
      return success();
    std::vector<float> scales =
        computeSmoothQuantScales(inputMax, getRowMaxima(matrices), alpha);
    qnn::divideChannels(value, scales);
    quantc::divideChannels(it->second, scales);
    ++numSmoothed;
    return success();
  }

  std::shared_ptr<Statistics> given;
};

} // namespace

std::unique_ptr<Pass>
qnn::createSmoothQuantPass(double alpha,
                           std::shared_ptr<Statistics> statistics) {
  return std::make_unique<SmoothQuantPass>(alpha, std::move(statistics));
}
