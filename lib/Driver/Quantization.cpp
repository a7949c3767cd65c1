//===- Quantization.cpp - Recipe and data in, quantized graph out ---------===//

#include "quantc/Driver/Quantization.h"

#include "quantc/Calibration/Calibrate.h"
#include "quantc/CodeGen/ProductCosts.h"
#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Target/Native/Interface.h"
#include "quantc/Target/Native/TargetSpec.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Threading.h"

using namespace mlir;
using namespace quantc;

namespace {
class Quantization {
public:
  using Progress = std::function<void(StringRef, size_t, size_t)>;

  Quantization(ModuleOp module, const QuantizeOptions &options,
               const Progress &progress)
      : module(module), options(options), progress(progress) {}

  LogicalResult run(qnn::QuantizationReport &report);

private:
  LogicalResult fail(llvm::Error error) {
    return emitError(UnknownLoc::get(module.getContext()))
           << llvm::toString(std::move(error));
  }
  LogicalResult runPasses(llvm::function_ref<void(OpPassManager &)> build) {
    PassManager pm(module.getContext(), ModuleOp::getOperationName());
    build(pm);
    return pm.run(module);
  }
  qnn::QuantizeSettings getSettings() const {
    return {options.targets, options.releaseWeights, options.keepUnsigned};
  }
  LogicalResult check(const Recipe &recipe);
  FailureOr<DataSet> openData();
  CalibrationOptions getCalibrationOptions(const Recipe &recipe);
  FailureOr<Statistics> getStatistics(const Recipe &recipe);
  LogicalResult quantizeSequentially(const Recipe &recipe,
                                     qnn::QuantizationReport &report);

  ModuleOp module;
  const QuantizeOptions &options;
  const Progress &progress;
};
} // namespace

static bool usesGram(const Recipe &recipe) {
  return recipe.weights.rounding.usesGram() ||
         llvm::any_of(recipe.transformations,
                      [](const Transformation &t) {
                        return t.kind == Transformation::Kind::AWQ;
                      }) ||
         llvm::any_of(recipe.overrides, [](const Override &o) {
           return o.weights && o.weights->rounding.usesGram();
         });
}

static bool needsMoments(const Recipe &recipe) {
  return recipe.weights.needsMoments() ||
         llvm::any_of(recipe.overrides, [](const Override &o) {
           return o.weights && o.weights->needsMoments();
         });
}

FailureOr<DataSet> Quantization::openData() {
  FailureOr<native::ModelInterface> interface = native::readInterface(module);
  if (failed(interface))
    return failure();
  llvm::Expected<DataSet> data = DataSet::open(options.calibration, *interface);
  if (!data)
    return fail(data.takeError());
  return std::move(*data);
}

CalibrationOptions Quantization::getCalibrationOptions(const Recipe &recipe) {
  CalibrationOptions run;
  run.moments = !recipe.transformations.empty() || needsMoments(recipe);
  run.gram = usesGram(recipe);
  run.threads = llvm::hardware_concurrency().compute_thread_count();
  run.progress = progress;
  return run;
}

FailureOr<Statistics> Quantization::getStatistics(const Recipe &recipe) {
  if (!options.statistics.empty()) {
    llvm::Expected<Statistics> read = Statistics::load(options.statistics);
    if (!read)
      return fail(read.takeError());
    return std::move(*read);
  }
  FailureOr<DataSet> data = openData();
  if (failed(data))
    return failure();
  return calibrate(module, *data, getCalibrationOptions(recipe));
}

/// Each op by what it sees behind those that are quantized already.
LogicalResult
Quantization::quantizeSequentially(const Recipe &recipe,
                                   qnn::QuantizationReport &report) {
  FailureOr<DataSet> data = openData();
  if (failed(data))
    return failure();
  CalibrationOptions run = getCalibrationOptions(recipe);
  auto recalibrate = [&](ModuleOp graph, std::vector<std::string> names) {
    run.names = std::move(names);
    return calibrate(graph, *data, run);
  };
  return runPasses([&](OpPassManager &pm) {
    pm.addNestedPass<func::FuncOp>(qnn::createSequentialQuantizePass(
        recipe, recalibrate, &report, getSettings()));
  });
}

/// Fails if the recipe cannot be applied with what is given.
LogicalResult Quantization::check(const Recipe &recipe) {
  if (!options.calibration.empty() && !options.statistics.empty())
    return fail(llvm::createStringError(
        "calibration data and a statistics file are given: use one of them"));
  if (!recipe.needsStatistics() || !options.calibration.empty() ||
      (!options.statistics.empty() && !recipe.sequential))
    return success();
  if (recipe.sequential)
    return fail(llvm::createStringError(
        "the recipe is sequential: statistics of each op come from running the "
        "graph quantized so far, so give data (--calibration=data.npz)"));
  return fail(llvm::createStringError(
      "the recipe '" + options.recipe +
      "' needs statistics of the model's values: give data to calibrate with "
      "(--calibration=data.npz) or a statistics file (--stats=model.stats)"));
}

LogicalResult Quantization::run(qnn::QuantizationReport &report) {
  llvm::Expected<Recipe> recipe = Recipe::load(options.recipe);
  if (!recipe)
    return fail(recipe.takeError());
  bool hasSource = !options.calibration.empty() || !options.statistics.empty();
  bool wantsStatistics =
      recipe->needsStatistics() || (hasSource && recipe->usesStatistics());
  if (failed(check(*recipe)) || failed(runPasses([&](OpPassManager &pm) {
        // Only statistics ask whose they are, and it takes all bytes to tell.
        buildPrepareQuantizationPipeline(pm, wantsStatistics);
      })))
    return failure();
  // A file's statistics are those of the graph as it is; data can tell later
  // what became of it.
  std::shared_ptr<Statistics> statistics;
  auto require = [&]() -> LogicalResult {
    if (statistics)
      return success();
    FailureOr<Statistics> found = getStatistics(*recipe);
    if (failed(found))
      return failure();
    statistics = std::make_shared<Statistics>(std::move(*found));
    return success();
  };
  auto apply = [&](const Transformation &transformation) {
    return runPasses([&](OpPassManager &pm) {
      buildTransformationPipeline(pm, transformation, *recipe, statistics);
    });
  };
  for (const Transformation &transformation : recipe->transformations)
    if (transformation.precedesCalibration() && failed(apply(transformation)))
      return failure();
  if (!options.statistics.empty() && wantsStatistics && failed(require()))
    return failure();
  for (const Transformation &transformation : recipe->transformations) {
    if (transformation.precedesCalibration())
      continue;
    if ((transformation.needsStatistics() && failed(require())) ||
        failed(apply(transformation)))
      return failure();
    if (!options.calibration.empty() && recipe->hasStaticActivations() &&
        transformation.changesValues())
      statistics = nullptr;
  }
  if (recipe->sequential && recipe->needsStatistics())
    return quantizeSequentially(*recipe, report);
  if (hasSource && wantsStatistics && failed(require()))
    return failure();
  return runPasses([&](OpPassManager &pm) {
    pm.addNestedPass<func::FuncOp>(
        qnn::createQuantizePass(*recipe, statistics, &report, getSettings()));
  });
}

llvm::Error quantc::checkRecipeIsGiven(const QuantizeOptions &options) {
  if (!options.recipe.empty() ||
      (options.calibration.empty() && options.statistics.empty()))
    return llvm::Error::success();
  return llvm::createStringError(
      (options.statistics.empty() ? "data to calibrate with are"
                                  : "a file of statistics is") +
      llvm::Twine(" given, but no recipe: say how to quantize "
                  "(--quantize=w8a8)"));
}

llvm::Expected<std::vector<ProductCosts>>
quantc::getTargetCosts(StringRef target) {
  llvm::Expected<SmallVector<native::TargetSpec>> specs =
      native::resolveTargets(target);
  if (!specs)
    return specs.takeError();
  std::vector<ProductCosts> costs;
  for (const native::TargetSpec &spec : *specs)
    costs.push_back(getProductCosts(spec.features));
  return costs;
}

LogicalResult quantc::quantizeModule(
    ModuleOp module, const QuantizeOptions &options,
    const std::function<void(StringRef, size_t, size_t)> &progress,
    qnn::QuantizationReport &report) {
  return Quantization(module, options, progress).run(report);
}
