//===- Quantize.cpp - The options that say how to quantize ----------------===//

#include "quantc.h"

using namespace llvm;
using namespace quantc;

// Here, because a command must be there before the options that name it.
cl::SubCommand tool::tuneCommand(
    "tune", "Find the layers to quantize within a budget, by measuring");

static cl::opt<std::string>
    recipe("quantize", cl::sub(tool::compileCommand),
           cl::sub(tool::exportCommand), cl::sub(tool::tuneCommand),
           cl::value_desc("recipe"),
           cl::desc("w8a8, w8a8-dynamic, w4a16-gptq-g64, ... or a YAML file "
                    "(docs/Quantization.md)"));
static cl::opt<std::string>
    calibration("calibration", cl::sub(tool::compileCommand),
                cl::sub(tool::exportCommand), cl::sub(tool::tuneCommand),
                cl::value_desc("data"),
                cl::desc("Data to calibrate with: a .npz file or a folder"));
static cl::opt<std::string>
    statistics("stats", cl::sub(tool::compileCommand),
               cl::sub(tool::exportCommand), cl::sub(tool::tuneCommand),
               cl::value_desc("file"),
               cl::desc("Statistics that `quantc calibrate` wrote, in place of "
                        "data"));

QuantizeOptions tool::getQuantizeOptions() {
  return {recipe, calibration, statistics};
}
