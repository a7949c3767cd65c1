//===- RecipeYAML.cpp - Recipes as YAML -----------------------------------===//

#include "quantc/Quantization/Recipe.h"

#include "quantc/Support/YAML.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLTraits.h"

using namespace quantc;
using llvm::StringRef;
using llvm::yaml::IO;

LLVM_YAML_IS_SEQUENCE_VECTOR(Transformation)
LLVM_YAML_IS_SEQUENCE_VECTOR(Override)

namespace {

/// A scalar that is written as it is: our words and numbers need no quotes.
struct Plain {
  std::string text;
};

constexpr auto formats = {
    std::pair("integer", NumberFormat::Integer),
    std::pair("f8e4m3", NumberFormat::Float8E4M3),
    std::pair("f8e5m2", NumberFormat::Float8E5M2),
    std::pair("f4e2m1", NumberFormat::Float4E2M1),
    std::pair("nf4", NumberFormat::NF4),
};
constexpr auto schemes = {
    std::pair("symmetric", RangeScheme::Symmetric),
    std::pair("asymmetric", RangeScheme::Asymmetric),
    std::pair("restricted", RangeScheme::Restricted),
};
constexpr auto granularities = {
    std::pair("tensor", Sharing::Tensor),
    std::pair("channel", Sharing::Channel),
    std::pair("group", Sharing::Group),
    std::pair("token", Sharing::Token),
};
constexpr auto scaleFormats = {
    std::pair("f32", WeightFormat::Scales::Float32),
    std::pair("e8m0", WeightFormat::Scales::PowerOfTwo),
    std::pair("e4m3", WeightFormat::Scales::TwoLevelE4M3),
    std::pair("bytes", WeightFormat::Scales::Bytes),
    std::pair("super-blocks", WeightFormat::Scales::SuperBlocks),
};
constexpr auto modes = {
    std::pair("float", ActivationMode::Float),
    std::pair("static", ActivationMode::Static),
    std::pair("dynamic", ActivationMode::Dynamic),
};
constexpr auto edges = {
    std::pair("quantize", EdgePolicy::Quantize),
    std::pair("8-bit", EdgePolicy::EightBits),
    std::pair("float", EdgePolicy::Float),
};
constexpr auto slowerLayers = {
    std::pair("float", SlowerLayers::Float),
    std::pair("integer", SlowerLayers::Integer),
};
constexpr auto transformationKinds = {
    std::pair("smoothquant", Transformation::Kind::SmoothQuant),
    std::pair("awq", Transformation::Kind::AWQ),
    std::pair("equalize", Transformation::Kind::Equalize),
    std::pair("bias-correction", Transformation::Kind::BiasCorrection),
    std::pair("rotate", Transformation::Kind::Rotate),
    std::pair("split-outliers", Transformation::Kind::SplitOutliers),
};

} // namespace

template <> struct llvm::yaml::ScalarTraits<Plain> {
  static void output(const Plain &value, void *, raw_ostream &os) {
    os << value.text;
  }
  static StringRef input(StringRef scalar, void *, Plain &value) {
    value.text = scalar.str();
    return scalar.empty() ? "a value is missing" : "";
  }
  static QuotingType mustQuote(StringRef) { return QuotingType::None; }
};

namespace {

/// Reads and writes one key of a mapping as text, so that each error can name
/// it. A key that is missing leaves its value; one that is as in `base` is not
/// written.
class Fields {
public:
  Fields(IO &io) : io(io) {}

  template <typename T, typename List>
  void word(const char *key, T &value, const T *base, const List &words) {
    std::string text;
    for (auto [name, v] : words)
      if (v == value)
        text = name;
    if (!exchange(key, text, base && *base == value))
      return;
    for (auto [name, v] : words)
      if (text == name) {
        value = v;
        return;
      }
    std::string choices;
    for (auto [name, v] : words)
      choices += (choices.empty() ? "" : ", ") + std::string(name);
    io.setError("'" + std::string(key) + "' is '" + text + "': use one of " +
                choices);
  }

  template <typename T> void number(const char *key, T &value, const T *base) {
    std::string text;
    if constexpr (std::is_floating_point_v<T>)
      text = printDouble(value);
    else
      text = std::to_string(value);
    if (!exchange(key, text, base && *base == value))
      return;
    bool bad;
    if constexpr (std::is_floating_point_v<T>)
      bad = StringRef(text).getAsDouble(value);
    else
      bad = StringRef(text).getAsInteger(10, value);
    if (bad)
      io.setError("'" + std::string(key) + "' is '" + text + "', which is no " +
                  (std::is_floating_point_v<T> ? "number" : "whole number"));
  }

  void text(const char *key, std::string &value, const std::string *base) {
    std::string text = value;
    if (exchange(key, text, base && *base == value))
      value = text;
  }

  void flag(const char *key, bool &value, const bool *base) {
    word(key, value, base,
         std::initializer_list<std::pair<const char *, bool>>{{"false", false},
                                                              {"true", true}});
  }

private:
  static std::string printDouble(double value) {
    // As few digits as read the same number back.
    std::string text;
    for (int digits : {6, 17}) {
      text.clear();
      llvm::raw_string_ostream(text) << llvm::format("%.*g", digits, value);
      double again;
      if (!StringRef(text).getAsDouble(again) && again == value)
        break;
    }
    return text;
  }

  /// Whether `text` is to be parsed now.
  bool exchange(const char *key, std::string &text, bool isDefault) {
    Plain plain{io.outputting() ? text : ""};
    if (!io.outputting() || !isDefault)
      io.mapOptional(key, plain);
    text = plain.text;
    return !io.outputting() && !text.empty();
  }

  IO &io;
};

/// What the keys that an override leaves out are taken from.
struct Base {
  const WeightRecipe *weights = nullptr;
  const ActivationRecipe *activations = nullptr;
};

} // namespace

namespace llvm::yaml {

template <> struct MappingContextTraits<WeightRecipe, Base> {
  static void mapping(IO &io, WeightRecipe &w, Base &context) {
    const WeightRecipe *base = context.weights;
    if (base && !io.outputting())
      w = *base;
    Fields f(io);
    bool all = !io.outputting();
    f.word("format", w.format, base ? &base->format : nullptr, formats);
    if (all || w.format == NumberFormat::Integer)
      f.number("bits", w.bits, base ? &base->bits : nullptr);
    f.word("scheme", w.scheme, base ? &base->scheme : nullptr, schemes);
    f.word("granularity", w.granularity, base ? &base->granularity : nullptr,
           granularities);
    if (all || w.granularity == Sharing::Group)
      f.number("group-size", w.groupSize, base ? &base->groupSize : nullptr);
    static const WeightFormat::Scales f32 = WeightFormat::Scales::Float32;
    f.word("scales", w.scales, base ? &base->scales : &f32, scaleFormats);
    f.text("range", w.range, base ? &base->range : nullptr);
    const RoundingRecipe *r = base ? &base->rounding : nullptr;
    f.text("rounding", w.rounding.method, r ? &r->method : nullptr);
    static const RoundingRecipe standard;
    if (!r)
      r = &standard;
    f.number("gptq-block-size", w.rounding.blockSize, &r->blockSize);
    f.number("gptq-damping", w.rounding.damping, &r->damping);
    f.flag("gptq-act-order", w.rounding.actOrder, &r->actOrder);
    f.number("gptq-sweeps", w.rounding.sweeps, &r->sweeps);
    f.number("clip-sweeps", w.rounding.clipSweeps, &r->clipSweeps);
    f.number("hqq-iterations", w.rounding.iterations, &r->iterations);
    f.number("hqq-norm", w.rounding.norm, &r->norm);
  }
};

template <> struct MappingContextTraits<ActivationRecipe, Base> {
  static void mapping(IO &io, ActivationRecipe &a, Base &context) {
    const ActivationRecipe *base = context.activations;
    if (base && !io.outputting())
      a = *base;
    Fields f(io);
    f.word("mode", a.mode, base ? &base->mode : nullptr, modes);
    if (io.outputting() && a.mode == ActivationMode::Float)
      return;
    f.number("bits", a.bits, base ? &base->bits : nullptr);
    f.flag("signed", a.isSigned, base ? &base->isSigned : nullptr);
    f.word("scheme", a.scheme, base ? &base->scheme : nullptr, schemes);
    f.word("granularity", a.granularity, base ? &base->granularity : nullptr,
           granularities);
    f.text("range", a.range, base ? &base->range : nullptr);
    f.flag("everywhere", a.everywhere, base ? &base->everywhere : nullptr);
  }
};

template <> struct MappingTraits<Transformation> {
  static void mapping(IO &io, Transformation &t) {
    static const Transformation standard;
    Fields f(io);
    f.word("method", t.kind, (const Transformation::Kind *)nullptr,
           transformationKinds);
    double alpha = t.alpha.value_or(-1);
    static const double searched = -1;
    f.number("alpha", alpha, &searched);
    t.alpha = alpha == searched ? std::nullopt : std::optional(alpha);
    f.number("steps", t.steps, &standard.steps);
    f.flag("online", t.online, &standard.online);
    f.number("threshold", t.threshold, &standard.threshold);
  }
};

template <> struct MappingContextTraits<Override, Base> {
  static void mapping(IO &io, Override &o, Base &base) {
    static const bool no = false;
    if (!io.outputting() || !o.node.empty())
      io.mapOptional("node", o.node);
    if (!io.outputting() || !o.op.empty())
      io.mapOptional("op", o.op);
    Fields(io).flag("skip", o.skip, &no);
    io.mapOptionalWithContext("weights", o.weights, base);
    io.mapOptionalWithContext("activations", o.activations, base);
    // Written only where it is given.
    if (io.outputting() && !o.slowerLayers)
      return;
    if (!io.outputting() && !llvm::is_contained(io.keys(), "slower-layers"))
      return;
    SlowerLayers value = o.slowerLayers.value_or(SlowerLayers::Float);
    Fields(io).word("slower-layers", value, (const SlowerLayers *)nullptr,
                    slowerLayers);
    o.slowerLayers = value;
  }
};

template <> struct MappingTraits<Recipe> {
  static void mapping(IO &io, Recipe &r) {
    if (!io.outputting()) {
      std::string name;
      io.mapOptional("base", name);
      if (!name.empty()) {
        if (Expected<Recipe> base = Recipe::fromName(name))
          r = std::move(*base);
        else
          io.setError("'base': " + toString(base.takeError()));
      }
    }
    // The base's values stay where a key is missing.
    Recipe start = r;
    Base own;
    if (!io.outputting())
      own = {&start.weights, &start.activations};
    Fields f(io);
    io.mapOptionalWithContext("weights", r.weights, own);
    io.mapOptionalWithContext("activations", r.activations, own);
    f.flag("integer-bias", r.integerBias, nullptr);
    static const bool no = false;
    f.flag("sequential", r.sequential, &no);
    io.mapOptional("transformations", r.transformations);
    Base all{&r.weights, &r.activations};
    io.mapOptionalWithContext("overrides", r.overrides, all);
    io.mapOptional("skip", r.skip);
    f.word("first-layer", r.firstLayer, (const EdgePolicy *)nullptr, edges);
    f.word("last-layer", r.lastLayer, (const EdgePolicy *)nullptr, edges);
    static const SlowerLayers standard = SlowerLayers::Float;
    f.word("slower-layers", r.slowerLayers, &standard, slowerLayers);
  }
};

} // namespace llvm::yaml

static std::string findProblemIn(const Recipe &recipe) {
  std::string problem = findProblem(recipe.weights, "weights");
  if (problem.empty())
    problem = findProblem(recipe.activations, "activations");
  for (auto [i, override] : llvm::enumerate(recipe.overrides)) {
    std::string key = llvm::formatv("overrides[{0}]", i);
    if (problem.empty() && override.weights)
      problem = findProblem(*override.weights, key + ".weights");
    if (problem.empty() && override.activations)
      problem = findProblem(*override.activations, key + ".activations");
  }
  for (const Transformation &t : recipe.transformations) {
    if (problem.empty() && t.alpha && !(*t.alpha >= 0 && *t.alpha <= 1))
      problem = llvm::formatv(
          "transformations: alpha is {0}: it must be from 0 to 1", *t.alpha);
    if (problem.empty() && (t.steps < 1 || !(t.threshold >= 1)))
      problem = "transformations: steps and threshold must be at least 1";
  }
  return problem;
}

llvm::Expected<Recipe> Recipe::fromYAML(StringRef text, StringRef source) {
  Recipe recipe;
  if (llvm::Error error =
          readYAML(text, source, "expected keys and values", recipe))
    return error;
  std::string problem = findProblemIn(recipe);
  if (!problem.empty())
    return llvm::createStringError(source + ": " + problem);
  return recipe;
}

std::string Recipe::toYAML() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::yaml::Output output(os, nullptr, /*WrapColumn=*/0);
  Recipe copy = *this;
  output << copy;
  return text;
}
