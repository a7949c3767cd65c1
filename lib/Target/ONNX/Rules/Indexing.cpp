//===- Indexing.cpp - Gather, scatter, slice, concat, selection by index --===//

#include "../LoopBuilder.h"
#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;

//===- helpers ------------------------------------------------------------===//

/// The attribute `axis`, from the front; an error if it is out of range.
static std::optional<int64_t> getAxis(NodeContext &ctx, int64_t defaultValue,
                                      int64_t rank) {
  int64_t axis = ctx.getInt("axis", defaultValue);
  auto normalized = qnn::normalizeAxis(axis, rank);
  if (!normalized)
    (void)ctx.emitError("its axis " + Twine(axis) +
                        " is out of range for rank " + Twine(rank));
  return normalized;
}

static IntegerAttr axisAttr(NodeContext &ctx, int64_t axis) {
  return ctx.builder.getI64IntegerAttr(axis);
}

static Value shapeOf(NodeContext &ctx, Value x, int64_t start, int64_t end) {
  return ctx.create<qnn::ShapeOp>(x, axisAttr(ctx, start), axisAttr(ctx, end));
}

static Value iota(NodeContext &ctx, Value limit) {
  return ctx.create<qnn::RangeOp>(ctx.i64Scalar(0), limit, ctx.i64Scalar(1));
}

/// x[start : end] along one axis; the bounds have one element.
static Value sliceAxis(NodeContext &ctx, Value x, int64_t axis, Value start,
                       Value end) {
  return ctx.create<qnn::SliceOp>(x, start, end, ctx.i64List(axis),
                                  ctx.i64List(1));
}

/// The number of elements of a list; an error if it is not static.
static std::optional<int64_t> listSize(NodeContext &ctx, Value list,
                                       StringRef what) {
  if (!list)
    return std::nullopt;
  auto type = cast<RankedTensorType>(list.getType());
  if (type.getRank() == 1 && type.hasStaticShape())
    return type.getDimSize(0);
  (void)ctx.emitError("the number of its " + what + " is not static");
  return std::nullopt;
}

/// 0, 1, ..., n - 1 as a constant.
static Value firstAxes(NodeContext &ctx, int64_t n) {
  return ctx.i64List(llvm::to_vector(llvm::seq<int64_t>(0, n)));
}

//===- concat, split, tile ------------------------------------------------===//

static LogicalResult importConcat(NodeContext &ctx) {
  auto axis = getAxis(ctx, 1, ctx.inputType(0).getRank());
  if (!axis)
    return failure();
  return ctx.setOutput(
      0, ctx.create<qnn::ConcatOp>(ctx.inputs(), axisAttr(ctx, *axis)));
}

/// The parts' sizes must sum up to the dimension's, with none beyond it: so the
/// sum does not wrap.
static LogicalResult checkParts(NodeContext &ctx, ArrayRef<Value> sizes,
                                Value sum, Value extent) {
  auto compare = [&](CompareKind kind, Value a, Value b) {
    return ctx.create<qnn::CompareOp>(kind, a, b);
  };
  Value valid = compare(CompareKind::equal, sum, extent);
  auto require = [&](CompareKind kind, Value a, Value b) {
    valid = ctx.binary(BinaryKind::logical_and, valid, compare(kind, a, b));
  };
  for (Value size : sizes) {
    require(CompareKind::less_or_equal, ctx.i64List(0), size);
    require(CompareKind::less_or_equal, size, extent);
  }
  Value ok = extractScalar(ctx, valid);
  if (!ok)
    return failure();
  assertWhenRun(ctx, ok,
                " (Split): its part sizes are negative, or their sum is not "
                "the dimension");
  return success();
}

static LogicalResult importSplit(NodeContext &ctx) {
  Value x = ctx.input(0);
  RankedTensorType type = ctx.inputType(0);
  auto axis = getAxis(ctx, 0, type.getRank());
  if (!axis)
    return failure();
  int64_t count = ctx.numOutputs(), extent = type.getDimSize(*axis);
  Value sizes = ctx.hasInput(1)        ? ctx.input(1)
                : ctx.hasAttr("split") ? ctx.i64List(ctx.getInts("split"))
                                       : Value();
  if (sizes) {
    auto given = listSize(ctx, sizes, "parts");
    if (!given)
      return failure();
    if (*given != count)
      return ctx.emitError("it has " + Twine(*given) + " part sizes for " +
                           Twine(count) + " outputs");
    if (auto known = qnn::getConstantInts(sizes)) {
      int64_t sum = 0;
      for (int64_t size : *known)
        if (size < 0 || llvm::AddOverflow(sum, size, sum))
          return ctx.emitError("its part sizes are invalid");
      if (!ShapedType::isDynamic(extent) && sum != extent)
        return ctx.emitError("its part sizes sum to " + Twine(sum) +
                             ", but the dimension is " + Twine(extent));
    }
  }
  // Equal parts, the last one smaller.
  Value chunk;
  if (!sizes) {
    if (int64_t n = ctx.getInt("num_outputs", count); n != count)
      return ctx.emitError("num_outputs is " + Twine(n) + ", but it has " +
                           Twine(count) + " outputs");
    chunk = ctx.binary(BinaryKind::add, shapeOf(ctx, x, *axis, *axis + 1),
                       ctx.i64List(count - 1));
    chunk = ctx.binary(BinaryKind::div, chunk, ctx.i64List(count));
  }
  Value start = ctx.i64List(0);
  SmallVector<Value> parts, ends;
  for (int64_t i = 0; i < count; ++i) {
    Value size =
        sizes ? sliceAxis(ctx, sizes, 0, ctx.i64List(i), ctx.i64List(i + 1))
              : chunk;
    parts.push_back(ctx.castTo(size, ctx.builder.getI64Type()));
    ends.push_back(ctx.binary(BinaryKind::add, start, parts.back()));
    start = ends.back();
  }
  bool isKnown =
      !sizes || (qnn::getConstantInts(sizes) && !ShapedType::isDynamic(extent));
  if (!isKnown && count > 0 &&
      failed(checkParts(ctx, parts, ends.back(),
                        shapeOf(ctx, x, *axis, *axis + 1))))
    return failure();
  start = ctx.i64List(0);
  for (int64_t i = 0; i < count; start = ends[i++])
    if (failed(ctx.setOutput(i, sliceAxis(ctx, x, *axis, start, ends[i]))))
      return failure();
  return success();
}

static LogicalResult importTile(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::TileOp>(ctx.input(0), ctx.input(1)));
}

//===- slice, pad ---------------------------------------------------------===//

/// `list` with as many elements as there must be: where its type does not say
/// so, that is checked in each run.
static Value ofSize(NodeContext &ctx, Value list, int64_t count) {
  if (cast<RankedTensorType>(list.getType()).hasStaticShape())
    return list;
  return ctx.create<qnn::ReshapeOp>(list, ctx.i64List(count),
                                    /*allowzero=*/true);
}

/// `list` followed by as many `fill` as `size` asks for.
static Value padList(NodeContext &ctx, Value list, int64_t fill, int64_t size) {
  Value padding = ctx.i64List(SmallVector<int64_t>(size, fill));
  Value padded = ctx.create<qnn::ConcatOp>(
      ValueRange{ctx.castTo(list, ctx.builder.getI64Type()), padding},
      axisAttr(ctx, 0));
  return sliceAxis(ctx, padded, 0, ctx.i64List(0), ctx.i64List(size));
}

static LogicalResult importSlice(NodeContext &ctx) {
  Value starts =
      ctx.hasInput(1) ? ctx.input(1) : ctx.i64List(ctx.getInts("starts"));
  Value ends =
      ctx.hasInput(2) ? ctx.input(2) : ctx.i64List(ctx.getInts("ends"));
  Value axes = ctx.hasInput(3)       ? ctx.input(3)
               : ctx.hasAttr("axes") ? ctx.i64List(ctx.getInts("axes"))
                                     : Value();
  Value steps = ctx.input(4);
  // Any of the lists tells the size of the others.
  std::optional<int64_t> count;
  for (Value list : {starts, ends, axes, steps})
    if (auto type = list ? cast<RankedTensorType>(list.getType()) : nullptr;
        !count && type && type.getRank() == 1 && type.hasStaticShape())
      count = type.getDimSize(0);
  if (!count && !axes && !steps && starts && ends) {
    // What is sliced are the first axes; the others stay whole.
    count = ctx.inputType(0).getRank();
    starts = padList(ctx, starts, 0, *count);
    ends = padList(ctx, ends, std::numeric_limits<int64_t>::max(), *count);
  }
  if (!count && !(count = listSize(ctx, starts, "starts")))
    return failure();
  if (!axes)
    axes = firstAxes(ctx, *count);
  if (!steps)
    steps = ctx.i64List(SmallVector<int64_t>(*count, 1));
  return ctx.setOutput(0, ctx.create<qnn::SliceOp>(ctx.input(0),
                                                   ofSize(ctx, starts, *count),
                                                   ofSize(ctx, ends, *count),
                                                   ofSize(ctx, axes, *count),
                                                   ofSize(ctx, steps, *count)));
}

static LogicalResult importPad(NodeContext &ctx) {
  Type elementType = ctx.inputElementType(0);
  auto mode = ctx.getWord<qnn::PadModeAttr>("mode", "constant");
  if (!mode)
    return failure();
  Value pads =
      ctx.hasInput(1)
          ? ctx.input(1)
          : ctx.i64List(ctx.getInts(ctx.hasAttr("pads") ? "pads" : "paddings"));
  Value value = ctx.hasInput(2)
                    ? ctx.input(2)
                    : ctx.scalar(elementType, ctx.getFloat("value", 0));
  Value axes = ctx.hasInput(3) ? ctx.input(3)
                               : firstAxes(ctx, ctx.inputType(0).getRank());
  // Either list tells the size of the other one.
  int64_t count;
  if (auto type = cast<RankedTensorType>(pads.getType());
      type.hasStaticShape()) {
    count = type.getNumElements() / 2;
  } else {
    std::optional<int64_t> known = listSize(ctx, axes, "axes");
    if (!known)
      return failure();
    count = *known;
  }
  return ctx.setOutput(0,
                       ctx.create<qnn::PadOp>(mode.getValue(), ctx.input(0),
                                              ofSize(ctx, pads, 2 * count),
                                              ofSize(ctx, axes, count), value));
}

//===- gather -------------------------------------------------------------===//

template <typename OpTy> static LogicalResult importGather(NodeContext &ctx) {
  auto axis = getAxis(ctx, 0, ctx.inputType(0).getRank());
  if (!axis)
    return failure();
  return ctx.setOutput(
      0, ctx.create<OpTy>(ctx.input(0), ctx.input(1), axisAttr(ctx, *axis)));
}

static LogicalResult importGatherND(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::GatherNDOp>(
                              ctx.input(0), ctx.input(1),
                              axisAttr(ctx, ctx.getInt("batch_dims", 0))));
}

//===- scatter ------------------------------------------------------------===//

static qnn::ScatterReductionAttr getReduction(NodeContext &ctx) {
  return ctx.getWord<qnn::ScatterReductionAttr>("reduction", "none");
}

static LogicalResult importScatterElements(NodeContext &ctx) {
  auto axis = getAxis(ctx, 0, ctx.inputType(0).getRank());
  auto reduction = getReduction(ctx);
  if (!axis || !reduction)
    return failure();
  return ctx.setOutput(
      0, ctx.create<qnn::ScatterElementsOp>(reduction.getValue(), ctx.input(0),
                                            ctx.input(1), ctx.input(2), *axis));
}

static LogicalResult importScatterND(NodeContext &ctx) {
  auto reduction = getReduction(ctx);
  if (!reduction)
    return failure();
  Value indices = ctx.input(1);
  int64_t rank = ctx.inputType(1).getRank();
  if (rank > 0 && ctx.inputType(1).isDynamicDim(rank - 1)) {
    // How many indices make a tuple follows from the updates.
    int64_t depth =
        rank - 1 + ctx.inputType(0).getRank() - ctx.inputType(2).getRank();
    if (depth < 1 || depth > ctx.inputType(0).getRank())
      return ctx.emitError("its updates have no number of dimensions that "
                           "tuples of indices explain");
    Value shape = ctx.create<qnn::ConcatOp>(
        ValueRange{ctx.create<qnn::ShapeOp>(indices, int64_t(0), rank - 1),
                   ctx.i64List(depth)},
        ctx.builder.getI64IntegerAttr(0));
    indices = ctx.create<qnn::ReshapeOp>(indices, shape, /*allowzero=*/true);
  }
  return ctx.setOutput(0, ctx.create<qnn::ScatterNDOp>(reduction.getValue(),
                                                       ctx.input(0), indices,
                                                       ctx.input(2)));
}

/// Writes steps of a key-value cache: a scatter along the sequence axis at
/// consecutive positions, which start at a position per batch element.
static LogicalResult importTensorScatter(NodeContext &ctx) {
  Value cache = ctx.input(0), update = ctx.input(1);
  int64_t rank = ctx.inputType(0).getRank();
  auto axis = getAxis(ctx, -2, rank);
  if (!axis)
    return failure();
  auto unsqueezeAllBut = [&](Value list, int64_t kept) {
    SmallVector<int64_t> others;
    for (int64_t i = 0; i < rank; ++i)
      if (i != kept)
        others.push_back(i);
    return ctx.create<qnn::UnsqueezeOp>(list, ctx.i64List(others));
  };
  Value positions =
      unsqueezeAllBut(iota(ctx, shapeOf(ctx, update, *axis, *axis + 1)), *axis);
  if (ctx.hasInput(2))
    positions = ctx.binary(BinaryKind::add, positions,
                           unsqueezeAllBut(ctx.input(2), 0));
  if (ctx.getString("mode", "linear") == "circular")
    positions =
        ctx.binary(BinaryKind::mod, positions,
                   ctx.reshape(shapeOf(ctx, cache, *axis, *axis + 1), {}));
  positions =
      ctx.create<qnn::ExpandOp>(positions, shapeOf(ctx, update, 0, rank));
  return ctx.setOutput(
      0, ctx.create<qnn::ScatterElementsOp>(qnn::ScatterReduction::none, cache,
                                            positions, update, *axis));
}

//===- selection ----------------------------------------------------------===//

static LogicalResult importNonZero(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::NonZeroOp>(ctx.input(0)));
}

static LogicalResult importCompress(NodeContext &ctx) {
  Value x = ctx.input(0);
  int64_t axis = 0;
  if (ctx.hasAttr("axis")) {
    auto normalized = getAxis(ctx, 0, ctx.inputType(0).getRank());
    if (!normalized)
      return failure();
    axis = *normalized;
  } else {
    x = ctx.reshape(x, -1);
  }
  Value selected = ctx.create<qnn::NonZeroOp>(ctx.input(1));
  selected = ctx.create<qnn::SqueezeOp>(selected, ctx.i64List(0));
  return ctx.setOutput(
      0, ctx.create<qnn::GatherOp>(x, selected, axisAttr(ctx, axis)));
}

static LogicalResult importOneHot(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank() + 1;
  auto axis = getAxis(ctx, -1, rank);
  if (!axis)
    return failure();
  Type i64 = ctx.builder.getI64Type();
  Value indices = ctx.castTo(ctx.input(0), i64);
  Value depth = ctx.reshape(ctx.castTo(ctx.input(1), i64), {});
  Value isNegative =
      ctx.create<qnn::CompareOp>(CompareKind::less, indices, ctx.i64Scalar(0));
  indices = ctx.create<qnn::SelectOp>(
      isNegative, ctx.binary(BinaryKind::add, indices, depth), indices);
  indices = ctx.create<qnn::UnsqueezeOp>(indices, ctx.i64List(*axis));
  SmallVector<int64_t> trailing;
  for (int64_t i = 1; i < rank - *axis; ++i)
    trailing.push_back(i);
  Value numbers =
      ctx.create<qnn::UnsqueezeOp>(iota(ctx, depth), ctx.i64List(trailing));
  Value isHot =
      ctx.create<qnn::CompareOp>(CompareKind::equal, indices, numbers);
  auto valueAt = [&](int64_t i) {
    return ctx.create<qnn::GatherOp>(ctx.input(2), ctx.i64Scalar(i),
                                     axisAttr(ctx, 0));
  };
  return ctx.setOutput(
      0, ctx.create<qnn::SelectOp>(isHot, valueAt(1), valueAt(0)));
}

static LogicalResult importReverseSequence(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::ReverseSequenceOp>(
                              ctx.input(0), ctx.input(1),
                              axisAttr(ctx, ctx.getInt("time_axis", 0)),
                              axisAttr(ctx, ctx.getInt("batch_axis", 1))));
}

void quantc::onnx_import::registerIndexingRules(RuleRegistry &registry) {
  registry.add(kOnnx, "Concat", 1, importConcat);
  registry.add(kOnnx, "Split", 2, importSplit);
  registry.add(kOnnx, "Tile", 6, importTile);
  registry.add(kOnnx, "Slice", 1, importSlice);
  registry.add(kOnnx, "Pad", 1, importPad);
  registry.add(kOnnx, "Gather", 1, importGather<qnn::GatherOp>);
  registry.add(kOnnx, "GatherElements", 11,
               importGather<qnn::GatherElementsOp>);
  registry.add(kOnnx, "GatherND", 11, importGatherND);
  registry.add(kMicrosoft, "GatherND", 1, importGatherND, /*numRequired=*/2);
  registry.add(kOnnx, "Scatter", 9, importScatterElements);
  registry.add(kOnnx, "ScatterElements", 11, importScatterElements);
  registry.add(kOnnx, "ScatterND", 11, importScatterND);
  registry.add(kOnnx, "TensorScatter", 24, importTensorScatter);
  registry.add(kOnnx, "NonZero", 9, importNonZero);
  registry.add(kOnnx, "Compress", 9, importCompress);
  registry.add(kOnnx, "OneHot", 9, importOneHot);
  registry.add(kOnnx, "ReverseSequence", 10, importReverseSequence);
}
