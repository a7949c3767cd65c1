//===- RecipeMatching.h - What a recipe says about an op --------*- C++ -*-===//
#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_RECIPEMATCHING_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_RECIPEMATCHING_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Quantization/Recipe.h"

#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/GlobPattern.h"

namespace quantc::qnn {

/// How to quantize one op.
struct OpPlan {
  /// If not empty, why the op stays in float.
  std::string skipped;
  WeightRecipe weights;
  ActivationRecipe activations;
  SlowerLayers slowerLayers = SlowerLayers::Float;
};

/// The ops that a recipe speaks of, in order. First and last are those with
/// constant operands: attention has none.
struct QuantizableOps {
  explicit QuantizableOps(mlir::Operation *root);

  std::vector<QuantizableOpInterface> ops;
  mlir::Operation *first = nullptr, *last = nullptr;
};

/// A recipe with its patterns met by the names of one graph's nodes.
class RecipeMatcher {
public:
  /// Reports a pattern that is malformed, or that no op below `root` matches.
  static mlir::FailureOr<RecipeMatcher> create(const Recipe &recipe,
                                               mlir::Operation *root);

  /// `isFirst` and `isLast` say that the op is an edge of the graph.
  OpPlan plan(mlir::Operation *op, bool isFirst, bool isLast) const;
  OpPlan plan(mlir::Operation *op, const QuantizableOps &all) const {
    return plan(op, op == all.first, op == all.last);
  }

private:
  struct Pattern {
    /// Empty for any name, or any op.
    std::optional<llvm::GlobPattern> node;
    std::string op;
    /// The key of the recipe, and what it holds.
    std::string key;

    bool matches(mlir::Operation *candidate) const;
  };
  explicit RecipeMatcher(const Recipe &recipe) : recipe(recipe) {}
  mlir::LogicalResult addPattern(std::vector<Pattern> &list,
                                 llvm::StringRef node, llvm::StringRef op,
                                 const llvm::Twine &key, mlir::Operation *root);

  Recipe recipe;
  std::vector<Pattern> skips, overrides;
};

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_RECIPEMATCHING_H
