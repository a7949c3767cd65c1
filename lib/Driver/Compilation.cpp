//===- Compilation.cpp - One model in, artefacts out ----------------------===//

#include "quantc/Driver/Compilation.h"

#include "Dialects.h"

#include "quantc/CodeGen/Passes.h"
#include "quantc/CodeGen/ProductCosts.h"
#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Support/OutputFile.h"
#include "quantc/Target/Native/Interface.h"
#include "quantc/Target/Native/Native.h"
#include "quantc/Target/Native/Passes.h"
#include "quantc/Target/Native/Weights.h"
#include "quantc/Target/ONNX/Import.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

#include <chrono>

using namespace mlir;
using namespace quantc;

namespace {
/// Makes what passes remark on diagnostics of the text alone.
class RemarkPrinter : public remark::detail::MLIRRemarkStreamerBase {
public:
  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    InFlightDiagnostic diagnostic = emitRemark(remark.getLocation());
    for (const remark::detail::Remark::Arg &part : remark.getArgs())
      diagnostic << part.val;
  }
};

/// One run of the compiler.
class Compilation {
public:
  Compilation(const CompileOptions &options, CompileStatistics *statistics);

  LogicalResult runFile(StringRef path);
  LogicalResult runBytes(StringRef bytes);

private:
  /// The model for one of the targets. With several, symbols that objects share
  /// start with `name`; else it is empty.
  struct Variant {
    OwningOpRef<ModuleOp> module;
    native::TargetSpec target;
    std::string name;
  };

  LogicalResult finish(OwningOpRef<ModuleOp> module, Stage reached);
  LogicalResult lowerToLLVM(ModuleOp module, const native::TargetSpec &target,
                            bool releaseWeights);
  LogicalResult runPasses(ModuleOp module, StringRef step,
                          function_ref<void(OpPassManager &)> build,
                          bool verifyEach = true);
  LogicalResult emitText(ModuleOp module);
  LogicalResult emitNative(SmallVectorImpl<Variant> &variants);
  LogicalResult emitAssembly(const Variant &variant, bool largeWeights);
  LogicalResult writeObjects(ArrayRef<Variant> variants,
                             native::WeightTable &weights,
                             native::WeightStorage storage,
                             const native::TemporaryDirectory &directory,
                             std::vector<std::string> &objects);
  onnx_import::ImportOptions importOptions();
  LogicalResult fail(const Twine &text);
  LogicalResult fail(llvm::Error error) {
    return fail(llvm::toString(std::move(error)));
  }
  /// Tells the user, and begins to count the step's time.
  void begin(StringRef step);
  void countOps(ModuleOp module);

  const CompileOptions &options;
  CompileStatistics *statistics;
  MLIRContext context;
  DeferredConstants deferred;
  std::chrono::steady_clock::time_point stepStart;
};
} // namespace

const DialectRegistry &quantc::getDriverDialects() {
  static const DialectRegistry *registry = [] {
    auto *created = new DialectRegistry;
    registerDialects(*created);
    return created;
  }();
  return *registry;
}

Compilation::Compilation(const CompileOptions &options,
                         CompileStatistics *statistics)
    : options(options), statistics(statistics),
      context(getDriverDialects(), MLIRContext::Threading::DISABLED) {
  forwardDiagnostics(context, options.report);
  if (!options.remarks)
    return;
  remark::RemarkCategories categories;
  categories.passed = categories.missed = categories.analysis =
      categories.failed = ".*";
  LogicalResult enabled = remark::enableOptimizationRemarks(
      context, std::make_unique<RemarkPrinter>(),
      std::make_unique<remark::RemarkEmittingPolicyAll>(), categories);
  assert(succeeded(enabled) && "there is no file to open");
  (void)enabled;
}

LogicalResult Compilation::fail(const Twine &text) {
  return emitError(UnknownLoc::get(&context), text);
}

void Compilation::begin(StringRef step) {
  auto now = std::chrono::steady_clock::now();
  if (statistics) {
    if (!statistics->seconds.empty())
      statistics->seconds.back().second =
          std::chrono::duration<double>(now - stepStart).count();
    if (!step.empty())
      statistics->seconds.emplace_back(step.str(), 0.0);
  }
  stepStart = now;
  if (options.progress && !step.empty())
    options.progress(step, 0, 0);
}

onnx_import::ImportOptions Compilation::importOptions() {
  onnx_import::ImportOptions result;
  result.shapes = options.shapes;
  result.progress = options.progress;
  return result;
}

LogicalResult Compilation::runPasses(ModuleOp module, StringRef step,
                                     function_ref<void(OpPassManager &)> build,
                                     bool verifyEach) {
  begin(step);
  auto pm = PassManager::on<ModuleOp>(&context);
  pm.enableVerifier(verifyEach);
  build(pm);
  if (failed(pm.run(module)))
    return failure();
  return verifyEach ? success() : verify(module);
}

/// Which stage's text a module is.
static Stage detectStage(ModuleOp module) {
  if (module.lookupSymbol<LLVM::LLVMFuncOp>("main"))
    return Stage::LLVM;
  bool hasQNN = module
                    .walk([](Operation *op) {
                      return isa_and_present<qnn::QNNDialect>(op->getDialect())
                                 ? WalkResult::interrupt()
                                 : WalkResult::advance();
                    })
                    .wasInterrupted();
  // A graph may have no op at all, but it still has the types of a graph.
  auto main = module.lookupSymbol<func::FuncOp>("main");
  auto isGraphType = [](Type type) {
    Type element = getElementTypeOrSelf(type);
    return element.isUnsignedInteger() || element.isInteger(1) ||
           (element.isIntOrFloat() && element.getIntOrFloatBitWidth() < 8);
  };
  if (hasQNN || (main && (llvm::any_of(main.getArgumentTypes(), isGraphType) ||
                          llvm::any_of(main.getResultTypes(), isGraphType))))
    return Stage::Import;
  return Stage::Linalg;
}

LogicalResult Compilation::runFile(StringRef path) {
  if (!StringRef(path).ends_with(".mlir")) {
    begin("import");
    return finish(onnx_import::importONNX(path, importOptions(), context),
                  Stage::Import);
  }
  begin("parse");
  context.loadAllAvailableDialects();
  ParserConfig config(&context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(path, config);
  if (!module)
    return failure();
  Stage stage = detectStage(*module);
  return finish(std::move(module), stage);
}

LogicalResult Compilation::runBytes(StringRef bytes) {
  begin("import");
  return finish(
      onnx_import::importONNXFromBytes(bytes, importOptions(), context),
      Stage::Import);
}

void Compilation::countOps(ModuleOp module) {
  if (!statistics)
    return;
  module.walk([&](Operation *op) {
    if (isa_and_present<qnn::QNNDialect>(op->getDialect()))
      ++statistics->qnnOps[op->getName().getStringRef().str()];
  });
}

LogicalResult Compilation::finish(OwningOpRef<ModuleOp> module, Stage reached) {
  if (!module)
    return failure();
  auto targets = native::resolveTargets(options.target);
  if (!targets)
    return fail(targets.takeError());
  if (targets->size() > 1 &&
      (options.emit == Stage::LLVM || options.emit == Stage::Assembly))
    return fail("--emit=llvm and --emit=asm show the code for one target, and "
                "'" +
                options.target + "' names " + Twine(targets->size()));
  if (targets->size() > 1 && options.profile)
    return fail("--profile counts the kernels of one target, and '" +
                options.target + "' names " + Twine(targets->size()));

  if (llvm::Error error = checkRecipeIsGiven(options.quantize))
    return fail(std::move(error));
  // Before the work, not after it.
  if (options.emit == Stage::Object || options.emit == Stage::Library)
    if (llvm::Error error = checkOutput(options.output))
      return fail(std::move(error));

  if (reached == Stage::Import) {
    if ((!options.kvCache.empty() || options.cacheInPlace) &&
        failed(runPasses(*module, "change cache", [&](OpPassManager &pm) {
          buildCachePipeline(pm, options.kvCache, options.cacheInPlace);
        })))
      return failure();
    if (failed(runPasses(*module, "check", [](OpPassManager &pm) {
          pm.addPass(native::createRecordInterfacePass());
        })))
      return failure();
    if (!options.quantize.recipe.empty()) {
      begin("quantize");
      qnn::QuantizationReport report;
      report.keepRemarks = !options.remarks;
      QuantizeOptions quantize = options.quantize;
      quantize.releaseWeights = true;
      for (const native::TargetSpec &target : *targets)
        quantize.targets.push_back(getProductCosts(target.features));
      if (failed(quantizeModule(*module, quantize, options.progress, report)))
        return failure();
      if (statistics)
        statistics->quantization = std::move(report);
    }
    if (options.emit == Stage::Import)
      return emitText(*module);
    countOps(*module);
    // Each half in a run of its own, and so verified: shapes that were found
    // may contradict each other, which is the model's error.
    if (failed(runPasses(
            *module, "optimize",
            [&](OpPassManager &pm) {
              QNNOptimizeOptions optimize;
              optimize.foldQuantization = options.foldQuantization;
              optimize.verifyFolded = options.verifyFolded;
              optimize.reportFolded = options.remarks;
              buildQNNOptimizePipeline(pm, optimize);
            },
            /*verifyEach=*/false)))
      return failure();
    if (failed(runPasses(*module, "lower to linalg", buildQNNToLinalgPipeline,
                         /*verifyEach=*/false)))
      return failure();
    reached = Stage::Linalg;
  } else if (!options.quantize.recipe.empty() || !options.kvCache.empty() ||
             options.cacheInPlace) {
    return fail("only a graph of qnn ops can be quantized, and the input is "
                "past that stage");
  }
  if (options.floatProducts != FloatProducts::f32 &&
      (reached == Stage::LLVM || options.emit <= Stage::Linalg))
    return fail("--float-products decides how linalg becomes code, which is "
                "not between the input and what --emit asks for");
  if (options.emit < reached)
    return fail("the input is past the stage that --emit asks for");
  if (reached == Stage::LLVM && targets->size() > 1)
    return fail("code in the LLVM dialect is for one target, and '" +
                options.target + "' names " + Twine(targets->size()));
  if (reached == Stage::Linalg && options.emit == Stage::Linalg)
    return emitText(*module);
  SmallVector<Variant> variants;
  for (auto [i, target] : llvm::enumerate(*targets)) {
    bool isLast = i + 1 == targets->size();
    Variant &variant = variants.emplace_back();
    variant.target = target;
    if (targets->size() > 1)
      variant.name = options.prefix + "_v" + std::to_string(i);
    // The clones share the weights: what one has packed another may read as it
    // was.
    variant.module = isLast ? std::move(module) : module->clone();
    if (reached == Stage::Linalg &&
        failed(lowerToLLVM(*variant.module, target,
                           /*releaseWeights=*/targets->size() == 1)))
      return failure();
  }
  if (options.emit == Stage::LLVM)
    return emitText(*variants.front().module);
  return emitNative(variants);
}

LogicalResult Compilation::lowerToLLVM(ModuleOp module,
                                       const native::TargetSpec &target,
                                       bool releaseWeights) {
  // What is wrong with a model was said before. From here on errors are the
  // compiler's own, and looking for them after each of 60 passes takes a
  // quarter of their time; quant-opt does it.
  LogicalResult lowered = runPasses(
      module, "lower to LLVM",
      [&](OpPassManager &pm) {
        pm.addPass(native::createRecordInterfacePass());
        LinalgToLLVMOptions lowering;
        lowering.targetFeatures = target.features;
        lowering.releaseWeights = releaseWeights;
        lowering.printMemoryPlan = options.printMemoryPlan;
        lowering.profile = options.profile;
        lowering.kernels = options.kernels;
        // A module that is printed holds all of its constants.
        if (options.emit > Stage::LLVM)
          lowering.deferred = &deferred;
        lowering.roundProducts = options.floatProducts == FloatProducts::bf16;
        buildLinalgToLLVMPipeline(pm, lowering);
      },
      /*verifyEach=*/false);
  std::vector<ProductKernel> products = takeProducts(module);
  if (statistics)
    statistics->products = std::move(products);
  return lowered;
}

LogicalResult Compilation::emitText(ModuleOp module) {
  begin("print");
  std::string error;
  std::error_code code;
  std::string path = options.output.empty() ? "-" : options.output;
  llvm::ToolOutputFile file(path, code, llvm::sys::fs::OF_Text);
  if (code)
    return fail("cannot write '" + path + "': " + code.message());
  // With locations, since they are what diagnostics name nodes by.
  module.print(file.os(), OpPrintingFlags().enableDebugInfo());
  file.os() << '\n';
  file.keep();
  begin("");
  return success();
}

LogicalResult Compilation::writeObjects(
    ArrayRef<Variant> variants, native::WeightTable &weights,
    native::WeightStorage storage, const native::TemporaryDirectory &directory,
    std::vector<std::string> &objects) {
  auto open = [&](StringRef name) {
    objects.push_back(directory.file(name));
    std::error_code code;
    auto os = std::make_unique<llvm::raw_fd_ostream>(objects.back(), code);
    if (code) {
      (void)fail("cannot write '" + objects.back() + "': " + code.message());
      return std::unique_ptr<llvm::raw_fd_ostream>();
    }
    return os;
  };
  auto close = [&](std::unique_ptr<llvm::raw_fd_ostream> os) -> LogicalResult {
    os->close();
    std::error_code code = os->error();
    os->clear_error();
    return code ? fail("cannot write '" + objects.back() +
                       "': " + code.message())
                : success();
  };

  begin("generate code");
  if (!weights.weights.empty()) {
    auto os = open("weights.o");
    if (!os)
      return failure();
    if (llvm::Error error = native::writeWeightsObject(
            weights, variants.front().target, storage, *os))
      return fail(std::move(error));
    if (failed(close(std::move(os))))
      return failure();
  }
  bool isLarge = weights.totalBytes() >= native::largeWeightBytes;
  for (const Variant &variant : variants) {
    SmallVector<SmallVector<char, 0>> parts;
    if (options.emit == Stage::Object) {
      // In one piece: nothing inside may meet another model's.
      llvm::raw_svector_ostream os(parts.emplace_back());
      if (failed(native::emitCode(*variant.module, variant.target,
                                  native::ObjectKind::Object, isLarge, os)))
        return failure();
    } else if (failed(native::emitObjects(*variant.module, variant.target,
                                          variant.name, isLarge, parts))) {
      return failure();
    }
    for (auto &part : parts) {
      auto os = open("code" + std::to_string(objects.size()) + ".o");
      if (!os)
        return failure();
      os->write(part.data(), part.size());
      if (failed(close(std::move(os))))
        return failure();
    }
  }
  return success();
}

LogicalResult Compilation::emitAssembly(const Variant &variant,
                                        bool largeWeights) {
  begin("generate code");
  std::error_code code;
  std::string path = options.output.empty() ? "-" : options.output;
  llvm::ToolOutputFile file(path, code, llvm::sys::fs::OF_Text);
  if (code)
    return fail("cannot write '" + path + "': " + code.message());
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream os(text);
  if (failed(native::emitCode(*variant.module, variant.target,
                              native::ObjectKind::Assembly, largeWeights, os)))
    return failure();
  file.os() << os.str();
  file.keep();
  begin("");
  return success();
}

LogicalResult Compilation::emitNative(SmallVectorImpl<Variant> &variants) {
  native::WeightTable weights;
  SmallVector<std::string> names;
  for (Variant &variant : variants) {
    ModuleOp module = *variant.module;
    auto name = module->getAttrOfType<StringAttr>("qnn.graph_name");
    if (failed(runPasses(module, "add entry points", [&](OpPassManager &pm) {
          native::EmitEntryPointPassOptions entry;
          entry.prefix = options.prefix;
          entry.modelName = name ? name.str() : "";
          entry.triple = variant.target.triple;
          entry.features = variant.target.featureList();
          entry.variant = variant.name;
          pm.addPass(native::createEmitEntryPointPass(entry));
        })))
      return failure();
    if (failed(native::extractWeights(
            module, variant.name.empty() ? options.prefix : variant.name,
            weights, &deferred)))
      return failure();
    names.push_back(variant.name);
  }
  deferred.clear();
  if (statistics)
    statistics->weightBytes = weights.totalBytes();
  if (options.emit == Stage::Assembly)
    return emitAssembly(variants.front(),
                        weights.totalBytes() >= native::largeWeightBytes);
  if (variants.size() > 1) {
    // What chooses among them runs everywhere.
    Variant &dispatch = variants.emplace_back();
    dispatch.module = ModuleOp::create(UnknownLoc::get(&context));
    dispatch.target.triple = variants.front().target.triple;
    dispatch.name = options.prefix + "_dispatch";
    if (failed(runPasses(
            *dispatch.module, "add entry points", [&](OpPassManager &pm) {
              native::EmitDispatchPassOptions dispatchOptions;
              dispatchOptions.prefix = options.prefix;
              dispatchOptions.variants = names;
              pm.addPass(
                  native::createEmitDispatchPass(std::move(dispatchOptions)));
            })))
      return failure();
  }

  if (options.output.empty() || options.output == "-")
    return fail("an object or a library needs a file: give -o");
  native::TemporaryDirectory directory;
  if (llvm::Error error = directory.create())
    return fail(std::move(error));
  auto storage = options.emit == Stage::Object ? native::WeightStorage::Stored
                                               : native::getWeightStorage();
  std::vector<std::string> objects;
  if (failed(writeObjects(variants, weights, storage, directory, objects)))
    return failure();
  begin("link");
  native::LinkOptions link;
  link.output = options.output;
  link.prefix = options.prefix;
  link.hasProfile =
      variants.front().module->getOperation()->hasAttr("qnn.profile");
  link.soname = llvm::sys::path::filename(options.output).str();
  if (options.emit == Stage::Object) {
    if (llvm::Error error = native::linkObject(objects, link))
      return fail(std::move(error));
  } else {
    if (!variants.front().target.isHostArchitecture())
      return fail("linking a library for '" + variants.front().target.triple +
                  "' needs that machine's libc: use --emit=obj and link there");
    if (!weights.weights.empty() && storage == native::WeightStorage::Reserved)
      link.complete = [&](StringRef path) {
        begin("write weights");
        return native::writeReservedWeights(weights, variants.front().target,
                                            path);
      };
    if (llvm::Error error = native::linkLibrary(objects, link))
      return fail(std::move(error));
    if (options.writeHeader) {
      llvm::SmallString<128> header(options.output);
      llvm::sys::path::replace_extension(header, "h");
      if (llvm::Error error = native::writeFileAtomically(
              header, native::getModelHeader(options.prefix)))
        return fail(std::move(error));
    }
  }
  begin("");
  if (statistics) {
    llvm::sys::fs::file_size(options.output, statistics->libraryBytes);
    statistics->peakMemoryBytes = getPeakMemoryBytes();
  }
  return success();
}

LogicalResult quantc::compileFile(StringRef path, const CompileOptions &options,
                                  CompileStatistics *statistics) {
  return Compilation(options, statistics).runFile(path);
}

LogicalResult quantc::compileBytes(StringRef bytes,
                                   const CompileOptions &options,
                                   CompileStatistics *statistics) {
  return Compilation(options, statistics).runBytes(bytes);
}
