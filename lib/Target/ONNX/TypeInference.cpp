//===- TypeInference.cpp - ONNX's own inference of types ------------------===//
//
// With `ceil_mode`, a window that would start behind the image is no window.
// ONNX's text says so since opset 22, and PyTorch and ONNX Runtime have always
// left it out; but up to opset 21, ONNX's inference counts it. Its count would
// contradict ours, and what exporters have declared. So all opsets infer as the
// newest does, and what a model declares by the old count is corrected.
//
//===----------------------------------------------------------------------===//

#include "TypeInference.h"

#include "onnx/shape_inference/implementation.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

#include <mutex>

using namespace quantc::onnx_import;

//===- Schemas ------------------------------------------------------------===//

namespace {
class SchemaRegistry : public onnx::ISchemaRegistry {
public:
  const onnx::OpSchema *GetSchema(const std::string &name, int opset,
                                  const std::string &domain) const override {
    const onnx::OpSchema *schema =
        onnx::OpSchemaRegistry::Instance()->GetSchema(name, opset, domain);
    if (!schema || !schema->attributes().count("ceil_mode"))
      return schema;
    const onnx::OpSchema *newest = onnx::OpSchemaRegistry::Schema(name, domain);
    if (schema == newest)
      return schema;
    std::lock_guard<std::mutex> lock(mutex);
    auto [it, isNew] = pools.try_emplace(schema, *schema);
    if (isNew)
      it->second.TypeAndShapeInferenceFunction(
          newest->GetTypeAndShapeInferenceFunction());
    return &it->second;
  }

private:
  mutable std::mutex mutex;
  /// By ONNX's own schemas.
  mutable std::unordered_map<const onnx::OpSchema *, onnx::OpSchema> pools;
};
} // namespace

const onnx::ISchemaRegistry &quantc::onnx_import::getSchemas() {
  static const SchemaRegistry registry;
  return registry;
}

//===- Declared types -----------------------------------------------------===//

/// Calls `fn` for `graph` and those in its nodes.
static void forEachGraph(onnx::GraphProto &graph,
                         llvm::function_ref<void(onnx::GraphProto &)> fn) {
  fn(graph);
  for (onnx::NodeProto &node : *graph.mutable_node())
    for (onnx::AttributeProto &attr : *node.mutable_attribute())
      if (attr.has_g())
        forEachGraph(*attr.mutable_g(), fn);
}

/// Data propagation keeps a message for each element of a list of integers:
/// whether some list in the graph is too long for that.
static bool hasHugeList(const onnx::GraphProto &graph) {
  auto isHuge = [](const onnx::ValueInfoProto &info) {
    const auto &shape = info.type().tensor_type().shape();
    return shape.dim_size() == 1 && shape.dim(0).dim_value() > (1 << 16);
  };
  return llvm::any_of(graph.input(), isHuge) ||
         llvm::any_of(graph.value_info(), isHuge) ||
         llvm::any_of(graph.output(), isHuge) ||
         llvm::any_of(graph.node(), [](const onnx::NodeProto &node) {
           return llvm::any_of(node.attribute(), [](const auto &attr) {
             return attr.has_g() && hasHugeList(attr.g());
           });
         });
}

static bool roundsUp(const onnx::NodeProto &node) {
  return llvm::any_of(node.attribute(), [](const onnx::AttributeProto &attr) {
    return attr.name() == "ceil_mode" && attr.i();
  });
}

namespace {
using Infos = google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>;
using Types = llvm::StringMap<onnx::TypeProto>;
} // namespace

/// The dimensions of a tensor's type; none if it is not known.
static const auto &getDims(const Types &types, llvm::StringRef name) {
  static const onnx::TypeProto unknown;
  auto it = types.find(name);
  const onnx::TypeProto &type = it == types.end() ? unknown : it->second;
  return type.tensor_type().shape().dim();
}

/// What `schemas` infer, graph by graph, from the types of inputs alone: for a
/// model without others, which it gets back so.
static std::vector<Types>
inferFromInputs(onnx::ModelProto &model, const onnx::ISchemaRegistry &schemas) {
  onnx::ShapeInferenceOptions options(
      /*check_type_val=*/false, /*strict_mode_val=*/0,
      /*data_prop_val=*/!hasHugeList(model.graph()));
  onnx::shape_inference::InferShapes(model, &schemas, options);
  std::vector<Types> types;
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    types.emplace_back();
    for (Infos *infos : {graph.mutable_value_info(), graph.mutable_output()})
      for (onnx::ValueInfoProto &info : *infos) {
        types.back()[info.name()].Swap(info.mutable_type());
        info.clear_type();
      }
    graph.clear_value_info();
  });
  return types;
}

/// Replaces the dimensions that are declared as ONNX counts them in the model's
/// opset, where that is not how many there are.
static void correctDeclaredTypes(onnx::ModelProto &model) {
  std::vector<std::pair<Infos, Infos>> declared;
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    auto &[values, outputs] = declared.emplace_back();
    values.Swap(graph.mutable_value_info());
    outputs = graph.output();
    for (onnx::ValueInfoProto &info : *graph.mutable_output())
      info.clear_type();
  });
  std::vector<Types> counted =
      inferFromInputs(model, *onnx::OpSchemaRegistry::Instance());
  std::vector<Types> actual = inferFromInputs(model, getSchemas());
  size_t i = 0;
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    auto &[values, outputs] = declared[i];
    for (Infos *infos : {&values, &outputs}) {
      for (onnx::ValueInfoProto &info : *infos) {
        if (!info.type().tensor_type().has_shape())
          continue;
        auto &shape =
            *info.mutable_type()->mutable_tensor_type()->mutable_shape();
        for (auto [dim, wrong, right] :
             llvm::zip(*shape.mutable_dim(), getDims(counted[i], info.name()),
                       getDims(actual[i], info.name())))
          if (dim.has_dim_value() && wrong.has_dim_value() &&
              right.has_dim_value() && dim.dim_value() == wrong.dim_value())
            dim = right;
      }
    }
    graph.mutable_value_info()->Swap(&values);
    graph.mutable_output()->Swap(&outputs);
    ++i;
  });
}

//===- Inference ----------------------------------------------------------===//

void quantc::onnx_import::inferTypes(onnx::ModelProto &model) {
  bool rounds = false;
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    rounds |= llvm::any_of(graph.node(), roundsUp);
  });
  for (const onnx::FunctionProto &function : model.functions())
    rounds |= llvm::any_of(function.node(), roundsUp);
  if (rounds)
    correctDeclaredTypes(model);
  for (bool propagateData : {false, true}) {
    if (propagateData && hasHugeList(model.graph()))
      return;
    onnx::shape_inference::DataValueMap values;
    onnx::ShapeInferenceOptions options(/*check_type_val=*/true,
                                        /*strict_mode_val=*/1, propagateData);
    onnx::shape_inference::InferShapes(model, &getSchemas(), options, &values);
  }
}
