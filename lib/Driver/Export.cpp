//===- Export.cpp - A model in, a quantized ONNX model out ----------------===//

#include "quantc/Driver/Export.h"

#include "Dialects.h"

#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Driver/Quantization.h"
#include "quantc/JIT/Passes.h"
#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Support/OutputFile.h"
#include "quantc/Target/Native/Native.h"
#include "quantc/Target/Native/Passes.h"
#include "quantc/Target/ONNX/Export.h"
#include "quantc/Target/ONNX/Import.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace quantc;

/// From QDQ form to the one that is wanted.
static void buildFormPipeline(OpPassManager &pm,
                              const CompileOptions &options) {
  switch (options.exportForm) {
  case ExportForm::qdq:
    return;
  case ExportForm::mixed: {
    // Without a recipe, what the model quantizes is integer ops already.
    if (options.quantize.recipe.empty())
      return;
    pm.addNestedPass<func::FuncOp>(qnn::createFoldUnfusedPass());
    FoldConstantsPassOptions constants;
    constants.keepDequantized = true;
    pm.addPass(createFoldConstantsPass(constants));
    return;
  }
  case ExportForm::integerOps: {
    QNNOptimizeOptions optimize;
    optimize.widenProducts = false;
    buildQNNOptimizePipeline(pm, optimize);
    // ONNX has no transposed convolution of integers.
    pm.addNestedPass<func::FuncOp>(qnn::createMultiplyTilesPass());
    pm.addPass(createFoldConstantsPass());
    return;
  }
  }
  llvm_unreachable("all forms return");
}

static LogicalResult exportModel(StringRef path, StringRef bytes,
                                 const CompileOptions &options) {
  MLIRContext context(getDriverDialects(), MLIRContext::Threading::DISABLED);
  forwardDiagnostics(context, options.report);
  auto fail = [&](const Twine &text) {
    return emitError(UnknownLoc::get(&context), text);
  };
  if (options.output.empty() || options.output == "-")
    return fail("an ONNX model needs a file: give -o");
  if (llvm::Error error = checkOutput(options.output))
    return fail(llvm::toString(std::move(error)));
  if (llvm::Error error = checkRecipeIsGiven(options.quantize))
    return fail(llvm::toString(std::move(error)));
  onnx_import::ImportOptions importOptions;
  importOptions.shapes = options.shapes;
  importOptions.progress = options.progress;
  OwningOpRef<ModuleOp> module =
      bytes.empty()
          ? onnx_import::importONNX(path, importOptions, context)
          : onnx_import::importONNXFromBytes(bytes, importOptions, context);
  if (!module)
    return failure();
  PassManager pm(&context, ModuleOp::getOperationName());
  pm.addPass(native::createRecordInterfacePass());
  if (options.quantize.recipe.empty())
    buildPrepareQuantizationPipeline(pm, /*withHash=*/true,
                                     /*widensProducts=*/false);
  if (failed(pm.run(*module)))
    return failure();
  if (!options.quantize.recipe.empty()) {
    // The graph is that of a library for the target.
    auto targets = getTargetCosts(options.target);
    if (!targets)
      return fail(llvm::toString(targets.takeError()));
    QuantizeOptions quantize = options.quantize;
    quantize.targets = std::move(*targets);
    // ONNX Runtime's products of unsigned by signed bytes saturate on many
    // processors; those of unsigned ones are exact everywhere.
    quantize.keepUnsigned = true;
    qnn::QuantizationReport report;
    if (failed(quantizeModule(*module, quantize, options.progress, report)))
      return failure();
  }
  PassManager fold(&context, ModuleOp::getOperationName());
  buildFormPipeline(fold, options);
  if (failed(fold.run(*module)))
    return failure();
  if (options.exportContribOps) {
    PassManager fuse(&context, ModuleOp::getOperationName());
    // ONNX Runtime quantizes what it finds multiplied by dequantized weights.
    // Its own op says that it must not, but is none that other tools know.
    qnn::FuseWeightOnlyPassOptions weights;
    weights.groupsOnly = options.exportForm == ExportForm::qdq;
    weights.floatsOnly = true;
    fuse.addNestedPass<func::FuncOp>(qnn::createFuseWeightOnlyPass(weights));
    if (failed(fuse.run(*module)))
      return failure();
  }
  std::string exported;
  onnx_export::ExportOptions form;
  form.contribOps = options.exportContribOps;
  form.keepRoundings =
      !options.quantize.recipe.empty() && options.exportForm != ExportForm::qdq;
  if (failed(onnx_export::exportONNX(*module, exported, form)))
    return failure();
  if (llvm::Error error = native::writeFileAtomically(options.output, exported))
    return fail(llvm::toString(std::move(error)));
  return success();
}

LogicalResult quantc::exportFile(StringRef path,
                                 const CompileOptions &options) {
  return exportModel(path, "", options);
}

LogicalResult quantc::exportBytes(StringRef bytes,
                                  const CompileOptions &options) {
  return exportModel("", bytes, options);
}
