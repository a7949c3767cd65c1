//===- Report.cpp - Measure what a recipe costs a model -------------------===//

#include "quantc/Driver/Report.h"

#include "CalibrationInput.h"
#include "Dialects.h"

#include "quantc/Dialect/QNN/Transforms/Quantize.h"
#include "quantc/Driver/Quantization.h"
#include "quantc/Quantization/Recipe.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace quantc;

FailureOr<QuantizationReport>
quantc::reportModel(StringRef path, const ReportOptions &options) {
  MLIRContext context(getDriverDialects(), MLIRContext::Threading::DISABLED);
  forwardDiagnostics(context, options.report);
  OwningOpRef<ModuleOp> module =
      importForCalibration(path, "", options.shapes, options.run, context);
  if (!module)
    return failure();
  auto fail = [&](llvm::Error error) {
    return module->emitError(llvm::toString(std::move(error)));
  };
  llvm::Expected<Recipe> recipe = Recipe::load(options.recipe);
  if (!recipe)
    return fail(recipe.takeError());
  // They change the graph, so that its values are no longer those in float.
  if (!recipe->transformations.empty())
    return fail(llvm::createStringError(
        "the recipe's transformations: a report compares values of the model "
        "as it is; leave them out"));
  if (recipe->sequential)
    return fail(llvm::createStringError(
        "the recipe is sequential: a report takes the statistics of one "
        "calibration; leave that out"));
  FailureOr<DataSet> data = openData(options.data, *module);
  if (failed(data))
    return failure();

  std::shared_ptr<Statistics> statistics;
  if (options.statistics.empty()) {
    FailureOr<Statistics> collected = calibrate(*module, *data, options.run);
    if (failed(collected))
      return failure();
    statistics = std::make_shared<Statistics>(std::move(*collected));
  } else {
    llvm::Expected<Statistics> read = Statistics::load(options.statistics);
    if (!read)
      return fail(read.takeError());
    statistics = std::make_shared<Statistics>(std::move(*read));
  }
  if (auto hash = (*module)->getAttrOfType<StringAttr>("qnn.model_hash"))
    if (llvm::Error error = statistics->checkModel(hash))
      return fail(std::move(error));

  OwningOpRef<ModuleOp> quantized = module->clone();
  PassManager pm(&context, ModuleOp::getOperationName());
  auto targets = getTargetCosts(options.target);
  if (!targets)
    return fail(targets.takeError());
  qnn::QuantizeSettings settings;
  settings.targets = std::move(*targets);
  pm.addNestedPass<func::FuncOp>(qnn::createQuantizePass(
      *recipe, statistics, /*report=*/nullptr, std::move(settings)));
  if (options.run.progress)
    options.run.progress("quantizing", 0, 0);
  if (failed(pm.run(*quantized)))
    return failure();
  FailureOr<MeasuredErrors> errors =
      measureErrors(*module, *quantized, *data, options.run);
  if (failed(errors))
    return failure();
  annotateErrors(*quantized, errors->values);
  if (!options.graph.empty()) {
    std::error_code code;
    llvm::raw_fd_ostream os(options.graph, code);
    if (code)
      return fail(llvm::createStringError(
          code, "cannot write '" + options.graph + "': " + code.message()));
    quantized->print(os, OpPrintingFlags().enableDebugInfo());
  }
  QuantizationReport report = makeReport(*quantized, *statistics, *errors);
  report.recipe = options.recipe;
  return report;
}
