//===- Detection.cpp - Non-maximum suppression and unpooling --------------===//
//
// Non-maximum suppression depends on data at each step: its rule builds loops
// over scalars instead of qnn ops on whole tensors.
//
//===----------------------------------------------------------------------===//

#include "../LoopBuilder.h"
#include "Windows.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;

//===- non-maximum suppression --------------------------------------------===//

namespace {
/// Takes the best box of a class, drops those that overlap with it, and goes on
/// with the rest; in that order, for each class of each image.
class Suppression {
public:
  explicit Suppression(NodeContext &ctx)
      : ctx(ctx), b(ctx.builder), loc(ctx.loc) {}
  LogicalResult run();

private:
  struct Box {
    Value left, right, top, bottom;
  };

  Value index(int64_t v) { return arith::ConstantIndexOp::create(b, loc, v); }
  Value number(double v) {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(v));
  }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value min(Value x, Value y) {
    return arith::MinimumFOp::create(b, loc, x, y);
  }
  Value max(Value x, Value y) {
    return arith::MaximumFOp::create(b, loc, x, y);
  }
  Value greater(Value x, Value y) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  }
  Value less(Value x, Value y) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value increment(Value i) {
    return arith::AddIOp::create(b, loc, i, index(1));
  }
  /// Input `i` as a scalar, or a number if it is left out.
  Value scalarInput(size_t i, Type type, double otherwise);
  Value element(Value tensor, ValueRange at) {
    return tensor::ExtractOp::create(b, loc, tensor, at);
  }
  Box readBox(Value image, Value box);
  Value overlaps(const Box &x, const Box &y);
  /// The best box of those left, or -1; and its score.
  std::pair<Value, Value> findBest(Value left);
  Value dropOverlapping(Value left, Value image, Value best);
  /// Appends (image, class, box) to the rows.
  Value writeRow(Value rows, Value count, ValueRange row);
  /// For one class: the rows and their number, with those that it adds.
  SmallVector<Value> selectBoxes(Value image, Value category, Value rows,
                                 Value count);

  NodeContext &ctx;
  OpBuilder &b;
  Location loc;
  Value boxes, scores, numBoxes, limit, maxOverlap, minScore;
  bool isCentered = false;
};
} // namespace

Value Suppression::scalarInput(size_t i, Type type, double otherwise) {
  if (ctx.hasInput(i))
    return extractScalar(ctx, ctx.input(i));
  if (isa<FloatType>(type))
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, otherwise));
  return arith::ConstantOp::create(b, loc,
                                   b.getIntegerAttr(type, int64_t(otherwise)));
}

/// The corners, which models may give in any order, or center and size.
Suppression::Box Suppression::readBox(Value image, Value box) {
  SmallVector<Value> parts;
  for (int64_t i = 0; i < 4; ++i)
    parts.push_back(element(boxes, {image, box, index(i)}));
  if (!isCentered)
    return {min(parts[1], parts[3]), max(parts[1], parts[3]),
            min(parts[0], parts[2]), max(parts[0], parts[2])};
  Value width = mul(parts[2], number(0.5)), height = mul(parts[3], number(0.5));
  auto add = [&](Value x, Value y) -> Value {
    return arith::AddFOp::create(b, loc, x, y);
  };
  return {sub(parts[0], width), add(parts[0], width), sub(parts[1], height),
          add(parts[1], height)};
}

Value Suppression::overlaps(const Box &x, const Box &y) {
  Value width = sub(min(x.right, y.right), max(x.left, y.left));
  Value height = sub(min(x.bottom, y.bottom), max(x.top, y.top));
  Value zero = number(0);
  Value common = mul(width, height);
  auto area = [&](const Box &box) {
    return mul(sub(box.right, box.left), sub(box.bottom, box.top));
  };
  Value areaX = area(x), areaY = area(y);
  Value both1 = sub(arith::AddFOp::create(b, loc, areaX, areaY), common);
  Value result = both(greater(width, zero), greater(height, zero));
  for (Value size : {common, areaX, areaY, both1})
    result = both(result, greater(size, zero));
  return both(result, greater(arith::DivFOp::create(b, loc, common, both1),
                              maxOverlap));
}

std::pair<Value, Value> Suppression::findBest(Value left) {
  Value none = number(-std::numeric_limits<double>::infinity());
  auto loop = scf::ForOp::create(b, loc, index(0), numBoxes, index(1),
                                 ValueRange{none, index(-1)});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value i = loop.getInductionVar();
  ValueRange best = loop.getRegionIterArgs();
  Value score = element(left, {i});
  // The first of equal ones.
  Value better = greater(score, best[0]);
  Value newScore = arith::SelectOp::create(b, loc, better, score, best[0]);
  Value newIndex = arith::SelectOp::create(b, loc, better, i, best[1]);
  scf::YieldOp::create(b, loc, ValueRange{newScore, newIndex});
  return {loop.getResult(1), loop.getResult(0)};
}

Value Suppression::dropOverlapping(Value left, Value image, Value best) {
  Box chosen = readBox(image, best);
  auto loop = scf::ForOp::create(b, loc, index(0), numBoxes, index(1),
                                 ValueRange{left});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(loop.getBody());
  Value i = loop.getInductionVar(), scoresLeft = loop.getRegionIterArg(0);
  Value isChosen =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, i, best);
  Value drops = arith::OrIOp::create(b, loc, isChosen,
                                     overlaps(chosen, readBox(image, i)));
  Value none = number(-std::numeric_limits<double>::infinity());
  Value score =
      arith::SelectOp::create(b, loc, drops, none, element(scoresLeft, {i}));
  Value next =
      tensor::InsertOp::create(b, loc, score, scoresLeft, ValueRange{i});
  scf::YieldOp::create(b, loc, next);
  return loop.getResult(0);
}

Value Suppression::writeRow(Value rows, Value count, ValueRange row) {
  for (auto [i, value] : llvm::enumerate(row)) {
    Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(), value);
    rows = tensor::InsertOp::create(b, loc, number, rows,
                                    ValueRange{count, index(i)});
  }
  return rows;
}

SmallVector<Value> Suppression::selectBoxes(Value image, Value category,
                                            Value rows, Value count) {
  // The scores that are left.
  Value left =
      tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{ShapedType::kDynamic},
                              b.getF32Type(), ValueRange{numBoxes});
  auto copy = scf::ForOp::create(b, loc, index(0), numBoxes, index(1),
                                 ValueRange{left});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(copy.getBody());
    Value i = copy.getInductionVar();
    Value next =
        tensor::InsertOp::create(b, loc, element(scores, {image, category, i}),
                                 copy.getRegionIterArg(0), ValueRange{i});
    scf::YieldOp::create(b, loc, next);
  }
  auto [firstBest, firstScore] = findBest(copy.getResult(0));
  SmallVector<Value> init = {copy.getResult(0), rows,      count,
                             index(0),          firstBest, firstScore};
  SmallVector<Type> types(ValueRange(init).getTypes());
  SmallVector<Location> locs(types.size(), loc);
  auto loop = scf::WhileOp::create(b, loc, types, init);
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&loop.getBefore(), {}, types, locs);
  {
    ValueRange args = before->getArguments();
    Value goesOn = both(less(index(-1), args[4]), less(args[3], limit));
    if (minScore)
      goesOn = both(goesOn, greater(args[5], minScore));
    scf::ConditionOp::create(b, loc, goesOn, args);
  }
  Block *body = b.createBlock(&loop.getAfter(), {}, types, locs);
  ValueRange args = body->getArguments();
  Value newRows = writeRow(args[1], args[2], {image, category, args[4]});
  Value newLeft = dropOverlapping(args[0], image, args[4]);
  auto [best, score] = findBest(newLeft);
  scf::YieldOp::create(b, loc,
                       ValueRange{newLeft, newRows, increment(args[2]),
                                  increment(args[3]), best, score});
  return {loop.getResult(1), loop.getResult(2)};
}

LogicalResult Suppression::run() {
  boxes = ctx.input(0), scores = ctx.input(1);
  if (!boxes || !scores || ctx.inputType(0).getRank() != 3 ||
      ctx.inputType(1).getRank() != 3 || !ctx.inputElementType(0).isF32() ||
      !ctx.inputElementType(1).isF32())
    return ctx.emitError("boxes and scores must be f32 of rank 3");
  int64_t four = ctx.inputType(0).getDimSize(2);
  if (four != 4)
    return ctx.emitError("boxes must have 4 coordinates");
  isCentered = ctx.getInt("center_point_box") == 1;
  Value wanted = scalarInput(2, b.getI64Type(), 0);
  maxOverlap = scalarInput(3, b.getF32Type(), 0);
  minScore = ctx.hasInput(4) ? scalarInput(4, b.getF32Type(), 0) : Value();
  if (ctx.hasFailed())
    return failure();
  auto dim = [&](Value tensor, int64_t i) -> Value {
    return arith::IndexCastOp::create(
        b, loc, b.getIndexType(),
        extractScalar(ctx, ctx.create<qnn::ShapeOp>(tensor, i, i + 1)));
  };
  numBoxes = dim(boxes, 1);
  Value images = dim(boxes, 0), classes = dim(scores, 1);
  Value zero = index(0), one = index(1);
  limit = arith::IndexCastOp::create(b, loc, b.getIndexType(), wanted);
  limit = arith::MaxSIOp::create(b, loc, limit, zero);
  limit = arith::MinSIOp::create(b, loc, limit, numBoxes);
  Value capacity = arith::MulIOp::create(
      b, loc, arith::MulIOp::create(b, loc, images, classes), limit);
  Value rows = tensor::EmptyOp::create(
      b, loc, ArrayRef<int64_t>{ShapedType::kDynamic, 3}, b.getI64Type(),
      ValueRange{capacity});
  auto outer =
      scf::ForOp::create(b, loc, zero, images, one, ValueRange{rows, zero});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(outer.getBody());
    auto inner = scf::ForOp::create(b, loc, zero, classes, one,
                                    outer.getRegionIterArgs());
    b.setInsertionPointToEnd(inner.getBody());
    SmallVector<Value> results =
        selectBoxes(outer.getInductionVar(), inner.getInductionVar(),
                    inner.getRegionIterArg(0), inner.getRegionIterArg(1));
    b.setInsertionPointToEnd(inner.getBody());
    scf::YieldOp::create(b, loc, results);
    b.setInsertionPointToEnd(outer.getBody());
    scf::YieldOp::create(b, loc, inner.getResults());
  }
  OpFoldResult count = outer.getResult(1);
  OpFoldResult start = b.getIndexAttr(0), step = b.getIndexAttr(1);
  Value result = tensor::ExtractSliceOp::create(
      b, loc, outer.getResult(0), ArrayRef<OpFoldResult>{start, start},
      ArrayRef<OpFoldResult>{count, b.getIndexAttr(3)},
      ArrayRef<OpFoldResult>{step, step});
  return ctx.setOutput(0, result);
}

//===- unpooling ----------------------------------------------------------===//

/// Dimension `i` of `x` as a list of one.
static Value dimOf(NodeContext &ctx, Value x, int64_t i) {
  return ctx.create<qnn::ShapeOp>(x, i, i + 1);
}

/// X, indices, output_shape?: each element goes where its index says, into
/// zeros.
static LogicalResult importMaxUnpool(NodeContext &ctx) {
  Value x = ctx.input(0);
  int64_t rank = ctx.inputType(0).getRank();
  if (rank < 3)
    return ctx.emitError("its input must be (N, C, spatial...)");
  auto window = readWindow(ctx, rank - 2);
  SmallVector<int64_t> kernel = ctx.getInts("kernel_shape");
  if (!window || int64_t(kernel.size()) != rank - 2 ||
      int64_t(window->strides.size()) != rank - 2 ||
      int64_t(window->pads.size()) != 2 * (rank - 2))
    return ctx.emitError("its kernel, strides and pads must be those of its "
                         "spatial dimensions");
  // Indices count in the shape that the window gives; a larger one that is
  // asked for has more zeros at its ends.
  SmallVector<Value> dims = {dimOf(ctx, x, 0), dimOf(ctx, x, 1)};
  for (int64_t i = 0; i < rank - 2; ++i) {
    Value size = ctx.binary(BinaryKind::mul, dimOf(ctx, x, i + 2),
                            ctx.i64List(window->strides[i]));
    int64_t more = kernel[i] - window->strides[i] - window->pads[i] -
                   window->pads[i + rank - 2];
    dims.push_back(ctx.binary(BinaryKind::add, size, ctx.i64List(more)));
  }
  IntegerAttr front = ctx.builder.getI64IntegerAttr(0);
  Value shape = ctx.create<qnn::ConcatOp>(dims, front);
  Value zero = ctx.scalar(ctx.inputElementType(0), 0);
  Value zeros = ctx.create<qnn::ExpandOp>(zero, shape);
  Value filled = ctx.create<qnn::ScatterElementsOp>(
      qnn::ScatterReduction::none, ctx.reshape(zeros, {-1}),
      ctx.reshape(ctx.input(1), {-1}), ctx.reshape(x, {-1}), int64_t(0));
  Value result = ctx.create<qnn::ReshapeOp>(filled, shape, /*allowzero=*/true);
  if (ctx.hasInput(2)) {
    SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    Value more = ctx.binary(BinaryKind::sub, ctx.input(2), shape);
    Value pads = ctx.create<qnn::ConcatOp>(
        ValueRange{ctx.i64List(SmallVector<int64_t>(rank, 0)), more}, front);
    result = ctx.create<qnn::PadOp>(qnn::PadMode::constant, result, pads,
                                    ctx.i64List(axes), zero);
  }
  return ctx.setOutput(0, result);
}

//===- RoiAlign -----------------------------------------------------------===//

namespace {
/// Samples a grid of points in each region, between the pixels.
class RegionSampler {
public:
  explicit RegionSampler(NodeContext &ctx)
      : ctx(ctx), type(ctx.inputElementType(0)) {}
  LogicalResult run();

private:
  /// Where the points of each region (rows) lie along one axis: the pixels
  /// before and behind, their weights, and whether a point is near the image.
  struct Places {
    Value low, high, lowWeight, highWeight, isInside;
  };

  Value number(double v) { return ctx.scalar(type, v); }
  Value binary(BinaryKind kind, Value a, Value b) {
    return ctx.binary(kind, a, b);
  }
  Value add(Value a, Value b) { return binary(BinaryKind::add, a, b); }
  Value sub(Value a, Value b) { return binary(BinaryKind::sub, a, b); }
  Value mul(Value a, Value b) { return binary(BinaryKind::mul, a, b); }
  Value compare(qnn::CompareKind kind, Value a, Value b) {
    return ctx.create<qnn::CompareOp>(kind, a, b);
  }
  Value select(Value c, Value a, Value b) {
    return ctx.create<qnn::SelectOp>(c, a, b);
  }
  Places locate(int64_t axis, int64_t bins);
  /// One corner of each point, times its weight: (regions, rows, columns, C).
  Value sample(Value pixels, Value row, Value column, Value rowWeight,
               Value columnWeight);

  NodeContext &ctx;
  Type type;
  int64_t ratio = 0;
  Value firstPixel; // of each region's image
};
} // namespace

/// `axis` 0 is y, 1 is x; regions are (x1, y1, x2, y2).
RegionSampler::Places RegionSampler::locate(int64_t axis, int64_t bins) {
  using qnn::CompareKind;
  bool isAligned =
      ctx.opset >= 16 && ctx.getString("coordinate_transformation_mode",
                                       "half_pixel") == "half_pixel";
  Value scale = number(ctx.getFloat("spatial_scale", 1));
  Value offset = number(isAligned ? 0.5 : 0);
  auto border = [&](int64_t i) {
    Value column = ctx.create<qnn::GatherOp>(ctx.input(1), ctx.i64List(i),
                                             ctx.builder.getI64IntegerAttr(1));
    return sub(mul(column, scale), offset);
  };
  Value start = border(1 - axis), end = border(3 - axis);
  Value length = sub(end, start);
  if (!isAligned)
    length = binary(BinaryKind::max, length, number(1));
  // Point k is in the middle of part k of all parts of all bins.
  Value parts = ctx.castTo(ctx.create<qnn::RangeOp>(ctx.i64Scalar(0),
                                                    ctx.i64Scalar(bins * ratio),
                                                    ctx.i64Scalar(1)),
                           type);
  Value fractions = mul(add(parts, number(0.5)), number(1.0 / (bins * ratio)));
  Value place = add(start, mul(length, fractions));
  Value size =
      ctx.castTo(ctx.reshape(dimOf(ctx, ctx.input(0), axis + 2), {}), type);
  Value last = sub(size, number(1));
  Places result;
  result.isInside =
      binary(BinaryKind::logical_and,
             compare(CompareKind::greater_or_equal, place, number(-1)),
             compare(CompareKind::less_or_equal, place, size));
  place =
      binary(BinaryKind::min, binary(BinaryKind::max, place, number(0)), last);
  Value low = ctx.unary(qnn::UnaryKind::floor, place);
  Value high = binary(BinaryKind::min, add(low, number(1)), last);
  Type i64 = ctx.builder.getI64Type();
  result.low = ctx.castTo(low, i64);
  result.high = ctx.castTo(high, i64);
  result.highWeight = sub(place, low);
  result.lowWeight = sub(number(1), result.highWeight);
  return result;
}

Value RegionSampler::sample(Value pixels, Value row, Value column,
                            Value rowWeight, Value columnWeight) {
  auto unsqueeze = [&](Value v, int64_t axis) {
    return ctx.create<qnn::UnsqueezeOp>(v, ctx.i64List(axis));
  };
  Value width = dimOf(ctx, ctx.input(0), 3);
  Value index = add(mul(unsqueeze(row, 2), width), unsqueeze(column, 1));
  index = add(index, firstPixel);
  Value values = ctx.create<qnn::GatherOp>(pixels, index,
                                           ctx.builder.getI64IntegerAttr(0));
  Value weight = mul(unsqueeze(rowWeight, 2), unsqueeze(columnWeight, 1));
  return mul(values, unsqueeze(weight, 3));
}

/// X (N, C, H, W), rois (R, 4), batch_indices (R).
LogicalResult RegionSampler::run() {
  if (ctx.inputType(0).getRank() != 4 || ctx.inputType(1).getRank() != 2 ||
      ctx.inputType(2).getRank() != 1)
    return ctx.emitError("X must be (N, C, H, W), rois (R, 4), batch_indices "
                         "(R)");
  ratio = ctx.getInt("sampling_ratio", 0);
  int64_t height = ctx.getInt("output_height", 1);
  int64_t width = ctx.getInt("output_width", 1);
  if (ratio < 1 || ratio > 1024 || height < 1 || width < 1)
    return ctx.emitError("sampling_ratio must be given: a number of samples "
                         "that depends on the regions is not supported");
  std::string mode = ctx.getString("mode", "avg");
  if (mode != "avg" && mode != "max")
    return ctx.emitError("mode '" + mode + "' is unknown");
  bool isMax = mode == "max";
  // Pixels as rows of channels.
  Value x = ctx.input(0);
  Value channels = dimOf(ctx, x, 1);
  IntegerAttr front = ctx.builder.getI64IntegerAttr(0);
  Value pixels = ctx.create<qnn::ReshapeOp>(
      ctx.transpose(x, {0, 2, 3, 1}),
      ctx.create<qnn::ConcatOp>(ValueRange{ctx.i64List(-1), channels}, front),
      /*allowzero=*/true);
  Value imageSize = mul(dimOf(ctx, x, 2), dimOf(ctx, x, 3));
  firstPixel = ctx.reshape(
      mul(ctx.castTo(ctx.input(2), ctx.builder.getI64Type()), imageSize),
      {-1, 1, 1});
  Places y = locate(0, height), z = locate(1, width);
  Value corners[] = {
      sample(pixels, y.low, z.low, y.lowWeight, z.lowWeight),
      sample(pixels, y.low, z.high, y.lowWeight, z.highWeight),
      sample(pixels, y.high, z.low, y.highWeight, z.lowWeight),
      sample(pixels, y.high, z.high, y.highWeight, z.highWeight)};
  Value points = corners[0];
  for (Value corner : ArrayRef(corners).drop_front())
    points = binary(isMax ? BinaryKind::max : BinaryKind::add, points, corner);
  auto unsqueeze = [&](Value v, ArrayRef<int64_t> axes) {
    return ctx.create<qnn::UnsqueezeOp>(v, ctx.i64List(axes));
  };
  Value isInside =
      binary(BinaryKind::logical_and, unsqueeze(y.isInside, {2, 3}),
             unsqueeze(z.isInside, {1, 3}));
  points = select(isInside, points, number(0));
  Value shape = ctx.create<qnn::ConcatOp>(
      ValueRange{dimOf(ctx, ctx.input(1), 0),
                 ctx.i64List({height, ratio, width, ratio}), channels},
      front);
  points = ctx.create<qnn::ReshapeOp>(points, shape, /*allowzero=*/true);
  Value pooled = ctx.create<qnn::ReduceOp>(
      isMax ? qnn::ReduceKind::max : qnn::ReduceKind::mean, points,
      ctx.i64List({2, 4}), /*keepdims=*/false, /*noop_with_empty_axes=*/false);
  return ctx.setOutput(0, ctx.transpose(pooled, {0, 3, 1, 2}));
}

void quantc::onnx_import::registerDetectionRules(RuleRegistry &registry) {
  registry.add(kOnnx, "NonMaxSuppression", 10,
               [](NodeContext &ctx) { return Suppression(ctx).run(); });
  registry.add(kOnnx, "MaxUnpool", 9, importMaxUnpool);
  registry.add(kOnnx, "RoiAlign", 10,
               [](NodeContext &ctx) { return RegionSampler(ctx).run(); });
}
