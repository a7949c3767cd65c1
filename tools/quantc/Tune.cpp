//===- Tune.cpp - quantc tune ---------------------------------------------===//

#include "quantc.h"

#include "quantc/Driver/Tune.h"
#include "quantc/Support/OutputFile.h"
#include "quantc/Target/Native/Native.h"

#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantc;

static cl::opt<std::string> input(cl::Positional, cl::Required,
                                  cl::desc("<model.onnx>"),
                                  cl::sub(tool::tuneCommand));
static cl::opt<std::string> output("o", cl::sub(tool::tuneCommand),
                                   cl::value_desc("file.yaml"),
                                   cl::desc("The recipe to write, or the file "
                                            "of kernels to add to"));
static cl::opt<double> maxLoss(
    "max-loss", cl::sub(tool::tuneCommand), cl::value_desc("0.05"),
    cl::desc("Noise at the worst output, as a part of it (0.1: 20 dB)"));
static cl::opt<std::string>
    maxBytes("max-bytes", cl::sub(tool::tuneCommand), cl::value_desc("10M"),
             cl::desc("Bytes of the library's constants (k, M or G may follow: "
                      "powers of 1000)"));
static cl::opt<std::string>
    maxLatency("max-latency", cl::sub(tool::tuneCommand), cl::value_desc("5ms"),
               cl::desc("Time of a run on the first sample (s, ms or us)"));
static cl::opt<std::string>
    minimize("minimize", cl::init("latency"), cl::sub(tool::tuneCommand),
             cl::value_desc("latency|bytes"),
             cl::desc("What to gain with --max-loss alone (default: latency)"));
static cl::list<unsigned>
    bits("bits", cl::CommaSeparated, cl::sub(tool::tuneCommand),
         cl::value_desc("8,4"),
         cl::desc("Bits of weights to try beside float (default: the recipe's, "
                  "with --max-bytes also 4)"));
static cl::opt<unsigned>
    samples("samples", cl::init(8), cl::sub(tool::tuneCommand),
            cl::desc("How many samples losses are measured on (default: 8)"));
static cl::opt<int> runs("runs", cl::init(15), cl::sub(tool::tuneCommand),
                         cl::desc("Runs that a time is the median of "
                                  "(default: 15)"));
static cl::opt<int> threads("threads", cl::init(1), cl::sub(tool::tuneCommand),
                            cl::desc("Threads of a run (default: 1)"));
static cl::list<std::string> shapes(
    "shape", cl::sub(tool::tuneCommand), cl::value_desc("name:1x128"),
    cl::desc("Sizes for an input's dynamic dimensions (? to leave one)"));

static cl::opt<bool>
    kernels("kernels", cl::sub(tool::tuneCommand),
            cl::desc("Search blocks for the products of a model on this "
                     "machine, not a recipe: for quantc compile --kernels"));

/// A positive number with one of these units behind it, times its factor.
static Expected<double>
parseQuantity(StringRef option, StringRef text,
              ArrayRef<std::pair<StringRef, double>> units) {
  StringRef digits = text;
  double factor = 1, number = 0;
  for (auto [unit, size] : units)
    if (digits.ends_with_insensitive(unit)) {
      digits = digits.drop_back(unit.size());
      factor = size;
      break;
    }
  if (digits.trim().getAsDouble(number) || !(number > 0))
    return createStringError("--" + option + "=" + text +
                             ": use a positive number");
  return number * factor;
}

/// An error where `--kernels` comes with an option that is for recipes.
static Error checkOptionsOfKernels() {
  const std::pair<StringRef, int> others[] = {
      {"max-loss", maxLoss.getNumOccurrences()},
      {"max-bytes", maxBytes.getNumOccurrences()},
      {"max-latency", maxLatency.getNumOccurrences()},
      {"minimize", minimize.getNumOccurrences()},
      {"bits", bits.getNumOccurrences()}};
  for (auto [name, occurrences] : others)
    if (occurrences)
      return createStringError("--" + name +
                               " is for a recipe: leave it out with --kernels");
  return Error::success();
}

/// What the recipe has to keep to, and what it should gain.
static Error readBudget(TuneOptions &options) {
  if (maxLoss.getNumOccurrences()) {
    if (!(maxLoss > 0))
      return createStringError("--max-loss must be positive");
    options.budget.loss = maxLoss;
  }
  if (!maxBytes.empty()) {
    auto number = parseQuantity("max-bytes", maxBytes,
                                {{"k", 1e3}, {"M", 1e6}, {"G", 1e9}});
    if (!number)
      return number.takeError();
    options.budget.bytes = *number;
  }
  if (!maxLatency.empty()) {
    auto number = parseQuantity("max-latency", maxLatency,
                                {{"ms", 1e-3}, {"us", 1e-6}, {"s", 1}});
    if (!number)
      return number.takeError();
    options.budget.seconds = *number;
  }
  if (minimize != "latency" && minimize != "bytes")
    return createStringError("--minimize=" + minimize +
                             ": use latency or bytes");
  options.goal = minimize == "bytes" ? TuneGoal::Bytes : TuneGoal::Seconds;
  return Error::success();
}

/// Finds a recipe, and writes it.
static int runTuneRecipe(TuneOptions &options) {
  options.quantize = tool::getQuantizeOptions();
  if (options.quantize.recipe.empty())
    options.quantize.recipe = "w8a8";
  if (Error error = readBudget(options))
    return tool::fail(std::move(error));
  if (runs < 1 || samples < 1)
    return tool::fail(
        createStringError("--runs and --samples must be positive"));
  options.bits.assign(bits.begin(), bits.end());
  options.samples = samples;
  options.runs = runs;
  options.threads = threads;
  options.report = tool::printDiagnostic;
  options.progress = tool::getProgressLine();
  SmallString<128> path(output);
  if (path.empty()) {
    path = StringRef(input);
    sys::path::replace_extension(path, "yaml");
  }
  if (Error error = checkOutput(path))
    return tool::fail(std::move(error));
  mlir::FailureOr<TuneResult> result = tuneModel(input, "", options);
  tool::clearProgressLine();
  if (mlir::failed(result))
    return 1;
  result->printTable(outs());
  if (Error error = native::writeFileAtomically(path, result->yaml))
    return tool::fail(std::move(error));
  outs() << "written to " << path << "\n";
  return 0;
}

int tool::runTune() {
  TuneOptions options;
  for (const std::string &shape : shapes)
    if (Error error = parseShape(shape, options.shapes))
      return fail(std::move(error));
  if (!kernels)
    return runTuneRecipe(options);
  if (Error error = checkOptionsOfKernels())
    return fail(std::move(error));
  return runTuneKernels(input, output, options.shapes, threads);
}
