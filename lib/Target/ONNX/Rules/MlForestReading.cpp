//===- MlForestReading.cpp - Decision trees from attributes ---------------===//

#include "MlForest.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

/// The elements of a tensor attribute as numbers.
static SmallVector<double> readTensor(NodeContext &ctx, StringRef name) {
  SmallVector<double> values;
  ElementsAttr elements = ctx.getTensor(name);
  if (!elements)
    return values;
  Type type = elements.getElementType();
  bool isModes = name == "nodes_modes";
  if (isModes ? !type.isInteger(8) : !type.isF32() && !type.isF64()) {
    (void)ctx.emitError("its " + name + " has no type that it can have");
    return values;
  }
  auto bytes = qnn::getConstantBytes(elements);
  auto append = [&](auto zero) {
    using T = decltype(zero);
    for (size_t at = 0; at + sizeof(T) <= bytes->size(); at += sizeof(T)) {
      T value;
      std::memcpy(&value, bytes->data() + at, sizeof(T));
      values.push_back(value);
    }
  };
  if (auto dense = dyn_cast<DenseElementsAttr>(elements);
      dense && dense.isSplat() && isa<FloatType>(type))
    values.assign(dense.getNumElements(),
                  dense.getSplatValue<APFloat>().convertToDouble());
  else if (dense && dense.isSplat())
    values.assign(dense.getNumElements(),
                  dense.getSplatValue<APInt>().getZExtValue());
  else if (bytes && type.isF32())
    append(float());
  else if (bytes && type.isF64())
    append(double());
  else if (bytes && type.isInteger(8))
    append(uint8_t());
  else
    (void)ctx.emitError("its " + name + " has no type that it can have");
  return values;
}

SmallVector<double> quantc::onnx_import::readNumbers(NodeContext &ctx,
                                                     StringRef name) {
  std::string asTensor = (name + "_as_tensor").str();
  return ctx.hasAttr(asTensor) ? readTensor(ctx, asTensor)
                               : ctx.getFloats(name);
}

//===- TreeEnsembleClassifier, TreeEnsembleRegressor ----------------------===//

static LogicalResult failLists(NodeContext &ctx) {
  return ctx.emitError("its lists of nodes differ in length");
}

namespace {
/// The lists that say where nodes are.
struct NodeLists {
  explicit NodeLists(NodeContext &ctx)
      : trees(ctx.getInts("nodes_treeids")), ids(ctx.getInts("nodes_nodeids")),
        features(ctx.getInts("nodes_featureids")),
        yes(ctx.getInts("nodes_truenodeids")),
        no(ctx.getInts("nodes_falsenodeids")),
        missing(ctx.getInts("nodes_missing_value_tracks_true")),
        splits(readNumbers(ctx, "nodes_values")),
        modes(ctx.getStrings("nodes_modes")) {}
  bool agree() const {
    size_t count = ids.size();
    return count > 0 && trees.size() == count && features.size() == count &&
           yes.size() == count && no.size() == count &&
           splits.size() == count && modes.size() == count;
  }
  SmallVector<int64_t> trees, ids, features, yes, no, missing;
  SmallVector<double> splits;
  SmallVector<std::string> modes;
};
} // namespace

/// Where each (tree, node) is: the number of a node, or ~n for leaf n.
using Places = llvm::DenseMap<std::pair<int64_t, int64_t>, int64_t>;

/// The nodes' branches, with `yes` and `no` still to be found.
static LogicalResult placeNodes(NodeContext &ctx, const NodeLists &lists,
                                Forest &forest, Places &places) {
  for (size_t i = 0; i < lists.ids.size(); ++i) {
    auto mode = llvm::StringSwitch<std::optional<BranchMode>>(lists.modes[i])
                    .Case("BRANCH_LEQ", BranchMode::leq)
                    .Case("BRANCH_LT", BranchMode::lt)
                    .Case("BRANCH_GTE", BranchMode::gte)
                    .Case("BRANCH_GT", BranchMode::gt)
                    .Case("BRANCH_EQ", BranchMode::eq)
                    .Case("BRANCH_NEQ", BranchMode::neq)
                    .Default(std::nullopt);
    bool isLeaf = lists.modes[i] == "LEAF";
    if (!mode && !isLeaf)
      return ctx.emitError("the mode '" + lists.modes[i] + "' is unknown");
    int64_t place =
        isLeaf ? ~int64_t(forest.leaves.size()) : int64_t(forest.nodes.size());
    if (!places.try_emplace({lists.trees[i], lists.ids[i]}, place).second)
      return ctx.emitError("node " + Twine(lists.ids[i]) + " of tree " +
                           Twine(lists.trees[i]) + " is there twice");
    if (i == 0 || lists.trees[i] != lists.trees[i - 1])
      forest.roots.push_back(place);
    if (isLeaf) {
      forest.leaves.emplace_back();
      continue;
    }
    bool takesMissing = i < lists.missing.size() && lists.missing[i];
    forest.nodes.push_back({lists.features[i], lists.splits[i], *mode,
                            takesMissing, int64_t(i), int64_t(i)});
  }
  return success();
}

LogicalResult quantc::onnx_import::readForest(NodeContext &ctx,
                                              StringRef prefix,
                                              Forest &forest) {
  NodeLists lists(ctx);
  if (ctx.hasFailed() || !lists.agree())
    return failLists(ctx);
  Places places;
  if (failed(placeNodes(ctx, lists, forest, places)))
    return failure();
  for (Forest::Node &node : forest.nodes) {
    size_t i = node.yes;
    auto yes = places.find({lists.trees[i], lists.yes[i]});
    auto no = places.find({lists.trees[i], lists.no[i]});
    if (yes == places.end() || no == places.end())
      return ctx.emitError("node " + Twine(lists.ids[i]) + " of tree " +
                           Twine(lists.trees[i]) + " leads nowhere");
    node.yes = yes->second, node.no = no->second;
  }
  auto name = [&](StringRef suffix) { return (prefix + suffix).str(); };
  SmallVector<int64_t> targets = ctx.getInts(name("_ids")),
                       ids = ctx.getInts(name("_nodeids")),
                       trees = ctx.getInts(name("_treeids"));
  SmallVector<double> weights = readNumbers(ctx, name("_weights"));
  if (ids.size() != targets.size() || trees.size() != targets.size() ||
      weights.size() != targets.size())
    return failLists(ctx);
  for (auto [target, id, tree, weight] :
       llvm::zip_equal(targets, ids, trees, weights)) {
    auto place = places.find({tree, id});
    if (place == places.end() || target < 0 || target >= forest.numTargets)
      return ctx.emitError("a weight is for a node or target that is not "
                           "there");
    if (place->second < 0)
      forest.leaves[~place->second].push_back({target, weight});
  }
  return success();
}

//===- TreeEnsemble -------------------------------------------------------===//

/// Membership in a set, as a chain of comparisons: `values` go on from `next`
/// to the NaN that ends the set.
static void expandMembership(Forest &forest, size_t node,
                             ArrayRef<double> values, size_t &next) {
  int64_t no = forest.nodes[node].no;
  forest.nodes[node].mode = BranchMode::eq;
  // Equal to nothing, should the set be empty.
  forest.nodes[node].split = std::numeric_limits<double>::quiet_NaN();
  for (bool isFirst = true; next < values.size() && !std::isnan(values[next]);
       isFirst = false) {
    if (!isFirst) {
      forest.nodes.push_back(forest.nodes[node]);
      forest.nodes[node].no = forest.nodes.size() - 1;
      node = forest.nodes.size() - 1;
      forest.nodes[node].continuesSet = true;
    }
    forest.nodes[node].split = values[next++];
    forest.nodes[node].no = no;
  }
  ++next;
}

LogicalResult quantc::onnx_import::readTreeEnsemble(NodeContext &ctx,
                                                    Forest &forest) {
  SmallVector<int64_t> features = ctx.getInts("nodes_featureids"),
                       yes = ctx.getInts("nodes_truenodeids"),
                       no = ctx.getInts("nodes_falsenodeids"),
                       yesIsLeaf = ctx.getInts("nodes_trueleafs"),
                       noIsLeaf = ctx.getInts("nodes_falseleafs"),
                       missing = ctx.getInts("nodes_missing_value_tracks_true"),
                       targets = ctx.getInts("leaf_targetids"),
                       roots = ctx.getInts("tree_roots");
  SmallVector<double> splits = readTensor(ctx, "nodes_splits"),
                      modes = readTensor(ctx, "nodes_modes"),
                      weights = readTensor(ctx, "leaf_weights"), members;
  if (ctx.hasAttr("membership_values"))
    members = readTensor(ctx, "membership_values");
  size_t count = features.size();
  if (ctx.hasFailed() || count == 0 || yes.size() != count ||
      no.size() != count || yesIsLeaf.size() != count ||
      noIsLeaf.size() != count || splits.size() != count ||
      modes.size() != count || weights.size() != targets.size() ||
      (!missing.empty() && missing.size() != count))
    return failLists(ctx);
  for (auto [target, weight] : llvm::zip_equal(targets, weights)) {
    if (target < 0 || target >= forest.numTargets)
      return ctx.emitError("a weight is for a target that is not there");
    forest.leaves.push_back({{target, weight}});
  }
  auto isPlace = [&](int64_t place, bool isLeaf) {
    return place >= 0 && place < int64_t(isLeaf ? weights.size() : count);
  };
  constexpr int kMember = 6;
  for (size_t i = 0; i < count; ++i) {
    if (!isPlace(yes[i], yesIsLeaf[i]) || !isPlace(no[i], noIsLeaf[i]))
      return ctx.emitError("node " + Twine(i) + " leads nowhere");
    if (!(modes[i] >= 0 && modes[i] <= kMember))
      return ctx.emitError("the mode of node " + Twine(i) + " is unknown");
    forest.nodes.push_back(
        {features[i], splits[i], BranchMode(int(modes[i]) % kMember),
         !missing.empty() && missing[i] != 0, yesIsLeaf[i] ? ~yes[i] : yes[i],
         noIsLeaf[i] ? ~no[i] : no[i]});
  }
  size_t next = 0;
  for (size_t i = 0; i < count; ++i)
    if (modes[i] == kMember)
      expandMembership(forest, i, members, next);
  for (int64_t root : roots) {
    if (!isPlace(root, /*isLeaf=*/false))
      return ctx.emitError("a tree has no root");
    forest.roots.push_back(root);
  }
  return success();
}
