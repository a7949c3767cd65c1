//===- Compile.cpp - quantc compile ---------------------------------------===//

#include "quantc.h"

#include "quantc/Driver/Compilation.h"

#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::compileCommand("compile", "Compile a model to a library");

static cl::opt<std::string> input(cl::Positional, cl::Required,
                                  cl::desc("<model.onnx or stage.mlir>"),
                                  cl::sub(tool::compileCommand));
static cl::opt<std::string> output("o", cl::desc("The file to write"),
                                   cl::value_desc("file"),
                                   cl::sub(tool::compileCommand));
static cl::opt<std::string>
    emit("emit", cl::init("lib"), cl::sub(tool::compileCommand),
         cl::value_desc("import|linalg|llvm|asm|obj|lib"),
         cl::desc("Where to stop (default: lib)"));
static cl::opt<std::string>
    target("target", cl::init("native"), cl::sub(tool::compileCommand),
           cl::value_desc("machine"),
           cl::desc("native (default), x86-64, x86-64-v2, x86-64-v3, "
                    "x86-64-v4, amx or aarch64, and features after commas; "
                    "several with slashes between, or multi, in one library"));
static cl::list<std::string> shapes(
    "shape", cl::sub(tool::compileCommand), cl::value_desc("name:1x128"),
    cl::desc("Sizes for an input's dynamic dimensions (? to leave one)"));
static cl::opt<std::string>
    prefix("prefix", cl::init("quantc_model"), cl::sub(tool::compileCommand),
           cl::value_desc("name"),
           cl::desc("What the names of the library's functions start with"));
static cl::opt<bool> printStats("print-stats", cl::sub(tool::compileCommand),
                                cl::desc("Print times, sizes and ops"));
static cl::opt<bool> printRemarks(
    "print-remarks", cl::sub(tool::compileCommand),
    cl::desc("Print what stays float, which quantize and dequantize are left, "
             "what could saturate and which kernels are chosen, and why"));
static cl::opt<bool> printMemoryPlan(
    "print-memory-plan", cl::sub(tool::compileCommand),
    cl::desc("Print where each buffer lies in the arena, and what "
             "is allocated beside it"));
static cl::opt<bool>
    profile("profile", cl::sub(tool::compileCommand),
            cl::desc("Let the library time its kernels, for quantc bench "
                     "--profile"));

static cl::opt<std::string>
    kernels("kernels", cl::sub(tool::compileCommand),
            cl::value_desc("kernels.yaml"),
            cl::desc("Blocks for products, as quantc tune --kernels found them "
                     "(default: the compiler chooses)"));

static cl::opt<std::string> floatProducts(
    "float-products", cl::init("f32"), cl::sub(tool::compileCommand),
    cl::value_desc("f32|bf16"),
    cl::desc("bf16: store the weights of float products so, and multiply so "
             "where the target can (default: f32)"));

static cl::opt<bool> foldQuantization(
    "fold-quantization", cl::init(true), cl::sub(tool::compileCommand),
    cl::desc("Compute with integers where the model is quantized (default)"));
static cl::opt<bool> verifyFolded(
    "qnn-verify-folded", cl::sub(tool::compileCommand),
    cl::desc("Fail if a quantized weight is computed with as floats"));

static cl::opt<std::string>
    kvCache("kv-cache", cl::sub(tool::compileCommand), cl::value_desc("format"),
            cl::desc("Store a decoder's keys and values in int8, int4 or fp8"));

static cl::opt<bool> cacheInPlace(
    "kv-cache-in-place", cl::sub(tool::compileCommand),
    cl::desc(
        "Append to a decoder's cache in the memory that the caller gives"));

static std::string defaultOutput(Stage stage) {
  SmallString<128> path(input);
  switch (stage) {
  case Stage::Library:
    sys::path::replace_extension(path, "so");
    return path.str().str();
  case Stage::Object:
    sys::path::replace_extension(path, "o");
    return path.str().str();
  default:
    return "-";
  }
}

static bool isIdentifier(StringRef text) {
  return !text.empty() && !isDigit(text.front()) &&
         all_of(text, [](char c) { return isAlnum(c) || c == '_'; });
}

int tool::runCompile() {
  CompileOptions options;
  std::optional<Stage> stage = parseStage(emit);
  if (!stage)
    return fail(createStringError(
        "--emit=" + emit + ": use import, linalg, llvm, asm, obj or lib"));
  if (!isIdentifier(prefix))
    return fail(createStringError("--prefix=" + prefix +
                                  " cannot begin the name of a C function"));
  std::optional<FloatProducts> products = parseFloatProducts(floatProducts);
  if (!products)
    return fail(createStringError("--float-products=" + floatProducts +
                                  ": use f32 or bf16"));
  options.emit = *stage;
  options.floatProducts = *products;
  options.target = target;
  options.prefix = prefix;
  options.printMemoryPlan = printMemoryPlan;
  options.profile = profile;
  options.kernels = kernels;
  options.foldQuantization = foldQuantization;
  options.verifyFolded = verifyFolded;
  options.remarks = printRemarks;
  options.output = output.empty() ? defaultOutput(*stage) : output.getValue();
  for (const std::string &shape : shapes)
    if (Error error = parseShape(shape, options.shapes))
      return fail(std::move(error));
  options.quantize = getQuantizeOptions();
  options.kvCache = kvCache;
  options.cacheInPlace = cacheInPlace;
  options.report = printDiagnostic;
  options.progress = getProgressLine();
  CompileStatistics statistics;
  mlir::LogicalResult result = compileFile(input, options, &statistics);
  clearProgressLine();
  if (mlir::failed(result))
    return 1;
  if (printStats)
    statistics.print(errs());
  return 0;
}
