//===- KernelGroups.cpp - Ops that become one kernel ----------------------===//

#include "KernelGroups.h"

#include "CodeGen/Analysis/BatchedProducts.h"
#include "CodeGen/Analysis/ProductRoots.h"
#include "CodeGen/Target/ByteTable.h"

#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace quantc;

/// Fewer rows than this are not worth packing the other side for them alone.
static constexpr int64_t kMinAttentionRows = 16;

SmallVector<linalg::LinalgOp> KernelGroup::ops() const {
  SmallVector<linalg::LinalgOp> result;
  auto add = [&](Operation *op) {
    if (op)
      result.push_back(cast<linalg::LinalgOp>(op));
  };
  add(scores);
  add(scoresEpilogue);
  for (linalg::GenericOp op : rows.ops)
    add(op);
  if (!hasOnlyRows()) {
    add(root);
    add(epilogue);
  }
  return result;
}

SmallVector<Value> KernelGroup::results() const {
  SmallVector<Value> values;
  if (!hasOnlyRows())
    return llvm::to_vector_of<Value>(last()->getResults());
  for (linalg::GenericOp op : rows.ops)
    if (rows.isResult(op))
      values.push_back(op->getResult(0));
  return values;
}

/// The elementwise op that alone consumes `root`, element for element.
static linalg::GenericOp findEpilogue(linalg::LinalgOp root) {
  if (root->getNumResults() != 1 || !root->getResult(0).hasOneUse())
    return nullptr;
  OpOperand &use = *root->getResult(0).use_begin();
  auto consumer = dyn_cast<linalg::GenericOp>(use.getOwner());
  if (!consumer || consumer->getBlock() != root->getBlock() ||
      consumer->getNumResults() != 1 || consumer.isDpsInit(&use) ||
      consumer.getNumParallelLoops() != consumer.getNumLoops() ||
      !consumer.getMatchingIndexingMap(&use).isIdentity() ||
      !consumer.getIndexingMapsArray().back().isIdentity() ||
      consumer.payloadUsesValueFromOperand(consumer.getDpsInitOperand(0)))
    return nullptr;
  // Gathers and positions are better off in loops of their own, but for tables.
  for (Operation &op : consumer.getBody()->without_terminator()) {
    if (isa<linalg::IndexOp>(op) || op.getNumRegions() ||
        (isa<tensor::ExtractOp>(op) && !ByteTable::isLookup(op)))
      return nullptr;
  }
  return consumer;
}

/// The padding with zeros that makes the input of the convolution `root`.
static tensor::PadOp findPad(linalg::LinalgOp root) {
  if (!linalg::isaConvolutionOpInterface(root))
    return nullptr;
  auto pad = root->getOperand(0).getDefiningOp<tensor::PadOp>();
  if (!pad || !pad->hasOneUse() || pad->getBlock() != root->getBlock())
    return nullptr;
  Value value = pad.getConstantPaddingValue();
  return value && matchPattern(value, m_Constant()) ? pad : nullptr;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// The tensor that the ops of `rows` read, if there is no other but tables.
static Value findOnlyInput(const RowGroup &rows) {
  Value only;
  for (linalg::GenericOp op : rows.ops) {
    for (Value input : op.getDpsInputs()) {
      if (!isa<RankedTensorType>(input.getType()) ||
          rows.contains(input.getDefiningOp()))
        continue;
      if (only && only != input)
        return nullptr;
      only = input;
    }
  }
  return only;
}

/// Whether a factor of `product` is known: it is packed at compile time then.
static bool hasConstantFactor(linalg::LinalgOp product) {
  return llvm::any_of(product.getDpsInputs(), [](Value value) {
    while (Operation *op = value.getDefiningOp()) {
      if (!isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op))
        return op->hasTrait<OpTrait::ConstantLike>();
      value = op->getOperand(0);
    }
    return false;
  });
}

/// Whether `root` multiplies what `rows` make of `scores`, each of their rows
/// by itself, and with the same outer loops.
static bool isAttention(const KernelGroup &scores, const RowGroup &rows,
                        const KernelGroup &root) {
  if (scores.pad || scores.root->getBlock() != root.root->getBlock() ||
      hasConstantFactor(scores.root) || hasConstantFactor(root.root))
    return false;
  std::optional<SharedRows> shared = findWeights(scores.root, root.root);
  if (!shared || shared->weights != rows.ops.back()->getResult(0))
    return false;
  auto type = cast<RankedTensorType>(scores.root->getResult(0).getType());
  int64_t numRows = type.getDimSize(type.getRank() - 2);
  return ShapedType::isDynamic(numRows) || numRows >= kMinAttentionRows;
}

/// Joins products and the ops over rows between them where they are an
/// attention; what was joined loses its root.
static void joinAttention(MutableArrayRef<KernelGroup> groups) {
  llvm::DenseMap<Operation *, KernelGroup *> producers, roots;
  for (KernelGroup &group : groups) {
    if (group.hasOnlyRows())
      continue;
    producers[group.last()] = &group;
    roots[group.root] = &group;
  }
  for (KernelGroup &group : groups) {
    if (!group.hasOnlyRows())
      continue;
    SmallVector<Value> results = group.results();
    Value input = findOnlyInput(group.rows);
    // An attention knows no positions.
    if (llvm::any_of(group.rows.ops, [](linalg::GenericOp op) {
          return op.hasIndexSemantics();
        }))
      continue;
    if (results.size() != 1 || !results[0].hasOneUse() || !input ||
        !llvm::all_of(input.getUsers(), [&](Operation *user) {
          return group.rows.contains(user);
        }))
      continue;
    KernelGroup *scores = producers.lookup(input.getDefiningOp());
    KernelGroup *root = roots.lookup(*results[0].user_begin());
    if (!scores || !root || scores == root || !scores->root || !root->root ||
        scores->scores || root->scores ||
        !isAttention(*scores, group.rows, *root))
      continue;
    root->scores = scores->root;
    root->scoresEpilogue = scores->epilogue;
    root->rows = group.rows;
    *scores = group = KernelGroup();
  }
}

SmallVector<KernelGroup> quantc::findKernelGroups(ModuleOp module) {
  SmallVector<linalg::LinalgOp> roots, others;
  SmallVector<linalg::GenericOp> reductions;
  module.walk<WalkOrder::PreOrder>([&](linalg::LinalgOp op) {
    if (!op.hasPureTensorSemantics() || isa<linalg::FillOp>(op))
      return WalkResult::skip();
    auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
    bool alongRows = generic && isRowReduction(generic);
    if (alongRows)
      reductions.push_back(generic);
    (!alongRows && isProductRoot(op) ? roots : others).push_back(op);
    return WalkResult::skip();
  });
  llvm::DenseSet<Operation *> done;
  SmallVector<KernelGroup> groups;
  for (linalg::LinalgOp root : roots) {
    KernelGroup group{findPad(root), root, findEpilogue(root)};
    if (group.epilogue && !done.insert(group.epilogue).second)
      group.epilogue = nullptr;
    done.insert(root);
    groups.push_back(group);
  }
  for (linalg::GenericOp seed : reductions) {
    KernelGroup group;
    group.root = cast<linalg::LinalgOp>(seed.getOperation());
    group.rows = findRowGroup(seed, done);
    done.insert_range(group.rows.ops);
    if (!group.rows.ops.empty())
      groups.push_back(group);
  }
  joinAttention(groups);
  llvm::erase_if(groups, [](const KernelGroup &group) { return !group.root; });
  for (linalg::LinalgOp op : others)
    if (!done.contains(op))
      groups.push_back(KernelGroup{nullptr, op});
  return groups;
}
