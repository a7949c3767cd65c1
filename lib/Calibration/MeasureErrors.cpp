//===- MeasureErrors.cpp - What quantization costs, op by op --------------===//

#include "quantc/Calibration/MeasureErrors.h"

#include "ModuleArguments.h"
#include "Watcher.h"

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>
#include <set>

using namespace mlir;
using namespace quantc;

namespace {
/// A value of the float graph in the sample that runs.
struct KeptTensor {
  std::vector<float> values;
  SmallVector<int64_t> shape;
};

/// Keeps all values of a sample, by name. What a loop computes again and again
/// is no one tensor, and is not kept.
struct Keeper : Watcher {
  explicit Keeper(ArrayRef<std::string> names) : names(names) {}
  void see(int64_t number, ArrayRef<float> values,
           ArrayRef<int64_t> shape) override {
    auto [it, isNew] = kept.try_emplace(names[number]);
    if (isNew)
      it->second = {values.vec(), SmallVector<int64_t>(shape)};
    else
      repeated.insert(names[number]);
  }
  void finish() {
    for (const auto &name : repeated)
      kept.erase(name.getKey());
  }

  ArrayRef<std::string> names;
  llvm::StringMap<KeptTensor> kept;
  llvm::StringSet<> repeated;
};

/// Compares values with those that were kept.
struct Comparer : Watcher {
  Comparer(ArrayRef<std::string> names, const llvm::StringMap<KeptTensor> &kept,
           ErrorsByValue &errors, ErrorStatistics ValueErrors::*which)
      : names(names), kept(kept), errors(errors), which(which) {}
  void see(int64_t number, ArrayRef<float> values,
           ArrayRef<int64_t> shape) override {
    auto it = kept.find(names[number]);
    if (it != kept.end() && ArrayRef<int64_t>(it->second.shape) == shape)
      (errors[names[number]].*which).add(it->second.values, values);
  }

  ArrayRef<std::string> names;
  const llvm::StringMap<KeptTensor> &kept;
  ErrorsByValue &errors;
  ErrorStatistics ValueErrors::*which;
};
} // namespace

/// A copy with observers behind all values.
static OwningOpRef<ModuleOp> observeAll(ModuleOp module) {
  OwningOpRef<ModuleOp> copy = module.clone();
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  qnn::InsertObserversPassOptions options;
  options.values = "all";
  pm.addNestedPass<func::FuncOp>(qnn::createInsertObserversPass(options));
  if (failed(pm.run(*copy)))
    return {};
  return copy;
}

static std::set<std::string> getObservedNames(ModuleOp module) {
  std::set<std::string> names;
  module.walk([&](qnn::ObserveOp op) { names.insert(op.getId().str()); });
  return names;
}

/// Takes what follows each observed value that `names` has from a new argument
/// of @main instead, so that each op works on the right operands. Gives the
/// names of the new arguments, in order.
static std::vector<std::string>
cutAtValues(ModuleOp module, const std::set<std::string> &names) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  Block &block = main.getBody().front();
  std::vector<std::string> arguments;
  for (auto op : llvm::make_early_inc_range(block.getOps<qnn::ObserveOp>())) {
    if (!names.count(op.getId().str()))
      continue;
    // The kept tensors are float32.
    auto type = op.getType();
    Value argument = block.addArgument(
        type.clone(Float32Type::get(module.getContext())), op.getLoc());
    if (argument.getType() != type) {
      OpBuilder b(op);
      argument = qnn::CastOp::create(b, op.getLoc(), type, argument);
    }
    op.getOutput().replaceAllUsesWith(argument);
    arguments.push_back(op.getId().str());
  }
  updateMainArguments(module);
  return arguments;
}

/// The names of @main's results, and whether each is of float32.
static SmallVector<std::pair<std::string, bool>> getOutputs(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  SmallVector<std::pair<std::string, bool>> outputs;
  for (auto [i, type] : llvm::enumerate(main.getResultTypes())) {
    auto name = main.getResultAttrOfType<StringAttr>(i, "qnn.name");
    outputs.emplace_back(name ? name.str() : "output" + std::to_string(i),
                         getElementTypeOrSelf(type).isF32());
  }
  return outputs;
}

static ArrayRef<float> getFloats(const Tensor &tensor) {
  return {reinterpret_cast<const float *>(tensor.bytes.data()),
          tensor.bytes.size() / sizeof(float)};
}

FailureOr<MeasuredErrors>
quantc::measureErrors(ModuleOp reference, ModuleOp quantized,
                      const DataSet &data, const CalibrationOptions &options) {
  if (options.progress)
    options.progress("compiling for measuring", 0, 0);
  OwningOpRef<ModuleOp> right = observeAll(reference),
                        whole = observeAll(quantized),
                        single = observeAll(quantized);
  if (!right || !whole || !single)
    return failure();
  std::set<std::string> names = getObservedNames(*right);
  std::vector<std::string> arguments = cutAtValues(*single, names);
  FailureOr<WatchedFunction> rightFunction = compileWatched(*right),
                             wholeFunction = compileWatched(*whole),
                             singleFunction = compileWatched(*single);
  if (failed(rightFunction) || failed(wholeFunction) || failed(singleFunction))
    return failure();

  MeasuredErrors errors;
  auto outputInfos = getOutputs(reference);
  for (const auto &[name, isFloat] : outputInfos)
    if (isFloat)
      errors.outputs.emplace_back(name, ErrorStatistics());
  auto fail = [&](size_t index, const Twine &text) {
    return reference.emitError("sample ") << index << ": " << text;
  };
  for (size_t i = 0; i < data.size(); ++i) {
    llvm::Expected<Sample> sample = data.get(i);
    if (!sample)
      return reference.emitError(llvm::toString(sample.takeError()));
    Keeper keeper(rightFunction->names);
    SmallVector<Tensor> rightOutputs, outputs, ignored;
    std::string error;
    if (failed(runWatched(rightFunction->function, sample->inputs, rightOutputs,
                          error, keeper)))
      return fail(i, error);
    for (auto [info, output] : llvm::zip_equal(outputInfos, rightOutputs))
      if (info.second && llvm::any_of(getFloats(output), [](float value) {
            return std::isnan(value);
          }))
        return fail(i, "output '" + info.first +
                           "' is NaN in float: there is nothing to compare "
                           "with");
    keeper.finish();
    Comparer total(wholeFunction->names, keeper.kept, errors.values,
                   &ValueErrors::total);
    if (failed(runWatched(wholeFunction->function, sample->inputs, outputs,
                          error, total)))
      return fail(i, error);
    size_t which = 0;
    for (size_t k = 0; k < outputInfos.size(); ++k)
      if (outputInfos[k].second)
        errors.outputs[which++].second.add(getFloats(rightOutputs[k]),
                                           getFloats(outputs[k]));
    SmallVector<TensorView> inputs(sample->inputs);
    for (const std::string &name : arguments) {
      auto it = keeper.kept.find(name);
      if (it == keeper.kept.end())
        return fail(i, "value '" + name + "' was not computed once");
      ArrayRef<float> values = it->second.values;
      inputs.push_back({ArrayRef(reinterpret_cast<const char *>(values.data()),
                                 values.size() * sizeof(float)),
                        it->second.shape});
    }
    Comparer own(singleFunction->names, keeper.kept, errors.values,
                 &ValueErrors::own);
    if (failed(
            runWatched(singleFunction->function, inputs, ignored, error, own)))
      return fail(i, error);
    if (options.progress)
      options.progress("measuring", i + 1, data.size());
  }
  return errors;
}

void quantc::annotateErrors(ModuleOp quantized, const ErrorsByValue &errors) {
  Builder b(quantized.getContext());
  quantized.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      auto it = errors.find(qnn::getValueName(result));
      if (it == errors.end() || isa<qnn::ObserveOp>(op))
        continue;
      const ValueErrors &value = it->second;
      op->setAttr("qnn.error",
                  b.getDictionaryAttr(
                      {b.getNamedAttr("cosine", b.getF64FloatAttr(
                                                    value.total.getCosine())),
                       b.getNamedAttr("own_cosine",
                                      b.getF64FloatAttr(value.own.getCosine())),
                       b.getNamedAttr("own_sqnr",
                                      b.getF64FloatAttr(value.own.getSQNR())),
                       b.getNamedAttr(
                           "sqnr", b.getF64FloatAttr(value.total.getSQNR()))}));
    }
  });
}
