//===- Run.cpp - quantc run -----------------------------------------------===//

#include "Tensors.h"
#include "quantc.h"

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::runCommand("run", "Run a compiled model once");

static cl::opt<std::string> model(cl::Positional, cl::Required,
                                  cl::desc("<model.so>"),
                                  cl::sub(tool::runCommand));
static cl::opt<std::string>
    inputs("inputs", cl::sub(tool::runCommand), cl::value_desc("in.npz"),
           cl::desc("An array for each input, by name (or one .npy file)"));
static cl::opt<std::string> outputs("outputs", cl::sub(tool::runCommand),
                                    cl::value_desc("out.npz"),
                                    cl::desc("Where to write the outputs"));
static cl::opt<int> threads("threads", cl::init(0), cl::sub(tool::runCommand),
                            cl::desc("Number of threads (default: all)"));

int tool::runRun() {
  Expected<std::shared_ptr<LoadedModel>> library = LoadedModel::load(model);
  if (!library)
    return fail(library.takeError());
  std::vector<NumpyArray> arrays;
  if (!inputs.empty()) {
    Expected<std::vector<NumpyArray>> file = readNumpyFile(inputs);
    if (!file)
      return fail(file.takeError());
    arrays = std::move(*file);
  }
  Expected<InputSet> tensors = bindInputs(**library, std::move(arrays));
  if (!tensors)
    return fail(tensors.takeError());
  (*library)->setNumThreads(threads);
  auto results = (*library)->run(tensors->pointers());
  if (!results)
    return fail(results.takeError());
  std::vector<NumpyArray> written;
  for (auto [info, result] : llvm::zip((*library)->outputs(), *results))
    written.push_back(toNumpyArray(info, result->dl_tensor));
  for (const NumpyArray &array : written) {
    outs() << array.name << ": " << array.kind << array.itemSize << " [";
    interleaveComma(array.shape, outs());
    outs() << "]\n";
  }
  if (!outputs.empty())
    if (Error error = writeNpz(outputs, written))
      return fail(std::move(error));
  return 0;
}
