//===- TuneKernels.cpp - quantc tune --kernels ----------------------------===//

#include "Tensors.h"
#include "quantc.h"

#include "quantc/Driver/TuneKernels.h"

#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantc;

static cl::opt<std::string>
    target("target", cl::init("native"), cl::sub(tool::tuneCommand),
           cl::value_desc("machine"),
           cl::desc("With --kernels: what to compile for; this machine must be "
                    "able to run it (default: native)"));
static cl::opt<std::string>
    inputs("inputs", cl::sub(tool::tuneCommand), cl::value_desc("in.npz"),
           cl::desc("With --kernels: an array for each input (default: random "
                    "numbers)"));
static cl::opt<int>
    rounds("rounds", cl::init(7), cl::sub(tool::tuneCommand),
           cl::desc("With --kernels: turns of each candidate, of which the "
                    "fastest counts (default: 7)"));

int tool::runTuneKernels(StringRef model, StringRef output,
                         const StringMap<SmallVector<int64_t>> &shapes,
                         int threads) {
  if (rounds < 1)
    return fail(createStringError("--rounds must be positive"));
  SmallString<128> path(output);
  if (path.empty()) {
    path = model;
    sys::path::replace_extension(path, "kernels.yaml");
  }
  std::optional<InputSet> tensors;
  TuneKernelsOptions options;
  options.target = target;
  options.quantize = getQuantizeOptions();
  options.shapes = shapes;
  options.cache = path.str().str();
  options.threads = threads;
  options.rounds = rounds;
  options.report = printDiagnostic;
  options.progress = getProgressLine();
  options.makeInputs = [&](const LoadedModel &library)
      -> Expected<SmallVector<const DLTensor *>> {
    auto make = [&]() -> Expected<InputSet> {
      if (inputs.empty())
        return randomInputs(library, shapes);
      Expected<std::vector<NumpyArray>> arrays = readNumpyFile(inputs);
      if (!arrays)
        return arrays.takeError();
      return bindInputs(library, std::move(*arrays));
    };
    Expected<InputSet> made = make();
    if (!made)
      return made.takeError();
    tensors.emplace(std::move(*made));
    return tensors->pointers();
  };
  mlir::FailureOr<TuneKernelsResult> result = tuneKernels(model, "", options);
  clearProgressLine();
  if (mlir::failed(result))
    return 1;
  result->printTable(outs());
  outs() << "written to " << path << "\n";
  return 0;
}
