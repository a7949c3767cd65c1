//===- MlForest.cpp - Walks through decision trees ------------------------===//

#include "MlForest.h"

#include "../LoopBuilder.h"

#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::ReduceKind;
using qnn::UnaryKind;

//===- Shape of a forest --------------------------------------------------===//

/// Calls `visit` with each leaf under `root`, and gives the number of steps to
/// the deepest one; -1 if a node is met twice.
static int64_t visitTree(const Forest &forest, int64_t root,
                         std::vector<bool> &seen,
                         llvm::function_ref<void(const Forest::Leaf &)> visit) {
  int64_t depth = 0;
  SmallVector<std::pair<int64_t, int64_t>> open = {{root, 0}};
  while (!open.empty()) {
    auto [place, steps] = open.pop_back_val();
    depth = std::max(depth, steps);
    if (place < 0) {
      visit(forest.leaves[~place]);
      continue;
    }
    if (seen[place])
      return -1;
    seen[place] = true;
    auto [yes, no] = std::pair(forest.nodes[place].yes, forest.nodes[place].no);
    open.push_back({no, steps + 1});
    // The tests of one set share `yes`: the last of them is farthest from it.
    if (no < 0 || !forest.nodes[no].continuesSet)
      open.push_back({yes, steps + 1});
  }
  return depth;
}

std::vector<Forest::Presence> Forest::getPresence() const {
  std::vector<Presence> presence(numTargets, Presence::never);
  std::vector<bool> seen(nodes.size());
  // How many leaves of a tree score each target, and which did so last: a leaf
  // may score a target twice.
  llvm::DenseMap<int64_t, std::pair<int64_t, int64_t>> counts;
  for (int64_t root : roots) {
    counts.clear();
    int64_t numLeaves = 0;
    visitTree(*this, root, seen, [&](const Leaf &leaf) {
      ++numLeaves;
      for (auto [target, weight] : leaf) {
        auto &[count, last] = counts[target];
        count += last != numLeaves;
        last = numLeaves;
      }
    });
    for (auto [target, count] : counts) {
      if (count.first == numLeaves)
        presence[target] = Presence::always;
      else if (presence[target] == Presence::never)
        presence[target] = Presence::sometimes;
    }
  }
  return presence;
}

/// The steps to the deepest leaf. Emits an error if some node can be reached in
/// two ways.
static FailureOr<int64_t> getDepth(NodeContext &ctx, const Forest &forest) {
  int64_t depth = 0;
  std::vector<bool> seen(forest.nodes.size());
  for (int64_t root : forest.roots) {
    int64_t steps = visitTree(forest, root, seen, [](const Forest::Leaf &) {});
    if (steps < 0)
      return ctx.emitError("two branches lead to one node: it is no tree");
    depth = std::max(depth, steps);
  }
  return depth;
}

/// Emits an error if the tables for the trees would be out of range.
static LogicalResult checkRanges(NodeContext &ctx, const Forest &forest,
                                 RankedTensorType x) {
  int64_t columns =
      x.isDynamicDim(1) ? std::numeric_limits<int32_t>::max() : x.getDimSize(1);
  for (const Forest::Node &node : forest.nodes)
    if (node.feature < 0 || node.feature >= columns)
      return ctx.emitError("a node compares feature " + Twine(node.feature) +
                           ", which its input does not have");
  // Each leaf has a weight for each target in them.
  constexpr int64_t kMaxWeights = int64_t(1) << 27;
  if (forest.numTargets > kMaxWeights / int64_t(forest.leaves.size() + 1))
    return ctx.emitError(Twine(forest.numTargets) + " targets for " +
                         Twine(forest.leaves.size()) + " leaves are too many");
  return success();
}

//===- Walk ---------------------------------------------------------------===//

namespace {
/// The tables, in which leaves come before nodes.
class Walk {
public:
  Walk(NodeContext &ctx, const Forest &forest, Value x);
  /// The leaf (rows, trees) that each row reaches in each tree.
  Value run(int64_t depth);

private:
  template <typename T, typename Fn> Value table(Type type, Fn ofNode) {
    SmallVector<T> values(forest.leaves.size());
    for (const Forest::Node &node : forest.nodes)
      values.push_back(ofNode(node));
    return ctx.constant(DenseElementsAttr::get(
        RankedTensorType::get({int64_t(values.size())}, type),
        ArrayRef<T>(values)));
  }
  Value numbers(llvm::function_ref<int32_t(const Forest::Node &)> ofNode) {
    return table<int32_t>(i32, ofNode);
  }
  /// The table of `yes` or `no`.
  Value branches(int64_t Forest::Node::*branch);
  int32_t place(int64_t branch) const {
    return branch < 0 ? ~branch : branch + forest.leaves.size();
  }
  Value look(Value values, Value at) {
    return ctx.create<qnn::GatherOp>(values, at,
                                     ctx.builder.getI64IntegerAttr(0));
  }
  Value compare(BranchMode mode, Value x, Value split);
  Value step(Value at);

  NodeContext &ctx;
  const Forest &forest;
  Value x;
  Type i32;
  Value features, splits, yes, no;
  /// Only if nodes differ in them.
  Value modes, takesMissing;
  SmallVector<BranchMode> usedModes;
};
} // namespace

Walk::Walk(NodeContext &ctx, const Forest &forest, Value x)
    : ctx(ctx), forest(forest), x(x), i32(ctx.builder.getI32Type()) {
  using Node = Forest::Node;
  features = numbers([](const Node &node) { return node.feature; });
  Type type = cast<RankedTensorType>(x.getType()).getElementType();
  splits = type.isF64()
               ? table<double>(type, [](const Node &n) { return n.split; })
               : table<float>(type, [](const Node &n) { return n.split; });
  yes = branches(&Node::yes), no = branches(&Node::no);
  for (const Node &node : forest.nodes)
    if (!llvm::is_contained(usedModes, node.mode))
      usedModes.push_back(node.mode);
  if (usedModes.size() > 1)
    modes = numbers([](const Node &node) { return int32_t(node.mode); });
  if (llvm::any_of(forest.nodes, [](const Node &n) { return n.takesMissing; }))
    takesMissing =
        ctx.castTo(numbers([](const Node &node) { return node.takesMissing; }),
                   ctx.builder.getI1Type());
}

Value Walk::branches(int64_t Forest::Node::*branch) {
  SmallVector<int32_t> values;
  for (size_t i = 0; i < forest.leaves.size(); ++i)
    values.push_back(i);
  for (const Forest::Node &node : forest.nodes)
    values.push_back(place(node.*branch));
  return ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({int64_t(values.size())}, i32),
      ArrayRef<int32_t>(values)));
}

Value Walk::compare(BranchMode mode, Value a, Value b) {
  auto is = [&](CompareKind kind) {
    return ctx.create<qnn::CompareOp>(kind, a, b);
  };
  switch (mode) {
  case BranchMode::leq:
    return is(CompareKind::less_or_equal);
  case BranchMode::lt:
    return is(CompareKind::less);
  case BranchMode::gte:
    return is(CompareKind::greater_or_equal);
  case BranchMode::gt:
    return is(CompareKind::greater);
  case BranchMode::eq:
    return is(CompareKind::equal);
  case BranchMode::neq:
    return ctx.unary(UnaryKind::logical_not, is(CompareKind::equal));
  }
  return {};
}

/// Where `at` (rows, trees) leads.
Value Walk::step(Value at) {
  Value value = ctx.create<qnn::GatherElementsOp>(
      x, look(features, at), ctx.builder.getI64IntegerAttr(1));
  Value split = look(splits, at);
  Value isYes;
  for (BranchMode mode : usedModes) {
    Value holds = compare(mode, value, split);
    if (modes)
      holds = ctx.binary(
          BinaryKind::logical_and, holds,
          ctx.create<qnn::CompareOp>(CompareKind::equal, look(modes, at),
                                     ctx.scalar(i32, int32_t(mode))));
    isYes = isYes ? ctx.binary(BinaryKind::logical_or, isYes, holds) : holds;
  }
  if (takesMissing)
    isYes = ctx.binary(BinaryKind::logical_or, isYes,
                       ctx.binary(BinaryKind::logical_and,
                                  ctx.unary(UnaryKind::is_nan, value),
                                  look(takesMissing, at)));
  return ctx.create<qnn::SelectOp>(isYes, look(yes, at), look(no, at));
}

Value Walk::run(int64_t depth) {
  SmallVector<int32_t> roots;
  for (int64_t root : forest.roots)
    roots.push_back(place(root));
  int64_t trees = roots.size();
  Value first = ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({trees}, i32), ArrayRef<int32_t>(roots)));
  Value shape = ctx.create<qnn::ConcatOp>(
      ValueRange{ctx.create<qnn::ShapeOp>(x, int64_t(0), int64_t(1)),
                 ctx.i64List(trees)},
      ctx.builder.getI64IntegerAttr(0));
  Value start = ctx.create<qnn::ExpandOp>(first, shape);
  if (depth == 0 || !start)
    return start;
  LoopBuilder loop(ctx);
  loop.tripCount = ctx.i64Scalar(depth);
  loop.init.push_back(start);
  loop.body = [&](Block *, Value, Value, ValueRange carried,
                  SmallVectorImpl<Value> &results) -> LogicalResult {
    results.append({Value(), step(carried[0])});
    return success(!ctx.hasFailed());
  };
  auto results = loop.build();
  return succeeded(results) ? results->front() : Value();
}

//===- Scores -------------------------------------------------------------===//

/// What each leaf (rows) gives each target.
static Value makeWeights(NodeContext &ctx, const Forest &forest, Type type,
                         double otherwise) {
  std::vector<double> weights(forest.leaves.size() * forest.numTargets,
                              otherwise);
  for (auto [i, leaf] : llvm::enumerate(forest.leaves)) {
    for (auto [target, weight] : leaf)
      weights[i * forest.numTargets + target] = 0;
    for (auto [target, weight] : leaf)
      weights[i * forest.numTargets + target] += weight;
  }
  auto tableType = RankedTensorType::get(
      {int64_t(forest.leaves.size()), forest.numTargets}, type);
  if (type.isF64())
    return ctx.constant(
        DenseElementsAttr::get(tableType, ArrayRef<double>(weights)));
  std::vector<float> floats(weights.begin(), weights.end());
  return ctx.constant(
      DenseElementsAttr::get(tableType, ArrayRef<float>(floats)));
}

/// Whether each leaf has a score for each target.
static Value makePresence(NodeContext &ctx, const Forest &forest) {
  SmallVector<bool> has(forest.leaves.size() * forest.numTargets);
  for (auto [i, leaf] : llvm::enumerate(forest.leaves))
    for (auto [target, weight] : leaf)
      has[i * forest.numTargets + target] = true;
  return ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({int64_t(forest.leaves.size()), forest.numTargets},
                            ctx.builder.getI1Type()),
      ArrayRef<bool>(has)));
}

ForestScores quantc::onnx_import::evaluateForest(NodeContext &ctx,
                                                 const Forest &forest,
                                                 Value x) {
  if (!x || ctx.hasFailed())
    return {};
  FailureOr<int64_t> depth = getDepth(ctx, forest);
  auto inputType = cast<RankedTensorType>(x.getType());
  if (failed(depth) || failed(checkRanges(ctx, forest, inputType)))
    return {};
  Type type = inputType.getElementType();
  Value leaves = Walk(ctx, forest, x).run(*depth);
  auto gather = [&](Value table) {
    return ctx.create<qnn::GatherOp>(table, leaves,
                                     ctx.builder.getI64IntegerAttr(0));
  };
  auto reduce = [&](ReduceKind kind, Value values) {
    // In the order of the trees, as ONNX Runtime adds: a tie stays one.
    return ctx.create<qnn::ReduceOp>(kind, values, ctx.i64List(1),
                                     /*keepdims=*/false,
                                     /*noop_with_empty_axes=*/false,
                                     /*ordered=*/kind == ReduceKind::sum);
  };
  using Aggregate = Forest::Aggregate;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  bool isMin = forest.aggregate == Aggregate::min;
  bool isMax = forest.aggregate == Aggregate::max;
  Value weights = gather(makeWeights(ctx, forest, type,
                                     isMin   ? infinity
                                     : isMax ? -infinity
                                             : 0));
  ForestScores result;
  result.scores = reduce(isMin   ? ReduceKind::min
                         : isMax ? ReduceKind::max
                                 : ReduceKind::sum,
                         weights);
  if (llvm::any_of(forest.getPresence(), [](Forest::Presence presence) {
        return presence != Forest::Presence::always;
      }))
    result.isPresent =
        reduce(ReduceKind::max, gather(makePresence(ctx, forest)));
  if (result.isPresent)
    result.scores = ctx.create<qnn::SelectOp>(result.isPresent, result.scores,
                                              ctx.scalar(type, 0));
  if (forest.aggregate == Aggregate::average)
    result.scores = ctx.binary(BinaryKind::div, result.scores,
                               ctx.scalar(type, forest.roots.size()));
  return result;
}
