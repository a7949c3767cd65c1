//===- Export.cpp - quantc export -----------------------------------------===//

#include "quantc.h"

#include "quantc/Driver/Export.h"

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::exportCommand("export", "Write a quantized model as ONNX");

static cl::opt<std::string> input(cl::Positional, cl::Required,
                                  cl::desc("<model.onnx>"),
                                  cl::sub(tool::exportCommand));
static cl::opt<std::string> output("o", cl::desc("The file to write"),
                                   cl::value_desc("file.onnx"), cl::Required,
                                   cl::sub(tool::exportCommand));
static cl::list<std::string> shapes(
    "shape", cl::sub(tool::exportCommand), cl::value_desc("name:1x128"),
    cl::desc("Sizes for an input's dynamic dimensions (? to leave one)"));
static cl::opt<std::string>
    target("target", cl::init("native"), cl::sub(tool::exportCommand),
           cl::value_desc("machine"),
           cl::desc("Quantize what is worth it on this machine, as compile "
                    "does (default: native)"));
static cl::opt<bool>
    standardOps("standard-ops", cl::sub(tool::exportCommand),
                cl::desc("Dequantize weights by standard ops, in place of "
                         "com.microsoft's MatMulNBits and MatMulBnb4"));
static cl::opt<bool> integerOps(
    "integer-ops", cl::sub(tool::exportCommand),
    cl::desc("Write the integer ops that the library computes with "
             "(ConvInteger, MatMulInteger) everywhere; by default only where "
             "ONNX Runtime would multiply floats otherwise"));
static cl::opt<bool>
    qdq("qdq", cl::sub(tool::exportCommand),
        cl::desc("Write no integer ops, only QuantizeLinear and "
                 "DequantizeLinear around float ops, as other tools want it"));

int tool::runExport() {
  if (integerOps && qdq)
    return fail(
        createStringError("--integer-ops and --qdq exclude each other"));
  CompileOptions options;
  options.exportContribOps = !standardOps;
  if (integerOps || qdq)
    options.exportForm = qdq ? ExportForm::qdq : ExportForm::integerOps;
  options.output = output;
  options.target = target;
  options.quantize = getQuantizeOptions();
  for (const std::string &shape : shapes)
    if (Error error = parseShape(shape, options.shapes))
      return fail(std::move(error));
  options.report = printDiagnostic;
  options.progress = getProgressLine();
  mlir::LogicalResult result = exportFile(input, options);
  clearProgressLine();
  return mlir::failed(result);
}
