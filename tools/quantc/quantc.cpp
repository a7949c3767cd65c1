//===- quantc.cpp - The compiler's command line ---------------------------===//

#include "quantc.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/WithColor.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

using namespace llvm;

int quantc::tool::fail(Error error) {
  WithColor::error() << toString(std::move(error)) << "\n";
  return 1;
}

void quantc::tool::printDiagnostic(mlir::DiagnosticSeverity severity,
                                   StringRef text) {
  switch (severity) {
  case mlir::DiagnosticSeverity::Error:
    WithColor::error() << text << "\n";
    return;
  case mlir::DiagnosticSeverity::Warning:
    WithColor::warning() << text << "\n";
    return;
  default:
    WithColor::note() << text << "\n";
  }
}

std::function<void(StringRef, size_t, size_t)> quantc::tool::getProgressLine() {
  if (!sys::Process::StandardErrIsDisplayed())
    return nullptr;
  return [](StringRef step, size_t done, size_t total) {
    errs() << "\r\033[K" << step;
    if (!total) {
      errs() << " ...";
      return;
    }
    constexpr size_t width = 30;
    size_t filled = width * done / total;
    errs() << " [" << std::string(filled, '=')
           << std::string(width - filled, ' ') << "] " << done << "/" << total;
  };
}

void quantc::tool::clearProgressLine() {
  if (sys::Process::StandardErrIsDisplayed())
    errs() << "\r\033[K";
}

int main(int argc, char **argv) {
#ifdef __GLIBC__
  // Weights go back to the system when they are freed: by itself, glibc would
  // keep blocks of up to 32 MB for later.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  InitLLVM init(argc, argv);
  // LLVM's own options are none of the user's.
  static cl::OptionCategory none("Options");
  cl::HideUnrelatedOptions(none);
  cl::SetVersionPrinter([](raw_ostream &os) {
    os << "quantc " QUANTC_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
  });
  cl::ParseCommandLineOptions(argc, argv,
                              "Quantc compiles ONNX models to libraries\n");
  using namespace quantc::tool;
  if (compileCommand)
    return runCompile();
  if (exportCommand)
    return runExport();
  if (infoCommand)
    return runInfo();
  if (runCommand)
    return runRun();
  if (benchCommand)
    return runBench();
  if (calibrateCommand)
    return runCalibrate();
  if (reportCommand)
    return runReport();
  if (statsCommand)
    return runStats();
  if (tuneCommand)
    return runTune();
  return fail(createStringError(
      "give a command: quantc compile, calibrate, export, "
      "report, tune, stats, info, run or bench; --help says more"));
}
