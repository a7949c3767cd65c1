//===- Quantize.cpp - From a float graph to quantize/dequantize pairs -----===//
//
// Decides what a recipe makes of each op, and writes that as pairs of quantize
// and dequantize around float ops (the form that ONNX calls QDQ). Values only
// become integers here; qnn-fold-quantization makes ops on integers of it.
//
//===----------------------------------------------------------------------===//

#include "PassInputs.h"
#include "Quantizer.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_QUANTIZEPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

/// Constants with fewer elements than this are no tables worth quantizing.
constexpr int64_t minTableElements = 1024;

} // namespace

/// Whether integers can take the place of all quantizable operands.
static bool hasIntegerForm(const WeightRecipe &weights) {
  return weights.format == NumberFormat::Integer && weights.bits <= 8 &&
         weights.granularity != Sharing::Group;
}

/// Whether sums of integers can be scaled group by group: each token has a
/// scale of its own, and weights are integers.
static bool hasTokenForm(const OpPlan &plan) {
  return plan.activations.mode == ActivationMode::Dynamic &&
         plan.activations.granularity == Sharing::Token &&
         plan.weights.format == NumberFormat::Integer &&
         plan.weights.bits <= 8 && plan.weights.granularity == Sharing::Group;
}

/// Whether all activations of an op in a loop or a branch were seen.
bool Quantizer::wasReached(const Candidate &candidate) {
  if (!statistics)
    return !recalibrate; // Missing statistics are an error of their own.
  return llvm::all_of(candidate.activations, [&](unsigned index) {
    QuantizableOpInterface op = candidate.op;
    const ValueStatistics *found =
        statistics->find(getValueName(op->getOperand(index)));
    return found && !(found->histogram == Histogram());
  });
}

/// Sorts the op's operands into weights and activations, and adds it to the
/// candidates unless something speaks against it.
void Quantizer::consider(QuantizableOpInterface op, const OpPlan &plan) {
  if (!plan.skipped.empty())
    return skip(op, plan.skipped);
  Candidate candidate{op, plan, {}, {}};
  for (unsigned index : op.getQuantizableOperands()) {
    Value operand = op->getOperand(index);
    if (operand.getDefiningOp<DequantizeOp>())
      return;
    if (!typeOf(operand).getElementType().isF32())
      return skip(op, "an operand has other elements than f32");
    if (operand.getDefiningOp<ConstantOp>())
      candidate.weights.push_back(index);
    else
      candidate.activations.push_back(index);
  }
  ActivationRecipe &how = candidate.plan.activations;
  if (candidate.weights.empty() && how.mode != ActivationMode::Static)
    return skip(op, "it has no constant weights");
  if (candidate.activations.empty())
    return skip(op, "all its operands are constants");
  auto keepActivations = [&](const Twine &reason) {
    how.mode = ActivationMode::Float;
    remark(op, "keeps its activations in float: " + reason);
  };
  if (how.mode == ActivationMode::Static && op->getParentOp() != func &&
      !wasReached(candidate))
    keepActivations(recalibrate
                        ? "it is in a loop or a branch, where nothing is "
                          "observed in sequence"
                        : "it is in a loop or a branch that the data to "
                          "calibrate with never took");
  else if (how.mode != ActivationMode::Float && how.bits > 8)
    (void)how; // Integers between float ops: what the user asked for.
  else if (how.mode != ActivationMode::Float && !candidate.weights.empty() &&
           !hasIntegerForm(candidate.plan.weights) &&
           !hasTokenForm(candidate.plan))
    keepActivations("weights in groups, of 16 bits or of floats have no "
                    "product with integers");
  if (candidate.weights.empty() && how.mode == ActivationMode::Float)
    return skip(op, "it has no constant weights");
  candidates.push_back(std::move(candidate));
}

LogicalResult Quantizer::getNames(ArrayRef<Candidate> some,
                                  llvm::SetVector<StringRef> &names) {
  for (Candidate candidate : some) {
    bool isStatic = candidate.plan.activations.mode == ActivationMode::Static;
    bool needsInputs =
        candidate.plan.weights.needsStatistics() && !candidate.weights.empty();
    if (!isStatic && !needsInputs)
      continue;
    for (unsigned index : candidate.activations) {
      Value value = candidate.op->getOperand(index);
      StringRef name = getValueName(value);
      if (name.empty())
        return candidate.op->emitError("operand ")
               << index
               << " has no name in the model, so there are no statistics of it";
      names.insert(name);
    }
  }
  return success();
}

LogicalResult Quantizer::requireStatistics(ArrayRef<Candidate> some) {
  llvm::SetVector<StringRef> names;
  if (failed(getNames(some, names)))
    return failure();
  if (names.empty())
    return success();
  if (!statistics)
    return emitError(func.getLoc())
           << "the recipe needs statistics of " << names.size()
           << " values: calibrate the model first (--calibration=data.npz or "
              "--stats=model.stats)";
  if (llvm::Error error = statistics->require(names.getArrayRef()))
    return emitError(func.getLoc()) << llvm::toString(std::move(error));
  for (Candidate candidate : some)
    if (candidate.plan.weights.rounding.needsGram() &&
        candidate.weights.size() == 1 && getGram(candidate).empty() &&
        candidate.op.getSummedAxis(candidate.weights.front()))
      return candidate.op->emitError("rounding ")
             << candidate.plan.weights.rounding.method
             << " needs the Gram matrix of the inputs, which the statistics "
                "do not have: calibrate with it";
  return success();
}

//===- weights ------------------------------------------------------------===//

GramMatrix Quantizer::getGram(const Candidate &candidate) {
  if (!statistics || candidate.activations.size() != 1)
    return {};
  const ValueStatistics *found = statistics->find(
      getValueName(candidate.op->getOperand(candidate.activations.front())));
  if (!found)
    return {};
  // For the importance of single inputs, their squares are enough.
  bool needsAll =
      candidate.plan.weights.rounding.needsGram() || !found->gram.empty();
  return {needsAll ? found->gram : found->sumSquares, found->countPerChannel};
}

/// bias = dequantize(i32, activation's scale · weight's scale).
void Quantizer::quantizeBias(Candidate &candidate,
                             const QuantizedWeight &weight,
                             float activationScale) {
  std::optional<unsigned> index = candidate.op.getBiasOperand();
  if (!index || !recipe.integerBias || !weight.hasIntegerForm)
    return;
  auto constant = candidate.op->getOperand(*index).getDefiningOp<ConstantOp>();
  if (!constant)
    return;
  std::optional<std::vector<float>> values = readFloats(constant.getValue());
  if (!values)
    return;
  std::vector<float> scales;
  for (float scale : weight.scales)
    scales.push_back(scale * activationScale);
  std::vector<int32_t> codes;
  for (auto [i, value] : llvm::enumerate(*values)) {
    double code = std::nearbyint(value / scales[scales.size() == 1 ? 0 : i]);
    if (!(std::abs(code) < 2147483648.0)) {
      remark(candidate.op,
             "keeps its bias in float: it does not fit into 32 bits");
      return;
    }
    codes.push_back(int32_t(code));
  }
  OpBuilder b(candidate.op);
  Location loc = getNodeLoc(constant.getLoc());
  SmallVector<int64_t> shape(constant.getType().getShape());
  Value integers = ConstantOp::create(
      b, loc,
      makeConstant(RankedTensorType::get(shape, b.getI32Type()),
                   ArrayRef(reinterpret_cast<const char *>(codes.data()),
                            codes.size() * sizeof(int32_t))));
  bool isSingle = scales.size() == 1;
  Value scale = ConstantOp::create(
      b, loc,
      makeFloatConstant(b.getContext(),
                        isSingle ? ArrayRef<int64_t>() : ArrayRef(shape),
                        scales));
  candidate.op->setOperand(
      *index,
      DequantizeOp::create(b, loc, constant.getType(), integers, scale, Value(),
                           isSingle ? IntegerAttr() : b.getI64IntegerAttr(0)));
}

LogicalResult Quantizer::quantizeOp(Candidate &candidate) {
  QuantizableOpInterface op = candidate.op;
  OpBuilder b(op);
  SmallVector<QuantizedWeight> weights;
  for (unsigned index : candidate.weights) {
    auto constant = op->getOperand(index).getDefiningOp<ConstantOp>();
    llvm::Expected<QuantizedWeight> weight =
        quantizeWeight(b, getNodeLoc(constant.getLoc()), constant,
                       {op.getChannelAxis(index), op.getSummedAxis(index)},
                       candidate.plan.weights, getGram(candidate));
    if (!weight) {
      skip(op, llvm::toString(weight.takeError()));
      return success();
    }
    weights.push_back(*weight);
  }

  ActivationRecipe how = candidate.plan.activations;
  float activationScale = 0;
  if (how.mode == ActivationMode::Float)
    candidate.activations.clear();
  for (unsigned index : candidate.activations) {
    ActivationKey key{op->getOperand(index), how};
    // What stands where weights would is signed: instructions multiply unsigned
    // by signed bytes.
    if (how.mode == ActivationMode::Static && op.getChannelAxis(index)) {
      key.isMoved = settings.keepUnsigned && !how.isSigned;
      key.recipe.isSigned = true;
    }
    RankedTensorType type = typeOf(key.value);
    if (how.granularity == Sharing::Token &&
        (op.getSummedAxis(index) != type.getRank() - 1 ||
         type.isDynamicDim(type.getRank() - 1))) {
      // Tokens do not share a scale with what they are summed with.
      key.recipe = ActivationRecipe();
      key.recipe.mode = ActivationMode::Dynamic;
    }
    FailureOr<QuantizedActivation *> activation = quantizeActivation(key);
    if (failed(activation))
      return failure();
    op->setOperand(index, (*activation)->real);
    activationScale = (*activation)->scale;
  }
  for (auto [index, weight] : llvm::zip(candidate.weights, weights)) {
    auto constant = op->getOperand(index).getDefiningOp<ConstantOp>();
    op->setOperand(index,
                   createDequantize(b, getNodeLoc(constant.getLoc()), weight));
    report.floatBytes += constant.getType().getNumElements() * 4;
    report.integerBytes += weight.bytes;
    if (how.mode == ActivationMode::Static)
      quantizeBias(candidate, weight, activationScale);
    if (release)
      release->eraseIfUnused(constant);
  }
  ++report.numQuantized;
  return success();
}

/// A constant of which the op selects elements (an embedding table).
void Quantizer::quantizeTable(SameScaleOpInterface op, const OpPlan &plan) {
  SmallVector<unsigned> data = op.getDataOperands();
  if (data.size() != 1)
    return;
  auto constant = op->getOperand(data.front()).getDefiningOp<ConstantOp>();
  if (!constant || !constant.getType().getElementType().isF32() ||
      constant.getType().getNumElements() < minTableElements)
    return;
  if (!plan.skipped.empty())
    return skip(op, plan.skipped);
  // Below 8 bits, a table whose rows share scales loses too much.
  WeightRecipe how = plan.weights;
  how.rounding = RoundingRecipe();
  how.granularity = Sharing::Channel;
  if (how.format != NumberFormat::Integer || how.bits < 8) {
    how = WeightRecipe();
    how.scheme = RangeScheme::Restricted;
  }
  WeightAxes axes;
  for (int64_t axis = 0; axis < constant.getType().getRank(); ++axis)
    if (op.getResultAxis(axis))
      axes.channel = axis;
  OpBuilder b(op);
  Location loc = getNodeLoc(constant.getLoc());
  llvm::Expected<QuantizedWeight> table =
      quantizeWeight(b, loc, constant, axes, how, {});
  if (!table)
    return skip(op, llvm::toString(table.takeError()));
  op->setOperand(data.front(), createDequantize(b, loc, *table));
  report.floatBytes += constant.getType().getNumElements() * 4;
  report.integerBytes += table->bytes;
  ++report.numTables;
  if (release)
    release->eraseIfUnused(constant);
}

/// Ops that follow each other and have the same inputs take one calibration.
LogicalResult Quantizer::quantizeSequentially() {
  auto getInputs = [](const Candidate &candidate) {
    SmallVector<Value> inputs;
    QuantizableOpInterface op = candidate.op;
    for (unsigned index : candidate.activations)
      inputs.push_back(op->getOperand(index));
    return inputs;
  };
  for (size_t begin = 0, end; begin < candidates.size(); begin = end) {
    SmallVector<Value> inputs = getInputs(candidates[begin]);
    for (end = begin + 1; end < candidates.size(); ++end)
      if (getInputs(candidates[end]) != inputs)
        break;
    ArrayRef<Candidate> stage = ArrayRef(candidates).slice(begin, end - begin);
    llvm::SetVector<StringRef> wanted;
    if (failed(getNames(stage, wanted)))
      return failure();
    Statistics found;
    statistics = nullptr;
    if (!wanted.empty()) {
      std::vector<std::string> names;
      for (StringRef name : wanted)
        names.push_back(name.str());
      FailureOr<Statistics> observed =
          (*recalibrate)(func->getParentOfType<ModuleOp>(), std::move(names));
      if (failed(observed))
        return failure();
      found = std::move(*observed);
      statistics = &found;
    }
    if (failed(requireStatistics(stage)))
      return failure();
    for (size_t i = begin; i < end; ++i)
      if (failed(quantizeOp(candidates[i])))
        return failure();
    statistics = nullptr;
  }
  return success();
}

LogicalResult Quantizer::run() {
  FailureOr<RecipeMatcher> matcher = RecipeMatcher::create(recipe, func);
  if (failed(matcher))
    return failure();
  QuantizableOps all(func);
  std::vector<SameScaleOpInterface> tables;
  func.walk([&](SameScaleOpInterface op) { tables.push_back(op); });
  for (QuantizableOpInterface op : all.ops)
    consider(op, matcher->plan(op, all));
  keepSlowerInFloat();
  if (recalibrate) {
    if (failed(quantizeSequentially()))
      return failure();
  } else {
    if (failed(requireStatistics(candidates)))
      return failure();
    for (Candidate &candidate : candidates)
      if (failed(quantizeOp(candidate)))
        return failure();
  }
  redirectOtherUses();
  for (SameScaleOpInterface op : tables)
    quantizeTable(op, matcher->plan(op, false, false));
  return success();
}

//===- the pass -----------------------------------------------------------===//

namespace {

struct QuantizePass : qnn::impl::QuantizePassBase<QuantizePass> {
  using Base::Base;
  QuantizePass(const Recipe &recipe,
               std::shared_ptr<const Statistics> statistics,
               QuantizationReport *report, QuantizeSettings settings)
      : given(recipe), givenStatistics(std::move(statistics)), report(report),
        isInMemory(true), settings(std::move(settings)) {}
  QuantizePass(const Recipe &recipe, Recalibrate recalibrate,
               QuantizationReport *report, QuantizeSettings settings)
      : given(recipe), recalibrate(std::move(recalibrate)), report(report),
        isInMemory(true), settings(std::move(settings)) {}

  LogicalResult initialize(MLIRContext *context) override {
    if (given)
      return success();
    FailureOr<Recipe> loaded = valueOrDiagnostic(context, Recipe::load(recipe));
    if (failed(loaded))
      return failure();
    given = std::move(*loaded);
    settings.keepUnsigned = keepUnsigned;
    if (statistics.empty())
      return success();
    FailureOr<Statistics> read =
        valueOrDiagnostic(context, Statistics::load(statistics));
    if (failed(read))
      return failure();
    givenStatistics = std::make_shared<Statistics>(std::move(*read));
    return success();
  }

  void runOnOperation() override {
    // In memory, whoever creates the pass has applied them.
    if (!isInMemory && !given->transformations.empty()) {
      Location loc = getOperation().getLoc();
      if (!givenStatistics && given->needsStatistics()) {
        emitError(loc) << "the recipe needs statistics of the model's values: "
                          "calibrate the model first";
        return signalPassFailure();
      }
      emitWarning(loc)
          << "this pass does not apply the recipe's transformations: the "
             "pipeline qnn-quantize-graph does";
    }
    // Statistics of another model fit by accident only.
    auto hash = getOperation()->getParentOp()->getAttrOfType<StringAttr>(
        "qnn.model_hash");
    if (givenStatistics && hash)
      if (llvm::Error error = givenStatistics->checkModel(hash)) {
        getOperation().emitError(llvm::toString(std::move(error)));
        return signalPassFailure();
      }
    QuantizationReport own;
    QuantizationReport &result = report ? *report : own;
    if (failed(Quantizer(getOperation(), *given, givenStatistics.get(), result,
                         recalibrate ? &recalibrate : nullptr, settings)
                   .run()))
      return signalPassFailure();
    numQuantized += result.numQuantized;
    numSkipped += result.numSkipped;
    numSlower += result.numSlower;
    numTables += result.numTables;
    numActivations += result.numActivations;
  }

private:
  std::optional<Recipe> given;
  std::shared_ptr<const Statistics> givenStatistics;
  Recalibrate recalibrate;
  QuantizationReport *report = nullptr;
  bool isInMemory = false;
  QuantizeSettings settings;
};

} // namespace

std::unique_ptr<Pass>
qnn::createQuantizePass(const Recipe &recipe,
                        std::shared_ptr<const Statistics> statistics,
                        QuantizationReport *report, QuantizeSettings settings) {
  return std::make_unique<QuantizePass>(recipe, std::move(statistics), report,
                                        std::move(settings));
}

std::unique_ptr<Pass>
qnn::createSequentialQuantizePass(const Recipe &recipe, Recalibrate recalibrate,
                                  QuantizationReport *report,
                                  QuantizeSettings settings) {
  return std::make_unique<QuantizePass>(recipe, std::move(recalibrate), report,
                                        std::move(settings));
}
