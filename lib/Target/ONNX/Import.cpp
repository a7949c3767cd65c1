//===- Import.cpp - The importer's border ---------------------------------===//
// No exception of ONNX or protobuf leaves this file.

#include "quantc/Target/ONNX/Import.h"

#include "GraphImporter.h"
#include "ModelPreparation.h"
#include "RuleRegistry.h"
#include "TensorData.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

/// Runs `fn`; an exception becomes an error.
static LogicalResult guarded(Location loc,
                             llvm::function_ref<LogicalResult()> fn) {
  try {
    return fn();
  } catch (const std::bad_alloc &) {
    return emitError(loc) << "out of memory: the model declares a tensor that "
                             "is too large";
  } catch (const std::exception &e) {
    return emitError(loc) << "invalid model: " << StringRef(e.what()).trim();
  } catch (...) {
    return emitError(loc) << "invalid model";
  }
}

/// What to do about an op that no rule will take; empty if nothing is known.
static StringRef getAdvice(const UnsupportedOp &op) {
  if (op.domain == "com.microsoft.nchwc")
    return "ONNX Runtime writes this domain at optimization level ALL, for the "
           "processor that it runs on: save the model at level EXTENDED";
  if (op.domain == kOnnxMl && op.opType == "ZipMap")
    return "it gives a list of maps, not a tensor: export the model without it "
           "(skl2onnx: options={'zipmap': False})";
  return "";
}

static LogicalResult reportUnsupported(ArrayRef<UnsupportedOp> ops,
                                       Location loc) {
  if (ops.empty())
    return success();
  // One line for each op, with the first of its nodes.
  llvm::MapVector<std::string, std::pair<const UnsupportedOp *, int>,
                  llvm::StringMap<unsigned>>
      byOp;
  for (const UnsupportedOp &op : ops) {
    auto &entry = byOp[op.domain + "." + op.opType];
    if (!entry.first)
      entry.first = &op;
    ++entry.second;
  }
  InFlightDiagnostic error = emitError(loc);
  error << "the model uses " << byOp.size() << " unsupported op"
        << (byOp.size() == 1 ? "" : "s") << ":";
  SmallVector<StringRef> advice;
  for (const auto &[key, entry] : byOp) {
    const auto &[op, count] = entry;
    if (StringRef text = getAdvice(*op);
        !text.empty() && !llvm::is_contained(advice, text))
      advice.push_back(text);
    error << "\n  " << op->opType << " (domain " << op->domain << ", opset "
          << op->opset << ") in node '" << op->node << "'";
    if (count > 1)
      error << " and " << count - 1 << " more";
  }
  for (StringRef text : advice)
    error << "\n  " << text;
  return error;
}

static void setModelAttributes(ModuleOp module, const onnx::ModelProto &model) {
  Builder b(module.getContext());
  auto set = [&](StringRef name, const std::string &value) {
    if (!value.empty())
      module->setAttr(name, b.getStringAttr(value));
  };
  set("qnn.graph_name", model.graph().name());
  set("qnn.producer_name", model.producer_name());
  set("qnn.producer_version", model.producer_version());
  SmallVector<NamedAttribute> opsets;
  for (const auto &opset : model.opset_import())
    opsets.push_back(b.getNamedAttr(
        normalizeDomain(opset.domain()).empty() ? "ai.onnx" : opset.domain(),
        b.getI64IntegerAttr(opset.version())));
  module->setAttr("qnn.opsets", b.getDictionaryAttr(opsets));
}

static OwningOpRef<ModuleOp> importModel(
    const ImportOptions &options, MLIRContext &context, Location loc,
    llvm::function_ref<FailureOr<MappedFile>(onnx::ModelProto &)> parse) {
  context.loadDialect<arith::ArithDialect, cf::ControlFlowDialect,
                      func::FuncDialect, qnn::QNNDialect, scf::SCFDialect,
                      tensor::TensorDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  LogicalResult result = guarded(loc, [&]() -> LogicalResult {
    onnx::ModelProto model;
    auto file = parse(model);
    if (failed(file) || failed(prepareModel(model, options, loc)) ||
        failed(reportUnsupported(findUnsupportedOps(model), loc)))
      return failure();
    setModelAttributes(*module, model);
    return GraphImporter(*module, model, *file, options).run();
  });
  if (failed(result) || failed(verify(*module)))
    return {};
  return module;
}

OwningOpRef<ModuleOp>
quantc::onnx_import::importONNX(StringRef path, const ImportOptions &options,
                                MLIRContext &context) {
  ImportOptions withDirectory = options;
  if (withDirectory.externalDataDirectory.empty()) {
    StringRef parent = llvm::sys::path::parent_path(path);
    withDirectory.externalDataDirectory = parent.empty() ? "." : parent.str();
  }
  Location loc =
      FileLineColLoc::get(&context, llvm::sys::path::filename(path), 0, 0);
  return importModel(withDirectory, context, loc, [&](onnx::ModelProto &model) {
    return parseModel(path, model, loc);
  });
}

OwningOpRef<ModuleOp> quantc::onnx_import::importONNXFromBytes(
    StringRef bytes, const ImportOptions &options, MLIRContext &context) {
  Location loc = FileLineColLoc::get(&context, "model", 0, 0);
  return importModel(options, context, loc,
                     [&](onnx::ModelProto &model) -> FailureOr<MappedFile> {
                       if (failed(parseModelBytes(bytes, model, loc)))
                         return failure();
                       return MappedFile();
                     });
}

//===- quantc info --------------------------------------------------------===//

static ModelInfo::Tensor describeValue(const onnx::ValueInfoProto &value) {
  ModelInfo::Tensor result;
  result.name = value.name();
  const auto &type = value.type().tensor_type();
  result.elementType = value.type().has_tensor_type()
                           ? elementTypeName(type.elem_type())
                           : "not a tensor";
  result.hasRank = type.has_shape();
  for (const auto &dim : type.shape().dim())
    result.dims.push_back(dim.has_dim_value() ? std::to_string(dim.dim_value())
                          : dim.dim_param().empty() ? "?"
                                                    : dim.dim_param());
  return result;
}

static void countOps(const onnx::GraphProto &graph, ModelInfo &info) {
  for (const onnx::NodeProto &node : graph.node()) {
    StringRef domain = normalizeDomain(node.domain());
    ++info.opCounts[domain.empty() ? node.op_type()
                                   : (domain + "." + node.op_type()).str()];
    for (const onnx::AttributeProto &attr : node.attribute()) {
      if (attr.has_g())
        countOps(attr.g(), info);
      if (attr.has_t())
        info.parameterBytes += attr.t().raw_data().size();
    }
  }
  for (const onnx::TensorProto &tensor : graph.initializer()) {
    int64_t count = 1;
    for (int64_t d : tensor.dims())
      if (d < 0 || llvm::MulOverflow(count, d, count))
        count = 0;
    info.numParameters += count;
    info.parameterBytes += elementTypeBytes(tensor.data_type(), count);
  }
}

FailureOr<ModelInfo> quantc::onnx_import::inspectONNX(StringRef path,
                                                      MLIRContext &context) {
  Location loc =
      FileLineColLoc::get(&context, llvm::sys::path::filename(path), 0, 0);
  ModelInfo info;
  LogicalResult result = guarded(loc, [&]() -> LogicalResult {
    onnx::ModelProto model;
    if (failed(parseModel(path, model, loc)))
      return failure();
    const onnx::GraphProto &graph = model.graph();
    info.producer = model.producer_name();
    if (!model.producer_version().empty())
      info.producer += " " + model.producer_version();
    info.graphName = graph.name();
    info.irVersion = model.ir_version();
    for (const auto &opset : model.opset_import())
      info.opsets.emplace_back(
          normalizeDomain(opset.domain()).empty() ? "ai.onnx" : opset.domain(),
          opset.version());
    llvm::StringSet<> constants;
    for (const auto &tensor : graph.initializer())
      constants.insert(tensor.name());
    for (const auto &input : graph.input())
      if (!constants.contains(input.name()))
        info.inputs.push_back(describeValue(input));
    for (const auto &output : graph.output())
      info.outputs.push_back(describeValue(output));
    countOps(graph, info);
    info.unsupported = findUnsupportedOps(model);
    return success();
  });
  if (failed(result))
    return failure();
  return info;
}

std::vector<SupportedOp> quantc::onnx_import::listSupportedOps() {
  std::vector<SupportedOp> result;
  RuleRegistry::get().forEach([&](StringRef domain, StringRef op, int version) {
    result.push_back({domain.str(), op.str(), version});
  });
  return result;
}
