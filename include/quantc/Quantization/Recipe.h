//===- Recipe.h - What to quantize, and how ---------------------*- C++ -*-===//
//
// One schema, written as YAML, as a name composed of parts ("w4a16-gptq-g64")
// or in Python; all become this struct. It knows nothing of any model: patterns
// meet nodes in the passes that take a recipe.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_RECIPE_H
#define QUANTC_QUANTIZATION_RECIPE_H

#include "quantc/Quantization/WeightMethods.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace quantc {

/// What an element of a quantized tensor is.
enum class NumberFormat { Integer, Float8E4M3, Float8E5M2, Float4E2M1, NF4 };

/// What shares one scale. Weights: all, an output channel, or `groupSize`
/// consecutive elements of one. Activations: all, or a token (the elements
/// along the last axis).
enum class Sharing { Tensor, Channel, Group, Token };

enum class ActivationMode { Float, Static, Dynamic };

/// What happens to the first and the last op of the graph that a recipe would
/// quantize: as any other, 8 bits at least, or nothing.
enum class EdgePolicy { Quantize, EightBits, Float };

/// What becomes of layers whose integer form is predicted to be clearly slower
/// than floats on the target.
enum class SlowerLayers { Float, Integer };

struct RoundingRecipe {
  /// A weight method, as WeightMethod::create reads it.
  std::string method = "nearest";
  /// GPTQ: rows that are updated together, what is added to the diagonal of
  /// the Hessian (as a part of its mean; 0 for what the number of tokens asks
  /// for), whether rows go by the size of their activations, and how often all
  /// codes are chosen again.
  int64_t blockSize = 128;
  double damping = 0;
  bool actOrder = true;
  int64_t sweeps = 2;
  /// Clipping: how often all ranges are chosen again.
  int64_t clipSweeps = 2;
  /// HQQ: steps, and the norm that is minimized.
  int64_t iterations = 20;
  double norm = 0.7;

  /// Whether it needs statistics of products of inputs.
  bool needsGram() const;
  /// Whether it takes Gram matrices into account, if there are data.
  bool usesGram() const;
  bool operator==(const RoundingRecipe &other) const;
};

struct WeightRecipe {
  NumberFormat format = NumberFormat::Integer;
  unsigned bits = 8;
  RangeScheme scheme = RangeScheme::Restricted;
  Sharing granularity = Sharing::Channel;
  int64_t groupSize = 64;
  /// How scales of groups are stored.
  WeightFormat::Scales scales = WeightFormat::Scales::Float32;
  /// A range method, as RangeMethod::parse reads it ("percentile=99.99"), or
  /// "importance": the scale with the smallest squared error, weighted by the
  /// mean squares of the inputs.
  std::string range = "minmax";
  RoundingRecipe rounding;

  /// The smallest of 2, 4, 8 and 16 that holds `bits`.
  unsigned storageBits() const;
  /// Whether it needs sums of squares of inputs.
  bool needsMoments() const { return range == "importance"; }
  bool needsStatistics() const {
    return needsMoments() || rounding.needsGram();
  }
  bool operator==(const WeightRecipe &other) const;
};

struct ActivationRecipe {
  ActivationMode mode = ActivationMode::Static;
  unsigned bits = 8;
  bool isSigned = false;
  /// Whether all that use a value of which integers are made (residual sums)
  /// read these, too, so that the float value is not kept.
  bool everywhere = true;
  RangeScheme scheme = RangeScheme::Asymmetric;
  Sharing granularity = Sharing::Tensor;
  /// A range method, as RangeMethod::parse reads it ("percentile=99.99"), or
  /// "default": the one that the statistics name, or "minmax".
  std::string range = "default";

  bool operator==(const ActivationRecipe &other) const;
};

/// A change of the graph before quantization that keeps its float result.
struct Transformation {
  enum class Kind {
    SmoothQuant,
    AWQ,
    Equalize,
    BiasCorrection,
    Rotate,
    SplitOutliers
  };

  Kind kind = Kind::SmoothQuant;
  /// SmoothQuant: how much of the difficulty moves to the weights (0 to 1);
  /// searched for each value if there is none.
  std::optional<double> alpha;
  /// SmoothQuant, AWQ: how many exponents are tried. Equalization: how often
  /// all pairs of layers are adjusted at most.
  int64_t steps = 20;
  /// Rotate: whether values that no weight before them can rotate are rotated
  /// at run time.
  bool online = true;
  /// SplitOutliers: how many times the median channel's largest element one
  /// must have to stay in float.
  double threshold = 5;

  /// Whether it reads statistics.
  bool needsStatistics() const {
    return kind != Kind::Equalize && kind != Kind::Rotate;
  }
  /// Whether it comes before calibration, wherever it stands: it mixes
  /// channels, so that what was observed before says nothing afterwards.
  bool precedesCalibration() const { return kind == Kind::Rotate; }
  /// Whether it multiplies values, so that their statistics change.
  bool changesValues() const { return kind != Kind::BiasCorrection; }

  bool operator==(const Transformation &other) const;
};

/// What holds for some nodes instead. An override without a pattern matches
/// every node; later ones win.
struct Override {
  /// A glob over names of nodes, and the name of an op ("qnn.matmul").
  std::string node, op;
  /// Leaves the nodes in float.
  bool skip = false;
  std::optional<WeightRecipe> weights;
  std::optional<ActivationRecipe> activations;
  std::optional<SlowerLayers> slowerLayers;

  bool operator==(const Override &other) const;
};

struct Recipe {
  WeightRecipe weights;
  ActivationRecipe activations;
  /// Whether biases become 32-bit integers (where both operands are integers).
  bool integerBias = true;
  /// Whether the statistics for each op are those of the graph in which all
  /// before it are quantized.
  bool sequential = false;
  std::vector<Transformation> transformations;
  std::vector<Override> overrides;
  /// Globs over names of nodes that stay in float.
  std::vector<std::string> skip;
  EdgePolicy firstLayer = EdgePolicy::Quantize;
  EdgePolicy lastLayer = EdgePolicy::Quantize;
  SlowerLayers slowerLayers = SlowerLayers::Float;

  /// From "w8a8", "w4a16-gptq-g64", ...; docs/Quantization.md lists the parts.
  static llvm::Expected<Recipe> fromName(llvm::StringRef name);
  /// From YAML (or JSON, which is YAML). The error names the key, with the line
  /// and `source`.
  static llvm::Expected<Recipe> fromYAML(llvm::StringRef text,
                                         llvm::StringRef source = "recipe");
  /// What a user writes: the name of a file that ends in .yaml, .yml or .json,
  /// YAML itself (it has a colon or a brace), or a composed name.
  static llvm::Expected<Recipe> load(llvm::StringRef text);

  /// YAML that `fromYAML` reads back to the same recipe.
  std::string toYAML() const;

  bool operator==(const Recipe &other) const;

  bool needsStatistics() const;
  /// Whether statistics, if there are any, make a difference.
  bool usesStatistics() const;
  /// Whether a range of an activation comes from statistics.
  bool hasStaticActivations() const;
};

/// Nothing, or what is impossible about it; `key` says where it stands.
std::string findProblem(const WeightRecipe &recipe, llvm::StringRef key);
std::string findProblem(const ActivationRecipe &recipe, llvm::StringRef key);

} // namespace quantc

#endif // QUANTC_QUANTIZATION_RECIPE_H
