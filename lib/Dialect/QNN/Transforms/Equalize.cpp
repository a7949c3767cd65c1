//===- Equalize.cpp - Equalizes the ranges of consecutive layers ----------===//
//
// Finds values whose channels can be divided by positive numbers for nothing:
// made by one layer, passed on by ops that factors move through, and read by
// layers only. Quantization/Equalization.h chooses the numbers.
//
//===----------------------------------------------------------------------===//

#include "LinearLayers.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Dialect/QNN/Transforms/Prepare.h"
#include "quantc/Quantization/Equalization.h"
#include "quantc/Quantization/Smoothing.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <cmath>

namespace quantc::qnn {
#define GEN_PASS_DEF_EQUALIZEPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

/// What changes when a layer's result is divided along its channels.
struct Divisible {
  LinearLayer producer;
  SmallVector<LinearLayer> consumers;
  /// All values from the producer to the consumers, with their channels' axes.
  SmallVector<std::pair<Value, int64_t>> values;
  /// Constants with one number a channel that are added, or compared with, on
  /// the way, and where the channels are in them.
  SmallVector<std::pair<OpOperand *, int64_t>> constants;

  static std::optional<Divisible> find(const LinearLayer &producer);

private:
  bool follow(Value value, int64_t axis);
  bool followUse(OpOperand &use, int64_t axis);
};

bool isZero(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  if (!constant || typeOf(value).getNumElements() > 1 << 16)
    return false;
  std::optional<std::vector<float>> floats = readFloats(constant.getValue());
  return floats && llvm::all_of(*floats, [](float v) { return v == 0; });
}

std::optional<Divisible> Divisible::find(const LinearLayer &producer) {
  Divisible found{producer, {}, {}, {}};
  if (std::optional<unsigned> bias = producer.getOp().getBiasOperand())
    if (!producer.op->getOperand(*bias).getDefiningOp<ConstantOp>())
      return std::nullopt;
  if (!found.follow(producer.op->getResult(0),
                    *producer.getOp().getResultChannelAxis()) ||
      found.consumers.empty())
    return std::nullopt;
  return found;
}

bool Divisible::follow(Value value, int64_t axis) {
  values.push_back({value, axis});
  return llvm::all_of(value.getUses(),
                      [&](OpOperand &use) { return followUse(use, axis); });
}

bool Divisible::followUse(OpOperand &use, int64_t axis) {
  Operation *user = use.getOwner();
  unsigned index = use.getOperandNumber();
  if (std::optional<LinearLayer> layer = LinearLayer::get(user)) {
    if (layer->activation != index || layer->activationAxis != axis ||
        layer->getNumInputs() * layer->getOp().getNumGroups() !=
            producer.getNumOutputs())
      return false;
    consumers.push_back(*layer);
    return true;
  }
  if (user->getNumResults() != 1)
    return false;
  Value result = user->getResult(0);
  // What only moves elements leaves factors on them.
  if (auto mover = dyn_cast<SameScaleOpInterface>(user);
      mover && llvm::equal(mover.getDataOperands(), ArrayRef(index))) {
    std::optional<int64_t> to = mover.getResultAxis(axis);
    bool fillsZeros = llvm::all_of(mover.getFillOperands(), [&](unsigned i) {
      return isZero(user->getOperand(i));
    });
    if (to && fillsZeros)
      return follow(result, *to);
  }
  auto homogeneous = dyn_cast<HomogeneousOpInterface>(user);
  if (!homogeneous)
    return false;
  SmallVector<unsigned> operands = homogeneous.getHomogeneousOperands();
  std::optional<int64_t> to = homogeneous.getFactorAxis(index, axis);
  if (!llvm::is_contained(operands, index) || !to ||
      typeOf(result).getDimSize(*to) != producer.getNumOutputs())
    return false;
  for (unsigned other : operands) {
    OpOperand &operand = user->getOpOperand(other);
    if (other == index || isZero(operand.get()))
      continue;
    // One number for all channels would become one for each, which costs more.
    if (!operand.get().getDefiningOp<ConstantOp>() ||
        getPerChannelSize(operand.get(), typeOf(result), *to) !=
            producer.getNumOutputs() ||
        producer.getNumOutputs() == 1)
      return false;
    constants.push_back({&operand, *to - typeOf(result).getRank() +
                                       typeOf(operand.get()).getRank()});
  }
  return follow(result, *to);
}

/// The largest |w| between each output and each input of a layer.
std::optional<LayerMagnitudes> getMagnitudes(const LinearLayer &layer) {
  ConstantOp constant = layer.getWeights();
  std::optional<std::vector<float>> weights = readFloats(constant.getValue());
  if (!weights)
    return std::nullopt;
  LayerMagnitudes result;
  result.outputs = layer.getNumOutputs();
  result.inputs = layer.getNumInputs();
  result.groups = layer.getOp().getNumGroups();
  result.largest.assign(result.outputs * result.inputs, 0);
  ArrayRef<int64_t> shape = constant.getType().getShape();
  auto stride = [&](int64_t axis) {
    int64_t product = 1;
    for (int64_t size : shape.drop_front(axis + 1))
      product *= size;
    return product;
  };
  int64_t outputStride = stride(layer.outputAxis),
          inputStride = stride(layer.inputAxis);
  for (auto [i, weight] : llvm::enumerate(*weights)) {
    if (!std::isfinite(weight))
      return std::nullopt;
    int64_t output = int64_t(i) / outputStride % result.outputs;
    int64_t input = int64_t(i) / inputStride % result.inputs;
    float &largest = result.largest[output * result.inputs + input];
    largest = std::max(largest, std::fabs(weight));
  }
  return result;
}

struct EqualizePass : qnn::impl::EqualizePassBase<EqualizePass> {
  using Base::Base;
  EqualizePass(int64_t steps, std::shared_ptr<Statistics> statistics)
      : given(std::move(statistics)) {
    this->steps = steps;
  }

  LogicalResult initialize(MLIRContext *context) override {
    if (steps < 1)
      return emitError(UnknownLoc::get(context))
             << "qnn-equalize: steps must be at least 1, got "
             << int64_t(steps);
    return success();
  }

  void runOnOperation() override {
    // Each layer once, whether it makes a value, reads one, or both.
    llvm::MapVector<Operation *, size_t> numbers;
    std::vector<LayerMagnitudes> layers;
    auto number = [&](const LinearLayer &layer) -> std::optional<size_t> {
      auto it = numbers.find(layer.op);
      if (it != numbers.end())
        return it->second;
      std::optional<LayerMagnitudes> magnitudes = getMagnitudes(layer);
      if (!magnitudes)
        return std::nullopt;
      layers.push_back(std::move(*magnitudes));
      numbers[layer.op] = layers.size() - 1;
      return layers.size() - 1;
    };
    std::vector<Divisible> found;
    std::vector<EqualizedLink> links;
    getOperation().walk([&](Operation *op) {
      std::optional<LinearLayer> layer = LinearLayer::get(op);
      std::optional<Divisible> value =
          layer ? Divisible::find(*layer) : std::nullopt;
      if (!value)
        return;
      EqualizedLink link;
      std::optional<size_t> producer = number(*layer);
      for (const LinearLayer &consumer : value->consumers)
        if (std::optional<size_t> n = number(consumer))
          link.consumers.push_back(*n);
      if (!producer || link.consumers.size() != value->consumers.size())
        return;
      link.producer = *producer;
      links.push_back(std::move(link));
      found.push_back(std::move(*value));
    });
    std::vector<std::vector<float>> factors =
        equalizeLayers(std::move(layers), links, steps);
    for (auto [value, divisors] : llvm::zip_equal(found, factors)) {
      apply(value, divisors);
      ++numEqualized;
    }
  }

private:
  /// Arithmetic on constants is left to constant folding.
  void apply(const Divisible &value, ArrayRef<float> divisors) {
    auto combine = [](OpOperand &operand, BinaryKind kind,
                      llvm::function_ref<Value(OpBuilder &, Location)> factor) {
      OpBuilder b(operand.getOwner());
      Value old = operand.get();
      Location loc = getNodeLoc(old.getLoc());
      operand.set(
          BinaryOp::create(b, loc, typeOf(old), kind, old, factor(b, loc)));
    };
    auto along = [&](Value old, int64_t axis) {
      SmallVector<int64_t> shape(typeOf(old).getRank(), 1);
      shape[axis] = int64_t(divisors.size());
      return [=](OpBuilder &b, Location loc) -> Value {
        return ConstantOp::create(
            b, loc, makeFloatConstant(b.getContext(), shape, divisors));
      };
    };
    const LinearLayer &producer = value.producer;
    OpOperand &weights = producer.op->getOpOperand(producer.weights);
    combine(weights, BinaryKind::div,
            along(weights.get(), producer.outputAxis));
    if (std::optional<unsigned> bias = producer.getOp().getBiasOperand()) {
      OpOperand &operand = producer.op->getOpOperand(*bias);
      combine(operand, BinaryKind::div, along(operand.get(), 0));
    }
    for (auto [operand, axis] : value.constants)
      combine(*operand, BinaryKind::div, along(operand->get(), axis));
    for (const LinearLayer &consumer : value.consumers)
      combine(consumer.op->getOpOperand(consumer.weights), BinaryKind::mul,
              [&](OpBuilder &b, Location loc) {
                return consumer.spreadOverInputs(b, loc, divisors);
              });
    for (auto [v, axis] : value.values)
      divideStatistics(v, axis, divisors);
  }

  /// Those of another axis, or of none, hold no more.
  void divideStatistics(Value value, int64_t axis, ArrayRef<float> divisors) {
    if (!given)
      return;
    auto it = given->values.find(getValueName(value));
    if (it == given->values.end())
      return;
    if (it->second.channelAxis == axis &&
        it->second.numChannels() == divisors.size())
      divideChannels(it->second, divisors);
    else
      given->values.erase(it);
  }

  std::shared_ptr<Statistics> given;
};

} // namespace

std::unique_ptr<Pass>
qnn::createEqualizePass(int64_t steps, std::shared_ptr<Statistics> statistics) {
  return std::make_unique<EqualizePass>(steps, std::move(statistics));
}
