//===- Recipe.cpp - What is possible, and where recipes come from ---------===//

#include "quantc/Quantization/Recipe.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

#include <tuple>

using namespace quantc;

bool RoundingRecipe::operator==(const RoundingRecipe &other) const {
  auto fields = [](const RoundingRecipe &r) {
    return std::tie(r.method, r.blockSize, r.damping, r.actOrder, r.sweeps,
                    r.clipSweeps, r.iterations, r.norm);
  };
  return fields(*this) == fields(other);
}

bool WeightRecipe::operator==(const WeightRecipe &other) const {
  auto fields = [](const WeightRecipe &r) {
    return std::tie(r.format, r.bits, r.scheme, r.granularity, r.scales,
                    r.range, r.rounding);
  };
  return fields(*this) == fields(other) &&
         (granularity != Sharing::Group || groupSize == other.groupSize);
}

bool ActivationRecipe::operator==(const ActivationRecipe &other) const {
  if (mode == ActivationMode::Float)
    return other.mode == mode;
  auto fields = [](const ActivationRecipe &r) {
    return std::tie(r.mode, r.bits, r.isSigned, r.scheme, r.granularity,
                    r.range, r.everywhere);
  };
  return fields(*this) == fields(other);
}

bool Transformation::operator==(const Transformation &other) const {
  return kind == other.kind && alpha == other.alpha && steps == other.steps &&
         online == other.online && threshold == other.threshold;
}

bool Override::operator==(const Override &other) const {
  return node == other.node && op == other.op && skip == other.skip &&
         weights == other.weights && activations == other.activations &&
         slowerLayers == other.slowerLayers;
}

bool Recipe::operator==(const Recipe &other) const {
  auto fields = [](const Recipe &r) {
    return std::tie(r.weights, r.activations, r.integerBias, r.sequential,
                    r.transformations, r.overrides, r.skip, r.firstLayer,
                    r.lastLayer, r.slowerLayers);
  };
  return fields(*this) == fields(other);
}

bool RoundingRecipe::needsGram() const {
  auto created = WeightMethod::create(method);
  if (created)
    return (*created)->needsGram();
  llvm::consumeError(created.takeError());
  return false;
}

bool RoundingRecipe::usesGram() const {
  auto created = WeightMethod::create(method);
  if (created)
    return (*created)->usesGram();
  llvm::consumeError(created.takeError());
  return false;
}

unsigned WeightRecipe::storageBits() const {
  for (unsigned width : {2u, 4u, 8u})
    if (bits <= width)
      return width;
  return 16;
}

bool Recipe::hasStaticActivations() const {
  return activations.mode == ActivationMode::Static ||
         llvm::any_of(overrides, [](const Override &o) {
           return o.activations &&
                  o.activations->mode == ActivationMode::Static;
         });
}

bool Recipe::needsStatistics() const {
  return hasStaticActivations() || weights.needsStatistics() ||
         llvm::any_of(
             transformations,
             [](const Transformation &t) { return t.needsStatistics(); }) ||
         llvm::any_of(overrides, [](const Override &o) {
           return o.weights && o.weights->needsStatistics();
         });
}

bool Recipe::usesStatistics() const {
  return needsStatistics() || weights.rounding.usesGram() ||
         llvm::any_of(overrides, [](const Override &o) {
           return o.weights && o.weights->rounding.usesGram();
         });
}

static std::string findProblemOfRange(llvm::StringRef range,
                                      llvm::StringRef key) {
  auto method = RangeMethod::parse(range);
  if (method)
    return "";
  return (key + ".range: " + llvm::toString(method.takeError())).str();
}

std::string quantc::findProblem(const WeightRecipe &r, llvm::StringRef key) {
  using llvm::formatv;
  if (r.format == NumberFormat::Integer &&
      (r.bits < 2 || (r.bits > 8 && r.bits != 16)))
    return formatv("{0}.bits is {1}: weights have 2 to 8 bits, or 16", key,
                   r.bits);
  if (r.format != NumberFormat::Integer && r.scheme == RangeScheme::Asymmetric)
    return formatv("{0}.scheme is asymmetric: only integers have a zero point",
                   key);
  if (r.granularity == Sharing::Token)
    return formatv("{0}.granularity is token: weights have none; use tensor, "
                   "channel or group",
                   key);
  if (r.granularity == Sharing::Group && r.groupSize < 1)
    return formatv("{0}.group-size is {1}: it must be positive", key,
                   r.groupSize);
  using Scales = WeightFormat::Scales;
  bool isInteger = r.format == NumberFormat::Integer;
  bool isSmallFloat = !isInteger && r.format != NumberFormat::NF4;
  if ((r.scales == Scales::PowerOfTwo || r.scales == Scales::TwoLevelE4M3) &&
      !isSmallFloat)
    return formatv("{0}.scales is e8m0 or e4m3: these belong to small floats "
                   "(f4e2m1, f8e4m3, f8e5m2)",
                   key);
  if (r.scales != Scales::Float32 && r.granularity != Sharing::Group)
    return formatv("{0}.scales other than f32 are for groups: granularity "
                   "must be group",
                   key);
  if (r.scales != Scales::Float32 && isInteger && r.bits > 8)
    return formatv("{0}.scales other than f32 are for weights of at most 8 "
                   "bits",
                   key);
  if (r.scales == Scales::SuperBlocks &&
      (!isInteger || WeightFormat::superBlockSize % r.groupSize != 0))
    return formatv("{0}.scales is super-blocks: these have 256 integers, and "
                   "group-size must divide that",
                   key);
  if (r.scales == Scales::SuperBlocks && r.rounding.method == "hqq")
    return formatv("{0}.rounding is hqq, which moves zero points: super-blocks "
                   "store them in 6 bits",
                   key);
  if (r.bits == 16 && r.rounding.method != "nearest")
    return formatv("{0}.rounding is {1}: weights of 16 bits are rounded to "
                   "nearest",
                   key, r.rounding.method);
  if (auto method = WeightMethod::create(r.rounding.method); !method)
    return formatv("{0}.rounding: {1}", key,
                   llvm::toString(method.takeError()));
  if (r.rounding.method == "gptq" &&
      (r.rounding.blockSize < 1 || r.rounding.damping < 0 ||
       r.rounding.sweeps < 0))
    return formatv("{0}: gptq-block-size must be positive, gptq-damping and "
                   "gptq-sweeps not negative",
                   key);
  if (r.rounding.method == "clip" && r.rounding.clipSweeps < 0)
    return formatv("{0}: clip-sweeps must not be negative", key);
  if (r.rounding.method == "hqq") {
    if (r.format != NumberFormat::Integer ||
        r.scheme != RangeScheme::Asymmetric)
      return formatv("{0}.rounding is hqq, which searches zero points: scheme "
                     "must be asymmetric, and format integer",
                     key);
    if (r.rounding.iterations < 1 || r.rounding.norm <= 0)
      return formatv("{0}: hqq-iterations and hqq-norm must be positive", key);
  }
  return r.needsMoments() ? "" : findProblemOfRange(r.range, key);
}

std::string quantc::findProblem(const ActivationRecipe &r,
                                llvm::StringRef key) {
  using llvm::formatv;
  if (r.mode == ActivationMode::Float)
    return "";
  if (r.bits != 4 && r.bits != 8 && r.bits != 16)
    return formatv("{0}.bits is {1}: activations have 4, 8 or 16 bits", key,
                   r.bits);
  if (r.granularity != Sharing::Tensor && r.granularity != Sharing::Token)
    return formatv("{0}.granularity: activations have one scale for the "
                   "tensor, or one for each token",
                   key);
  if (r.mode == ActivationMode::Static) {
    if (r.granularity == Sharing::Token)
      return formatv("{0}.granularity is token: scales of tokens are known at "
                     "run time only; use mode dynamic",
                     key);
  } else if (r.granularity == Sharing::Token
                 ? !r.isSigned || r.scheme == RangeScheme::Asymmetric ||
                       r.bits != 8
                 : r.isSigned || r.scheme != RangeScheme::Asymmetric ||
                       r.bits != 8) {
    return formatv("{0}: dynamic activations have 8 bits, asymmetric and "
                   "unsigned for the tensor, or symmetric and signed for each "
                   "token",
                   key);
  }
  if (r.scheme != RangeScheme::Asymmetric && !r.isSigned)
    return formatv("{0}.scheme: unsigned activations must be asymmetric, as "
                   "their zero point is not 0",
                   key);
  return r.range == "default" ? "" : findProblemOfRange(r.range, key);
}

llvm::Expected<Recipe> Recipe::load(llvm::StringRef text) {
  if (text.ends_with(".yaml") || text.ends_with(".yml") ||
      text.ends_with(".json")) {
    auto buffer = llvm::MemoryBuffer::getFile(text, /*IsText=*/true);
    if (std::error_code code = buffer.getError())
      return llvm::createStringError("recipe '" + text +
                                     "' cannot be read: " + code.message());
    return fromYAML((*buffer)->getBuffer(), text);
  }
  if (text.find_first_of(":{\n") != llvm::StringRef::npos)
    return fromYAML(text);
  return fromName(text);
}
