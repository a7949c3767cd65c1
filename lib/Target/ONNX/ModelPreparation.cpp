//===- ModelPreparation.cpp - Checks and infers before the import ---------===//

#include "ModelPreparation.h"

#include "GraphImporter.h"
#include "RuleRegistry.h"
#include "TensorData.h"
#include "TypeInference.h"

#include "onnx/checker.h"
#include "onnx/defs/schema.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quantc::onnx_import;

//===- Versions -----------------------------------------------------------===//

static LogicalResult checkVersions(onnx::ModelProto &model, Location loc) {
  if (model.ir_version() <= 0)
    return emitError(loc) << "the model has no ir_version";
  if (model.ir_version() > onnx::Version::IR_VERSION)
    return emitError(loc) << "the model has ir_version " << model.ir_version()
                          << "; the newest known one is "
                          << int(onnx::Version::IR_VERSION);
  const auto &known =
      onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  llvm::StringMap<int64_t> seen;
  for (const auto &opset : model.opset_import()) {
    StringRef domain = normalizeDomain(opset.domain());
    auto [it, inserted] = seen.try_emplace(domain, opset.version());
    if (!inserted && it->second != opset.version())
      return emitError(loc)
             << "the model imports two opsets of domain '" << domain
             << "': " << it->second << " and " << opset.version();
    auto range = known.find(domain.str());
    int64_t max = range == known.end() ? INT_MAX : range->second.second;
    int64_t min = domain.empty() ? kMinOpset : 1;
    if (opset.version() < min || opset.version() > max)
      return emitError(loc)
             << "the model uses opset " << opset.version() << " of domain '"
             << (domain.empty() ? "ai.onnx" : domain) << "'; supported are "
             << min << " to " << max;
  }
  if (!seen.contains(""))
    model.add_opset_import()->set_version(seen.empty() ? 1
                                                       : known.at("").second);
  if (seen.empty())
    return emitError(loc) << "the model imports no opset";
  return success();
}

//===- Order --------------------------------------------------------------===//

/// The names that a node reads, in its subgraphs too.
static void collectReads(const onnx::NodeProto &node,
                         llvm::function_ref<void(const std::string &)> fn) {
  for (const std::string &input : node.input())
    fn(input);
  for (const onnx::AttributeProto &attr : node.attribute()) {
    auto visit = [&](const onnx::GraphProto &graph) {
      for (const onnx::NodeProto &inner : graph.node())
        collectReads(inner, fn);
      for (const onnx::ValueInfoProto &output : graph.output())
        fn(output.name());
    };
    if (attr.has_g())
      visit(attr.g());
    for (const onnx::GraphProto &graph : attr.graphs())
      visit(graph);
  }
}

/// Puts nodes after those that they read from, in this graph and in subgraphs.
static LogicalResult sortNodes(onnx::GraphProto &graph, Location loc) {
  for (onnx::NodeProto &node : *graph.mutable_node())
    for (onnx::AttributeProto &attr : *node.mutable_attribute()) {
      if (attr.has_g() && failed(sortNodes(*attr.mutable_g(), loc)))
        return failure();
      for (onnx::GraphProto &inner : *attr.mutable_graphs())
        if (failed(sortNodes(inner, loc)))
          return failure();
    }

  int count = graph.node_size();
  llvm::StringMap<int> producers;
  for (int i = 0; i < count; ++i)
    for (const std::string &output : graph.node(i).output())
      if (!output.empty())
        producers.try_emplace(output, i);
  std::vector<SmallVector<int, 2>> readers(count);
  std::vector<int> missing(count);
  bool sorted = true;
  for (int i = 0; i < count; ++i)
    collectReads(graph.node(i), [&](const std::string &name) {
      auto it = producers.find(name);
      if (it == producers.end())
        return;
      sorted &= it->second < i;
      readers[it->second].push_back(i);
      ++missing[i];
    });
  if (sorted)
    return success();

  std::vector<int> order;
  for (int i = 0; i < count; ++i)
    if (!missing[i])
      order.push_back(i);
  for (size_t next = 0; next < order.size(); ++next)
    for (int reader : readers[order[next]])
      if (--missing[reader] == 0)
        order.push_back(reader);
  if (int(order.size()) < count) {
    InFlightDiagnostic error = emitError(loc);
    error << "graph '" << graph.name()
          << "' has a cycle among these nodes (or behind it):";
    int named = 0;
    for (int i = 0; i < count && named < 8; ++i)
      if (missing[i] > 0) {
        error << (named++ ? ", " : " ") << graph.node(i).op_type() << " '"
              << graph.node(i).name() << "'";
      }
    return error;
  }
  std::vector<onnx::NodeProto *> nodes(count);
  graph.mutable_node()->ExtractSubrange(0, count, nodes.data());
  for (int i : order)
    graph.mutable_node()->AddAllocated(nodes[i]);
  return success();
}

//===- Inputs -------------------------------------------------------------===//

/// Applies `fn` to each tensor type that the graph declares.
static void
forEachShape(onnx::GraphProto &graph,
             llvm::function_ref<void(onnx::TensorShapeProto &)> fn) {
  for (auto *infos : {graph.mutable_input(), graph.mutable_output(),
                      graph.mutable_value_info()})
    for (onnx::ValueInfoProto &info : *infos)
      if (info.type().has_tensor_type() &&
          info.type().tensor_type().has_shape())
        fn(*info.mutable_type()->mutable_tensor_type()->mutable_shape());
  for (onnx::NodeProto &node : *graph.mutable_node())
    for (onnx::AttributeProto &attr : *node.mutable_attribute())
      if (attr.has_g())
        forEachShape(*attr.mutable_g(), fn);
}

static LogicalResult pinInputShapes(onnx::GraphProto &graph,
                                    const ImportOptions &options,
                                    Location loc) {
  llvm::StringMap<int64_t> symbols;
  for (const auto &entry : options.shapes) {
    StringRef name = entry.first();
    ArrayRef<int64_t> dims = entry.second;
    auto input = llvm::find_if(*graph.mutable_input(), [&](const auto &info) {
      return StringRef(info.name()) == name;
    });
    if (input == graph.mutable_input()->end()) {
      InFlightDiagnostic error = emitError(loc);
      error << "the model has no input '" << name << "'; its inputs are";
      for (const auto &[i, info] : llvm::enumerate(graph.input()))
        error << (i ? ", '" : " '") << info.name() << "'";
      return error;
    }
    if (!input->type().has_tensor_type())
      return emitError(loc) << "input '" << name << "' is no tensor";
    auto &type = *input->mutable_type()->mutable_tensor_type();
    if (!type.has_shape())
      for (size_t i = 0; i < dims.size(); ++i)
        type.mutable_shape()->add_dim();
    auto &shape = *type.mutable_shape();
    if (shape.dim_size() != int(dims.size()))
      return emitError(loc)
             << "the shape given for input '" << name << "' has " << dims.size()
             << " dimensions, the model's has " << shape.dim_size();
    for (auto [i, size] : llvm::enumerate(dims)) {
      if (size < 0)
        continue;
      auto &dim = *shape.mutable_dim(i);
      if (dim.has_dim_value() && dim.dim_value() != size)
        return emitError(loc)
               << "dimension " << i << " of input '" << name << "' is "
               << dim.dim_value() << " in the model, it cannot become " << size;
      if (dim.has_dim_param()) {
        auto [it, inserted] = symbols.try_emplace(dim.dim_param(), size);
        if (!inserted && it->second != size)
          return emitError(loc)
                 << "dimension '" << dim.dim_param() << "' cannot be both "
                 << it->second << " and " << size;
      }
      dim.set_dim_value(size);
    }
  }
  // A symbol is one size everywhere.
  if (!symbols.empty())
    forEachShape(graph, [&](onnx::TensorShapeProto &shape) {
      for (auto &dim : *shape.mutable_dim())
        if (dim.has_dim_param())
          if (auto it = symbols.find(dim.dim_param()); it != symbols.end())
            dim.set_dim_value(it->second);
    });
  return success();
}

static std::string typeKind(const onnx::TypeProto &type) {
  switch (type.value_case()) {
  case onnx::TypeProto::kSequenceType:
    return "a sequence";
  case onnx::TypeProto::kMapType:
    return "a map";
  case onnx::TypeProto::kOptionalType:
    return "optional";
  case onnx::TypeProto::kSparseTensorType:
    return "a sparse tensor";
  default:
    return "of an unknown type";
  }
}

/// Inputs need a type that the compiled library can describe.
static LogicalResult checkInputs(const onnx::GraphProto &graph,
                                 MLIRContext *context, Location loc) {
  for (const onnx::ValueInfoProto &input : graph.input()) {
    if (!input.type().has_tensor_type())
      return emitError(loc)
             << "input '" << input.name() << "' is " << typeKind(input.type())
             << "; only tensors are supported";
    const auto &type = input.type().tensor_type();
    if (!convertElementType(context, type.elem_type()) &&
        type.elem_type() != onnx::TensorProto::STRING)
      return emitError(loc)
             << "input '" << input.name() << "' has elements of "
             << elementTypeName(type.elem_type()) << ", which is not supported";
    if (!type.has_shape())
      return emitError(loc)
             << "the number of dimensions of input '" << input.name()
             << "' is unknown; give its shape (--shape=" << input.name()
             << ":...)";
    int64_t size = 1;
    for (const auto &dim : type.shape().dim())
      if (dim.has_dim_value() &&
          (llvm::MulOverflow(size, dim.dim_value(), size) ||
           size > (int64_t(1) << 48)))
        return emitError(loc) << "input '" << input.name() << "' is too large";
  }
  // No rule gives maps: the op that does is what to name.
  for (const onnx::ValueInfoProto &output : graph.output())
    if (output.has_type() && !output.type().has_tensor_type() &&
        !output.type().sequence_type().elem_type().has_map_type() &&
        output.type().value_case() != onnx::TypeProto::VALUE_NOT_SET)
      return emitError(loc)
             << "output '" << output.name() << "' is "
             << typeKind(output.type()) << "; only tensors are supported";
  return success();
}

//===- Size of functions --------------------------------------------------===//

namespace {
/// Counts the nodes that a graph has after all calls of the model's functions
/// are expanded: a short chain of functions, each calling the next one twice,
/// has exponentially many.
class ExpansionCounter {
public:
  static constexpr int64_t kMaxNodes = 4 << 20;

  ExpansionCounter(const onnx::ModelProto &model) : model(model) {}

  template <typename Nodes> int64_t count(const Nodes &nodes) {
    int64_t total = 0;
    for (const onnx::NodeProto &node : nodes) {
      total += 1;
      if (const auto *function = findLocalFunction(model, node)) {
        auto [it, inserted] = known.try_emplace(function, kMaxNodes);
        if (inserted) {
          int64_t size = count(function->node());
          known[function] = size;
          total += size;
        } else {
          total += it->second;
        }
      }
      for (const onnx::AttributeProto &attr : node.attribute()) {
        if (attr.has_g())
          total += count(attr.g().node());
        for (const onnx::GraphProto &graph : attr.graphs())
          total += count(graph.node());
      }
      total = std::min(total, kMaxNodes);
    }
    return total;
  }

private:
  const onnx::ModelProto &model;
  llvm::DenseMap<const void *, int64_t> known;
};
} // namespace

//===- Defaults -----------------------------------------------------------===//

void quantc::onnx_import::addDefaultAttributes(onnx::NodeProto &node,
                                               int64_t opset) {
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Instance()->GetSchema(
      node.op_type(), opset, normalizeDomain(node.domain()).str());
  if (!schema || !schema->HasFunction())
    return;
  for (const auto &[name, attribute] : schema->attributes()) {
    const std::string &key = name;
    if (attribute.default_value.name().empty() ||
        llvm::any_of(node.attribute(),
                     [&](const auto &attr) { return attr.name() == key; }))
      continue;
    *node.add_attribute() = attribute.default_value;
  }
}

static void addAllDefaults(onnx::GraphProto &graph,
                           const llvm::StringMap<int64_t> &opsets) {
  for (onnx::NodeProto &node : *graph.mutable_node()) {
    addDefaultAttributes(node, opsets.lookup(normalizeDomain(node.domain())));
    for (onnx::AttributeProto &attr : *node.mutable_attribute())
      if (attr.has_g())
        addAllDefaults(*attr.mutable_g(), opsets);
  }
}

//===- Checker and inference ----------------------------------------------===//

namespace {
/// The checker wants a shape for each input and output, which inference can do
/// without: gives those without one an empty shape, and takes it away again.
class ShapePlaceholders {
public:
  explicit ShapePlaceholders(onnx::GraphProto &graph) { add(graph); }
  ~ShapePlaceholders() {
    for (onnx::TypeProto_Tensor *type : types)
      type->clear_shape();
  }

private:
  void add(onnx::GraphProto &graph) {
    for (auto *infos : {graph.mutable_input(), graph.mutable_output()})
      for (onnx::ValueInfoProto &info : *infos)
        if (info.type().has_tensor_type() &&
            !info.type().tensor_type().has_shape()) {
          types.push_back(info.mutable_type()->mutable_tensor_type());
          types.back()->mutable_shape();
        }
    for (onnx::NodeProto &node : *graph.mutable_node())
      for (onnx::AttributeProto &attr : *node.mutable_attribute())
        if (attr.has_g())
          add(*attr.mutable_g());
  }
  std::vector<onnx::TypeProto_Tensor *> types;
};
} // namespace

static void runChecker(onnx::ModelProto &model, const ImportOptions &options) {
  ShapePlaceholders placeholders(*model.mutable_graph());
  onnx::checker::CheckerContext context;
  // Up to version 3, constants had to be inputs, too; ONNX Runtime writes
  // models where they are not.
  context.set_ir_version(std::max<int64_t>(model.ir_version(), 4));
  context.set_schema_registry(&getSchemas());
  std::unordered_map<std::string, int> opsets;
  for (const auto &opset : model.opset_import())
    opsets[opset.domain()] = opset.version();
  context.set_opset_imports(opsets);
  context.set_model_dir(options.externalDataDirectory);
  onnx::checker::LexicalScopeContext scope;
  onnx::checker::check_graph(model.graph(), context, scope);
  if (model.ir_version() >= 8)
    onnx::checker::check_model_local_functions(model, context, scope);
}

LogicalResult quantc::onnx_import::prepareModel(onnx::ModelProto &model,
                                                const ImportOptions &options,
                                                Location loc) {
  if (!model.has_graph())
    return emitError(loc) << "the model has no graph";
  upgradeOldModel(model);
  if (failed(checkVersions(model, loc)))
    return failure();
  onnx::GraphProto &graph = *model.mutable_graph();
  // The checker wants names that carry no meaning.
  if (graph.name().empty())
    graph.set_name("main");
  // Some exporters write -1 or "?" for a dimension that they do not know. Taken
  // as a name, "?" would make all such dimensions equal.
  forEachShape(graph, [](onnx::TensorShapeProto &shape) {
    for (auto &dim : *shape.mutable_dim())
      if (dim.has_dim_value() && dim.dim_value() < 0)
        dim.clear_dim_value();
      else if (dim.dim_param() == "?")
        dim.clear_dim_param();
  });
  if (failed(sortNodes(graph, loc)) ||
      failed(pinInputShapes(graph, options, loc)) ||
      failed(checkInputs(graph, loc.getContext(), loc)))
    return failure();
  if (options.progress)
    options.progress("checking", 0, 1);
  runChecker(model, options);
  llvm::StringMap<int64_t> opsets;
  for (const auto &opset : model.opset_import())
    opsets[normalizeDomain(opset.domain())] = opset.version();
  addAllDefaults(graph, opsets);
  if (ExpansionCounter(model).count(graph.node()) >=
      ExpansionCounter::kMaxNodes)
    return emitError(loc) << "the model's functions expand to more than "
                          << ExpansionCounter::kMaxNodes << " nodes";
  if (std::string problem = inferTypes(model); !problem.empty())
    emitWarning(loc) << problem;
  if (options.progress)
    options.progress("checking", 1, 1);
  return success();
}

//===- Unsupported ops ----------------------------------------------------===//

namespace {
class SupportScan {
public:
  SupportScan(const onnx::ModelProto &model) : model(model) {}
  std::vector<UnsupportedOp> unsupported;

  template <typename Nodes>
  void scan(const Nodes &nodes, const OpsetMap &opsets, StringRef prefix) {
    for (const auto &[i, node] : llvm::enumerate(nodes)) {
      std::string name =
          prefix.str() + (node.name().empty()
                              ? node.op_type() + "_" + std::to_string(i)
                              : node.name());
      scanNode(node, opsets, name);
      for (const onnx::AttributeProto &attr : node.attribute()) {
        if (attr.has_g())
          scan(attr.g().node(), opsets, prefix);
        for (const onnx::GraphProto &graph : attr.graphs())
          scan(graph.node(), opsets, prefix);
      }
    }
  }

private:
  void scanNode(const onnx::NodeProto &node, const OpsetMap &opsets,
                const std::string &name) {
    StringRef domain = normalizeDomain(node.domain());
    auto it = opsets.find(domain);
    int64_t opset = it == opsets.end() ? 0 : it->second;
    if (RuleRegistry::get().lookup(domain, node.op_type(), opset))
      return;
    const onnx::FunctionProto *function = findLocalFunction(model, node);
    const onnx::OpSchema *schema =
        onnx::OpSchemaRegistry::Instance()->GetSchema(node.op_type(), opset,
                                                      domain.str());
    if (!function && schema) {
      function = schema->GetFunction(opset);
      // The body depends on types: its ops are seen when it is built.
      if (!function && schema->HasContextDependentFunction())
        return;
    }
    if (!function) {
      unsupported.push_back({node.op_type(), name,
                             domain.empty() ? "ai.onnx" : domain.str(), opset});
      return;
    }
    if (!visited.insert(function).second)
      return;
    OpsetMap inner = opsets;
    for (const auto &import : function->opset_import())
      inner[normalizeDomain(import.domain())] = import.version();
    scan(function->node(), inner, name + "/");
  }

  const onnx::ModelProto &model;
  llvm::DenseSet<const void *> visited;
};
} // namespace

std::vector<UnsupportedOp>
quantc::onnx_import::findUnsupportedOps(const onnx::ModelProto &model) {
  OpsetMap opsets;
  for (const auto &opset : model.opset_import())
    opsets[normalizeDomain(opset.domain())] = opset.version();
  SupportScan scan(model);
  scan.scan(model.graph().node(), opsets, "");
  return std::move(scan.unsupported);
}
