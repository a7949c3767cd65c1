//===- RecipeName.cpp - Recipes from names composed of parts --------------===//

#include "quantc/Quantization/Ranges.h"
#include "quantc/Quantization/Recipe.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <functional>

using namespace quantc;
using llvm::StringRef;

/// Whether there is such a range method, with such a number.
static bool isRangeMethod(StringRef text) {
  auto method = RangeMethod::parse(text);
  if (method)
    return true;
  llvm::consumeError(method.takeError());
  return false;
}

namespace {

/// Reads the parts of a name one by one.
class NameParser {
public:
  NameParser() {
    // What no part asks for.
    recipe.activations.mode = ActivationMode::Float;
  }

  /// Whether `part` was understood.
  bool parse(StringRef part) {
    return parseBits(part) || parseFormat(part) || parseBlockFormat(part) ||
           parseGranularity(part) || parseActivations(part) ||
           parseRange(part) || parseMethod(part);
  }

  Recipe recipe;
  /// Whether a part said what the weights are.
  bool hasWeights = false;

private:
  /// "w8", "w8a8", "w4a16": activations of 16 bits and more are floats.
  bool parseBits(StringRef part) {
    unsigned weightBits, activationBits = 16;
    if (!part.consume_front("w") || part.consumeInteger(10, weightBits))
      return false;
    if (part.consume_front("a") && part.consumeInteger(10, activationBits))
      return false;
    if (!part.empty())
      return false;
    hasWeights = true;
    recipe.weights.bits = weightBits;
    if (activationBits < 16) {
      recipe.activations.mode = ActivationMode::Static;
      recipe.activations.bits = activationBits;
    }
    return true;
  }

  bool parseFormat(StringRef part) {
    auto format = llvm::StringSwitch<std::optional<NumberFormat>>(part)
                      .Case("nf4", NumberFormat::NF4)
                      .Cases({"f8e4m3", "fp8"}, NumberFormat::Float8E4M3)
                      .Case("f8e5m2", NumberFormat::Float8E5M2)
                      .Cases({"f4e2m1", "fp4"}, NumberFormat::Float4E2M1)
                      .Default(std::nullopt);
    if (!format)
      return false;
    hasWeights = true;
    recipe.weights.format = *format;
    recipe.weights.scheme = RangeScheme::Symmetric;
    return true;
  }

  /// Formats that say what a group is and how its scale is stored.
  bool parseBlockFormat(StringRef part) {
    struct BlockFormat {
      StringRef name;
      NumberFormat format;
      unsigned bits;
      RangeScheme scheme;
      int64_t groupSize;
      WeightFormat::Scales scales;
    };
    using Scales = WeightFormat::Scales;
    static const BlockFormat formats[] = {
        {"mxfp4", NumberFormat::Float4E2M1, 8, RangeScheme::Symmetric, 32,
         Scales::PowerOfTwo},
        {"mxfp8", NumberFormat::Float8E4M3, 8, RangeScheme::Symmetric, 32,
         Scales::PowerOfTwo},
        {"mxfp8e5m2", NumberFormat::Float8E5M2, 8, RangeScheme::Symmetric, 32,
         Scales::PowerOfTwo},
        {"nvfp4", NumberFormat::Float4E2M1, 8, RangeScheme::Symmetric, 16,
         Scales::TwoLevelE4M3},
        {"q4_k", NumberFormat::Integer, 4, RangeScheme::Asymmetric, 32,
         Scales::SuperBlocks},
        {"q6_k", NumberFormat::Integer, 6, RangeScheme::Symmetric, 16,
         Scales::SuperBlocks},
    };
    for (const BlockFormat &format : formats) {
      if (format.name != part)
        continue;
      hasWeights = true;
      WeightRecipe &weights = recipe.weights;
      weights.format = format.format;
      weights.bits = format.bits;
      weights.scheme = format.scheme;
      weights.granularity = Sharing::Group;
      weights.groupSize = format.groupSize;
      weights.scales = format.scales;
      return true;
    }
    return false;
  }

  bool parseGranularity(StringRef part) {
    WeightRecipe &weights = recipe.weights;
    if (part == "tensor") {
      weights.granularity = Sharing::Tensor;
      return true;
    }
    if (part == "channel") {
      weights.granularity = Sharing::Channel;
      return true;
    }
    int64_t size;
    if (!part.consume_front("g") || part.getAsInteger(10, size))
      return false;
    weights.granularity = Sharing::Group;
    weights.groupSize = size;
    return true;
  }

  bool parseActivations(StringRef part) {
    ActivationRecipe &activations = recipe.activations;
    if (part == "dynamic" || part == "token") {
      activations.mode = ActivationMode::Dynamic;
      if (part == "token") {
        activations.granularity = Sharing::Token;
        activations.isSigned = true;
        activations.scheme = RangeScheme::Restricted;
      }
      return true;
    }
    if (part == "u8" || part == "s8") {
      activations.isSigned = part == "s8";
      return true;
    }
    return false;
  }

  /// "entropy", "percentile99.9": a method and its number.
  bool parseRange(StringRef part) {
    StringRef method = part.take_while(llvm::isAlpha);
    StringRef number = part.drop_front(method.size());
    number.consume_front("=");
    if (method == "average")
      method = "moving-average";
    std::string text = (method + (number.empty() ? "" : "=") + number).str();
    if (!isRangeMethod(text))
      return false;
    recipe.activations.range = text;
    return true;
  }

  bool parseMethod(StringRef part) {
    if (part == "importance") {
      recipe.weights.range = part.str();
      return true;
    }
    if (part == "sequential") {
      recipe.sequential = true;
      return true;
    }
    if (part == "insist") {
      recipe.slowerLayers = SlowerLayers::Integer;
      return true;
    }
    if (part == "dq") {
      recipe.weights.scales = WeightFormat::Scales::Bytes;
      return true;
    }
    auto scheme = llvm::StringSwitch<std::optional<RangeScheme>>(part)
                      .Cases({"sym", "symmetric"}, RangeScheme::Symmetric)
                      .Cases({"asym", "asymmetric"}, RangeScheme::Asymmetric)
                      .Case("restricted", RangeScheme::Restricted)
                      .Default(std::nullopt);
    if (scheme) {
      recipe.weights.scheme = *scheme;
      return true;
    }
    if (auto rounding = WeightMethod::create(part)) {
      recipe.weights.rounding.method = part.str();
      // It searches zero points.
      if (part == "hqq")
        recipe.weights.scheme = RangeScheme::Asymmetric;
      return true;
    } else {
      llvm::consumeError(rounding.takeError());
    }
    using Kind = Transformation::Kind;
    auto kind = llvm::StringSwitch<std::optional<Kind>>(part)
                    .Case("smoothquant", Kind::SmoothQuant)
                    .Case("awq", Kind::AWQ)
                    .Case("equalize", Kind::Equalize)
                    .Case("biascorrection", Kind::BiasCorrection)
                    .Case("rotate", Kind::Rotate)
                    .Case("llmint8", Kind::SplitOutliers)
                    .Default(std::nullopt);
    if (kind)
      recipe.transformations.push_back({*kind, std::nullopt});
    return kind.has_value();
  }
};

} // namespace

llvm::Expected<Recipe> Recipe::fromName(StringRef name) {
  NameParser parser;
  llvm::SmallVector<StringRef> parts;
  name.split(parts, '-');
  auto error = [&](const llvm::Twine &why) {
    return llvm::createStringError("recipe '" + name + "': " + why);
  };
  for (StringRef part : parts)
    if (!parser.parse(part))
      return error("'" + part +
                   "' is no part of a recipe's name. A name begins with w8, "
                   "w8a8, w4a16, nf4, f8e4m3, mxfp4, nvfp4, q4_k, ..., and may "
                   "go on with dynamic, token, tensor, channel, g64, dq, sym, "
                   "asym, restricted, s8, u8, minmax, average, percentile99.9, "
                   "entropy, mse, importance, clip, gptq, hqq, smoothquant, "
                   "awq, equalize, biascorrection, rotate, llmint8, "
                   "sequential, insist; a file's name ends in .yaml");
  if (!parser.hasWeights)
    return error("no part says what the weights are (w8, w4, nf4, ...)");
  // Groups have no product with activations of one scale: "w4a8-g64" is what
  // ZeroQuant does.
  if (parser.recipe.weights.granularity == Sharing::Group &&
      parser.recipe.activations.mode == ActivationMode::Static &&
      parser.recipe.activations.bits == 8)
    parser.parse("token");
  std::string problem = findProblem(parser.recipe.weights, "weights");
  if (problem.empty())
    problem = findProblem(parser.recipe.activations, "activations");
  if (!problem.empty())
    return error(problem);
  return parser.recipe;
}
