//===- Info.cpp - quantc info ---------------------------------------------===//

#include "Tensors.h"
#include "quantc.h"

#include "quantc/Driver/Compilation.h"
#include "quantc/Target/ONNX/Import.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/WithColor.h"

#include <map>
#include <set>

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::infoCommand("info", "Describe a model or a library");

static cl::opt<std::string> input(cl::Positional,
                                  cl::desc("<model.onnx or model.so>"),
                                  cl::sub(tool::infoCommand));
static cl::opt<bool>
    supportedOps("supported-ops", cl::sub(tool::infoCommand),
                 cl::desc("Print which ONNX operators have a rule, as a page"));

/// docs/SupportedOps.md, but for its first line.
static int printSupportedOps() {
  std::map<std::string, std::map<std::string, std::set<int>>> domains;
  for (const onnx_import::SupportedOp &op : onnx_import::listSupportedOps())
    domains[op.domain][op.opType].insert(op.sinceVersion);
  outs() << "# Supported operators\n\n"
            "These have a rule in the importer. Any other operator with an "
            "ONNX function body is expanded into them; the rest is an error "
            "that lists all unsupported operators of a model at once. The "
            "numbers are the opsets from which a rule holds.\n";
  for (const auto &[domain, ops] : domains) {
    outs() << "\n## " << (domain.empty() ? "ai.onnx" : domain)
           << "\n\n| operator | from opset |\n| --- | --- |\n";
    for (const auto &[name, versions] : ops) {
      outs() << "| " << name << " | ";
      interleaveComma(versions, outs());
      outs() << " |\n";
    }
  }
  return 0;
}

static int printLibrary() {
  Expected<std::shared_ptr<LoadedModel>> library = LoadedModel::load(input);
  if (!library)
    return tool::fail(library.takeError());
  const QuantcModelInfo &info = (*library)->info();
  outs() << "library   " << info.name << " for " << info.target << "\n"
         << "features  " << info.features << "\n"
         << formatv("weights   {0:f2} MB\n", info.weight_bytes / 1e6);
  if (info.arena_bytes)
    outs() << formatv("scratch   {0:f2} MB\n", info.arena_bytes / 1e6);
  for (const QuantcTensorInfo &tensor : (*library)->inputs())
    outs() << "input     " << tensor.name << ": " << tool::describe(tensor)
           << "\n";
  for (const QuantcTensorInfo &tensor : (*library)->outputs())
    outs() << "output    " << tensor.name << ": " << tool::describe(tensor)
           << "\n";
  return 0;
}

static void printTensors(StringRef what,
                         ArrayRef<onnx_import::ModelInfo::Tensor> tensors) {
  for (const auto &tensor : tensors)
    outs() << formatv("{0,-10}", what) << tensor.name << ": "
           << tensor.elementType
           << (tensor.hasRank ? " [" + join(tensor.dims, ",") + "]"
                              : std::string(" of unknown rank"))
           << "\n";
}

static int printModel() {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.getDiagEngine().registerHandler([](mlir::Diagnostic &diagnostic) {
    WithColor::error() << formatDiagnostic(diagnostic) << "\n";
    return mlir::success();
  });
  mlir::FailureOr<onnx_import::ModelInfo> info =
      onnx_import::inspectONNX(input, context);
  if (mlir::failed(info))
    return 1;
  outs() << "model     " << info->graphName << ", IR version "
         << info->irVersion;
  if (!info->producer.empty())
    outs() << ", made by " << info->producer;
  outs() << "\nopset     ";
  interleaveComma(info->opsets, outs(), [](const auto &opset) {
    outs() << (opset.first.empty() ? "ai.onnx" : opset.first) << " "
           << opset.second;
  });
  outs() << formatv("\nweights   {0} numbers, {1:f2} MB\n", info->numParameters,
                    info->parameterBytes / 1e6);
  printTensors("input", info->inputs);
  printTensors("output", info->outputs);
  for (const auto &[name, count] : info->opCounts)
    outs() << formatv("op        {0,-28} {1,6}\n", name, count);
  for (const onnx_import::UnsupportedOp &op : info->unsupported)
    outs() << "unsupported: "
           << (op.domain.empty() ? "" : op.domain + ".") + op.opType
           << " (opset " << op.opset << ") in node '" << op.node << "'\n";
  if (info->unsupported.empty())
    outs() << "every op is supported\n";
  return 0;
}

int tool::runInfo() {
  if (supportedOps)
    return printSupportedOps();
  if (input.empty())
    return fail(createStringError("info: which model?"));
  auto buffer = MemoryBuffer::getFileSlice(input, 4, 0);
  if (!buffer)
    return fail(createStringError(buffer.getError(),
                                  "cannot read '" + input +
                                      "': " + buffer.getError().message()));
  return (*buffer)->getBuffer() == "\x7f"
                                   "ELF"
             ? printLibrary()
             : printModel();
}
