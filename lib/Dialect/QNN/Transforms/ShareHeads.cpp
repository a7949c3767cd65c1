//===- ShareHeads.cpp - Products of repeated matrices ---------------------===//
//
// A product broadcasts its batch dimensions, so that a matrix which serves
// several batches need not be repeated before.
//
//===----------------------------------------------------------------------===//

#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/IntegerValues.h"
#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Iterators.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_SHAREHEADSPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {
/// A tensor's dimension whose indices are `times` for each of `heads`.
struct Repetition {
  int64_t dim, heads, times;
};
} // namespace

/// Whether a tensor of one element takes part in an elementwise op with `like`,
/// and leaves its shape alone.
static bool isNumberFor(Value number, Value like) {
  RankedTensorType type = typeOf(number);
  return type.hasStaticShape() && type.getNumElements() == 1 &&
         type.getRank() <= typeOf(like).getRank();
}

/// The operand of an op that works element by element, all other operands being
/// numbers; null if it is another one.
static OpOperand *getOnlyTensor(Operation *op) {
  if (!isElementwise(op) || op->getNumResults() != 1)
    return nullptr;
  OpOperand *tensor = nullptr;
  for (OpOperand &operand : op->getOpOperands())
    if (typeOf(operand.get()).getRank() == typeOf(op->getResult(0)).getRank() &&
        llvm::all_of(op->getOpOperands(), [&](OpOperand &other) {
          return &other == &operand ||
                 (isNumberFor(other.get(), operand.get()) &&
                  other.get().getType() != operand.get().getType());
        }))
      tensor = &operand;
  return tensor;
}

//===----------------------------------------------------------------------===//
// What was repeated
//===----------------------------------------------------------------------===//

/// Whether dimension `i` of one tensor is as long as `j` of another.
static bool areEqual(Value a, int64_t i, Value b, int64_t j) {
  return KnownInt::extent(a, i) == KnownInt::extent(b, j);
}

/// The dimensions that an expansion makes longer, of one index: only `dim`, as
/// far as types tell, and maybe others.
static bool expandsOnly(Operation *op, int64_t dim, int64_t times) {
  if (!isa<ExpandOp, TileOp>(op))
    return false;
  RankedTensorType from = typeOf(op->getOperand(0)),
                   to = typeOf(op->getResult(0));
  if (from.getRank() != to.getRank() || from.getDimSize(dim) != 1)
    return false;
  if (isa<ExpandOp>(op))
    return true;
  auto repeats = getConstantInts(op->getOperand(1));
  return repeats && llvm::all_of(llvm::enumerate(*repeats), [&](auto entry) {
           return entry.value() == (int64_t(entry.index()) == dim ? times : 1);
         });
}

static std::optional<Repetition> findJoined(ReshapeOp op) {
  Operation *expand = op.getInput().getDefiningOp();
  RankedTensorType from = op.getInput().getType(), to = op.getType();
  if (!expand || from.getRank() != to.getRank() + 1)
    return std::nullopt;
  for (int64_t dim = 0; dim < to.getRank(); ++dim) {
    int64_t heads = from.getDimSize(dim), times = from.getDimSize(dim + 1);
    if (from.isDynamicDim(dim) || from.isDynamicDim(dim + 1) ||
        to.getDimSize(dim) != heads * times || heads == 0 || times == 0 ||
        !expandsOnly(expand, dim + 1, times))
      continue;
    // All others stay: one that only the run knows does if the rest does.
    SmallVector<std::pair<int64_t, int64_t>> unknown;
    bool isSame = true;
    for (int64_t i = 0; i < to.getRank(); ++i) {
      int64_t own = i < dim ? i : i + 1;
      if (i == dim)
        continue;
      if (from.isDynamicDim(own) && to.isDynamicDim(i))
        unknown.push_back({own, i});
      else
        isSame &= from.getDimSize(own) == to.getDimSize(i) &&
                  from.getDimSize(own) != 0;
    }
    if (isSame && (unknown.size() <= 1 || llvm::all_of(unknown, [&](auto pair) {
                     return areEqual(op.getInput(), pair.first, op.getOutput(),
                                     pair.second);
                   })))
      return Repetition{dim, heads, times};
  }
  return std::nullopt;
}

/// Follows a value to where it was repeated.
static std::optional<Repetition> findRepetition(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return findJoined(reshape);
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    std::optional<Repetition> found = findRepetition(transpose.getInput());
    if (found)
      found->dim = llvm::find(transpose.getPermutation(), found->dim) -
                   transpose.getPermutation().begin();
    return found;
  }
  if (OpOperand *operand = getOnlyTensor(op))
    return findRepetition(operand->get());
  return std::nullopt;
}

/// The order of dimensions with dimension `dim` of the input split in two.
static SmallVector<int64_t> splitPermutation(ArrayRef<int64_t> permutation,
                                             int64_t dim) {
  SmallVector<int64_t> result;
  for (int64_t from : permutation) {
    result.push_back(from <= dim ? from : from + 1);
    if (from == dim)
      result.push_back(dim + 1);
  }
  return result;
}

/// Whether the user of `use` does not tell indices up to dimension `dim` apart,
/// other than by the operand: dividing that dimension divides its result's.
static bool treatsRowsAlike(OpOperand &use, int64_t dim) {
  Operation *user = use.getOwner();
  if (user->getNumResults() != 1)
    return false;
  if (auto rowwise = dyn_cast<RowwiseOpInterface>(user))
    return use.getOperandNumber() == 0 && rowwise.getRowAxis() > dim;
  int64_t rank = typeOf(user->getResult(0)).getRank();
  if (!isElementwise(user) || typeOf(use.get()).getRank() != rank)
    return false;
  return llvm::all_of(user->getOpOperands(), [&](OpOperand &other) {
    RankedTensorType type = typeOf(other.get());
    int64_t missing = rank - type.getRank();
    return &other == &use || (missing > dim) ||
           llvm::all_of(type.getShape().take_front(dim + 1 - missing),
                        [](int64_t size) { return size == 1; });
  });
}

/// The user of `use` on `value`, whose dimensions `dim` and `dim` + 1 are one
/// of the operand.
static Value cloneOnSplit(ImplicitLocOpBuilder &b, OpOperand &use, Value value,
                          int64_t dim) {
  Operation *copy = b.clone(*use.getOwner());
  copy->setOperand(use.getOperandNumber(), value);
  if (auto rowwise = dyn_cast<RowwiseOpInterface>(copy))
    rowwise.setRowAxis(rowwise.getRowAxis() + 1);
  RankedTensorType type = typeOf(copy->getResult(0));
  SmallVector<int64_t> shape(type.getShape());
  ArrayRef<int64_t> parts = typeOf(value).getShape().slice(dim, 2);
  shape[dim] = parts[0];
  shape.insert(shape.begin() + dim + 1, parts[1]);
  copy->getResult(0).setType(type.clone(shape));
  return copy->getResult(0);
}

/// The same op on another tensor.
static Value cloneOn(ImplicitLocOpBuilder &b, OpOperand &operand, Value value) {
  Operation *copy = b.clone(*operand.getOwner());
  copy->setOperand(operand.getOperandNumber(), value);
  Type element = typeOf(copy->getResult(0)).getElementType();
  copy->getResult(0).setType(typeOf(value).clone(element));
  return copy->getResult(0);
}

/// Without dimension `dim`, which has one index.
static Value squeeze(ImplicitLocOpBuilder &b, Value value, int64_t dim) {
  auto unsqueeze = value.getDefiningOp<UnsqueezeOp>();
  auto axes = unsqueeze ? getConstantInts(unsqueeze.getAxes()) : std::nullopt;
  if (axes && axes->size() == 1 &&
      normalizeAxis(axes->front(), typeOf(value).getRank()) == dim)
    return unsqueeze.getInput();
  return SqueezeOp::create(b, value, ConstantOp::create(b, {dim}));
}

/// What was repeated, as it was before. Other dimensions that may be longer in
/// the end are expanded.
static Value getUnexpanded(ImplicitLocOpBuilder &b, ReshapeOp join,
                           const Repetition &repetition, bool &isExpanded) {
  auto expand = join.getInput().getDefiningOp<ExpandOp>();
  int64_t at = repetition.dim + 1;
  if (!expand)
    return squeeze(b, join.getInput().getDefiningOp()->getOperand(0), at);
  Value input = expand.getInput(), shape = expand.getShape();
  int64_t rank = typeOf(input).getRank();
  auto known = getKnownInts(shape);
  int64_t skipped = rank - typeOf(shape).getNumElements();
  bool isSame = true;
  for (int64_t i = 0; i < rank; ++i) {
    if (i == at || i < skipped)
      continue;
    KnownInt wanted = known ? (*known)[i - skipped] : KnownInt::unknown();
    isSame &= wanted.isConstant(1) || wanted == KnownInt::extent(input, i);
  }
  if (isSame)
    return squeeze(b, input, at);
  isExpanded = true;
  auto part = [&](int64_t from, int64_t to) -> Value {
    return SliceOp::create(
        b, shape, ConstantOp::create(b, {from}), ConstantOp::create(b, {to}),
        ConstantOp::create(b, int64_t(0)), ConstantOp::create(b, {1}));
  };
  SmallVector<Value> parts;
  if (at > skipped)
    parts.push_back(part(0, at - skipped));
  parts.push_back(ConstantOp::create(b, {1}));
  if (at + 1 < rank)
    parts.push_back(part(at + 1 - skipped, rank - skipped));
  SmallVector<int64_t> sizes(expand.getType().getShape());
  sizes[at] = 1;
  Value longer = ExpandOp::create(b, expand.getType().clone(sizes), input,
                                  ConcatOp::create(b, parts, 0).getOutput());
  return squeeze(b, longer, at);
}

/// `value` with each head once.
static Value buildUnrepeated(ImplicitLocOpBuilder &b, Value value,
                             bool &isExpanded) {
  Operation *op = value.getDefiningOp();
  if (auto join = dyn_cast<ReshapeOp>(op))
    return getUnexpanded(b, join, *findJoined(join), isExpanded);
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    Value input = buildUnrepeated(b, transpose.getInput(), isExpanded);
    return TransposeOp::create(static_cast<OpBuilder &>(b), transpose.getLoc(),
                               input, transpose.getPermutation());
  }
  OpOperand *operand = getOnlyTensor(op);
  return cloneOn(b, *operand, buildUnrepeated(b, operand->get(), isExpanded));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// `value` as `type`, whose dynamic dimensions are those of `source` that
/// `sourceDims` lists.
static Value reshapeTo(ImplicitLocOpBuilder &b, Value value, Value source,
                       RankedTensorType type, ArrayRef<int64_t> sourceDims) {
  SmallVector<Value> parts;
  SmallVector<int64_t> pending;
  auto flush = [&] {
    if (!pending.empty())
      parts.push_back(ConstantOp::create(b, pending));
    pending.clear();
  };
  for (auto [i, from] : llvm::enumerate(sourceDims)) {
    if (!type.isDynamicDim(i)) {
      pending.push_back(type.getDimSize(i));
      continue;
    }
    flush();
    parts.push_back(ShapeOp::create(b, source, from, from + 1));
  }
  flush();
  Value shape =
      parts.size() == 1 ? parts[0] : ConcatOp::create(b, parts, 0).getOutput();
  return ReshapeOp::create(b, type, value, shape);
}

/// Dimension `dim` of `value` as two.
static Value split(ImplicitLocOpBuilder &b, Value value, int64_t dim,
                   const Repetition &repetition) {
  RankedTensorType type = typeOf(value);
  SmallVector<int64_t> shape, dims;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    dims.push_back(i);
    if (i == dim) {
      shape.append({repetition.heads, repetition.times});
      dims.push_back(i);
    } else {
      shape.push_back(type.getDimSize(i));
    }
  }
  return reshapeTo(b, value, value,
                   RankedTensorType::get(shape, type.getElementType()), dims);
}

/// Dimensions `dim` and `dim` + 1 of `value` as one.
static Value join(ImplicitLocOpBuilder &b, Value value, int64_t dim,
                  RankedTensorType type) {
  SmallVector<int64_t> dims;
  for (int64_t i = 0; i < type.getRank(); ++i)
    dims.push_back(i <= dim ? i : i + 1);
  return reshapeTo(b, value, value, type, dims);
}

namespace {
struct ShareHeadsPass : qnn::impl::ShareHeadsPassBase<ShareHeadsPass> {
  void runOnOperation() override {
    splits.clear();
    SmallVector<MatMulOp> products;
    getOperation().walk([&](MatMulOp op) { products.push_back(op); });
    for (MatMulOp op : products)
      for (unsigned side : {1, 0})
        if (share(op, side))
          break;
    if (numShared == 0)
      return;
    getOperation()->walk<WalkOrder::PostOrder, ReverseIterator>(
        [](Operation *op) {
          if (isOpTriviallyDead(op))
            op->erase();
        });
  }

private:
  /// Whether operand `side` was repeated, and is no more.
  bool share(MatMulOp op, unsigned side) {
    Value repeated = op->getOperand(side), other = op->getOperand(1 - side);
    std::optional<Repetition> repetition = findRepetition(repeated);
    if (!repetition)
      return false;
    for (Value zero : {op.getLhsZeroPoint(), op.getRhsZeroPoint()})
      if (zero && typeOf(zero).getRank() > 1)
        return false;
    // Both have that dimension, in front of the matrices.
    int64_t fromEnd = typeOf(repeated).getRank() - repetition->dim;
    int64_t dim = typeOf(other).getRank() - fromEnd;
    if (fromEnd < 3 || dim < 0 ||
        typeOf(other).getDimSize(dim) != repetition->heads * repetition->times)
      return false;

    ImplicitLocOpBuilder b(op.getLoc(), op);
    bool isExpanded = false;
    SmallVector<Value> operands(op->getOperands());
    operands[side] =
        UnsqueezeOp::create(b, buildUnrepeated(b, repeated, isExpanded),
                            ConstantOp::create(b, {repetition->dim + 1}));
    auto [before, at] = splits.lookup(other);
    bool isSplit = before && at == dim &&
                   typeOf(before).getDimSize(dim) == repetition->heads;
    operands[1 - side] = isSplit ? before : split(b, other, dim, *repetition);
    auto product = MatMulOp::create(b, operands[0], operands[1],
                                    op.getLhsZeroPoint(), op.getRhsZeroPoint());
    product->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    joinBehind(b, op.getOutput(), product, op.getType().getRank() - fromEnd);
    ++numShared;
    numExpanded += isExpanded;
    return true;
  }

  /// Replaces `old` by what joins the dimensions again, as late as what follows
  /// allows: neighbours of the product see it, not a reshape.
  void joinBehind(ImplicitLocOpBuilder &b, Value old, Value value,
                  int64_t dim) {
    while (old.hasOneUse()) {
      OpOperand &use = *old.use_begin();
      Operation *user = use.getOwner();
      if (user->getBlock() != b.getInsertionBlock())
        break;
      b.setInsertionPoint(user);
      b.setLoc(user->getLoc());
      if (auto transpose = dyn_cast<TransposeOp>(user)) {
        value = TransposeOp::create(
            b, value, splitPermutation(transpose.getPermutation(), dim));
        dim = llvm::find(transpose.getPermutation(), dim) -
              transpose.getPermutation().begin();
      } else if (treatsRowsAlike(use, dim)) {
        value = cloneOnSplit(b, use, value, dim);
      } else {
        break;
      }
      old = user->getResult(0);
    }
    Value joined = join(b, value, dim, typeOf(old));
    splits[joined] = {value, dim};
    old.replaceAllUsesWith(joined);
  }

  /// By what was joined: what it was before, and at which dimension.
  llvm::DenseMap<Value, std::pair<Value, int64_t>> splits;
};
} // namespace
