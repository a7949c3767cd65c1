//===- Report.cpp - quantc report -----------------------------------------===//

#include "quantc.h"

#include "quantc/Driver/Report.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/ToolOutputFile.h"

#include <thread>

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::reportCommand("report",
                                   "Measure what a recipe costs, op by op");

static cl::opt<std::string> input(cl::Positional, cl::Required,
                                  cl::desc("<model.onnx>"),
                                  cl::sub(tool::reportCommand));
static cl::opt<std::string>
    recipe("quantize", cl::init("w8a8"), cl::sub(tool::reportCommand),
           cl::value_desc("recipe"),
           cl::desc("A recipe's name or file (default: w8a8)"));
static cl::opt<std::string>
    data("data", cl::Required, cl::sub(tool::reportCommand),
         cl::value_desc("data.npz|folder"),
         cl::desc("The data to measure on, as quantc calibrate takes them"));
static cl::opt<std::string>
    statistics("stats", cl::sub(tool::reportCommand),
               cl::value_desc("model.stats"),
               cl::desc("Statistics (default: calibrate with the data)"));
static cl::opt<std::string> output("o", cl::sub(tool::reportCommand),
                                   cl::value_desc("report.html"),
                                   cl::desc("Write a page with charts, too"));
static cl::opt<std::string>
    graph("graph", cl::sub(tool::reportCommand), cl::value_desc("file.mlir"),
          cl::desc("Write the quantized graph, its ops with their errors"));
static cl::opt<std::string>
    target("target", cl::init("native"), cl::sub(tool::reportCommand),
           cl::value_desc("machine"),
           cl::desc("Quantize what is worth it on this machine, as compile "
                    "does (default: native)"));
static cl::list<std::string> shapes(
    "shape", cl::sub(tool::reportCommand), cl::value_desc("name:1x128"),
    cl::desc("Sizes for an input's dynamic dimensions (? to leave one)"));

int tool::runReport() {
  ReportOptions options;
  options.recipe = recipe;
  options.data = data;
  options.target = target;
  options.statistics = statistics;
  options.graph = graph;
  for (const std::string &shape : shapes)
    if (Error error = parseShape(shape, options.shapes))
      return fail(std::move(error));
  options.run.threads = std::max(1u, std::thread::hardware_concurrency());
  options.run.progress = getProgressLine();
  options.report = printDiagnostic;
  mlir::FailureOr<QuantizationReport> report = reportModel(input, options);
  clearProgressLine();
  if (mlir::failed(report))
    return 1;
  report->printTable(outs());
  if (output.empty())
    return 0;
  std::error_code code;
  ToolOutputFile file(output, code, sys::fs::OF_Text);
  if (code)
    return fail(createStringError(code, "cannot write '" + output +
                                            "': " + code.message()));
  report->printPage(file.os());
  file.keep();
  return 0;
}
