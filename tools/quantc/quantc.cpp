//===- quantc.cpp - The compiler's command line ---------------------------===//

#include "quantc.h"

#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/WithColor.h"

using namespace llvm;

int quantc::tool::fail(Error error) {
  WithColor::error() << toString(std::move(error)) << "\n";
  return 1;
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  // LLVM's own options are none of the user's.
  static cl::OptionCategory none("Options");
  cl::HideUnrelatedOptions(none);
  cl::ParseCommandLineOptions(argc, argv,
                              "Quantc compiles ONNX models to libraries\n");
  using namespace quantc::tool;
  if (compileCommand)
    return runCompile();
  if (infoCommand)
    return runInfo();
  if (runCommand)
    return runRun();
  if (benchCommand)
    return runBench();
  return fail(createStringError(
      "give a command: quantc compile, info, run or bench; --help says more"));
}
