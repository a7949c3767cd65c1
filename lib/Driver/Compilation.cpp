//===- Compilation.cpp - One model in, artefacts out ----------------------===//

#include "quantc/Driver/Compilation.h"

#include "Dialects.h"

#include "quantc/CodeGen/DeferredConstants.h"
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

  /// Takes a module of the stage `input` to what the options ask for.
  LogicalResult finish(OwningOpRef<ModuleOp> module, Stage input);
  LogicalResult checkOptions(Stage input, ArrayRef<native::TargetSpec> targets);
  /// What is done to a graph before it is lowered: its caches and its weights.
  LogicalResult changeGraph(ModuleOp module,
                            ArrayRef<native::TargetSpec> targets);
  LogicalResult lowerToLinalg(ModuleOp module);
  LogicalResult lowerToLLVM(ModuleOp module, const native::TargetSpec &target,
                            bool releaseWeights);
  LogicalResult runPasses(ModuleOp module, StringRef step,
                          function_ref<void(OpPassManager &)> build,
                          bool verifyEach = true);
  LogicalResult emitText(ModuleOp module);
  LogicalResult emitNative(SmallVectorImpl<Variant> &variants);
  /// Moves constants of all variants to `weights` on the way.
  LogicalResult addEntryPoints(MutableArrayRef<Variant> variants,
                               native::WeightTable &weights);
  /// Adds a variant that chooses among the others.
  LogicalResult addDispatch(SmallVectorImpl<Variant> &variants);
  LogicalResult emitAssembly(const Variant &variant, bool largeWeights);
  LogicalResult writeObjects(ArrayRef<Variant> variants,
                             native::WeightTable &weights,
                             native::WeightStorage storage,
                             const native::TemporaryDirectory &directory,
                             std::vector<std::string> &objects);
  LogicalResult link(const Variant &variant, native::WeightTable &weights,
                     native::WeightStorage storage,
                     ArrayRef<std::string> objects);
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

LogicalResult Compilation::checkOptions(Stage input,
                                        ArrayRef<native::TargetSpec> targets) {
  bool changesGraph = !options.quantize.recipe.empty() ||
                      !options.kvCache.empty() || options.cacheInPlace;
  auto failForOne = [&](const Twine &what) {
    return fail(what + ", and '" + options.target + "' names " +
                Twine(targets.size()));
  };
  if (targets.size() > 1) {
    if (options.emit == Stage::LLVM || options.emit == Stage::Assembly)
      return failForOne("--emit=llvm and --emit=asm show the code for one "
                        "target");
    if (options.profile)
      return failForOne("--profile counts the kernels of one target");
    if (input == Stage::LLVM)
      return failForOne("code in the LLVM dialect is for one target");
  }
  if (input != Stage::Import && changesGraph)
    return fail("only a graph of qnn ops can be quantized, and the input is "
                "past that stage");
  if (options.floatProducts != FloatProducts::f32 &&
      (input == Stage::LLVM || options.emit <= Stage::Linalg))
    return fail("--float-products decides how linalg becomes code, which is "
                "not between the input and what --emit asks for");
  if (options.emit < input)
    return fail("the input is past the stage that --emit asks for");
  if (llvm::Error error = checkRecipeIsGiven(options.quantize))
    return fail(std::move(error));
  if (options.emit == Stage::Object || options.emit == Stage::Library) {
    if (options.output.empty() || options.output == "-")
      return fail("an object or a library needs a file: give -o");
    if (llvm::Error error = checkOutput(options.output))
      return fail(std::move(error));
  }
  return success();
}

LogicalResult Compilation::finish(OwningOpRef<ModuleOp> module, Stage input) {
  if (!module)
    return failure();
  auto targets = native::resolveTargets(options.target);
  if (!targets)
    return fail(targets.takeError());
  // Before the work, not after it.
  if (failed(checkOptions(input, *targets)))
    return failure();

  if (input == Stage::Import && failed(changeGraph(*module, *targets)))
    return failure();
  if (options.emit == Stage::Import)
    return emitText(*module);
  if (input == Stage::Import && failed(lowerToLinalg(*module)))
    return failure();
  if (options.emit == Stage::Linalg)
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
    if (input != Stage::LLVM &&
        failed(lowerToLLVM(*variant.module, target,
                           /*releaseWeights=*/targets->size() == 1)))
      return failure();
  }
  if (options.emit == Stage::LLVM)
    return emitText(*variants.front().module);
  return emitNative(variants);
}

LogicalResult Compilation::changeGraph(ModuleOp module,
                                       ArrayRef<native::TargetSpec> targets) {
  if ((!options.kvCache.empty() || options.cacheInPlace) &&
      failed(runPasses(module, "change cache", [&](OpPassManager &pm) {
        buildCachePipeline(pm, options.kvCache, options.cacheInPlace);
      })))
    return failure();
  if (failed(runPasses(module, "check", [](OpPassManager &pm) {
        pm.addPass(native::createRecordInterfacePass());
      })))
    return failure();
  if (options.quantize.recipe.empty())
    return success();
  begin("quantize");
  qnn::QuantizationReport report;
  report.keepRemarks = !options.remarks;
  QuantizeOptions quantize = options.quantize;
  quantize.releaseWeights = true;
  for (const native::TargetSpec &target : targets)
    quantize.targets.push_back(getProductCosts(target.features));
  if (failed(quantizeModule(module, quantize, options.progress, report)))
    return failure();
  if (statistics)
    statistics->quantization = std::move(report);
  return success();
}

LogicalResult Compilation::lowerToLinalg(ModuleOp module) {
  countOps(module);
  // Each half in a run of its own, and so verified: shapes that were found may
  // contradict each other, which is the model's error.
  if (failed(runPasses(
          module, "optimize",
          [&](OpPassManager &pm) {
            QNNOptimizeOptions optimize;
            optimize.foldQuantization = options.foldQuantization;
            optimize.verifyFolded = options.verifyFolded;
            optimize.reportFolded = options.remarks;
            buildQNNOptimizePipeline(pm, optimize);
          },
          /*verifyEach=*/false)))
    return failure();
  return runPasses(module, "lower to linalg", buildQNNToLinalgPipeline,
                   /*verifyEach=*/false);
}

LogicalResult Compilation::lowerToLLVM(ModuleOp module,
                                       const native::TargetSpec &target,
                                       bool releaseWeights) {
  // What is wrong with a model was said before. From here on errors are the
  // compiler's own, and looking for them after each of 60 passes takes a
  // quarter of their time; quant-opt does it.
  // A graph is one function, which becomes a function for each kernel: these
  // are lowered side by side.
  context.enableMultithreading();
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
        lowering.deferWeights = options.emit > Stage::LLVM;
        lowering.roundProducts = options.floatProducts == FloatProducts::bf16;
        buildLinalgToLLVMPipeline(pm, lowering);
      },
      /*verifyEach=*/false);
  context.disableMultithreading();
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

LogicalResult Compilation::addEntryPoints(MutableArrayRef<Variant> variants,
                                          native::WeightTable &weights) {
  DeferredConstants *deferred = DeferredConstants::find(&context);
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
            weights, deferred)))
      return failure();
  }
  if (deferred)
    deferred->clear();
  if (statistics)
    statistics->weightBytes = weights.totalBytes();
  return success();
}

LogicalResult Compilation::addDispatch(SmallVectorImpl<Variant> &variants) {
  native::EmitDispatchPassOptions dispatch;
  dispatch.prefix = options.prefix;
  for (const Variant &variant : variants)
    dispatch.variants.push_back(variant.name);
  Variant added;
  added.module = ModuleOp::create(UnknownLoc::get(&context));
  // What chooses among them runs everywhere.
  added.target.triple = variants.front().target.triple;
  added.name = options.prefix + "_dispatch";
  if (failed(
          runPasses(*added.module, "add entry points", [&](OpPassManager &pm) {
            pm.addPass(native::createEmitDispatchPass(dispatch));
          })))
    return failure();
  variants.push_back(std::move(added));
  return success();
}

LogicalResult Compilation::link(const Variant &variant,
                                native::WeightTable &weights,
                                native::WeightStorage storage,
                                ArrayRef<std::string> objects) {
  begin("link");
  native::LinkOptions link;
  link.output = options.output;
  link.prefix = options.prefix;
  link.hasProfile = variant.module.get()->hasAttr("qnn.profile");
  link.soname = llvm::sys::path::filename(options.output).str();
  if (options.emit == Stage::Object) {
    llvm::Error error = native::linkObject(objects, link);
    return error ? fail(std::move(error)) : success();
  }
  if (!variant.target.isHostArchitecture())
    return fail("linking a library for '" + variant.target.triple +
                "' needs that machine's libc: use --emit=obj and link there");
  if (!weights.weights.empty() && storage == native::WeightStorage::Reserved)
    link.complete = [&](StringRef path) {
      begin("write weights");
      return native::writeReservedWeights(weights, variant.target, path);
    };
  if (llvm::Error error = native::linkLibrary(objects, link))
    return fail(std::move(error));
  if (!options.writeHeader)
    return success();
  llvm::SmallString<128> header(options.output);
  llvm::sys::path::replace_extension(header, "h");
  llvm::Error error = native::writeFileAtomically(
      header, native::getModelHeader(options.prefix));
  return error ? fail(std::move(error)) : success();
}

LogicalResult Compilation::emitNative(SmallVectorImpl<Variant> &variants) {
  native::WeightTable weights;
  if (failed(addEntryPoints(variants, weights)))
    return failure();
  if (options.emit == Stage::Assembly)
    return emitAssembly(variants.front(),
                        weights.totalBytes() >= native::largeWeightBytes);
  if (variants.size() > 1 && failed(addDispatch(variants)))
    return failure();

  native::TemporaryDirectory directory;
  if (llvm::Error error = directory.create())
    return fail(std::move(error));
  auto storage = options.emit == Stage::Object ? native::WeightStorage::Stored
                                               : native::getWeightStorage();
  std::vector<std::string> objects;
  if (failed(writeObjects(variants, weights, storage, directory, objects)) ||
      failed(link(variants.front(), weights, storage, objects)))
    return failure();
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
