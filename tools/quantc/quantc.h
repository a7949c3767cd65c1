//===- quantc.h - The subcommands of quantc ---------------------*- C++ -*-===//
#ifndef QUANTC_TOOLS_QUANTC_QUANTC_H
#define QUANTC_TOOLS_QUANTC_QUANTC_H

#include "quantc/Driver/Quantization.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"

#include <functional>

namespace quantc::tool {

/// Prints "error: ..." and returns the exit code of a failure.
int fail(llvm::Error error);

/// Prints what a compilation reports.
void printDiagnostic(mlir::DiagnosticSeverity severity, llvm::StringRef text);

/// Shows progress in one line of the terminal that each step overwrites; null
/// if the standard error is no terminal. `clearProgressLine` ends it.
std::function<void(llvm::StringRef step, size_t done, size_t total)>
getProgressLine();
void clearProgressLine();

/// What --quantize, --calibration and --stats say.
QuantizeOptions getQuantizeOptions();

extern llvm::cl::SubCommand benchCommand, calibrateCommand, compileCommand,
    exportCommand, infoCommand, reportCommand, runCommand, statsCommand,
    tuneCommand;

int runCompile();
int runExport();
int runInfo();
int runRun();
int runBench();
int runCalibrate();
int runReport();
int runStats();
int runTune();
/// tune --kernels
int runTuneKernels(llvm::StringRef model, llvm::StringRef output,
                   const llvm::StringMap<llvm::SmallVector<int64_t>> &shapes,
                   int threads);

} // namespace quantc::tool

#endif // QUANTC_TOOLS_QUANTC_QUANTC_H
