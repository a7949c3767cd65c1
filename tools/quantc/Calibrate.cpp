//===- Calibrate.cpp - quantc calibrate -----------------------------------===//

#include "quantc.h"

#include "quantc/Driver/Calibration.h"
#include "quantc/Quantization/Ranges.h"

#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/WithColor.h"

#include <thread>

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::calibrateCommand("calibrate",
                                      "Collect a model's statistics over data");

static cl::opt<std::string> input(cl::Positional, cl::Required,
                                  cl::desc("<model.onnx>"),
                                  cl::sub(tool::calibrateCommand));
static cl::opt<std::string>
    data("data", cl::Required, cl::sub(tool::calibrateCommand),
         cl::value_desc("calib.npz|folder"),
         cl::desc("Samples along the first axis of the arrays of a file, or a "
                  "folder with a file for each sample"));
static cl::opt<std::string> output("o", cl::sub(tool::calibrateCommand),
                                   cl::value_desc("model.stats"),
                                   cl::desc("The statistics file to write"));
static cl::opt<std::string> method(
    "method", cl::sub(tool::calibrateCommand),
    cl::value_desc("minmax|moving-average|percentile=99.99|entropy|mse"),
    cl::desc("How quantization chooses ranges from these statistics, where a "
             "recipe does not say (any method can be chosen later)"));
static cl::opt<std::string>
    values("values", cl::init("quantizable"), cl::sub(tool::calibrateCommand),
           cl::value_desc("quantizable|all"),
           cl::desc("Which values to watch (default: those that a recipe can "
                    "ask for)"));
static cl::list<std::string>
    collect("collect", cl::CommaSeparated, cl::sub(tool::calibrateCommand),
            cl::value_desc("gram"),
            cl::desc("What else to collect: gram (products of channels, for "
                     "GPTQ)"));
static cl::list<std::string> shapes(
    "shape", cl::sub(tool::calibrateCommand), cl::value_desc("name:1x128"),
    cl::desc("Sizes for an input's dynamic dimensions (? to leave one)"));
static cl::opt<unsigned>
    threads("threads", cl::init(0), cl::sub(tool::calibrateCommand),
            cl::desc("How many samples run at a time (default: one for each "
                     "processor)"));

int tool::runCalibrate() {
  CalibrateOptions options;
  options.data = data;
  options.output = output;
  if (options.output.empty()) {
    SmallString<128> path(input);
    sys::path::replace_extension(path, "stats");
    options.output = path.str().str();
  }
  if (!method.empty()) {
    auto parsed = RangeMethod::parse(method);
    if (!parsed)
      return fail(
          createStringError("--method: " + toString(parsed.takeError())));
    options.run.rangeMethod = method;
  }
  if (values != "all" && values != "quantizable")
    return fail(
        createStringError("--values=" + values + ": use quantizable or all"));
  options.run.values = values;
  for (const std::string &what : collect) {
    if (what != "gram")
      return fail(createStringError("--collect=" + what + ": use gram"));
    options.run.gram = true;
  }
  for (const std::string &shape : shapes)
    if (Error error = parseShape(shape, options.shapes))
      return fail(std::move(error));
  options.run.threads =
      threads ? threads : std::max(1u, std::thread::hardware_concurrency());
  options.report = printDiagnostic;
  options.run.progress = getProgressLine();
  mlir::LogicalResult result = calibrateModel(input, "", options);
  clearProgressLine();
  return mlir::failed(result);
}
