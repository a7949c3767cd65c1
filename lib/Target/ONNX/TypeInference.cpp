//===- TypeInference.cpp - ONNX's own inference of types ------------------===//
//
// With `ceil_mode`, a window that would start behind the image is no window.
// ONNX's text says so since opset 22, and PyTorch and ONNX Runtime have always
// left it out; but up to opset 21, ONNX's inference counts it. Its count would
// contradict ours, and what exporters have declared. So all opsets infer as the
// newest does, and what a model declares by the old count is corrected.
//
// What a model declares of values other than its inputs is a claim. Tools that
// make a batch dynamic often change the inputs alone, and ONNX Runtime goes by
// what it computes. Where a claim contradicts what follows from the inputs, no
// size that the model claims is believed.
//
// Values of long lists are not propagated: no size follows from so many.
//
//===----------------------------------------------------------------------===//

#include "TypeInference.h"

#include "onnx/shape_inference/implementation.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

#include <mutex>

using namespace quantc::onnx_import;

//===- Schemas ------------------------------------------------------------===//

/// What ONNX Runtime's optimizer writes for RMSNormalization.
static const onnx::OpSchema &getSimplifiedLayerNorm() {
  static const onnx::OpSchema schema = [] {
    onnx::OpSchema s;
    s.SetName("SimplifiedLayerNormalization")
        .SetDomain(onnx::ONNX_DOMAIN)
        .SinceVersion(1)
        .Attr("axis", "", onnx::AttributeProto::INT, int64_t(-1))
        .Attr("epsilon", "", onnx::AttributeProto::FLOAT, 1e-5f)
        .Attr("stash_type", "", onnx::AttributeProto::INT, int64_t(1))
        .Input(0, "X", "", "T")
        .Input(1, "scale", "", "T")
        .Output(0, "Y", "", "T")
        .Output(1, "InvStdDev", "", "U", onnx::OpSchema::Optional)
        .TypeConstraint("T", onnx::OpSchema::all_float_types_ir4(), "")
        .TypeConstraint("U", {"tensor(float)"}, "")
        .TypeAndShapeInferenceFunction(
            onnx::propagateShapeAndTypeFromFirstInput);
    s.Finalize();
    return s;
  }();
  return schema;
}

/// The schema of an op that ONNX Runtime writes into ONNX's own domain where
/// ONNX has none; null for others.
static const onnx::OpSchema *getExtension(const std::string &name,
                                          const std::string &domain) {
  if (domain != onnx::ONNX_DOMAIN)
    return nullptr;
  if (name == "SimplifiedLayerNormalization")
    return &getSimplifiedLayerNorm();
  // It is older there than in ONNX.
  return name == "LayerNormalization"
             ? onnx::OpSchemaRegistry::Schema(name, domain)
             : nullptr;
}

/// Whether the values of `type` are too many for data propagation, which keeps
/// a message for each element of a list.
static bool isLongList(const onnx::TypeProto *type) {
  constexpr int64_t kMaxPropagated = 1 << 16;
  if (!type)
    return false;
  const auto &shape = type->tensor_type().shape();
  return shape.dim_size() == 1 && shape.dim(0).dim_value() > kMaxPropagated;
}

/// The same data propagation, but not of long lists.
static onnx::DataPropagationFunction
propagateShortLists(const onnx::DataPropagationFunction &propagate) {
  return [propagate](onnx::DataPropagationContext &ctx) {
    for (size_t i = 0; i < ctx.getNumInputs(); ++i)
      if (isLongList(ctx.getInputType(i)))
        return;
    propagate(ctx);
  };
}

namespace {
class SchemaRegistry : public onnx::ISchemaRegistry {
public:
  /// With `countsAsNewest`, pools that round up have the newest opset's sizes.
  explicit SchemaRegistry(bool countsAsNewest)
      : countsAsNewest(countsAsNewest) {}

  const onnx::OpSchema *GetSchema(const std::string &name, int opset,
                                  const std::string &domain) const override {
    const onnx::OpSchema *schema =
        onnx::OpSchemaRegistry::Instance()->GetSchema(name, opset, domain);
    if (!schema)
      return getExtension(name, domain);
    const onnx::OpSchema *counts =
        countsAsNewest && schema->attributes().count("ceil_mode")
            ? onnx::OpSchemaRegistry::Schema(name, domain)
            : schema;
    if (schema == counts && !schema->has_data_propagation_function())
      return schema;
    std::lock_guard<std::mutex> lock(mutex);
    auto [it, isNew] = changed.try_emplace(schema, *schema);
    if (isNew && schema != counts)
      it->second.TypeAndShapeInferenceFunction(
          counts->GetTypeAndShapeInferenceFunction());
    if (isNew && schema->has_data_propagation_function())
      it->second.PartialDataPropagationFunction(
          propagateShortLists(schema->GetDataPropagationFunction()));
    return &it->second;
  }

private:
  bool countsAsNewest;
  mutable std::mutex mutex;
  /// By ONNX's own schemas.
  mutable std::unordered_map<const onnx::OpSchema *, onnx::OpSchema> changed;
};
} // namespace

const onnx::ISchemaRegistry &quantc::onnx_import::getSchemas() {
  static const SchemaRegistry registry(/*countsAsNewest=*/true);
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

static bool roundsUp(const onnx::NodeProto &node) {
  return llvm::any_of(node.attribute(), [](const onnx::AttributeProto &attr) {
    return attr.name() == "ceil_mode" && attr.i();
  });
}

namespace {
using Infos = google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>;
using Types = llvm::StringMap<onnx::TypeProto>;
} // namespace

/// What is known of a tensor; nothing if it is not there.
static const onnx::TypeProto_Tensor &getTensorType(const Types &types,
                                                   llvm::StringRef name) {
  static const onnx::TypeProto unknown;
  auto it = types.find(name);
  return (it == types.end() ? unknown : it->second).tensor_type();
}

/// What `schemas` infer, graph by graph, from the types of inputs alone: for a
/// model without others, which it gets back so.
static std::vector<Types>
inferFromInputs(onnx::ModelProto &model, const onnx::ISchemaRegistry &schemas) {
  onnx::ShapeInferenceOptions options(/*check_type_val=*/false,
                                      /*strict_mode_val=*/0,
                                      /*data_prop_val=*/true);
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

namespace {
/// What a graph declares of its values other than inputs.
struct Declared {
  Infos values, outputs;
};
} // namespace

/// Takes the declared types out of `model`, graph by graph.
static std::vector<Declared> takeDeclaredTypes(onnx::ModelProto &model) {
  std::vector<Declared> declared;
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    auto &[values, outputs] = declared.emplace_back();
    values.Swap(graph.mutable_value_info());
    outputs = graph.output();
    for (onnx::ValueInfoProto &info : *graph.mutable_output())
      info.clear_type();
  });
  return declared;
}

/// Puts them back.
static void restoreDeclaredTypes(onnx::ModelProto &model,
                                 std::vector<Declared> &declared) {
  size_t i = 0;
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    graph.mutable_value_info()->Swap(&declared[i].values);
    graph.mutable_output()->Swap(&declared[i].outputs);
    ++i;
  });
}

/// Calls `fn` for each shape that is declared, with the value's name and the
/// type that was inferred.
static void forEachDeclaredShape(
    std::vector<Declared> &declared, const std::vector<Types> &inferred,
    llvm::function_ref<void(llvm::StringRef, onnx::TypeProto_Tensor &,
                            const onnx::TypeProto_Tensor &)>
        fn) {
  for (auto [graph, types] : llvm::zip_equal(declared, inferred))
    for (Infos *infos : {&graph.values, &graph.outputs})
      for (onnx::ValueInfoProto &info : *infos)
        if (info.type().tensor_type().has_shape())
          fn(info.name(), *info.mutable_type()->mutable_tensor_type(),
             getTensorType(types, info.name()));
}

/// Replaces the dimensions that are declared as ONNX counts them in the model's
/// opset, where that is not how many there are.
static void correctCounts(onnx::ModelProto &model,
                          std::vector<Declared> &declared,
                          const std::vector<Types> &actual) {
  static const SchemaRegistry registry(/*countsAsNewest=*/false);
  std::vector<Types> counted = inferFromInputs(model, registry);
  for (auto [graph, wrongTypes, rightTypes] :
       llvm::zip_equal(declared, counted, actual))
    for (Infos *infos : {&graph.values, &graph.outputs})
      for (onnx::ValueInfoProto &info : *infos) {
        if (!info.type().tensor_type().has_shape())
          continue;
        auto &shape =
            *info.mutable_type()->mutable_tensor_type()->mutable_shape();
        for (auto [dim, wrong, right] :
             llvm::zip(*shape.mutable_dim(),
                       getTensorType(wrongTypes, info.name()).shape().dim(),
                       getTensorType(rightTypes, info.name()).shape().dim()))
          if (dim.has_dim_value() && wrong.has_dim_value() &&
              right.has_dim_value() && dim.dim_value() == wrong.dim_value())
            dim = right;
      }
}

//===- Claims -------------------------------------------------------------===//

namespace {
/// Gives each dimension of the inputs that has no size a name while it lives,
/// so that inference tells where else the same size is.
class NamedInputDims {
public:
  explicit NamedInputDims(onnx::GraphProto &graph) {
    for (onnx::ValueInfoProto &info : *graph.mutable_input()) {
      if (!info.type().tensor_type().has_shape())
        continue;
      auto &shape =
          *info.mutable_type()->mutable_tensor_type()->mutable_shape();
      for (auto &dim : *shape.mutable_dim()) {
        if (dim.has_dim_value())
          continue;
        bool isDeclared = !dim.dim_param().empty();
        if (!isDeclared) {
          dim.set_dim_param(info.name() + ":" + std::to_string(added.size()));
          added.push_back(&dim);
        }
        names[dim.dim_param()] = isDeclared;
      }
    }
  }
  ~NamedInputDims() {
    for (auto *dim : added)
      dim->clear_dim_param();
  }
  bool contains(llvm::StringRef name) const { return names.contains(name); }
  bool isDeclared(llvm::StringRef name) const { return names.lookup(name); }

private:
  llvm::StringMap<bool> names;
  std::vector<onnx::TensorShapeProto_Dimension *> added;
};
} // namespace

/// A shape as the model writes it: names that only inference gave are no help.
static std::string toString(const onnx::TypeProto_Tensor &type,
                            const NamedInputDims &inputDims) {
  std::string text;
  for (const auto &dim : type.shape().dim()) {
    text += text.empty() ? "[" : ", ";
    text += dim.has_dim_value() ? std::to_string(dim.dim_value())
            : inputDims.isDeclared(dim.dim_param()) ? dim.dim_param()
                                                    : "?";
  }
  return text.empty() ? "[]" : text + "]";
}

/// Forgets the sizes that the model declares, if some of them cannot be.
/// Returns what to warn of.
static std::string dropFalseClaims(std::vector<Declared> &declared,
                                   const std::vector<Types> &inferred,
                                   const NamedInputDims &inputDims) {
  std::string problem;
  auto report = [&](llvm::StringRef name, const onnx::TypeProto_Tensor &claimed,
                    const onnx::TypeProto_Tensor &actual) {
    if (problem.empty())
      problem = "the model declares the shape " + toString(claimed, inputDims) +
                " for '" + name.str() + "', where its inputs lead to " +
                toString(actual, inputDims) +
                ": the sizes that it declares are ignored, but for its inputs'";
  };
  forEachDeclaredShape(
      declared, inferred, [&](auto name, auto &claimed, const auto &actual) {
        if (!actual.has_shape() || claimed.elem_type() != actual.elem_type())
          return;
        if (claimed.shape().dim_size() != actual.shape().dim_size()) {
          report(name, claimed, actual);
          claimed.clear_shape();
          return;
        }
        for (auto [claim, dim] :
             llvm::zip(claimed.shape().dim(), actual.shape().dim()))
          if (claim.has_dim_value() &&
              (dim.has_dim_value() ? dim.dim_value() != claim.dim_value()
                                   : inputDims.contains(dim.dim_param())))
            report(name, claimed, actual);
      });
  if (!problem.empty())
    forEachDeclaredShape(
        declared, inferred, [](auto, auto &claimed, const auto &) {
          for (auto &dim : *claimed.mutable_shape()->mutable_dim())
            dim.Clear();
        });
  return problem;
}

/// Corrects what the model declares of values other than inputs.
static std::string checkDeclaredTypes(onnx::ModelProto &model) {
  bool rounds = false;
  forEachGraph(*model.mutable_graph(), [&](onnx::GraphProto &graph) {
    rounds |= llvm::any_of(graph.node(), roundsUp);
  });
  for (const onnx::FunctionProto &function : model.functions())
    rounds |= llvm::any_of(function.node(), roundsUp);
  std::vector<Declared> declared = takeDeclaredTypes(model);
  NamedInputDims inputDims(*model.mutable_graph());
  std::vector<Types> actual = inferFromInputs(model, getSchemas());
  if (rounds)
    correctCounts(model, declared, actual);
  std::string problem = dropFalseClaims(declared, actual, inputDims);
  restoreDeclaredTypes(model, declared);
  return problem;
}

//===- Inference ----------------------------------------------------------===//

std::string quantc::onnx_import::inferTypes(onnx::ModelProto &model) {
  std::string problem = checkDeclaredTypes(model);
  for (bool propagateData : {false, true}) {
    onnx::shape_inference::DataValueMap values;
    onnx::ShapeInferenceOptions options(/*check_type_val=*/true,
                                        /*strict_mode_val=*/1, propagateData);
    onnx::shape_inference::InferShapes(model, &getSchemas(), options, &values);
  }
  return problem;
}
