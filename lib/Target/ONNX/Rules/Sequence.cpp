//===- Sequence.cpp - Sequences and optional values -----------------------===//
//
// A sequence is a list of values that is known when compiling, or a stack: a
// tensor of elements of one shape whose number a run decides, as a loop appends
// them, or a dimension of any size is taken apart. Positions may come at run
// time; in a list, the run chooses elements.
//
//===----------------------------------------------------------------------===//

#include "../LoopBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;

/// Sequence input `i`; null, with an error, if it is a tensor or missing.
static const SmallVector<Value> *getSequence(NodeContext &ctx, size_t i) {
  const SmallVector<Value> *list = ctx.sequence(i);
  if (list || ctx.hasFailed())
    return list;
  if (ctx.stack(i))
    (void)ctx.emitError("the length of its sequence '" + ctx.inputName(i) +
                        "' must be known when compiling");
  else
    (void)ctx.emitError("its input " + Twine(i) + " must be a sequence");
  return nullptr;
}

//===- positions ----------------------------------------------------------===//

namespace {
/// A place in a sequence of `size` elements (of which it may be the end, for an
/// insertion): known, or an i64 of the run.
struct Position {
  std::optional<int64_t> known;
  Value atRunTime;
};
} // namespace

static FailureOr<Position> getPosition(NodeContext &ctx, size_t i, int64_t size,
                                       bool mayBeEnd) {
  int64_t limit = mayBeEnd ? size : size - 1;
  if (auto ints = ctx.constantInts(i); ints && ints->size() == 1) {
    int64_t at = ints->front() < 0 ? ints->front() + size : ints->front();
    if (at < 0 || at > limit)
      return ctx.emitError("position " + Twine(ints->front()) +
                           " is outside of a sequence of " + Twine(size) +
                           " elements");
    return Position{at, {}};
  }
  if (limit < 0)
    return ctx.emitError("its sequence is empty");
  OpBuilder &b = ctx.builder;
  Value given =
      extractScalar(ctx, ctx.castTo(ctx.input(i), ctx.builder.getI64Type()));
  if (!given)
    return failure();
  auto constant = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(b, ctx.loc, b.getI64IntegerAttr(v));
  };
  auto less = [&](Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, ctx.loc, arith::CmpIPredicate::slt, x, y);
  };
  Value fromBack = arith::AddIOp::create(b, ctx.loc, given, constant(size));
  Value at = arith::SelectOp::create(b, ctx.loc, less(given, constant(0)),
                                     fromBack, given);
  Value inside = arith::AndIOp::create(b, ctx.loc, less(constant(-1), at),
                                       less(at, constant(limit + 1)));
  assertWhenRun(ctx, inside, ": the position is outside of the sequence");
  return Position{std::nullopt, at};
}

/// `a` where the position compares so with `index`, else `b`.
static Value choose(NodeContext &ctx, const Position &position,
                    arith::CmpIPredicate predicate, int64_t index, Value a,
                    Value b) {
  if (a == b || !a || !b)
    return a;
  auto type = joinTypes(cast<RankedTensorType>(a.getType()),
                        cast<RankedTensorType>(b.getType()));
  if (!type) {
    (void)failJoin(ctx, a.getType(), b.getType());
    return {};
  }
  OpBuilder &builder = ctx.builder;
  Value other = arith::ConstantOp::create(builder, ctx.loc,
                                          builder.getI64IntegerAttr(index));
  Value condition = arith::CmpIOp::create(builder, ctx.loc, predicate,
                                          position.atRunTime, other);
  OpBuilder::InsertionGuard guard(builder);
  auto choice = scf::IfOp::create(builder, ctx.loc, TypeRange(type), condition,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  for (auto [block, value] :
       {std::pair(choice.thenBlock(), a), std::pair(choice.elseBlock(), b)}) {
    builder.setInsertionPointToEnd(block);
    scf::YieldOp::create(builder, ctx.loc, castTensor(ctx, value, type));
  }
  return choice.getResult(0);
}

//===- sequences ----------------------------------------------------------===//

static LogicalResult importSequenceConstruct(NodeContext &ctx) {
  return ctx.setSequence(0, ctx.inputs());
}

static LogicalResult importSequenceEmpty(NodeContext &ctx) {
  return ctx.setSequence(0, {});
}

static LogicalResult importSequenceLength(NodeContext &ctx) {
  if (Value stack = ctx.stack(0))
    return ctx.setOutput(
        0, ctx.reshape(
               ctx.create<qnn::ShapeOp>(stack, ctx.builder.getI64IntegerAttr(0),
                                        ctx.builder.getI64IntegerAttr(1)),
               {}));
  const auto *list = getSequence(ctx, 0);
  return list ? ctx.setOutput(0, ctx.i64Scalar(list->size())) : failure();
}

static LogicalResult importSequenceAt(NodeContext &ctx) {
  if (Value stack = ctx.stack(0))
    return ctx.setOutput(
        0, ctx.create<qnn::GatherOp>(stack, ctx.reshape(ctx.input(1), {}),
                                     ctx.builder.getI64IntegerAttr(0)));
  const auto *list = getSequence(ctx, 0);
  if (!list)
    return failure();
  auto position = getPosition(ctx, 1, list->size(), /*mayBeEnd=*/false);
  if (failed(position))
    return failure();
  if (position->known)
    return ctx.setOutput(0, (*list)[*position->known]);
  Value result = list->back();
  for (int64_t i = int64_t(list->size()) - 2; i >= 0; --i)
    result =
        choose(ctx, *position, arith::CmpIPredicate::eq, i, (*list)[i], result);
  return ctx.setOutput(0, result);
}

static LogicalResult importSequenceInsert(NodeContext &ctx) {
  if (Value stack = ctx.stack(0); stack && !ctx.hasInput(2)) {
    Value element = ctx.create<qnn::UnsqueezeOp>(ctx.input(1), ctx.i64List(0));
    return ctx.setStack(
        0, ctx.create<qnn::ConcatOp>(ValueRange{stack, element},
                                     ctx.builder.getI64IntegerAttr(0)));
  }
  const auto *list = getSequence(ctx, 0);
  if (!list || !ctx.input(1))
    return failure();
  int64_t size = list->size();
  Position position{size, {}};
  if (ctx.hasInput(2)) {
    auto given = getPosition(ctx, 2, size, /*mayBeEnd=*/true);
    if (failed(given))
      return failure();
    position = *given;
  }
  SmallVector<Value> result(*list);
  if (position.known) {
    result.insert(result.begin() + *position.known, ctx.input(1));
    return ctx.setSequence(0, result);
  }
  // Element i is the old one before the position, and the one before it after.
  result.push_back(ctx.input(1));
  for (int64_t i = 0; i <= size; ++i) {
    Value value = ctx.input(1);
    if (i > 0)
      value = choose(ctx, position, arith::CmpIPredicate::slt, i,
                     (*list)[i - 1], value);
    if (i < size)
      value = choose(ctx, position, arith::CmpIPredicate::sgt, i, (*list)[i],
                     value);
    result[i] = value;
  }
  return ctx.setSequence(0, result);
}

static LogicalResult importSequenceErase(NodeContext &ctx) {
  const auto *list = getSequence(ctx, 0);
  if (!list)
    return failure();
  int64_t size = list->size();
  if (size == 0)
    return ctx.emitError("its sequence is empty");
  Position position{size - 1, {}};
  if (ctx.hasInput(1)) {
    auto given = getPosition(ctx, 1, size, /*mayBeEnd=*/false);
    if (failed(given))
      return failure();
    position = *given;
  }
  SmallVector<Value> result(*list);
  if (position.known) {
    result.erase(result.begin() + *position.known);
    return ctx.setSequence(0, result);
  }
  result.pop_back();
  for (int64_t i = 0; i + 1 < size; ++i)
    result[i] = choose(ctx, position, arith::CmpIPredicate::sgt, i, (*list)[i],
                       (*list)[i + 1]);
  return ctx.setSequence(0, result);
}

//===- from and to tensors ------------------------------------------------===//

/// The elements `from` to `to` (tensors of one integer) along an axis.
static Value takeRange(NodeContext &ctx, Value x, int64_t axis, Value from,
                       Value to) {
  return ctx.create<qnn::SliceOp>(x, from, to, ctx.i64List(axis),
                                  ctx.i64List(1));
}

static LogicalResult importSplitToSequence(NodeContext &ctx) {
  Value x = ctx.input(0);
  RankedTensorType type = ctx.inputType(0);
  auto axis = qnn::normalizeAxis(ctx.getInt("axis", 0), type.getRank());
  if (!axis)
    return ctx.emitError("its axis is out of range");
  int64_t extent = type.getDimSize(*axis);
  SmallVector<Value> parts;
  // One size for each part, which may come at run time.
  if (ctx.hasInput(1) && ctx.inputType(1).getRank() == 1) {
    if (ctx.inputType(1).isDynamicDim(0))
      return ctx.emitError("the number of parts must be known");
    Value sizes = ctx.castTo(ctx.input(1), ctx.builder.getI64Type());
    Value start = ctx.i64List(0);
    for (int64_t i = 0; i < ctx.inputType(1).getDimSize(0); ++i) {
      Value size = takeRange(ctx, sizes, 0, ctx.i64List(i), ctx.i64List(i + 1));
      Value end = ctx.binary(BinaryKind::add, start, size);
      parts.push_back(takeRange(ctx, x, *axis, start, end));
      start = end;
    }
    return ctx.setSequence(0, parts);
  }
  int64_t chunk = 1;
  if (ctx.hasInput(1)) {
    auto known = ctx.constantInts(1);
    if (!known || known->size() != 1 || known->front() < 1)
      return ctx.emitError("the size of the parts must be a positive constant");
    chunk = known->front();
  }
  // ONNX ignores keepdims where the size of the parts is given; ONNX Runtime
  // does not, and PyTorch writes unbind so.
  bool squeezes = chunk == 1 && !ctx.getInt("keepdims", 1);
  if (ShapedType::isDynamic(extent) && chunk == 1) {
    SmallVector<int64_t> order{*axis};
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (i != *axis)
        order.push_back(i);
    Value stack = ctx.transpose(x, order);
    if (!squeezes)
      stack = ctx.create<qnn::UnsqueezeOp>(stack, ctx.i64List(*axis + 1));
    return ctx.setStack(0, stack);
  }
  if (ShapedType::isDynamic(extent))
    return ctx.emitError("the number of parts must be known: dimension " +
                         Twine(*axis) +
                         " of its input is dynamic; pin it with --shape");
  for (int64_t at = 0; at < extent; at += chunk) {
    Value part = takeRange(ctx, x, *axis, ctx.i64List(at),
                           ctx.i64List(std::min(at + chunk, extent)));
    if (squeezes)
      part = ctx.create<qnn::SqueezeOp>(part, ctx.i64List(*axis));
    parts.push_back(part);
  }
  return ctx.setSequence(0, parts);
}

/// The elements of a stack next to each other along `axis` of the result.
static LogicalResult concatStack(NodeContext &ctx, Value stack) {
  Builder &b = ctx.builder;
  bool stacks = ctx.getInt("new_axis");
  int64_t rank = cast<RankedTensorType>(stack.getType()).getRank();
  auto axis = qnn::normalizeAxis(ctx.getInt("axis"), rank - !stacks);
  if (!axis)
    return ctx.emitError("its axis is out of range");
  auto order = llvm::to_vector(llvm::seq<int64_t>(1, rank));
  order.insert(order.begin() + *axis, 0);
  Value moved = ctx.transpose(stack, order);
  if (stacks)
    return ctx.setOutput(0, moved);
  auto sizes = [&](int64_t from, int64_t to) {
    return ctx.create<qnn::ShapeOp>(moved, b.getI64IntegerAttr(from),
                                    b.getI64IntegerAttr(to));
  };
  SmallVector<Value> shape;
  if (*axis > 0)
    shape.push_back(sizes(0, *axis));
  shape.push_back(ctx.binary(BinaryKind::mul, sizes(*axis, *axis + 1),
                             sizes(*axis + 1, *axis + 2)));
  if (*axis + 2 < rank)
    shape.push_back(sizes(*axis + 2, rank));
  return ctx.setOutput(
      0, ctx.create<qnn::ReshapeOp>(
             moved, ctx.create<qnn::ConcatOp>(shape, b.getI64IntegerAttr(0)),
             /*allowzero=*/true));
}

static LogicalResult importConcatFromSequence(NodeContext &ctx) {
  if (Value stack = ctx.stack(0))
    return concatStack(ctx, stack);
  const auto *list = getSequence(ctx, 0);
  if (!list)
    return failure();
  if (list->empty())
    return ctx.emitError("its sequence is empty");
  SmallVector<Value> parts(*list);
  bool stacks = ctx.getInt("new_axis");
  int64_t rank = cast<RankedTensorType>(parts.front().getType()).getRank();
  auto axis = qnn::normalizeAxis(ctx.getInt("axis"), rank + stacks);
  if (!axis)
    return ctx.emitError("its axis is out of range");
  if (stacks)
    for (Value &part : parts)
      part = ctx.create<qnn::UnsqueezeOp>(part, ctx.i64List(*axis));
  return ctx.setOutput(0, ctx.create<qnn::ConcatOp>(
                              parts, ctx.builder.getI64IntegerAttr(*axis)));
}

/// The body once for each element.
static LogicalResult importSequenceMap(NodeContext &ctx) {
  onnx::GraphProto *body = ctx.getGraph("body");
  const auto *first = getSequence(ctx, 0);
  if (!body || !first)
    return failure();
  SmallVector<SmallVector<Value>> lists(ctx.numOutputs());
  for (size_t i = 0; i < first->size(); ++i) {
    SmallVector<Value> args, results;
    for (size_t j = 0; j < ctx.numInputs(); ++j) {
      const auto *list = ctx.sequence(j);
      if (list && list->size() != first->size())
        return ctx.emitError("its sequences differ in length");
      args.push_back(list ? (*list)[i] : ctx.input(j));
    }
    if (args.size() != size_t(body->input_size()) ||
        failed(ctx.importGraph(*body, ctx.builder.getInsertionBlock(), args,
                               results)))
      return failure();
    if (results.size() < lists.size())
      return ctx.emitError("its body has too few outputs");
    for (auto [list, result] : llvm::zip(lists, results))
      list.push_back(result);
  }
  for (auto [i, list] : llvm::enumerate(lists))
    if (failed(ctx.setSequence(i, list)))
      return failure();
  return success();
}

//===- optional values ----------------------------------------------------===//

// An optional is its value, or known to hold none.

static LogicalResult importOptional(NodeContext &ctx) {
  if (ctx.isSequence(0))
    return ctx.passSequence();
  return ctx.hasInput(0) ? ctx.setOutput(0, ctx.input(0)) : ctx.setNone(0);
}

static LogicalResult importOptionalHasElement(NodeContext &ctx) {
  bool has = ctx.isSequence(0) || ctx.hasInput(0);
  return ctx.setOutput(
      0, ctx.constant(DenseElementsAttr::get(
             RankedTensorType::get({}, ctx.builder.getI1Type()), has)));
}

static LogicalResult importOptionalGetElement(NodeContext &ctx) {
  if (ctx.isSequence(0))
    return ctx.passSequence();
  if (!ctx.hasInput(0))
    return ctx.emitError("its input holds no element");
  return ctx.setOutput(0, ctx.input(0));
}

void quantc::onnx_import::registerSequenceRules(RuleRegistry &registry) {
  auto add = [&](StringRef op, int version, ImportRule rule) {
    registry.add(kOnnx, op, version, std::move(rule));
    registry.allowSequences(kOnnx, op);
  };
  add("SequenceConstruct", 11, importSequenceConstruct);
  add("SequenceEmpty", 11, importSequenceEmpty);
  add("SequenceLength", 11, importSequenceLength);
  add("SequenceAt", 11, importSequenceAt);
  add("SequenceInsert", 11, importSequenceInsert);
  add("SequenceErase", 11, importSequenceErase);
  add("SplitToSequence", 11, importSplitToSequence);
  add("ConcatFromSequence", 11, importConcatFromSequence);
  add("SequenceMap", 17, importSequenceMap);
  add("Optional", 15, importOptional);
  add("OptionalHasElement", 15, importOptionalHasElement);
  add("OptionalGetElement", 15, importOptionalGetElement);
}
