//===- GraphImporter.cpp - Imports graphs, node by node -------------------===//

#include "GraphImporter.h"

#include "ModelPreparation.h"
#include "TypeInference.h"

#include "quantc/Dialect/QNN/IR/ValueNames.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "onnx/defs/schema.h"
#include "onnx/shape_inference/attribute_binder.h"
#include "onnx/shape_inference/implementation.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

/// Functions in functions: far deeper than any model, and shallow enough for
/// the stack.
static constexpr unsigned kMaxFunctionDepth = 64;

/// Of all graphs and expanded functions together.
static constexpr unsigned kMaxNodes = 4 << 20;

/// The name of the dimension that holds a string's bytes: callers know strings
/// by it.
static const std::string kStringDim = "utf8:";

void GraphScope::addTypes(const onnx::GraphProto &graph) {
  for (const auto *infos :
       {&graph.value_info(), &graph.input(), &graph.output()})
    for (const onnx::ValueInfoProto &info : *infos)
      if (info.has_type())
        types[info.name()] = &info.type();
}

GraphImporter::GraphImporter(ModuleOp module, onnx::ModelProto &model,
                             MappedFile modelFile, const ImportOptions &options)
    : builder(module.getContext()),
      tensors(module.getContext(), options.externalDataDirectory,
              std::move(modelFile)),
      module(module), model(model), options(options) {
  for (const auto &opset : model.opset_import())
    modelOpsets[normalizeDomain(opset.domain())] = opset.version();
}

//===- Names --------------------------------------------------------------===//

Value GraphImporter::addConstant(StringRef name,
                                 llvm::Expected<ElementsAttr> value) {
  Location loc = NameLoc::get(builder.getStringAttr(name));
  if (!value) {
    emitError(loc) << "initializer '" << name
                   << "': " << llvm::toString(value.takeError());
    return {};
  }
  // Initializers go to the front of the function, so that they dominate every
  // region in which they may be used for the first time.
  OpBuilder::InsertionGuard guard(builder);
  if (lastConstant)
    builder.setInsertionPointAfter(lastConstant);
  else
    builder.setInsertionPointToStart(&function.front());
  auto constant = qnn::ConstantOp::create(builder, loc, *value);
  qnn::setValueName(constant, name);
  lastConstant = constant;
  return constant;
}

FailureOr<Value> GraphImporter::lookup(GraphScope &scope, StringRef name) {
  for (GraphScope *s = &scope; s; s = s->parent) {
    if (Value value = s->values.lookup(name))
      return value;
    Value constant;
    if (onnx::TensorProto *tensor = s->initializers.lookup(name)) {
      constant = addConstant(name, tensors.load(*tensor));
      if (constant && tensor->data_type() == onnx::TensorProto::STRING)
        strings.insert(constant);
    } else if (onnx::SparseTensorProto *sparse =
                   s->sparseInitializers.lookup(name))
      constant = addConstant(name, tensors.load(*sparse));
    else
      continue;
    if (!constant)
      return failure();
    return s->values[name] = constant;
  }
  return Value();
}

const SmallVector<Value> *GraphImporter::lookupSequence(GraphScope &scope,
                                                        StringRef name) {
  for (GraphScope *s = &scope; s; s = s->parent)
    if (auto it = s->sequences.find(name); it != s->sequences.end())
      return &it->second;
  return nullptr;
}

Value GraphImporter::lookupStack(GraphScope &scope, StringRef name) {
  for (GraphScope *s = &scope; s; s = s->parent)
    if (Value stack = s->stacks.lookup(name))
      return stack;
  return {};
}

onnx::GraphProto &GraphImporter::keepGraph(onnx::GraphProto graph) {
  expandedBodies.push_back(
      std::make_unique<onnx::GraphProto>(std::move(graph)));
  return *expandedBodies.back();
}

bool GraphImporter::isNone(GraphScope &scope, StringRef name) {
  for (GraphScope *s = &scope; s; s = s->parent)
    if (s->none.contains(name))
      return true;
  return false;
}

const onnx::TypeProto *GraphImporter::lookupType(GraphScope &scope,
                                                 StringRef name) {
  for (GraphScope *s = &scope; s; s = s->parent)
    if (const onnx::TypeProto *type = s->types.lookup(name))
      return type;
  return nullptr;
}

//===- Graphs -------------------------------------------------------------===//

LogicalResult GraphImporter::importGraph(onnx::GraphProto &graph,
                                         GraphScope *parent,
                                         const OpsetMap &opsets, Block *block,
                                         ValueRange args, StringRef prefix,
                                         SmallVectorImpl<Value> &results) {
  GraphScope scope;
  scope.parent = parent;
  scope.opsets = &opsets;
  scope.prefix = prefix.str();
  scope.addTypes(graph);
  for (onnx::TensorProto &tensor : *graph.mutable_initializer())
    scope.initializers[tensor.name()] = &tensor;
  for (onnx::SparseTensorProto &sparse : *graph.mutable_sparse_initializer())
    scope.sparseInitializers[sparse.values().name()] = &sparse;
  for (auto [input, arg] : llvm::zip(graph.input(), args))
    if (!input.name().empty())
      scope.values[input.name()] = arg;

  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(block);
  for (int i = 0, e = graph.node_size(); i < e; ++i) {
    if (!parent && !functionDepth && options.progress)
      options.progress("importing", i, e);
    if (failed(importNode(*graph.mutable_node(i), i, scope)))
      return failure();
  }
  for (const onnx::ValueInfoProto &output : graph.output()) {
    Value value;
    if (!output.name().empty()) {
      FailureOr<Value> found = lookup(scope, output.name());
      if (failed(found))
        return failure();
      value = *found;
      if (!value && (lookupSequence(scope, output.name()) ||
                     lookupStack(scope, output.name())))
        return emitError(module.getLoc())
               << "graph '" << graph.name() << "': its output '"
               << output.name()
               << "' is a sequence; only tensors are supported";
      if (!value)
        return emitError(module.getLoc())
               << "graph '" << graph.name() << "': nothing defines its output '"
               << output.name() << "'";
    }
    results.push_back(value);
  }
  return success();
}

LogicalResult GraphImporter::importNode(onnx::NodeProto &node, size_t index,
                                        GraphScope &scope) {
  std::string name = scope.prefix;
  name += node.name().empty() ? node.op_type() + "_" + std::to_string(index)
                              : node.name();
  Location loc = NameLoc::get(builder.getStringAttr(name));
  auto opset = scope.opsets->find(normalizeDomain(node.domain()));
  if (opset == scope.opsets->end())
    return emitError(loc) << describeNode(node, name, 0)
                          << ": the model imports no opset of this domain";
  NodeContext ctx(*this, scope, node, loc, opset->second);
  if (ctx.hasFailed())
    return failure();
  if (expandedNodes++ > kMaxNodes)
    return ctx.emitError("the model expands to too many nodes");
  if (!RuleRegistry::get().takesSequences(node.domain(), node.op_type()))
    for (size_t i = 0; i < ctx.numInputs(); ++i)
      if (ctx.isSequence(i) || ctx.isNone(i) || ctx.isString(i))
        return ctx.emitError("its input '" + ctx.inputName(i) +
                             "' is a sequence, an empty optional or a string, "
                             "which it does not take here");
  if (const ImportRule *rule = RuleRegistry::get().lookup(
          node.domain(), node.op_type(), opset->second)) {
    if (failed((*rule)(ctx))) {
      if (!ctx.hasFailed())
        (void)ctx.emitError("cannot import this node");
      return failure();
    }
    // What a rule reported and overlooked is still an error.
    return failure(ctx.hasFailed());
  }
  return ctx.expandFunction();
}

//===- Functions ----------------------------------------------------------===//

/// Clears references to `names` in node inputs, as for inputs left out.
static void
clearInputs(google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes,
            const llvm::StringSet<> &names) {
  for (onnx::NodeProto &node : nodes) {
    for (std::string &input : *node.mutable_input())
      if (names.contains(input))
        input.clear();
    for (onnx::AttributeProto &attr : *node.mutable_attribute()) {
      if (attr.has_g())
        clearInputs(*attr.mutable_g()->mutable_node(), names);
      for (onnx::GraphProto &graph : *attr.mutable_graphs())
        clearInputs(*graph.mutable_node(), names);
    }
  }
}

const onnx::FunctionProto *
quantc::onnx_import::findLocalFunction(const onnx::ModelProto &model,
                                       const onnx::NodeProto &node) {
  for (const onnx::FunctionProto &function : model.functions())
    if (function.name() == node.op_type() &&
        normalizeDomain(function.domain()) == normalizeDomain(node.domain()) &&
        function.overload() == node.overload())
      return &function;
  return nullptr;
}

/// The body of the node's function: the model's own, or its schema's.
static std::optional<onnx::FunctionProto>
findFunction(const onnx::ModelProto &model, NodeContext &ctx) {
  const onnx::NodeProto &node = ctx.node;
  if (const auto *local = findLocalFunction(model, node))
    return *local;
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Instance()->GetSchema(
      node.op_type(), ctx.opset, normalizeDomain(node.domain()).str());
  if (!schema)
    return std::nullopt;
  if (const onnx::FunctionProto *body = schema->GetFunction(ctx.opset))
    return *body;
  if (!schema->HasContextDependentFunction())
    return std::nullopt;
  std::vector<onnx::TypeProto> types;
  for (size_t i = 0; i < ctx.numInputs(); ++i)
    types.push_back(ctx.hasInput(i) ? typeToONNX(ctx.inputType(i))
                                    : onnx::TypeProto());
  onnx::FunctionBodyBuildContextImpl context(node, types);
  onnx::FunctionProto body;
  if (!schema->BuildContextDependentFunction(context, body, ctx.opset))
    return std::nullopt;
  return body;
}

/// Tells inference the value of a small integer constant.
static void addKnownValue(onnx::GraphProto &graph, const std::string &name,
                          Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  auto values = qnn::getConstantInts(value);
  if (!values || values->size() > 64 || !type.getElementType().isInteger(64))
    return;
  onnx::TensorProto *tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::INT64);
  for (int64_t d : type.getShape())
    tensor->add_dims(d);
  for (int64_t v : *values)
    tensor->add_int64_data(v);
}

LogicalResult GraphImporter::expandFunction(NodeContext &ctx,
                                            GraphScope &scope) {
  addDefaultAttributes(ctx.node, ctx.opset);
  std::optional<onnx::FunctionProto> function = findFunction(model, ctx);
  if (!function)
    return ctx.emitError("this op is not supported");
  return expandFunction(ctx, scope, *function);
}

LogicalResult
GraphImporter::expandFunction(NodeContext &ctx, GraphScope &scope,
                              const onnx::FunctionProto &function) {
  if (functionDepth >= kMaxFunctionDepth)
    return ctx.emitError("its function calls nest too deeply");
  ++functionDepth;
  llvm::scope_exit leave([&] { --functionDepth; });

  expandedBodies.push_back(std::make_unique<onnx::GraphProto>());
  onnx::GraphProto &graph = *expandedBodies.back();
  graph.set_name(function.name());

  // Attributes: the node's, or the function's defaults.
  onnx::internal::AttributeMap attributes;
  for (const auto &attr : function.attribute_proto())
    attributes[attr.name()] = &attr;
  for (const auto &attr : ctx.node.attribute())
    attributes[attr.name()] = &attr;
  onnx::internal::AttributeBinder binder(attributes);
  for (const onnx::NodeProto &node : function.node()) {
    onnx::NodeProto *copy = graph.add_node();
    *copy = node;
    binder.VisitNode(*copy);
  }

  SmallVector<Value> args;
  llvm::StringSet<> absent;
  for (auto [i, name] : llvm::enumerate(function.input())) {
    Value value = ctx.input(i);
    if (!value) {
      absent.insert(name);
      continue;
    }
    onnx::ValueInfoProto *input = graph.add_input();
    input->set_name(name);
    *input->mutable_type() =
        typeToONNX(cast<RankedTensorType>(value.getType()));
    args.push_back(value);
    addKnownValue(graph, name, value);
  }
  clearInputs(*graph.mutable_node(), absent);
  for (int i = 0; i < function.output_size() && i < int(ctx.numOutputs()); ++i)
    graph.add_output()->set_name(ctx.hasOutput(i) ? function.output(i) : "");

  OpsetMap opsets;
  std::unordered_map<std::string, int> onnxOpsets;
  for (const auto &[domain, version] : *scope.opsets)
    opsets[domain] = version;
  for (const auto &opset : function.opset_import())
    opsets[normalizeDomain(opset.domain())] = opset.version();
  for (const auto &[domain, version] : opsets)
    onnxOpsets[domain.str()] = version;

  // Not strict: our own inference has the last word, and misses nothing that
  // it needs.
  onnx::shape_inference::ModelLocalFunctionsMap functions;
  for (const auto &f : model.functions())
    functions[f.domain() + ":" + f.name() +
              (f.overload().empty() ? "" : ":" + f.overload())] = &f;
  onnx::ShapeInferenceOptions inferenceOptions(
      /*check_type_val=*/false, /*strict_mode_val=*/0, /*data_prop_val=*/true);
  onnx::shape_inference::InferShapes(&graph, onnxOpsets, &getSchemas(),
                                     inferenceOptions, functions);

  std::string prefix = cast<NameLoc>(ctx.loc).getName().str() + "/";
  SmallVector<Value> results;
  if (failed(importGraph(graph, /*parent=*/nullptr, opsets,
                         builder.getInsertionBlock(), args, prefix, results)))
    return failure();
  for (auto [i, value] : llvm::enumerate(results))
    if (value && failed(ctx.setOutput(i, value)))
      return failure();
  return success();
}

//===- The model ----------------------------------------------------------===//

LogicalResult GraphImporter::run() {
  onnx::GraphProto &graph = *model.mutable_graph();
  llvm::StringSet<> constants;
  for (const auto &tensor : graph.initializer())
    constants.insert(tensor.name());
  for (const auto &sparse : graph.sparse_initializer())
    constants.insert(sparse.values().name());

  // An initializer that is listed as an input, too, is a default that callers
  // may override. Here it is the constant that nearly all models mean.
  auto &inputs = *graph.mutable_input();
  for (int i = inputs.size(); i-- > 0;)
    if (constants.contains(inputs[i].name()))
      inputs.erase(inputs.begin() + i);

  SmallVector<Type> types;
  SmallVector<DictionaryAttr> argAttrs, resultAttrs;
  for (const onnx::ValueInfoProto &input : inputs) {
    bool isString =
        input.type().tensor_type().elem_type() == onnx::TensorProto::STRING;
    RankedTensorType type =
        isString ? convertStringType(builder.getContext(), input.type())
                 : convertType(builder.getContext(), input.type());
    if (!type)
      return emitError(module.getLoc())
             << "input '" << input.name() << "' has no tensor type";
    types.push_back(type);
    SmallVector<std::string> names;
    for (const auto &dim : input.type().tensor_type().shape().dim())
      names.push_back(dim.dim_param());
    if (isString)
      names.push_back(kStringDim + input.name());
    SmallVector<StringRef> dims(names.begin(), names.end());
    argAttrs.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr("qnn.name", builder.getStringAttr(input.name())),
         builder.getNamedAttr("qnn.dims", builder.getStrArrayAttr(dims))}));
  }

  builder.setInsertionPointToEnd(module.getBody());
  function = func::FuncOp::create(builder, module.getLoc(), "main",
                                  builder.getFunctionType(types, {}));
  Block *entry = function.addEntryBlock();
  for (auto [input, arg] : llvm::zip(inputs, entry->getArguments()))
    if (input.type().tensor_type().elem_type() == onnx::TensorProto::STRING)
      strings.insert(arg);
  SmallVector<Value> results;
  if (failed(importGraph(graph, nullptr, modelOpsets, entry,
                         entry->getArguments(), "", results)))
    return failure();

  SmallVector<Type> resultTypes;
  builder.setInsertionPointToEnd(entry);
  for (auto [output, value] : llvm::zip(graph.output(), results)) {
    NamedAttrList attrs;
    attrs.set("qnn.name", builder.getStringAttr(output.name()));
    if (strings.contains(value)) {
      std::string name = kStringDim + output.name();
      auto type = cast<RankedTensorType>(value.getType());
      SmallVector<StringRef> dims(type.getRank());
      dims.back() = name;
      attrs.set("qnn.dims", builder.getStrArrayAttr(dims));
      // A dimension with a name has no size.
      SmallVector<int64_t> shape(type.getShape());
      shape.back() = ShapedType::kDynamic;
      if (type.getShape() != ArrayRef(shape))
        value = tensor::CastOp::create(builder, module.getLoc(),
                                       type.clone(shape), value);
    }
    resultTypes.push_back(value.getType());
    resultAttrs.push_back(attrs.getDictionary(builder.getContext()));
  }
  func::ReturnOp::create(builder, module.getLoc(), results);
  function.setType(builder.getFunctionType(types, resultTypes));
  function.setAllArgAttrs(argAttrs);
  function.setAllResultAttrs(resultAttrs);
  if (options.progress)
    options.progress("importing", graph.node_size(), graph.node_size());
  return success();
}
