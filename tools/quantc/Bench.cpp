//===- Bench.cpp - quantc bench -------------------------------------------===//

#include "Tensors.h"
#include "quantc.h"

#include "quantc/Driver/Compilation.h"
#include "quantc/Driver/Profile.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/ToolOutputFile.h"

#include <chrono>

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::benchCommand("bench", "Measure a compiled model");

static cl::opt<std::string> model(cl::Positional, cl::Required,
                                  cl::desc("<model.so>"),
                                  cl::sub(tool::benchCommand));
static cl::opt<std::string>
    inputs("inputs", cl::sub(tool::benchCommand), cl::value_desc("in.npz"),
           cl::desc("An array for each input (default: random numbers)"));
static cl::list<std::string>
    shapes("shape", cl::sub(tool::benchCommand), cl::value_desc("name:1x128"),
           cl::desc("The shape of a random input with dynamic dimensions"));
static cl::opt<int> threads("threads", cl::init(0), cl::sub(tool::benchCommand),
                            cl::desc("Number of threads (default: all)"));
static cl::opt<int> warmup("warmup", cl::init(3), cl::sub(tool::benchCommand),
                           cl::desc("Runs that do not count (default: 3)"));
static cl::opt<int> runs("runs", cl::init(20), cl::sub(tool::benchCommand),
                         cl::desc("Runs that count (default: 20)"));
static cl::opt<bool>
    profile("profile", cl::sub(tool::benchCommand),
            cl::desc("Show the time of each kernel beside the machine's peak; "
                     "for libraries compiled with --profile"));
static cl::opt<std::string>
    page("html", cl::sub(tool::benchCommand), cl::value_desc("profile.html"),
         cl::desc("With --profile: write a page with a roofline picture"));

static Expected<tool::InputSet> makeInputs(const LoadedModel &library) {
  if (!inputs.empty()) {
    Expected<std::vector<NumpyArray>> arrays = readNumpyFile(inputs);
    if (!arrays)
      return arrays.takeError();
    return tool::bindInputs(library, std::move(*arrays));
  }
  StringMap<SmallVector<int64_t>> sizes;
  for (const std::string &shape : shapes)
    if (Error error = parseShape(shape, sizes))
      return std::move(error);
  return tool::randomInputs(library, sizes);
}

/// bench --profile
static int runProfile(const LoadedModel &library,
                      const tool::InputSet &tensors) {
  ProfileOptions options;
  options.runs = runs;
  options.warmup = warmup;
  options.threads = threads;
  options.progress = tool::getProgressLine();
  Expected<Profile> result = profileModel(library, tensors.pointers(), options);
  tool::clearProgressLine();
  if (!result)
    return tool::fail(result.takeError());
  result->printTable(outs());
  if (page.empty())
    return 0;
  std::error_code code;
  ToolOutputFile file(page, code, sys::fs::OF_Text);
  if (code)
    return tool::fail(createStringError(code, "cannot write '" + page +
                                                  "': " + code.message()));
  result->printPage(file.os());
  file.keep();
  return 0;
}

int tool::runBench() {
  if (runs < 1 || warmup < 0)
    return fail(createStringError("--runs must be positive"));
  Expected<std::shared_ptr<LoadedModel>> library = LoadedModel::load(model);
  if (!library)
    return fail(library.takeError());
  Expected<InputSet> tensors = makeInputs(**library);
  if (!tensors)
    return fail(tensors.takeError());
  if (profile)
    return runProfile(**library, *tensors);
  if (!page.empty())
    return fail(createStringError("--html goes with --profile"));
  (*library)->setNumThreads(threads);
  bool isTerminal = sys::Process::StandardErrIsDisplayed();
  std::vector<double> times;
  for (int i = -warmup; i < runs; ++i) {
    if (isTerminal)
      errs() << "\r\033[Krun " << i + 1 << "/" << runs;
    auto start = std::chrono::steady_clock::now();
    auto results = (*library)->run(tensors->pointers());
    std::chrono::duration<double, std::milli> time =
        std::chrono::steady_clock::now() - start;
    if (!results)
      return fail(results.takeError());
    if (i >= 0)
      times.push_back(time.count());
  }
  if (isTerminal)
    errs() << "\r\033[K";
  llvm::sort(times);
  outs() << formatv("median {0:f4} ms, min {1:f4} ms, {2} runs\n",
                    times[times.size() / 2], times.front(), times.size())
         << formatv("peak memory {0:f1} MB\n", getPeakMemoryBytes() / 1e6);
  return 0;
}
