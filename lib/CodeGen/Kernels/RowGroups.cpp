//===- RowGroups.cpp - Ops over the same rows -----------------------------===//

#include "RowGroups.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

/// Shorter rows fill no vector.
static constexpr int64_t kMinColumns = 8;
/// More buffers than this need too many addresses in one loop.
static constexpr unsigned kMaxBuffers = 14;

bool RowGroup::contains(Operation *op) const {
  return llvm::is_contained(ops, op);
}

bool RowGroup::isResult(linalg::GenericOp op) const {
  return llvm::any_of(op->getUsers(),
                      [&](Operation *user) { return !contains(user); });
}

/// The number of elements of a row of the seed, if it is known.
static int64_t countColumns(linalg::GenericOp seed, RowShape shape) {
  SmallVector<int64_t> ranges = seed.getStaticLoopRanges();
  int64_t count = 1;
  for (int64_t size : ArrayRef(ranges).drop_front(shape.rows)) {
    if (ShapedType::isDynamic(size))
      return size;
    count *= size;
  }
  return count;
}

static std::optional<RowShape> getSeedShape(linalg::GenericOp seed) {
  if (!seed.hasPureTensorSemantics() || linalg::isaConvolutionOpInterface(seed))
    return std::nullopt;
  std::optional<RowShape> shape = getReducedShape(seed);
  if (!shape || !classifyRowOp(seed, *shape))
    return std::nullopt;
  int64_t columns = countColumns(seed, *shape);
  if (!ShapedType::isDynamic(columns) && columns < kMinColumns)
    return std::nullopt;
  // Two of them make a product, which has kernels of its own.
  unsigned numElements =
      llvm::count_if(seed.getDpsInputOperands(), [&](OpOperand *operand) {
        return hasColumns(operand, *shape);
      });
  if (numElements != 1)
    return std::nullopt;
  return shape;
}

bool quantc::isRowReduction(linalg::GenericOp op) {
  return getSeedShape(op).has_value();
}

namespace {
class GroupBuilder {
public:
  GroupBuilder(RowGroup &group, RowShape shape,
               const llvm::DenseSet<Operation *> &taken)
      : group(group), shape(shape), taken(taken) {}

  void grow();

private:
  bool canJoin(Operation *op) const;
  bool hasSameColumns(linalg::GenericOp op) const;
  bool addProducers(linalg::GenericOp op);
  bool addConsumers(linalg::GenericOp op);
  bool isValid() const;
  void add(linalg::GenericOp op);

  RowGroup &group;
  RowShape shape;
  const llvm::DenseSet<Operation *> &taken;
};
} // namespace

static bool startsFromFill(linalg::GenericOp op) {
  auto fill = op.getDpsInitOperand(0)->get().getDefiningOp<linalg::FillOp>();
  return fill && fill.getOutputs()[0].getDefiningOp<tensor::EmptyOp>();
}

/// Whether `op`, which has columns, goes along rows as long as the group's: one
/// loop is all that the members get. Known sizes tell, or else elements that
/// both have.
bool GroupBuilder::hasSameColumns(linalg::GenericOp op) const {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  ArrayRef<int64_t> columns = ArrayRef(sizes).drop_front(shape.rows);
  bool isKnown = !ShapedType::isDynamicShape(columns);
  for (linalg::GenericOp member : group.ops) {
    SmallVector<int64_t> others = member.getStaticLoopRanges();
    if (others.size() != sizes.size())
      continue; // It has values of rows only.
    if (isKnown && columns == ArrayRef(others).drop_front(shape.rows))
      return true;
    auto readsElements = [&](linalg::GenericOp reader, Value elements) {
      return llvm::any_of(reader->getOpOperands(), [&](OpOperand &operand) {
        return operand.get() == elements && hasColumns(&operand, shape);
      });
    };
    if (readsElements(member, op->getResult(0)) ||
        readsElements(op, member->getResult(0)) ||
        llvm::any_of(member->getOpOperands(), [&](OpOperand &operand) {
          return hasColumns(&operand, shape) &&
                 readsElements(op, operand.get());
        }))
      return true;
  }
  return false;
}

bool GroupBuilder::canJoin(Operation *op) const {
  auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
  if (!generic || taken.contains(op) || group.contains(op) ||
      op->getBlock() != group.ops.front()->getBlock() ||
      !generic.hasPureTensorSemantics())
    return false;
  std::optional<RowOpKind> kind = classifyRowOp(generic, shape);
  if (!kind || (*kind == RowOpKind::reduction && !startsFromFill(generic)))
    return false;
  if (*kind != RowOpKind::perRow && !hasSameColumns(generic))
    return false;
  // What members write is read in the same place, and never written again.
  for (OpOperand &operand : op->getOpOperands())
    if (group.contains(operand.get().getDefiningOp()) &&
        (generic.isDpsInit(&operand) || !readsInPlace(&operand, shape)))
      return false;
  return true;
}

void GroupBuilder::add(linalg::GenericOp op) {
  auto *at = llvm::find_if(group.ops, [&](linalg::GenericOp other) {
    return op->isBeforeInBlock(other);
  });
  group.ops.insert(at, op);
}

/// The kernel is called where the last op stands: whatever else uses a result
/// has to come later, and that no other op lies between members follows.
bool GroupBuilder::isValid() const {
  Operation *last = group.ops.back();
  SetVector<Value> buffers;
  for (linalg::GenericOp op : group.ops) {
    if (group.isResult(op))
      buffers.insert(op->getResult(0));
    for (OpOperand *input : op.getDpsInputOperands())
      if (!group.contains(input->get().getDefiningOp()))
        buffers.insert(input->get());
    for (Operation *user : op->getUsers()) {
      Operation *ancestor = op->getBlock()->findAncestorOpInBlock(*user);
      if (!ancestor ||
          (!group.contains(user) && !last->isBeforeInBlock(ancestor)))
        return false;
    }
  }
  return buffers.size() <= kMaxBuffers;
}

bool GroupBuilder::addProducers(linalg::GenericOp op) {
  for (OpOperand *input : op.getDpsInputOperands()) {
    Operation *producer = input->get().getDefiningOp();
    if (!producer || !canJoin(producer) || !readsInPlace(input, shape))
      continue;
    // One with other users has to be stored anyway.
    if (!llvm::all_of(producer->getUsers(),
                      [&](Operation *user) { return group.contains(user); }))
      continue;
    if (!llvm::all_of(producer->getUses(), [&](OpOperand &use) {
          return readsInPlace(&use, shape) &&
                 !cast<linalg::GenericOp>(use.getOwner()).isDpsInit(&use);
        }))
      continue;
    RowGroup old = group;
    add(cast<linalg::GenericOp>(producer));
    if (isValid())
      return true;
    group = old;
  }
  return false;
}

bool GroupBuilder::addConsumers(linalg::GenericOp op) {
  for (Operation *user : op->getUsers()) {
    if (!canJoin(user))
      continue;
    RowGroup old = group;
    add(cast<linalg::GenericOp>(user));
    if (isValid())
      return true;
    group = old;
  }
  return false;
}

void GroupBuilder::grow() {
  bool changed = true;
  while (changed) {
    changed = false;
    for (linalg::GenericOp op : SmallVector<linalg::GenericOp>(group.ops))
      changed |= addConsumers(op) || addProducers(op);
  }
}

RowGroup quantc::findRowGroup(linalg::GenericOp seed,
                              const llvm::DenseSet<Operation *> &taken) {
  RowGroup group;
  std::optional<RowShape> shape = getSeedShape(seed);
  if (!shape || !startsFromFill(seed) || taken.contains(seed))
    return group;
  group.ops.push_back(seed);
  GroupBuilder(group, *shape, taken).grow();
  return group;
}
