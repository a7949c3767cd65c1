//===- SplitOutliers.cpp - Products of outlier channels in float ----------===//

#include "ChannelScaling.h"
#include "PassInputs.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Dialect/QNN/Transforms/Smooth.h"
#include "quantc/Quantization/Recipe.h"
#include "quantc/Quantization/Smoothing.h"

#include "llvm/ADT/MapVector.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_SPLITOUTLIERSPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

struct SplitOutliersPass : qnn::impl::SplitOutliersPassBase<SplitOutliersPass> {
  using Base::Base;
  SplitOutliersPass(double threshold, std::shared_ptr<Statistics> statistics)
      : given(std::move(statistics)) {
    this->threshold = threshold;
  }

  LogicalResult initialize(MLIRContext *context) override {
    if (given)
      return success();
    FailureOr<Statistics> loaded =
        valueOrDiagnostic(context, Statistics::load(statistics));
    if (failed(loaded))
      return failure();
    given = std::make_shared<Statistics>(std::move(*loaded));
    return success();
  }

  void runOnOperation() override {
    llvm::MapVector<Value, SmallVector<MatMulOp>> products;
    getOperation().walk([&](MatMulOp op) {
      Value rhs = op.getRhs();
      if (rhs.getDefiningOp<ConstantOp>() && typeOf(rhs).getRank() == 2 &&
          typeOf(rhs).getElementType().isF32() && !op.getLhsZeroPoint() &&
          !op.getRhsZeroPoint() && !op->hasAttr("qnn.keep_float"))
        products[op.getLhs()].push_back(op);
    });
    for (auto &[value, ops] : products)
      if (failed(split(value, ops)))
        return signalPassFailure();
  }

private:
  LogicalResult split(Value value, ArrayRef<MatMulOp> ops) {
    StringRef name = getValueName(value);
    MatMulOp first = ops.front();
    int64_t channels = typeOf(first.getRhs()).getDimSize(0);
    auto it = given->values.find(name);
    if (it == given->values.end() ||
        int64_t(it->second.numChannels()) != channels)
      return first.emitError("splitting outliers needs the ranges of the "
                             "channels of '")
             << name << "': calibrate the model first";
    if (failed(checkNumbers(first, name, it->second)))
      return failure();
    SmallVector<int64_t> outliers =
        findOutliers(it->second.channelRanges, threshold);
    if (outliers.empty() || int64_t(outliers.size()) * 8 > channels)
      return success();
    std::vector<float> mask(channels, 1);
    for (int64_t channel : outliers)
      mask[channel] = 0;

    OpBuilder b(&getContext());
    b.setInsertionPointAfterValue(value);
    Location loc = getNodeLoc(value.getLoc());
    int64_t count = int64_t(outliers.size());
    RankedTensorType type = typeOf(value);
    Value inliers = BinaryOp::create(
        b, loc, type, BinaryKind::mul, value,
        ConstantOp::create(b, loc,
                           makeFloatConstant(&getContext(), {channels}, mask)));
    Value list = ConstantOp::create(b, loc, outliers);
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = count;
    Value rest = GatherOp::create(b, loc, type.clone(shape), value, list,
                                  type.getRank() - 1);
    std::string inlierName = (name + ":inliers").str();
    setValueName(inliers, inlierName);
    ValueStatistics statistics = it->second;
    keepChannels(statistics, mask);
    given->values[inlierName] = std::move(statistics);

    for (MatMulOp op : ops)
      splitProduct(op, inliers, rest, list, mask);
    ++numSplit;
    numChannels += count;
    return success();
  }

  void splitProduct(MatMulOp op, Value inliers, Value rest, Value list,
                    ArrayRef<float> mask) {
    OpBuilder b(op);
    Location loc = getNodeLoc(op.getLoc());
    Value w = op.getRhs();
    RankedTensorType type = typeOf(w);
    int64_t count = typeOf(list).getNumElements();
    Value rows = GatherOp::create(
        b, loc, type.clone({count, type.getDimSize(1)}), w, list, /*axis=*/0);
    // Rows that are multiplied by nothing should not decide a scale.
    Value column = ConstantOp::create(
        b, loc,
        makeFloatConstant(&getContext(), {type.getDimSize(0), 1}, mask));
    op.getRhsMutable().assign(
        BinaryOp::create(b, loc, type, BinaryKind::mul, w, column));
    op.getLhsMutable().assign(inliers);
    b.setInsertionPointAfter(op);
    Value own =
        MatMulOp::create(b, loc, op.getType(), rest, rows, Value(), Value());
    own.getDefiningOp()->setAttr("qnn.keep_float", b.getUnitAttr());
    auto sum = BinaryOp::create(b, loc, op.getType(), BinaryKind::add,
                                op.getResult(), own);
    if (StringRef name = getValueName(op.getResult()); !name.empty()) {
      std::string text = name.str();
      setValueName(sum.getResult(), text);
      setValueName(op.getResult(), text + ":inliers");
    }
    op.getResult().replaceAllUsesExcept(sum.getResult(), sum);
  }

  std::shared_ptr<Statistics> given;
};

} // namespace

std::unique_ptr<Pass>
qnn::createSplitOutliersPass(double threshold,
                             std::shared_ptr<Statistics> statistics) {
  return std::make_unique<SplitOutliersPass>(threshold, std::move(statistics));
}
