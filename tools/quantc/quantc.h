//===- quantc.h - The subcommands of quantc ---------------------*- C++ -*-===//
#ifndef QUANTC_TOOLS_QUANTC_QUANTC_H
#define QUANTC_TOOLS_QUANTC_QUANTC_H

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"

namespace quantc::tool {

/// Prints "error: ..." and returns the exit code of a failure.
int fail(llvm::Error error);

extern llvm::cl::SubCommand compileCommand, infoCommand, runCommand,
    benchCommand;

int runCompile();
int runInfo();
int runRun();
int runBench();

} // namespace quantc::tool

#endif // QUANTC_TOOLS_QUANTC_QUANTC_H
