//===- Calibration.cpp - A model and data in, statistics out --------------===//

#include "quantc/Driver/Calibration.h"

#include "CalibrationInput.h"
#include "Dialects.h"

#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Support/OutputFile.h"
#include "quantc/Target/Native/Passes.h"
#include "quantc/Target/ONNX/Import.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace quantc;

/// Values that were no numbers keep their statistics, but cannot be quantized.
static void warnOfProblems(const Statistics &statistics, Location loc) {
  for (const auto &[name, value] : statistics.values)
    if (std::string problem = value.getProblem(); !problem.empty())
      emitWarning(loc) << "value '" << name << "' " << problem
                       << ": it has no range to quantize with";
}

OwningOpRef<ModuleOp> quantc::importForCalibration(
    StringRef path, StringRef bytes,
    const llvm::StringMap<SmallVector<int64_t>> &shapes,
    const CalibrationOptions &run, MLIRContext &context) {
  onnx_import::ImportOptions options;
  options.shapes = shapes;
  options.progress = run.progress;
  OwningOpRef<ModuleOp> module =
      bytes.empty() ? onnx_import::importONNX(path, options, context)
                    : onnx_import::importONNXFromBytes(bytes, options, context);
  if (!module)
    return {};
  PassManager pm(&context, ModuleOp::getOperationName());
  pm.addPass(native::createRecordInterfacePass());
  buildPrepareQuantizationPipeline(pm);
  if (run.progress)
    run.progress("preparing", 0, 0);
  if (failed(pm.run(*module)))
    return {};
  return module;
}

FailureOr<DataSet> quantc::openData(StringRef path, ModuleOp module) {
  FailureOr<native::ModelInterface> interface = native::readInterface(module);
  if (failed(interface))
    return failure();
  llvm::Expected<DataSet> data = DataSet::open(path, *interface);
  if (!data)
    return module.emitError(llvm::toString(data.takeError()));
  return std::move(*data);
}

LogicalResult quantc::calibrateModel(StringRef path, StringRef bytes,
                                     const CalibrateOptions &options) {
  MLIRContext context(getDriverDialects(), MLIRContext::Threading::DISABLED);
  forwardDiagnostics(context, options.report);
  if (llvm::Error error = checkOutput(options.output))
    return emitError(UnknownLoc::get(&context),
                     llvm::toString(std::move(error)));
  OwningOpRef<ModuleOp> module =
      importForCalibration(path, bytes, options.shapes, options.run, context);
  if (!module)
    return failure();
  FailureOr<DataSet> data = openData(options.data, *module);
  if (failed(data))
    return failure();
  FailureOr<Statistics> statistics = calibrate(*module, *data, options.run);
  if (failed(statistics))
    return failure();
  warnOfProblems(*statistics, module->getLoc());
  if (llvm::Error error = statistics->save(options.output))
    return module->emitError(llvm::toString(std::move(error)));
  return success();
}

llvm::Error quantc::mergeStatistics(ArrayRef<std::string> inputs,
                                    StringRef output) {
  llvm::Expected<Statistics> merged = Statistics::load(inputs.front());
  if (!merged)
    return merged.takeError();
  for (const std::string &path : llvm::drop_begin(inputs)) {
    llvm::Expected<Statistics> part = Statistics::load(path);
    if (!part)
      return part.takeError();
    if (llvm::Error error = merged->merge(*part))
      return llvm::createStringError("'" + path +
                                     "': " + llvm::toString(std::move(error)));
  }
  return merged->save(output);
}
