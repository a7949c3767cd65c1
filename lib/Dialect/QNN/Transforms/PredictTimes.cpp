//===- PredictTimes.cpp - Layers that integers make slower ----------------===//
//
// A layer in integers has cheaper products and dearer borders: something makes
// integers of its operands. What products take on the target is given; how
// many there are, ops tell through QuantizableOpInterface.
//
// What a result becomes does not decide anything: the integers of a next layer
// are made from it behind the sums, be they integers or floats. What comes from
// a layer in integers is four times as large in float.
//
//===----------------------------------------------------------------------===//

#include "QuantizedValues.h"
#include "Quantizer.h"

#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// What a dimension is taken for that only the call tells.
static constexpr int64_t unknownSize = 64;

/// How many times as long integers must take before a layer stays in float:
/// predictions are off by up to a fourth, and integers need less memory.
static constexpr double clearlySlower = 1.25;

/// Values that are looked at to find the layer before.
static constexpr size_t maxSteps = 32;

/// Cycles that are not worth a remark.
static constexpr double negligible = 10000;

static double countElements(RankedTensorType type) {
  double count = 1;
  for (int64_t size : type.getShape())
    count *= ShapedType::isDynamic(size) ? unknownSize : size;
  return count;
}

static double countElements(Value value) {
  return countElements(cast<RankedTensorType>(value.getType()));
}

namespace {

struct Times {
  double integer = 0, real = 0;
  bool isSlower() const {
    return integer > clearlySlower * real && integer - real > negligible;
  }
};

/// Predicts times of candidates, given which of them take which values as
/// integers.
class TimePredictor {
public:
  explicit TimePredictor(ArrayRef<Candidate> candidates) {
    for (const Candidate &candidate : candidates)
      if (candidate.plan.activations.mode != ActivationMode::Float) {
        count(candidate, 1);
        integerLayers.insert(candidate.op);
      }
  }

  Times predict(const Candidate &candidate, const ProductCosts &costs) const;
  /// The candidate takes no integers after all.
  void remove(const Candidate &candidate) {
    count(candidate, -1);
    integerLayers.erase(candidate.op);
  }

private:
  static SmallVector<Value> getActivations(const Candidate &candidate) {
    QuantizableOpInterface op = candidate.op;
    llvm::SetVector<Value> values;
    for (unsigned index : candidate.activations)
      values.insert(op->getOperand(index));
    return values.takeVector();
  }
  void count(const Candidate &candidate, int change) {
    for (Value value : getActivations(candidate))
      numIntegerUsers[value] += change;
  }

  bool comesFromIntegers(Value value) const;

  /// How many candidates read a value as integers.
  llvm::DenseMap<Value, int> numIntegerUsers;
  llvm::DenseSet<Operation *> integerLayers;
};

} // namespace

/// Whether something computes the value, so that integers can be made of it on
/// the way: it comes from no argument, and not from its caller's memory.
static bool isComputed(Value value) {
  while (auto move = value.getDefiningOp<SameScaleOpInterface>()) {
    SmallVector<unsigned> data = move.getDataOperands();
    if (data.size() != 1)
      return true;
    value = move->getOperand(data.front());
  }
  return value.getDefiningOp();
}

/// Whether the sums of a layer in integers become the value, through nothing
/// but what is computed element by element, such as an activation.
bool TimePredictor::comesFromIntegers(Value value) const {
  llvm::SetVector<Value> worklist;
  worklist.insert(value);
  for (size_t i = 0; i < worklist.size() && i < maxSteps; ++i) {
    Operation *op = worklist[i].getDefiningOp();
    if (!op)
      continue;
    if (integerLayers.contains(op))
      return true;
    if (isElementwise(op))
      worklist.insert(op->operand_begin(), op->operand_end());
  }
  return false;
}

/// Most dimensions in which convolutions of one channel by one filter have
/// loops of their own.
static constexpr int64_t maxPlaneRank = 2;

/// Their largest stride: a vector of elements holds one window's operand at
/// least for every second lane.
static constexpr int64_t maxPlaneStride = 2;

/// Whether each channel is summed with one filter of its own.
static bool isDepthwise(const Candidate &candidate) {
  QuantizableOpInterface op = candidate.op;
  if (op.getNumGroups() == 1 || candidate.weights.size() != 1)
    return false;
  unsigned weights = candidate.weights.front();
  std::optional<int64_t> axis = op.getInputAxis(weights);
  auto type = cast<RankedTensorType>(op->getOperand(weights).getType());
  return axis && type.getDimSize(*axis) == 1;
}

/// Whether a convolution of one channel by one filter has loops of its own;
/// what has none copies its windows.
static bool hasPlaneLoops(const Candidate &candidate) {
  Value weights = candidate.op->getOperand(candidate.weights.front());
  // Those of a convolution have two other dimensions, for channels.
  if (cast<RankedTensorType>(weights.getType()).getRank() - 2 > maxPlaneRank)
    return false;
  auto conv = dyn_cast<qnn::ConvOp>(*candidate.op);
  return !conv || llvm::all_of(conv.getStrides(), [](int64_t stride) {
    return stride <= maxPlaneStride;
  });
}

/// What the products of a layer take in integers, and in float.
static std::pair<ProductCosts::Rate, ProductCosts::Rate>
getRates(const Candidate &candidate, const ProductCosts &costs) {
  if (!isDepthwise(candidate))
    return {costs.integer, costs.real};
  if (!hasPlaneLoops(candidate))
    return {costs.packedInteger, costs.packedReal};
  return {costs.depthwiseInteger, costs.depthwiseReal};
}

Times TimePredictor::predict(const Candidate &candidate,
                             const ProductCosts &costs) const {
  QuantizableOpInterface op = candidate.op;
  double results = countElements(op->getResult(0));
  int64_t summed = op.getNumSummed();
  double products =
      results * (ShapedType::isDynamic(summed) ? unknownSize : summed);
  double weights = 0;
  for (unsigned index : candidate.weights)
    weights += countElements(op->getOperand(index));
  auto compute = [&](const ProductCosts::Rate &rate, double bytesPerWeight) {
    // Weights of few rows come from memory no faster than they are used.
    return std::max(products * rate.product,
                    weights * bytesPerWeight * costs.weightByte) +
           results * rate.result;
  };
  auto [integer, real] = getRates(candidate, costs);
  Times times;
  times.integer = compute(integer, sizeof(int8_t));
  times.real = compute(real, sizeof(float));
  bool isDynamic = candidate.plan.activations.mode == ActivationMode::Dynamic;
  for (Value value : getActivations(candidate)) {
    double size = countElements(value);
    if (comesFromIntegers(value))
      times.real += size * costs.passFloat;
    auto users = numIntegerUsers.find(value);
    // The integers are there for others: in float, they are read back.
    if (users != numIntegerUsers.end() && users->second > 1) {
      times.real += size * costs.dequantize;
      continue;
    }
    // A scale that data tell is known when all elements are.
    if (isDynamic)
      times.integer += size * (costs.findScale + costs.quantize);
    else
      times.integer +=
          size * (isComputed(value) ? costs.fusedQuantize : costs.quantize);
  }
  return times;
}

/// Whether floats have a product with the quantized weights that is as fast as
/// that of floats: qnn-fuse-weight-only makes it of matrices.
static bool hasWeightOnlyForm(const Candidate &candidate) {
  if (candidate.weights.size() != 1)
    return false;
  QuantizableOpInterface op = candidate.op;
  unsigned index = candidate.weights.front();
  return op.getSummedAxis(index) &&
         cast<RankedTensorType>(op->getOperand(index).getType()).getRank() == 2;
}

static bool mayStayInFloat(const Candidate &candidate) {
  // Weights of fewer bits are there for their size, and activations of more
  // are integers between float ops anyway.
  const OpPlan &plan = candidate.plan;
  return plan.slowerLayers == SlowerLayers::Float &&
         plan.activations.mode != ActivationMode::Float &&
         plan.activations.bits == 8 && plan.weights.bits == 8;
}

void Quantizer::keepSlowerInFloat() {
  if (settings.targets.empty())
    return;
  TimePredictor predictor(candidates);
  SmallVector<bool> isSkipped(candidates.size(), false);
  // A layer that does not take a value as integers leaves it to the others to
  // pay for them, so all are asked again.
  for (bool changed = true; changed;) {
    changed = false;
    for (auto [candidate, skipped] : llvm::zip(candidates, isSkipped)) {
      if (skipped || !mayStayInFloat(candidate))
        continue;
      // The target where integers lose least is the one that decides.
      std::optional<Times> decisive;
      for (const ProductCosts &costs : settings.targets) {
        Times times = predictor.predict(candidate, costs);
        if (!decisive ||
            times.integer * decisive->real < decisive->integer * times.real)
          decisive = times;
      }
      if (!decisive->isSlower())
        continue;
      changed = true;
      ++report.numSlower;
      predictor.remove(candidate);
      std::string reason = llvm::formatv(
          "in integers it is predicted to take {0:f2} million cycles on the "
          "target, and {1:f2} million in float (`slower-layers: integer` in "
          "the recipe insists)",
          decisive->integer / 1e6, decisive->real / 1e6);
      if (hasWeightOnlyForm(candidate)) {
        candidate.plan.activations.mode = ActivationMode::Float;
        remark(candidate.op, "keeps its activations in float: " + reason);
      } else {
        skipped = true;
        skip(candidate.op, reason);
      }
    }
  }
  size_t i = 0;
  llvm::erase_if(candidates, [&](const Candidate &) { return isSkipped[i++]; });
}
