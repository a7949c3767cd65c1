//===- Quantization.cpp - Recipe and data in, quantized graph out ---------===//

#include "quantc/Driver/Quantization.h"

#include "quantc/Calibration/Calibrate.h"
#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Target/Native/Interface.h"

#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Threading.h"

using namespace mlir;
using namespace quantc;

namespace {
class Quantization {
public:
  Quantization(ModuleOp module, const QuantizeOptions &options)
      : module(module), options(options) {}

  LogicalResult
  run(const std::function<void(StringRef, size_t, size_t)> &progress,
      qnn::QuantizationReport &report);

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
  FailureOr<Statistics>
  getStatistics(const Recipe &recipe,
                const std::function<void(StringRef, size_t, size_t)> &progress);

  ModuleOp module;
  const QuantizeOptions &options;
};
} // namespace

static bool needsGram(const Recipe &recipe) {
  return recipe.weights.rounding.needsGram() ||
         llvm::any_of(recipe.transformations,
                      [](const Transformation &t) {
                        return t.kind == Transformation::Kind::AWQ;
                      }) ||
         llvm::any_of(recipe.overrides, [](const Override &o) {
           return o.weights && o.weights->rounding.needsGram();
         });
}

static bool needsMoments(const Recipe &recipe) {
  return recipe.weights.needsMoments() ||
         llvm::any_of(recipe.overrides, [](const Override &o) {
           return o.weights && o.weights->needsMoments();
         });
}

FailureOr<Statistics> Quantization::getStatistics(
    const Recipe &recipe,
    const std::function<void(StringRef, size_t, size_t)> &progress) {
  if (!options.statistics.empty()) {
    llvm::Expected<Statistics> read = Statistics::load(options.statistics);
    if (!read)
      return fail(read.takeError());
    return std::move(*read);
  }
  FailureOr<native::ModelInterface> interface = native::readInterface(module);
  if (failed(interface))
    return failure();
  llvm::Expected<DataSet> data = DataSet::open(options.calibration, *interface);
  if (!data)
    return fail(data.takeError());
  CalibrationOptions run;
  run.moments = !recipe.transformations.empty() || needsMoments(recipe);
  run.gram = needsGram(recipe);
  run.threads = llvm::hardware_concurrency().compute_thread_count();
  run.progress = progress;
  return calibrate(module, *data, run);
}

LogicalResult Quantization::run(
    const std::function<void(StringRef, size_t, size_t)> &progress,
    qnn::QuantizationReport &report) {
  llvm::Expected<Recipe> recipe = Recipe::load(options.recipe);
  if (!recipe)
    return fail(recipe.takeError());
  if (!options.calibration.empty() && !options.statistics.empty())
    return fail(llvm::createStringError(
        "calibration data and a statistics file are given: use one of them"));
  for (const Transformation &transformation : recipe->transformations)
    if (transformation.kind != Transformation::Kind::SmoothQuant &&
        transformation.kind != Transformation::Kind::AWQ)
      return fail(llvm::createStringError(
          "the recipe's transformations: only smoothquant and awq can be "
          "applied"));
  bool hasSource = !options.calibration.empty() || !options.statistics.empty();
  if (recipe->needsStatistics() && !hasSource)
    return fail(llvm::createStringError(
        "the recipe '" + options.recipe +
        "' needs statistics of the model's values: give data to calibrate with "
        "(--calibration=data.npz) or a statistics file (--stats=model.stats)"));
  if (failed(runPasses(buildPrepareQuantizationPipeline)))
    return failure();
  std::shared_ptr<Statistics> statistics;
  if (hasSource && recipe->needsStatistics()) {
    FailureOr<Statistics> found = getStatistics(*recipe, progress);
    if (failed(found))
      return failure();
    statistics = std::make_shared<Statistics>(std::move(*found));
  }
  return runPasses([&](OpPassManager &pm) {
    buildQuantizeGraphPipeline(pm, *recipe, statistics, &report);
  });
}

LogicalResult quantc::quantizeModule(
    ModuleOp module, const QuantizeOptions &options,
    const std::function<void(StringRef, size_t, size_t)> &progress,
    qnn::QuantizationReport &report) {
  return Quantization(module, options).run(progress, report);
}
