//===- NoiseMeter.cpp - What quantized layers cost at the outputs ---------===//

#include "quantc/Calibration/NoiseMeter.h"

#include "ModuleArguments.h"

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Quantize.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace quantc;

/// What an op of the float graph and its copy in the quantized one share.
static constexpr StringLiteral tagName = "qnn.tag";

static ArrayRef<float> getFloats(ArrayRef<char> bytes) {
  return {reinterpret_cast<const float *>(bytes.data()),
          bytes.size() / sizeof(float)};
}

//===- switches -----------------------------------------------------------===//

namespace {
/// A layer's operands that quantization changed, in the quantized graph.
struct SwitchedLayer {
  SmallVector<OpOperand *> operands;
  /// What each of them was in float.
  SmallVector<Value> originals;
  uint64_t floatBytes = 0, bytes = 0;
};

/// Lets a run choose which layers of a quantized graph are quantized.
class SwitchBuilder {
public:
  SwitchBuilder(ModuleOp reference, ModuleOp quantized);

  /// Gives @main an argument for each layer: quantized if it is true.
  void build();
  llvm::MapVector<StringRef, SwitchedLayer> layers;

private:
  void visit(Operation *op, Operation *original);
  Value findOriginal(OpOperand &operand, Operation *original);

  ModuleOp quantized;
};
} // namespace

static uint64_t countBytes(Value value) {
  auto type =
      dyn_cast_or_null<RankedTensorType>(value ? value.getType() : Type());
  if (!type || !type.hasStaticShape() ||
      !value.getDefiningOp<qnn::ConstantOp>())
    return 0;
  return llvm::divideCeil(type.getNumElements() * type.getElementTypeBitWidth(),
                          8);
}

/// Bytes of all constants that `value` is computed from.
static uint64_t countConstants(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return 0;
  uint64_t bytes = countBytes(value);
  for (Value operand : op->getOperands())
    bytes += countConstants(operand);
  return bytes;
}

SwitchBuilder::SwitchBuilder(ModuleOp reference, ModuleOp quantized)
    : quantized(quantized) {
  llvm::DenseMap<Attribute, Operation *> originals;
  reference.walk([&](Operation *op) {
    if (Attribute tag = op->getAttr(tagName))
      originals[tag] = op;
  });
  SmallVector<std::pair<Operation *, Operation *>> pairs;
  quantized.walk([&](Operation *op) {
    if (Attribute tag = op->getAttr(tagName))
      if (Operation *original = originals.lookup(tag))
        pairs.emplace_back(op, original);
  });
  for (auto [op, original] : pairs)
    visit(op, original);
}

/// What the operand was before quantization; null if it did not change.
Value SwitchBuilder::findOriginal(OpOperand &operand, Operation *original) {
  Value was = original->getOperand(operand.getOperandNumber());
  Operation *producer = operand.get().getDefiningOp();
  if (!producer || producer->hasAttr(tagName))
    return {};
  if (auto constant = was.getDefiningOp<qnn::ConstantOp>()) {
    OpBuilder b(operand.getOwner());
    return b.clone(*constant)->getResult(0);
  }
  auto dequantize = dyn_cast<qnn::DequantizeOp>(producer);
  Operation *integers =
      dequantize ? dequantize.getInput().getDefiningOp() : nullptr;
  if (auto quantize = dyn_cast_or_null<qnn::QuantizeOp>(integers))
    return quantize.getInput();
  if (auto quantize = dyn_cast_or_null<qnn::DynamicQuantizeOp>(integers))
    return quantize.getInput();
  return {};
}

void SwitchBuilder::visit(Operation *op, Operation *original) {
  bool hasWeights = false;
  SmallVector<std::pair<OpOperand *, Value>> changed;
  for (OpOperand &operand : op->getOpOperands())
    if (Value was = findOriginal(operand, original)) {
      changed.emplace_back(&operand, was);
      hasWeights |= was.getDefiningOp<qnn::ConstantOp>() != nullptr;
    }
  if (changed.empty())
    return;
  StringRef node = qnn::getNodeName(op->getLoc());
  bool isLayer =
      !node.empty() && (hasWeights || isa<qnn::QuantizableOpInterface>(op));
  for (auto [operand, was] : changed) {
    // Others read the integers only because these are there.
    if (!isLayer) {
      operand->set(was);
      continue;
    }
    SwitchedLayer &layer = layers[node];
    layer.operands.push_back(operand);
    layer.originals.push_back(was);
    if (uint64_t bytes = countBytes(was)) {
      layer.floatBytes += bytes;
      layer.bytes += countConstants(operand->get());
    }
  }
}

void SwitchBuilder::build() {
  auto main = quantized.lookupSymbol<func::FuncOp>("main");
  Block &block = main.getBody().front();
  auto flagType =
      RankedTensorType::get({}, IntegerType::get(main.getContext(), 1));
  for (auto &[node, layer] : layers) {
    Value flag = block.addArgument(flagType, main.getLoc());
    for (auto [operand, was] : llvm::zip(layer.operands, layer.originals)) {
      OpBuilder b(operand->getOwner());
      operand->set(qnn::SelectOp::create(b, operand->getOwner()->getLoc(),
                                         operand->get().getType(), flag,
                                         operand->get(), was));
    }
  }
  updateMainArguments(quantized);
}

//===- running ------------------------------------------------------------===//

FailureOr<OutputNoise> NoiseMeter::measure(Runner run) const {
  OutputNoise noise(outputs.size(), 0);
  for (auto [sample, wantedOutputs] : llvm::zip_equal(samples, right)) {
    SmallVector<ArrayRef<char>> results;
    if (failed(run(sample, results)))
      return failure();
    for (auto [result, right, sum, whole] :
         llvm::zip_equal(results, wantedOutputs, noise, power)) {
      ArrayRef<float> values = getFloats(result), wanted = getFloats(right);
      // Shapes that depend on values may differ: all is wrong then.
      if (values.size() != wanted.size()) {
        sum += whole;
        continue;
      }
      for (auto [value, want] : llvm::zip_equal(values, wanted)) {
        double error = double(value) - double(want);
        sum += std::isfinite(error) ? error * error : 0;
      }
    }
  }
  for (auto [sum, whole] : llvm::zip_equal(noise, power))
    sum = whole > 0 ? sum / whole : sum;
  return noise;
}

LogicalResult NoiseMeter::run(const JITFunction &function, const Sample &sample,
                              ArrayRef<TensorView> flags,
                              SmallVectorImpl<Tensor> &results) const {
  SmallVector<TensorView> inputs(sample.inputs);
  llvm::append_range(inputs, flags);
  std::string error;
  if (succeeded(function.run(inputs, results, error)))
    return success();
  return ModuleOp(reference).emitError("sample ")
         << &sample - samples.data() << ": " << error;
}

FailureOr<OutputNoise> NoiseMeter::measure(const JITFunction &function,
                                           ArrayRef<TensorView> flags) const {
  SmallVector<Tensor> results;
  return measure(
      [&](const Sample &sample, SmallVectorImpl<ArrayRef<char>> &bytes) {
        results.clear();
        if (failed(run(function, sample, flags, results)))
          return failure();
        for (unsigned output : outputs)
          bytes.push_back(results[output].bytes);
        return success();
      });
}

FailureOr<NoiseMeter>
NoiseMeter::create(ModuleOp reference, const DataSet &data, size_t maxSamples,
                   std::function<void(StringRef, size_t, size_t)> progress) {
  NoiseMeter meter(reference);
  meter.progress = std::move(progress);
  auto main = reference.lookupSymbol<func::FuncOp>("main");
  for (auto [i, type] : llvm::enumerate(main.getResultTypes()))
    if (getElementTypeOrSelf(type).isF32())
      meter.outputs.push_back(i);
  if (meter.outputs.empty())
    return reference.emitError(
        "has no output of float32, by which a loss could be measured");
  // A vector that grows would copy samples, whose views point into them.
  size_t numSamples = std::min(data.size(), maxSamples);
  meter.samples.reserve(numSamples);
  for (size_t i = 0; i < numSamples; ++i) {
    llvm::Expected<Sample> sample = data.get(i);
    if (!sample)
      return reference.emitError(llvm::toString(sample.takeError()));
    meter.samples.push_back(std::move(*sample));
  }
  OwningOpRef<ModuleOp> copy = reference.clone();
  FailureOr<JITFunction> function = JITFunction::compile(*copy);
  if (failed(function))
    return failure();
  meter.right.resize(meter.samples.size());
  meter.power.assign(meter.outputs.size(), 0);
  for (auto [sample, right] : llvm::zip_equal(meter.samples, meter.right)) {
    SmallVector<Tensor> results;
    if (failed(meter.run(*function, sample, {}, results)))
      return failure();
    for (auto [k, output] : llvm::enumerate(meter.outputs)) {
      for (float value : getFloats(results[output].bytes))
        if (std::isfinite(value))
          meter.power[k] += double(value) * double(value);
      right.push_back(std::move(results[output].bytes));
    }
  }
  return meter;
}

FailureOr<OwningOpRef<ModuleOp>>
NoiseMeter::quantize(const Recipe &recipe,
                     std::shared_ptr<const Statistics> statistics) const {
  ModuleOp original = reference;
  Builder b(original.getContext());
  auto main = original.lookupSymbol<func::FuncOp>("main");
  int64_t number = 0;
  main.walk([&](Operation *op) {
    op->setAttr(tagName, b.getI64IntegerAttr(number++));
  });
  OwningOpRef<ModuleOp> copy = original.clone();
  PassManager pm(original.getContext(), ModuleOp::getOperationName());
  qnn::QuantizationReport report;
  report.keepRemarks = true;
  pm.addNestedPass<func::FuncOp>(
      qnn::createQuantizePass(recipe, std::move(statistics), &report));
  if (failed(pm.run(*copy)))
    return failure();
  return std::move(copy);
}

FailureOr<std::vector<LayerNoise>>
NoiseMeter::measureLayers(const Recipe &recipe,
                          std::shared_ptr<const Statistics> statistics) const {
  FailureOr<OwningOpRef<ModuleOp>> quantized =
      quantize(recipe, std::move(statistics));
  if (failed(quantized))
    return failure();
  SwitchBuilder switches(reference, **quantized);
  switches.build();
  for (ModuleOp module : {reference, **quantized})
    module.walk([](Operation *op) { op->removeAttr(tagName); });
  std::vector<LayerNoise> result;
  for (auto &[node, layer] : switches.layers)
    result.push_back({node.str(), {}, layer.floatBytes, layer.bytes});
  FailureOr<JITFunction> function = JITFunction::compile(**quantized);
  if (failed(function))
    return failure();
  std::vector<char> states(result.size(), 0);
  for (auto [i, layer] : llvm::enumerate(result)) {
    if (progress)
      progress("measuring layers", i, result.size());
    states[i] = 1;
    SmallVector<TensorView> flags;
    for (const char &state : states)
      flags.push_back({ArrayRef<char>(&state, 1), {}});
    FailureOr<OutputNoise> noise = measure(*function, flags);
    if (failed(noise))
      return failure();
    layer.noise = std::move(*noise);
    states[i] = 0;
  }
  return result;
}
