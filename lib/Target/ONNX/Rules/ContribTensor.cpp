//===- ContribTensor.cpp - Ops of com.microsoft that move data ------------===//
//
// Exporters used them before ONNX had ops for the same. Each is a function over
// ONNX's own ops, in ONNX's textual form.
//
//===----------------------------------------------------------------------===//

#include "../LoopBuilder.h"
#include "../NodeContext.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using llvm::formatv;

static constexpr StringLiteral kHeader =
    R"(<domain: "com.microsoft", opset_import: ["" : 21, "com.microsoft" : 1]>)";

static LogicalResult expand(NodeContext &ctx, const llvm::Twine &function) {
  return ctx.expandFunction((kHeader + function).str());
}

//===- Older forms of ONNX's ops ------------------------------------------===//

static LogicalResult importExpandDims(NodeContext &ctx) {
  return expand(ctx, R"(
ExpandDims (x, axis) => (y) {
  list = Constant <value_ints = [-1]> ()
  wide = Cast <to = 7> (axis)
  axes = Reshape(wide, list)
  y = Unsqueeze(x, axes)
})");
}

static LogicalResult importPad(NodeContext &ctx) {
  return expand(ctx, formatv(R"(
Pad <mode: string = "constant"> (x, pads, value) => (y) {{
  list = Constant <value_ints = [-1]> ()
  flat = Reshape(pads, list){0}
  y = Pad <mode: string = @mode> (x, flat, {1})
})",
                             ctx.hasInput(2) ? R"(
  filler = Squeeze(value))"
                                             : "",
                             ctx.hasInput(2) ? "filler" : "\"\""));
}

static LogicalResult importRange(NodeContext &ctx) {
  return expand(ctx, formatv(R"(
Range (start, limit, delta) => (y) {{
  first = Squeeze(start)
  end = Squeeze(limit){0}
  y = Range(first, end, step)
})",
                             ctx.hasInput(2) ? R"(
  step = Squeeze(delta))"
                                             : R"(
  one = Constant <value_int = 1> ()
  step = CastLike(one, start))"));
}

static LogicalResult importTrilu(NodeContext &ctx) {
  return expand(ctx, R"(
Trilu <upper: int = 1> (x, k) => (y) {
  y = Trilu <upper: int = @upper> (x, k)
})");
}

/// Values in the order in which they come first, which of them each element
/// is, and how often each comes.
static LogicalResult importUnique(NodeContext &ctx) {
  return expand(ctx, R"(
Unique (x) => (y, idx, counts) {
  y, first, idx, counts = Unique <sorted = 0> (x)
})");
}

//===- Windows, distances, poolings ---------------------------------------===//

/// The distance of each row of A from each row of B.
static LogicalResult importCDist(NodeContext &ctx) {
  std::string metric = ctx.getString("metric", "sqeuclidean");
  if (metric != "sqeuclidean" && metric != "euclidean")
    return ctx.emitError("metric '" + metric + "' is unknown");
  RankedTensorType a = ctx.inputType(0), b = ctx.inputType(1);
  if (a.getRank() != 2 || b.getRank() != 2 ||
      (!a.isDynamicDim(1) && !b.isDynamicDim(1) &&
       a.getDimSize(1) != b.getDimSize(1)))
    return ctx.emitError("its inputs must be matrices of equally many columns");
  if (a.isDynamicDim(1) || b.isDynamicDim(1)) {
    // One column would be compared with each of the others.
    auto columns = [&](Value x) { return ctx.create<qnn::ShapeOp>(x, 1, 2); };
    Value ok =
        extractScalar(ctx, ctx.create<qnn::CompareOp>(qnn::CompareKind::equal,
                                                      columns(ctx.input(0)),
                                                      columns(ctx.input(1))));
    if (!ok)
      return failure();
    assertWhenRun(ctx, ok,
                  " (CDist): its inputs must have equally many columns");
  }
  return expand(ctx, formatv(R"(
CDist (a, b) => (y) {{
  second = Constant <value_ints = [1]> ()
  last = Constant <value_ints = [2]> ()
  rows = Unsqueeze(a, second)
  difference = Sub(rows, b)
  square = ReduceSumSquare <keepdims = 0> (difference, last)
  y = {0}(square)
})",
                             metric == "euclidean" ? "Sqrt" : "Identity"));
}

/// Windows of `size` elements along `dim`, `step` apart; their elements are
/// along a new last dimension.
static LogicalResult importUnfoldTensor(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  int64_t size = ctx.getInt("size"), step = ctx.getInt("step", 1);
  auto dim = qnn::normalizeAxis(ctx.getInt("dim", -1), rank);
  // ONNX's shape inference lists the offsets in a window one by one.
  constexpr int64_t kMaxSize = int64_t(1) << 20;
  constexpr int64_t kMaxStep = std::numeric_limits<int32_t>::max();
  if (!dim || size < 1 || step < 1 || size > kMaxSize || step > kMaxStep ||
      (!ctx.inputType(0).isDynamicDim(*dim) &&
       size > ctx.inputType(0).getDimSize(*dim)))
    return ctx.emitError("dim, size or step is out of range");
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, rank + 1));
  order.erase(order.begin() + *dim + 1);
  order.push_back(*dim + 1);
  return expand(ctx,
                formatv(R"(
UnfoldTensor (x) => (y) {{
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  size = Constant <value_int = {1}> ()
  step = Constant <value_int = {2}> ()
  second = Constant <value_ints = [1]> ()
  extents = Shape <start = {0}, end = {3}> (x)
  extent = Squeeze(extents)
  rest = Sub(extent, size)
  limit = Add(rest, one)
  starts = Range(zero, limit, step)
  column = Unsqueeze(starts, second)
  offsets = Range(zero, size, one)
  places = Add(column, offsets)
  windows = Gather <axis = {0}> (x, places)
  y = Transpose <perm = [{4}]> (windows)
})",
                        *dim, size, step, *dim + 1,
                        llvm::join(llvm::map_range(order,
                                                   [](int64_t d) {
                                                     return std::to_string(d);
                                                   }),
                                   ", ")));
}

/// MaxPool of 2 dimensions whose channels come last.
static LogicalResult importNhwcMaxPool(NodeContext &ctx) {
  if (ctx.inputType(0).getRank() != 4)
    return ctx.emitError("its input must be (N, H, W, C)");
  std::string attributes;
  for (StringRef name : {"dilations", "kernel_shape", "pads", "strides"})
    if (ctx.hasAttr(name))
      attributes += formatv("{0}: ints = @{0}, ", name);
  return expand(ctx, formatv(R"(
NhwcMaxPool <kernel_shape, dilations, pads, strides,
             auto_pad: string = "NOTSET", ceil_mode: int = 0> (x) => (y) {{
  planes = Transpose <perm = [0, 3, 1, 2]> (x)
  pooled = MaxPool <{0}auto_pad: string = @auto_pad,
                    ceil_mode: int = @ceil_mode> (planes)
  y = Transpose <perm = [0, 2, 3, 1]> (pooled)
})",
                             attributes));
}

//===- Quantized tables ---------------------------------------------------===//

/// Rows of a table that is quantized in blocks. They are taken before they are
/// dequantized, all in a row.
static LogicalResult importGatherBlockQuantized(NodeContext &ctx) {
  RankedTensorType table = ctx.inputType(0), indices = ctx.inputType(1);
  int64_t rank = table.getRank();
  auto axis = qnn::normalizeAxis(ctx.getInt("gather_axis", 0), rank);
  auto blocked = qnn::normalizeAxis(ctx.getInt("quantize_axis", 1), rank);
  int64_t blockSize = ctx.getInt("block_size", 128);
  int64_t bits = ctx.getInt("bits", 4);
  if (!axis || !blocked || *axis == *blocked || blockSize < 1)
    return ctx.emitError("gather_axis, quantize_axis or block_size is out of "
                         "range");
  // Each row of the table has its own row of scales and of zero points.
  for (size_t i : {2, 3}) {
    if (!ctx.hasInput(i))
      continue;
    RankedTensorType type = ctx.inputType(i);
    bool fits = type.getRank() == rank;
    for (int64_t d = 0; fits && d < rank; ++d)
      fits = d == *blocked || type.isDynamicDim(d) || table.isDynamicDim(d) ||
             type.getDimSize(d) == table.getDimSize(d);
    if (!fits)
      return ctx.emitError("its scales and zero points must have the table's "
                           "shape but along quantize_axis");
  }
  auto take = [&](Value x) {
    return ctx.create<qnn::GatherOp>(x, ctx.input(1),
                                     ctx.builder.getI64IntegerAttr(*axis));
  };
  Value data = take(ctx.input(0)), scales = take(ctx.input(2));
  Value zeros = ctx.hasInput(3) ? take(ctx.input(3)) : Value();
  if (!data || !scales)
    return failure();
  int64_t place = *blocked + (*blocked > *axis ? indices.getRank() - 1 : 0);
  Type element = table.getElementType();
  if (element.isUnsignedInteger(8)) {
    // Packed along the last dimension.
    if (bits != 4 && bits != 8)
      return ctx.emitError("elements of " + Twine(bits) +
                           " bits are not supported");
    auto count = [&](Value x) {
      return cast<RankedTensorType>(x.getType()).getShape().back();
    };
    bool isLast = *blocked == rank - 1;
    if (bits == 4 && (!isLast || ShapedType::isDynamic(count(data)) ||
                      ShapedType::isDynamic(count(scales))))
      return ctx.emitError("packed tables need a static last dimension, along "
                           "which they are quantized");
    if (bits == 4) {
      data = ctx.create<qnn::UnpackOp>(data, bits, 2 * count(data), false);
      if (zeros)
        zeros = ctx.create<qnn::UnpackOp>(zeros, bits, count(scales), false);
    }
    if (!data)
      return failure();
    element = cast<RankedTensorType>(data.getType()).getElementType();
    if (!zeros)
      zeros = ctx.scalar(element, int64_t(1) << (bits - 1));
  }
  if (ctx.hasFailed())
    return failure();
  auto type = cast<RankedTensorType>(data.getType());
  return ctx.setOutput(0, ctx.createTyped<qnn::DequantizeOp>(
                              type.clone(ctx.inputElementType(2)), data, scales,
                              zeros, ctx.builder.getI64IntegerAttr(place),
                              blockSize));
}

/// EmbedLayerNormalization of quantized tables.
static LogicalResult importQEmbedLayerNorm(NodeContext &ctx) {
  std::string body;
  auto dequantize = [&](StringRef name, size_t i, size_t zero) {
    if (!ctx.hasInput(i))
      return;
    body += formatv(R"(
  {0} = DequantizeLinear({0}_q, {0}_scale, {1}))",
                    name, ctx.hasInput(zero) ? (name + "_zero").str() : "\"\"");
  };
  dequantize("words", 2, 13);
  dequantize("places", 3, 14);
  dequantize("segments", 4, 15);
  dequantize("gamma", 5, 16);
  dequantize("beta", 6, 17);
  return expand(ctx, formatv(R"(
QEmbedLayerNormalization <epsilon: float = 1e-12>
    (ids, segment_ids, words_q, places_q, segments_q, gamma_q, beta_q, mask,
     words_scale, places_scale, segments_scale, gamma_scale, beta_scale,
     words_zero, places_zero, segments_zero, gamma_zero, beta_zero)
    => (y, mask_index) {{{0}
  y, mask_index = com.microsoft.EmbedLayerNormalization
      <epsilon: float = @epsilon>
      (ids, {1}, words, places, {2}, gamma, beta, {3})
})",
                             body, ctx.hasInput(1) ? "segment_ids" : "\"\"",
                             ctx.hasInput(4) ? "segments" : "\"\"",
                             ctx.hasInput(7) ? "mask" : "\"\""));
}

void quantc::onnx_import::registerContribTensorRules(RuleRegistry &registry) {
  registry.add(kMicrosoft, "CDist", 1, importCDist, /*numRequired=*/2);
  registry.add(kMicrosoft, "ExpandDims", 1, importExpandDims,
               /*numRequired=*/2);
  registry.add(kMicrosoft, "GatherBlockQuantized", 1,
               importGatherBlockQuantized, /*numRequired=*/3);
  registry.add(kMicrosoft, "NhwcMaxPool", 1, importNhwcMaxPool,
               /*numRequired=*/1);
  registry.add(kMicrosoft, "Pad", 1, importPad, /*numRequired=*/2);
  registry.add(kMicrosoft, "QEmbedLayerNormalization", 1, importQEmbedLayerNorm,
               /*numRequired=*/1);
  registry.add(kMicrosoft, "Range", 1, importRange, /*numRequired=*/2);
  registry.add(kMicrosoft, "Trilu", 1, importTrilu, /*numRequired=*/1);
  registry.add(kMicrosoft, "UnfoldTensor", 1, importUnfoldTensor,
               /*numRequired=*/1);
  registry.add(kMicrosoft, "Unique", 1, importUnique, /*numRequired=*/1);
}
