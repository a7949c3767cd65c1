//===- LoopBuilder.cpp - Loops over tensors for rules ---------------------===//

#include "LoopBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

RankedTensorType quantc::onnx_import::joinTypes(RankedTensorType a,
                                                RankedTensorType b) {
  if (a.getElementType() != b.getElementType() || a.getRank() != b.getRank())
    return {};
  SmallVector<int64_t> shape(a.getShape());
  for (auto [mine, other] : llvm::zip(shape, b.getShape()))
    if (mine != other)
      mine = ShapedType::kDynamic;
  return RankedTensorType::get(shape, a.getElementType());
}

LogicalResult quantc::onnx_import::failJoin(NodeContext &ctx, Type a, Type b) {
  std::string message = "a value has different ranks or element types: ";
  llvm::raw_string_ostream(message) << a << " and " << b;
  return ctx.emitError(message);
}

Value quantc::onnx_import::castTensor(NodeContext &ctx, Value value,
                                      Type type) {
  if (!value || value.getType() == type)
    return value;
  return tensor::CastOp::create(ctx.builder, ctx.loc, type, value);
}

Value quantc::onnx_import::extractScalar(NodeContext &ctx, Value tensor) {
  tensor = ctx.reshape(tensor, {});
  if (!tensor)
    return {};
  return tensor::ExtractOp::create(ctx.builder, ctx.loc, tensor, ValueRange());
}

void onnx_import::assertWhenRun(NodeContext &ctx, Value condition,
                                const Twine &problem) {
  StringRef name = cast<NameLoc>(ctx.loc).getName().getValue();
  cf::AssertOp::create(ctx.builder, ctx.loc, condition,
                       ("node '" + name + "'" + problem).str());
}

LogicalResult onnx_import::checkIndicesWhenRun(NodeContext &ctx, Value indices,
                                               Value extent,
                                               const Twine &problem) {
  indices = ctx.castTo(indices, ctx.builder.getI64Type());
  auto compare = [&](qnn::CompareKind kind, Value limit) {
    return ctx.create<qnn::CompareOp>(kind, indices, limit);
  };
  Value isInside =
      ctx.binary(qnn::BinaryKind::logical_and,
                 compare(qnn::CompareKind::greater_or_equal, ctx.i64List(0)),
                 compare(qnn::CompareKind::less, extent));
  // A minimum of ones and zeros is an and. Of none, it is not 0.
  Value all = ctx.create<qnn::ReduceOp>(
      qnn::ReduceKind::min, ctx.castTo(isInside, ctx.builder.getI32Type()),
      Value(), /*keepdims=*/false, /*noop_with_empty_axes=*/false);
  Value ok = extractScalar(ctx, ctx.castTo(all, ctx.builder.getI1Type()));
  if (!ok)
    return failure();
  assertWhenRun(ctx, ok, problem);
  return success();
}

static Value makeTensor(NodeContext &ctx, Value scalar) {
  return tensor::FromElementsOp::create(
      ctx.builder, ctx.loc, RankedTensorType::get({}, scalar.getType()),
      scalar);
}

static bool isConstantTrue(Value value) {
  auto ints = qnn::getConstantInts(value);
  return ints && ints->size() == 1 && ints->front() != 0;
}

//===- collecting ---------------------------------------------------------===//

bool LoopBuilder::isPreallocated(RankedTensorType listType,
                                 const Collected &how) const {
  return runsToEnd && how.axis == 0 &&
         (how.itemShape || llvm::none_of(listType.getShape().drop_front(),
                                         ShapedType::isDynamic));
}

/// The list before the first iteration.
Value LoopBuilder::createList(RankedTensorType type, const Collected &how) {
  SmallVector<int64_t> shape(type.getShape());
  if (isPreallocated(type, how)) {
    Value count = ctx.reshape(ctx.castTo(tripCount, ctx.builder.getI64Type()),
                              int64_t(1));
    count = ctx.binary(qnn::BinaryKind::max, count, ctx.i64List(0));
    SmallVector<Value> dims = {count};
    if (how.itemShape)
      dims.push_back(how.itemShape);
    else if (shape.size() > 1)
      dims.push_back(ctx.i64List(ArrayRef(shape).drop_front()));
    Value list = ctx.create<qnn::ExpandOp>(
        ctx.scalar(type.getElementType(), 0),
        ctx.create<qnn::ConcatOp>(dims, ctx.builder.getI64IntegerAttr(0)));
    return castTensor(ctx, list, type);
  }
  for (int64_t &d : shape)
    d = ShapedType::isDynamic(d) ? 0 : d;
  Value list = tensor::EmptyOp::create(ctx.builder, ctx.loc, shape,
                                       type.getElementType());
  return castTensor(ctx, list, type);
}

/// `list` with `value` as element `iteration`, or at its end or front.
Value LoopBuilder::append(Value list, Value value, Value iteration,
                          const Collected &how) {
  OpBuilder &b = ctx.builder;
  Value item = ctx.create<qnn::UnsqueezeOp>(value, ctx.i64List(how.axis));
  if (!item)
    return {};
  auto type = cast<RankedTensorType>(list.getType());
  if (isPreallocated(type, how)) {
    Value index = makeTensor(ctx, iteration);
    if (how.isReversed) {
      Value last =
          ctx.binary(qnn::BinaryKind::sub,
                     ctx.castTo(tripCount, b.getI64Type()), ctx.i64List(1));
      index = ctx.binary(qnn::BinaryKind::sub, last, index);
    }
    return ctx.create<qnn::ScatterNDOp>(qnn::ScatterReduction::none, list,
                                        ctx.reshape(index, {1, 1}), item);
  }
  auto concat = [&]() -> Value {
    SmallVector<Value> parts = {list, item};
    if (how.isReversed)
      std::swap(parts[0], parts[1]);
    return castTensor(
        ctx, ctx.create<qnn::ConcatOp>(parts, b.getI64IntegerAttr(how.axis)),
        type);
  };
  if (cast<RankedTensorType>(value.getType()).hasStaticShape())
    return concat();
  // The first value decides the extents.
  Value zero = arith::ConstantOp::create(b, ctx.loc, b.getI64IntegerAttr(0));
  Value isFirst = arith::CmpIOp::create(b, ctx.loc, arith::CmpIPredicate::eq,
                                        iteration, zero);
  auto branch = scf::IfOp::create(b, ctx.loc, type, isFirst, true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(branch.thenBlock());
  scf::YieldOp::create(b, ctx.loc, castTensor(ctx, item, type));
  b.setInsertionPointToEnd(branch.elseBlock());
  Value joined = concat();
  if (!joined)
    return {};
  scf::YieldOp::create(b, ctx.loc, joined);
  return branch.getResult(0);
}

//===- the loop -----------------------------------------------------------===//

/// One attempt to build a loop.
struct LoopBuilder::Attempt {
  Attempt(Location loc, bool isCounted)
      : state(loc, isCounted ? scf::ForOp::getOperationName()
                             : scf::WhileOp::getOperationName()),
        before(isCounted ? nullptr : &state.addRegion()->emplaceBlock()),
        block(&state.addRegion()->emplaceBlock()) {}

  /// What the body gives: the condition, what is carried on, what is collected.
  ArrayRef<Value> getCarriedOn() const {
    return ArrayRef(results).slice(1, numCarried);
  }
  ArrayRef<Value> getItems() const {
    return ArrayRef(results).drop_front(1 + numCarried);
  }

  OperationState state;
  /// The blocks of an scf.while's condition, if it is one, and of the body.
  Block *before, *block;
  /// The number of the iteration, and the condition to run it: a scalar, which
  /// is null if there is none, and a tensor.
  Value iteration, goesOn, condition;
  size_t numCarried = 0;
  SmallVector<Value> results;
  SmallVector<RankedTensorType> listTypes;
};

/// Builds the body, with the iteration number and the condition as tensors.
LogicalResult LoopBuilder::buildBody(Attempt &loop,
                                     ArrayRef<RankedTensorType> types) {
  OpBuilder &b = ctx.builder;
  Location loc = ctx.loc;
  Block *block = loop.block;
  b.setInsertionPointToEnd(block);
  if (isCounted) {
    Value index = block->addArgument(b.getIndexType(), loc);
    loop.iteration = arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
    loop.condition = ctx.scalar(b.getI1Type(), 1);
  } else {
    loop.iteration = block->addArgument(b.getI64Type(), loc);
    loop.goesOn = block->addArgument(b.getI1Type(), loc);
    loop.condition = makeTensor(ctx, loop.goesOn);
  }
  unsigned numLeading = block->getNumArguments();
  for (RankedTensorType type : types)
    block->addArgument(type, loc);
  loop.numCarried = types.size();
  SmallVector<Value> carried(block->getArguments().drop_front(numLeading));
  if (failed(body(block, makeTensor(ctx, loop.iteration), loop.condition,
                  carried, loop.results)))
    return failure();
  if (loop.results.size() != 1 + types.size() + collected.size())
    return ctx.emitError("its body has a wrong number of outputs");
  if (llvm::is_contained(ArrayRef(loop.results).drop_front(), Value()))
    return ctx.emitError("its body leaves out an output");
  return success();
}

/// Whether the loop can be as this attempt has it. If not, `types`, or what
/// kind of loop it is, have changed for the next one.
FailureOr<bool> LoopBuilder::isStable(const Attempt &loop,
                                      MutableArrayRef<RankedTensorType> types) {
  bool result = true;
  for (auto [type, value] : llvm::zip(types, loop.getCarriedOn())) {
    auto joined = joinTypes(type, cast<RankedTensorType>(value.getType()));
    if (!joined)
      return failJoin(ctx, type, value.getType());
    result &= joined == type;
    type = joined;
  }
  if (runsToEnd && hasCondition(loop)) {
    runsToEnd = false;
    isCounted = false;
    result = false;
  }
  // Canonicalization gives what scf.for carries the type of what it starts
  // with, which does not hold for what grows. scf.while keeps its types.
  bool grows = llvm::any_of(llvm::zip(types, init), [](auto pair) {
    return std::get<0>(pair) != std::get<1>(pair).getType();
  });
  for (auto [how, value] : llvm::zip(collected, loop.getItems()))
    grows |= how.axis != 0 ||
             (!how.itemShape &&
              !cast<RankedTensorType>(value.getType()).hasStaticShape());
  if (isCounted && grows) {
    isCounted = false;
    result = false;
  }
  return result;
}

/// Whether the body decides if there is another iteration.
bool LoopBuilder::hasCondition(const Attempt &loop) {
  Value condition = loop.results[0];
  return condition && condition != loop.condition && !isConstantTrue(condition);
}

/// Ends the body with what it yields: the next count and condition, what is
/// carried on, lists.
LogicalResult LoopBuilder::yield(Attempt &loop,
                                 ArrayRef<RankedTensorType> types) {
  OpBuilder &b = ctx.builder;
  Location loc = ctx.loc;
  b.setInsertionPointToEnd(loop.block);
  SmallVector<Value> yielded;
  if (!isCounted) {
    Value one = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
    yielded.push_back(arith::AddIOp::create(b, loc, loop.iteration, one));
    yielded.push_back(hasCondition(loop) ? extractScalar(ctx, loop.results[0])
                                         : loop.goesOn);
  }
  for (auto [type, value] : llvm::zip(types, loop.getCarriedOn()))
    yielded.push_back(castTensor(ctx, value, type));
  for (auto [how, value] : llvm::zip(collected, loop.getItems())) {
    auto type = cast<RankedTensorType>(value.getType());
    auto axis = qnn::normalizeAxis(how.axis, type.getRank() + 1);
    if (!axis)
      return ctx.emitError("an output's axis is out of range");
    how.axis = *axis;
    SmallVector<int64_t> shape(type.getShape());
    shape.insert(shape.begin() + *axis, ShapedType::kDynamic);
    loop.listTypes.push_back(
        RankedTensorType::get(shape, type.getElementType()));
    Value list = loop.block->addArgument(loop.listTypes.back(), loc);
    yielded.push_back(append(list, value, loop.iteration, how));
  }
  if (llvm::is_contained(yielded, Value()))
    return failure();
  b.setInsertionPointToEnd(loop.block);
  scf::YieldOp::create(b, loc, yielded);
  return success();
}

/// When the loop ends: what comes before what it carries. `limit` may be null.
void LoopBuilder::addBounds(Attempt &loop, Value limit) {
  OpBuilder &b = ctx.builder;
  Location loc = ctx.loc;
  if (isCounted) {
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    Value upper = arith::IndexCastOp::create(b, loc, b.getIndexType(), limit);
    loop.state.addOperands({zero, upper, one});
    return;
  }
  {
    OpBuilder::InsertionGuard guard(b);
    SmallVector<Type> argTypes(loop.block->getArgumentTypes());
    SmallVector<Location> locations(argTypes.size(), loc);
    loop.before->addArguments(argTypes, locations);
    b.setInsertionPointToEnd(loop.before);
    Value runs = loop.before->getArgument(1);
    if (limit)
      runs = arith::AndIOp::create(
          b, loc, runs,
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                loop.before->getArgument(0), limit));
    scf::ConditionOp::create(b, loc, runs, loop.before->getArguments());
    loop.state.addTypes(ArrayRef(argTypes).take_front(2));
  }
  Value zero = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(0));
  Value first = condition
                    ? extractScalar(ctx, condition)
                    : arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
  loop.state.addOperands({zero, first});
}

/// Builds the loop with `types` carried. If the body's results do not fit, or
/// it turns out to have a condition, it notes that and gives null.
FailureOr<Operation *>
LoopBuilder::tryBuild(MutableArrayRef<RankedTensorType> types) {
  OpBuilder &b = ctx.builder;
  OpBuilder::InsertionGuard guard(b);
  OpBuilder::InsertPoint outside = b.saveInsertionPoint();
  Value limit = tripCount ? extractScalar(ctx, tripCount) : Value();
  if (tripCount && !limit)
    return failure();
  Attempt loop(ctx.loc, isCounted);
  if (failed(buildBody(loop, types)))
    return failure();
  FailureOr<bool> fits = isStable(loop, types);
  if (failed(fits))
    return failure();
  if (!*fits)
    return static_cast<Operation *>(nullptr);
  if (failed(yield(loop, types)))
    return failure();

  // What it starts with.
  b.restoreInsertionPoint(outside);
  addBounds(loop, limit);
  for (auto [type, value] : llvm::zip(types, init)) {
    loop.state.addOperands(castTensor(ctx, value, type));
    loop.state.addTypes(type);
  }
  for (auto [type, how] : llvm::zip(loop.listTypes, collected)) {
    loop.state.addOperands(createList(type, how));
    loop.state.addTypes(type);
  }
  if (llvm::is_contained(loop.state.operands, Value()))
    return failure();
  return b.create(loop.state);
}

/// What a loop carries on from nothing becomes something: a list that is empty
/// at first is joined to items whose other dimensions are not 0 either.
static RankedTensorType presumeGrowth(RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  llvm::replace(shape, int64_t(0), ShapedType::kDynamic);
  return RankedTensorType::get(shape, type.getElementType());
}

FailureOr<SmallVector<Value>> LoopBuilder::build() {
  SmallVector<RankedTensorType> types;
  for (Value v : init) {
    if (!v)
      return ctx.emitError("an initial value is left out");
    types.push_back(presumeGrowth(cast<RankedTensorType>(v.getType())));
  }
  if (condition && isConstantTrue(condition))
    condition = {};
  if (tripCount && cast<RankedTensorType>(tripCount.getType()).getRank() != 0)
    tripCount = ctx.reshape(tripCount, {});
  runsToEnd = isCounted = tripCount && !condition;
  // Each attempt makes a dimension dynamic or gives up counting: this ends.
  while (true) {
    FailureOr<Operation *> loop = tryBuild(types);
    if (failed(loop))
      return failure();
    if (*loop)
      return SmallVector<Value>(
          (*loop)->getResults().drop_front(isCounted ? 0 : 2));
  }
}
