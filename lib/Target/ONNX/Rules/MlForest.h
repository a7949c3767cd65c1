//===- MlForest.h - Decision trees as tables --------------------*- C++ -*-===//
//
// A forest is a few tables over all nodes of all trees: which feature a node
// asks for, what it compares that with, and which nodes come next. A walk goes
// down all trees for all rows at once, by as many steps as the deepest tree
// has; a leaf comes after itself.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_MLFOREST_H
#define QUANTC_LIB_TARGET_ONNX_RULES_MLFOREST_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

enum class BranchMode { leq, lt, gte, gt, eq, neq };

struct Forest {
  struct Node {
    int64_t feature = 0;
    double split = 0;
    BranchMode mode = BranchMode::leq;
    /// A missing value (NaN) takes the first branch.
    bool takesMissing = false;
    /// The number of a node, or ~n for leaf n.
    int64_t yes = 0, no = 0;
    /// It tests the next value of the set of the node whose `no` it is, and has
    /// that node's `yes`.
    bool continuesSet = false;
  };
  /// What a leaf adds to which targets.
  using Leaf = llvm::SmallVector<std::pair<int64_t, double>, 1>;
  enum class Aggregate { sum, average, min, max };

  std::vector<Node> nodes;
  std::vector<Leaf> leaves;
  /// Of each tree, as `Node::yes`.
  std::vector<int64_t> roots;
  int64_t numTargets = 1;
  Aggregate aggregate = Aggregate::sum;

  /// Which leaves give a score to a target.
  enum class Presence { never, sometimes, always };
  /// Whether each row gets a score, for each target. The trees must be trees.
  std::vector<Presence> getPresence() const;
};

/// What rows get from a forest.
struct ForestScores {
  /// (rows, targets), 0 where no leaf that is reached has a score.
  mlir::Value scores;
  /// bool (rows, targets): where there is a score. Null if everywhere.
  mlir::Value isPresent;
};

/// Reads the attributes of TreeEnsembleClassifier (`prefix` "class") and
/// TreeEnsembleRegressor ("target"). Emits an error.
mlir::LogicalResult readForest(NodeContext &ctx, llvm::StringRef prefix,
                               Forest &forest);
/// Those of TreeEnsemble.
mlir::LogicalResult readTreeEnsemble(NodeContext &ctx, Forest &forest);

/// The numbers in a list of floats or, from ai.onnx.ml 3 on, in a tensor.
llvm::SmallVector<double> readNumbers(NodeContext &ctx, llvm::StringRef name);

/// Takes the rows `x` (f32 or f64) through the forest. Null after an error.
ForestScores evaluateForest(NodeContext &ctx, const Forest &forest,
                            mlir::Value x);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_MLFOREST_H
