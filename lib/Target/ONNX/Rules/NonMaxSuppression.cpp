//===- NonMaxSuppression.cpp - Boxes that no better one overlaps with -----===//
//
// Each choice depends on those before it: the rule builds loops over scalars
// instead of qnn ops on whole tensors. The boxes of a class wait in a heap, the
// best one on top, and only as many are taken out of it as it needs to find
// those that are wanted. Each is compared with those chosen so far, up to the
// first that it overlaps with.
//
//===----------------------------------------------------------------------===//

#include "NonMaxSuppression.h"

#include "../LoopBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using F = arith::CmpFPredicate;
using I = arith::CmpIPredicate;

namespace {
class Suppression {
public:
  explicit Suppression(NodeContext &ctx)
      : ctx(ctx), b(ctx.builder), loc(ctx.loc) {}
  LogicalResult run();

private:
  struct Box {
    Value left, right, top, bottom, area;
  };
  /// A box that waits: its score and number.
  struct Candidate {
    Value score, box;
  };
  /// Two tensors of as many elements as there are boxes.
  struct Heap {
    Value scores, boxes;
  };
  using Body = llvm::function_ref<SmallVector<Value>(Value, ValueRange)>;
  using Condition = llvm::function_ref<Value(ValueRange)>;

  LogicalResult readInputs();
  /// Fails, here or when it runs, unless dimensions of boxes and scores that
  /// count the same are equal.
  LogicalResult checkFit();
  Value getSize(Value tensor, int64_t dimension);
  /// Input `i` as a scalar, or a number if it is left out.
  Value scalarInput(size_t i, Type type, double otherwise);

  Value index(int64_t v) { return arith::ConstantIndexOp::create(b, loc, v); }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value increment(Value i) { return add(i, index(1)); }
  Value decrement(Value i) {
    return arith::SubIOp::create(b, loc, i, index(1));
  }
  Value compare(F predicate, Value x, Value y) {
    return arith::CmpFOp::create(b, loc, predicate, x, y);
  }
  Value compare(I predicate, Value x, Value y) {
    return arith::CmpIOp::create(b, loc, predicate, x, y);
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value select(Value c, Value x, Value y) {
    return arith::SelectOp::create(b, loc, c, x, y);
  }
  Value get(Value tensor, ValueRange at) {
    return tensor::ExtractOp::create(b, loc, tensor, at);
  }
  Value set(Value tensor, Value element, ValueRange at) {
    return tensor::InsertOp::create(b, loc, element, tensor, at);
  }
  Value allocate(Value size, int64_t columns, Type type);

  SmallVector<Value> forEach(Value count, ValueRange init, Body body);
  SmallVector<Value>
  repeatWhile(ValueRange init, Condition condition,
              llvm::function_ref<SmallVector<Value>(ValueRange)> body);
  /// `condition`, and if it holds, what `other` gives.
  Value andThen(Value condition, llvm::function_ref<Value()> other);

  Box readBox(Value image, Value box);
  Value overlaps(Value chosen, Value row, const Box &box);

  Value precedes(Candidate x, Candidate y);
  Candidate candidateAt(Heap heap, Value i) {
    return {get(heap.scores, i), get(heap.boxes, i)};
  }
  Heap put(Heap heap, Candidate candidate, Value i) {
    return {set(heap.scores, candidate.score, i),
            set(heap.boxes, candidate.box, i)};
  }
  Heap sink(Heap heap, Candidate candidate, Value hole, Value size, Value last);
  std::pair<Heap, Value> fillHeap(Heap heap, Value image, Value category);

  SmallVector<Value> selectBoxes(Value image, Value category, ValueRange state);
  SmallVector<Value> choose(Value image, Value category, Value box,
                            ValueRange state);

  NodeContext &ctx;
  OpBuilder &b;
  Location loc;
  Value boxes, scores, numBoxes, limit, maxOverlap, minScore;
  bool isCentered = false;
};
} // namespace

//===- loops --------------------------------------------------------------===//

Value Suppression::allocate(Value size, int64_t columns, Type type) {
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  if (columns > 1)
    shape.push_back(columns);
  return tensor::EmptyOp::create(b, loc, shape, type, ValueRange{size});
}

SmallVector<Value> Suppression::forEach(Value count, ValueRange init,
                                        Body body) {
  auto loop =
      scf::ForOp::create(b, loc, index(0), count, index(1), init,
                         [&](OpBuilder &, Location, Value i, ValueRange args) {
                           scf::YieldOp::create(b, loc, body(i, args));
                         });
  return llvm::to_vector_of<Value>(loop.getResults());
}

SmallVector<Value> Suppression::repeatWhile(
    ValueRange init, Condition condition,
    llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
  auto loop = scf::WhileOp::create(
      b, loc, init.getTypes(), init,
      [&](OpBuilder &, Location, ValueRange args) {
        scf::ConditionOp::create(b, loc, condition(args), args);
      },
      [&](OpBuilder &, Location, ValueRange args) {
        scf::YieldOp::create(b, loc, body(args));
      });
  return llvm::to_vector_of<Value>(loop.getResults());
}

Value Suppression::andThen(Value condition, llvm::function_ref<Value()> other) {
  return scf::IfOp::create(
             b, loc, condition,
             [&](OpBuilder &, Location) {
               scf::YieldOp::create(b, loc, other());
             },
             [&](OpBuilder &, Location) {
               scf::YieldOp::create(b, loc,
                                    Value(arith::ConstantOp::create(
                                        b, loc, b.getBoolAttr(false))));
             })
      .getResult(0);
}

//===- boxes --------------------------------------------------------------===//

/// The corners, which models may give in any order, or center and size.
Suppression::Box Suppression::readBox(Value image, Value box) {
  SmallVector<Value> parts;
  for (int64_t i = 0; i < 4; ++i)
    parts.push_back(get(boxes, {image, box, index(i)}));
  auto sub = [&](Value x, Value y) -> Value {
    return arith::SubFOp::create(b, loc, x, y);
  };
  Box result;
  auto setEnds = [&](Value &low, Value &high, int64_t first, int64_t second) {
    Value x = parts[first], y = parts[second];
    if (!isCentered) {
      low = arith::MinimumFOp::create(b, loc, x, y);
      high = arith::MaximumFOp::create(b, loc, x, y);
      return;
    }
    Value half = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0.5));
    Value radius = arith::MulFOp::create(b, loc, y, half);
    low = sub(x, radius);
    high = arith::AddFOp::create(b, loc, x, radius);
  };
  // (y, x, y, x), or (x, y, width, height).
  setEnds(result.left, result.right, isCentered ? 0 : 1, isCentered ? 2 : 3);
  setEnds(result.top, result.bottom, isCentered ? 1 : 0, isCentered ? 3 : 2);
  result.area = arith::MulFOp::create(b, loc, sub(result.right, result.left),
                                      sub(result.bottom, result.top));
  return result;
}

/// Whether `box` shares too much with the box in `row` of `chosen`. Most boxes
/// share nothing, which their sides tell without a division.
Value Suppression::overlaps(Value chosen, Value row, const Box &box) {
  auto part = [&](int64_t i) { return get(chosen, {row, index(i)}); };
  auto side = [&](Value low, Value high, int64_t first) -> Value {
    return arith::SubFOp::create(
        b, loc, arith::MinimumFOp::create(b, loc, high, part(first + 1)),
        arith::MaximumFOp::create(b, loc, low, part(first)));
  };
  Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  Value width = side(box.left, box.right, 0);
  return andThen(compare(F::OGT, width, zero), [&] {
    Value height = side(box.top, box.bottom, 2);
    return andThen(compare(F::OGT, height, zero), [&] {
      Value area = part(4);
      Value common = arith::MulFOp::create(b, loc, width, height);
      Value joined = arith::SubFOp::create(
          b, loc, arith::AddFOp::create(b, loc, area, box.area), common);
      Value ratio = arith::DivFOp::create(b, loc, common, joined);
      Value result = compare(F::OGT, ratio, maxOverlap);
      for (Value size : {common, area, box.area, joined})
        result = both(result, compare(F::OGT, size, zero));
      return result;
    });
  });
}

//===- the heap -----------------------------------------------------------===//

/// Of equal scores the first box is the better one.
Value Suppression::precedes(Candidate x, Candidate y) {
  Value isFirst =
      both(compare(F::OEQ, x.score, y.score), compare(I::ult, x.box, y.box));
  return arith::OrIOp::create(b, loc, compare(F::OGT, x.score, y.score),
                              isFirst);
}

/// Puts `candidate` at `hole` or below it, where it is better than what
/// follows. The heap has `size` elements; up to `last`, they may be read.
Suppression::Heap Suppression::sink(Heap heap, Candidate candidate, Value hole,
                                    Value size, Value last) {
  SmallVector<Value> init{heap.scores, heap.boxes, hole};
  SmallVector<Value> all{heap.scores, heap.boxes,      hole,
                         hole,        candidate.score, candidate.box};
  SmallVector<Type> types = llvm::to_vector(ValueRange(all).getTypes());
  auto loop = scf::WhileOp::create(
      b, loc, types, init,
      [&](OpBuilder &, Location, ValueRange args) {
        Heap now{args[0], args[1]};
        Value left = increment(add(args[2], args[2]));
        Value right = increment(left);
        auto bounded = [&](Value i) -> Value {
          return arith::MinUIOp::create(b, loc, i, last);
        };
        Candidate first = candidateAt(now, bounded(left));
        Candidate second = candidateAt(now, bounded(right));
        Value isSecond =
            both(compare(I::ult, right, size), precedes(second, first));
        Value child = select(isSecond, right, left);
        Candidate best{select(isSecond, second.score, first.score),
                       select(isSecond, second.box, first.box)};
        Value goesOn =
            both(compare(I::ult, left, size), precedes(best, candidate));
        scf::ConditionOp::create(
            b, loc, goesOn,
            ValueRange{args[0], args[1], args[2], child, best.score, best.box});
      },
      [&](OpBuilder &, Location, ValueRange args) {
        Heap next = put({args[0], args[1]}, {args[4], args[5]}, args[2]);
        scf::YieldOp::create(b, loc,
                             ValueRange{next.scores, next.boxes, args[3]});
      });
  return put({loop.getResult(0), loop.getResult(1)}, candidate,
             loop.getResult(2));
}

/// Makes a heap of the boxes whose scores suffice; and their number.
std::pair<Suppression::Heap, Value>
Suppression::fillHeap(Heap heap, Value image, Value category) {
  SmallVector<Value> filled =
      forEach(numBoxes, {heap.scores, heap.boxes, index(0)},
              [&](Value i, ValueRange args) -> SmallVector<Value> {
                Value score = get(scores, {image, category, i});
                Value suffices = minScore ? compare(F::OGT, score, minScore)
                                          : compare(F::ORD, score, score);
                // The next one takes the place of one whose score does not.
                Heap next = put({args[0], args[1]}, {score, i}, args[2]);
                Value one = arith::IndexCastUIOp::create(
                    b, loc, b.getIndexType(), suffices);
                return {next.scores, next.boxes, add(args[2], one)};
              });
  Value size = filled[2];
  Value numParents = arith::DivUIOp::create(b, loc, size, index(2));
  SmallVector<Value> ordered = forEach(
      numParents, {filled[0], filled[1]},
      [&](Value i, ValueRange args) -> SmallVector<Value> {
        Value parent = decrement(arith::SubIOp::create(b, loc, numParents, i));
        Heap now{args[0], args[1]};
        now =
            sink(now, candidateAt(now, parent), parent, size, decrement(size));
        return {now.scores, now.boxes};
      });
  return {Heap{ordered[0], ordered[1]}, size};
}

//===- the choice ---------------------------------------------------------===//

/// Writes `box` behind the chosen ones, and counts it if it overlaps with none.
/// `state`: the rows of the result and their number, the corners of the boxes
/// chosen for this class and their number.
SmallVector<Value> Suppression::choose(Value image, Value category, Value box,
                                       ValueRange state) {
  Value rows = state[0], chosen = state[2], taken = state[3];
  Box corners = readBox(image, box);
  Value position = repeatWhile(
      index(0),
      [&](ValueRange args) {
        return andThen(compare(I::ult, args[0], taken), [&]() -> Value {
          Value hit = overlaps(chosen, args[0], corners);
          Value yes = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
          return arith::XOrIOp::create(b, loc, hit, yes);
        });
      },
      [&](ValueRange args) -> SmallVector<Value> {
        return {increment(args[0])};
      })[0];
  Value isChosen = compare(I::eq, position, taken);
  SmallVector<Value> parts{corners.left, corners.right, corners.top,
                           corners.bottom, corners.area};
  for (auto [i, value] : llvm::enumerate(parts))
    chosen = set(chosen, value, {taken, index(i)});
  SmallVector<Value> row{image, category, box};
  for (auto [i, value] : llvm::enumerate(row)) {
    Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(), value);
    rows = set(rows, number, {state[1], index(i)});
  }
  Value one = arith::IndexCastUIOp::create(b, loc, b.getIndexType(), isChosen);
  return {rows, add(state[1], one), chosen, add(taken, one)};
}

/// Chooses the boxes of one class. `state`: the rows of the result, their
/// number, memory for the heap and for the corners of chosen boxes.
SmallVector<Value> Suppression::selectBoxes(Value image, Value category,
                                            ValueRange state) {
  auto [heap, size] = fillHeap({state[2], state[3]}, image, category);
  SmallVector<Value> results = repeatWhile(
      {heap.scores, heap.boxes, size, state[0], state[1], state[4], index(0)},
      [&](ValueRange args) {
        return both(compare(I::ugt, args[2], index(0)),
                    compare(I::ult, args[6], limit));
      },
      [&](ValueRange args) {
        Heap now{args[0], args[1]};
        Value best = get(now.boxes, index(0));
        Value left = decrement(args[2]);
        now = sink(now, candidateAt(now, left), index(0), left, left);
        SmallVector<Value> next{now.scores, now.boxes, left};
        next.append(choose(image, category, best, args.drop_front(3)));
        return next;
      });
  return {results[3], results[4], results[0], results[1], results[5]};
}

//===- the node -----------------------------------------------------------===//

Value Suppression::scalarInput(size_t i, Type type, double otherwise) {
  if (ctx.hasInput(i))
    return extractScalar(ctx, ctx.input(i));
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, otherwise));
  return arith::ConstantOp::create(b, loc,
                                   b.getIntegerAttr(type, int64_t(otherwise)));
}

LogicalResult Suppression::readInputs() {
  boxes = ctx.input(0), scores = ctx.input(1);
  if (!boxes || !scores || ctx.inputType(0).getRank() != 3 ||
      ctx.inputType(1).getRank() != 3 || !ctx.inputElementType(0).isF32() ||
      !ctx.inputElementType(1).isF32())
    return ctx.emitError("boxes and scores must be f32 of rank 3");
  if (ctx.inputType(0).getDimSize(2) != 4)
    return ctx.emitError("boxes must have 4 coordinates");
  isCentered = ctx.getInt("center_point_box") == 1;
  limit = scalarInput(2, b.getI64Type(), 0);
  maxOverlap = scalarInput(3, b.getF32Type(), 0);
  minScore = ctx.hasInput(4) ? scalarInput(4, b.getF32Type(), 0) : Value();
  return failure(ctx.hasFailed());
}

Value Suppression::getSize(Value tensor, int64_t dimension) {
  Value size = ctx.create<qnn::ShapeOp>(tensor, dimension, dimension + 1);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(),
                                    extractScalar(ctx, size));
}

LogicalResult Suppression::checkFit() {
  for (auto [ofBoxes, ofScores, what] :
       {std::tuple(0, 0, "images"), std::tuple(1, 2, "boxes")}) {
    int64_t x = ctx.inputType(0).getDimSize(ofBoxes);
    int64_t y = ctx.inputType(1).getDimSize(ofScores);
    std::string problem =
        std::string("boxes and scores must be of equally many ") + what;
    if (ShapedType::isStatic(x) && ShapedType::isStatic(y)) {
      if (x != y)
        return ctx.emitError(problem);
      continue;
    }
    assertWhenRun(
        ctx, compare(I::eq, getSize(boxes, ofBoxes), getSize(scores, ofScores)),
        " (NonMaxSuppression): " + problem);
  }
  return success();
}

LogicalResult Suppression::run() {
  if (failed(readInputs()) || failed(checkFit()))
    return failure();
  numBoxes = getSize(boxes, 1);
  Value images = getSize(boxes, 0), classes = getSize(scores, 1);
  limit = arith::IndexCastOp::create(b, loc, b.getIndexType(), limit);
  limit = arith::MaxSIOp::create(b, loc, limit, index(0));
  limit = arith::MinSIOp::create(b, loc, limit, numBoxes);
  Value capacity = arith::MulIOp::create(
      b, loc, arith::MulIOp::create(b, loc, images, classes), limit);
  SmallVector<Value> state{allocate(capacity, 3, b.getI64Type()), index(0),
                           allocate(numBoxes, 1, b.getF32Type()),
                           allocate(numBoxes, 1, b.getIndexType()),
                           allocate(limit, 5, b.getF32Type())};
  state = forEach(images, state, [&](Value image, ValueRange outer) {
    return forEach(classes, outer, [&](Value category, ValueRange inner) {
      return selectBoxes(image, category, inner);
    });
  });
  OpFoldResult start = b.getIndexAttr(0), step = b.getIndexAttr(1);
  Value result = tensor::ExtractSliceOp::create(
      b, loc, state[0], ArrayRef<OpFoldResult>{start, start},
      ArrayRef<OpFoldResult>{state[1], b.getIndexAttr(3)},
      ArrayRef<OpFoldResult>{step, step});
  return ctx.setOutput(0, result);
}

LogicalResult quantc::onnx_import::importNonMaxSuppression(NodeContext &ctx) {
  return Suppression(ctx).run();
}
