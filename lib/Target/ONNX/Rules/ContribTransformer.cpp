//===- ContribTransformer.cpp - com.microsoft's whole BERT layers ---------===//
// Each is written as a function over simpler ops, in ONNX's textual form,
// shaped by the inputs and attributes that the node has.

#include "../LoopBuilder.h"
#include "../NodeContext.h"
#include "FunctionText.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using llvm::formatv;

//===- EmbedLayerNormalization --------------------------------------------===//

static LogicalResult importEmbedLayerNorm(NodeContext &ctx) {
  if (!ctx.hasInput(2) || !ctx.hasInput(3) || !ctx.hasInput(5) ||
      !ctx.hasInput(6) || ctx.inputType(0).getRank() != 2)
    return ctx.emitError(
        "ids of rank 2, two tables, gamma and beta are needed");
  // The ids, and the tables that they are of.
  for (auto [ids, table] : {std::pair(0, 2), {8, 3}, {1, 4}})
    if (ctx.hasInput(ids) && ctx.hasInput(table)) {
      Value rows = ctx.create<qnn::ShapeOp>(ctx.input(table), 0, 1);
      if (failed(checkIndicesWhenRun(
              ctx, ctx.input(ids), rows,
              " (EmbedLayerNormalization): an id is out of its table")))
        return failure();
    }
  std::string body = R"(
  word = Gather <axis = 0> (words, ids))";
  StringRef positions = "position_ids";
  if (!ctx.hasInput(8)) {
    body += R"(
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  length_list = Shape <start = 1, end = 2> (ids)
  length = Squeeze(length_list)
  steps = Range(zero, length, one))";
    positions = "steps";
  }
  body += formatv(R"(
  place = Gather <axis = 0> (places, {0})
  placed = Add(word, place))",
                  positions);
  if (ctx.hasInput(1) && ctx.hasInput(4))
    body += R"(
  segment = Gather <axis = 0> (segment_table, segments)
  sum = Add(placed, segment))";
  else
    body += R"(
  sum = Identity(placed))";
  body += R"(
  y = LayerNormalization <axis = -1, epsilon: float = @epsilon>
      (sum, gamma, beta))";
  if (ctx.hasOutput(1)) {
    // How many tokens of each sequence count.
    body += ctx.hasInput(7) ? R"(
  second = Constant <value_ints = [1]> ()
  mask_index = ReduceSum <keepdims = 0> (mask, second))"
                            : R"(
  batch = Shape <start = 0, end = 1> (ids)
  none = ConstantOfShape <value = int32[1] {0}> (batch)
  mask_index = Identity(none))";
  }
  StringRef results[] = {"y", "mask_index", "sum"};
  std::string list =
      llvm::join(ArrayRef(results).take_front(ctx.numOutputs()), ", ");
  return ctx.expandFunction(
      formatv(R"(<domain: "com.microsoft", opset_import: ["" : 23]>
EmbedLayerNormalization <epsilon: float = 1e-12>
    (ids, segments, words, places, segment_table, gamma, beta, mask,
     position_ids) => ({1}) {{{0}
})",
              body, list)
          .str());
}

//===- Attention, QAttention ----------------------------------------------===//

namespace {
/// What Attention and QAttention have in common: from the product of the input
/// with all weights to the result.
struct FusedAttention {
  /// The number of the input that has the mask; the past.
  size_t mask, past;
  /// Text that defines `qkv` from the inputs.
  std::string product;
  /// The function's inputs.
  StringRef inputs;
  /// The name of the scores' bias among the inputs, or "".
  StringRef bias;
};
} // namespace

/// Text that makes `mask`, added to the scores, from the node's mask.
static FailureOr<std::string> describeMask(NodeContext &ctx,
                                           const FusedAttention &op) {
  RankedTensorType type = ctx.inputType(op.mask);
  RankedTensorType x = ctx.inputType(0);
  std::string kept;
  if (type.getRank() == 1) {
    // One length for each sequence. (Two lists, of ends and starts, are twice
    // as long.)
    if (!type.isDynamicDim(0) && !x.isDynamicDim(0) &&
        type.getDimSize(0) != x.getDimSize(0))
      return ctx.emitError("of masks of rank 1, only lengths (one for each "
                           "sequence) are supported");
    kept = R"(
  length_axes = Constant <value_ints = [1, 2, 3]> ()
  lengths = Unsqueeze(mask_index, length_axes)
  first_key = Constant <value_int = 0> ()
  key_step = Constant <value_int = 1> ()
  key_columns = Range(first_key, total, key_step)
  key_columns_like = CastLike(key_columns, mask_index)
  kept = Less(key_columns_like, lengths))";
  } else if (type.getRank() == 2 || type.getRank() == 3) {
    kept = formatv(R"(
  inner_axes = Constant <value_ints = [{0}]> ()
  kept_flat = Cast <to = 9> (mask_index)
  kept = Unsqueeze(kept_flat, inner_axes))",
                   type.getRank() == 2 ? "1, 2" : "1");
  } else {
    return ctx.emitError("masks of rank " + Twine(type.getRank()) +
                         " are not supported");
  }
  std::string text =
      formatv(R"({0}
  float_zero = Constant <value_float = 0.0> ()
  float_blocked = Constant <value_float = {1}> ()
  zero_like = CastLike(float_zero, qkv)
  blocked_like = CastLike(float_blocked, qkv)
  mask_{2} = Where(kept, zero_like, blocked_like))",
              kept, writeFloat(ctx.getFloat("mask_filter_value", -10000)),
              op.bias.empty() ? "sum" : "part");
  if (!op.bias.empty())
    text += formatv(R"(
  mask_sum = Add(mask_part, {0}))",
                    op.bias);
  return text;
}

static LogicalResult importFusedAttention(NodeContext &ctx, FusedAttention op) {
  int64_t heads = ctx.getInt("num_heads");
  if (heads <= 0 || ctx.inputType(0).getRank() != 3 ||
      ctx.inputType(1).getRank() != 2)
    return ctx.emitError(
        "num_heads, an input of rank 3 and weights of rank 2 are needed");
  if (ctx.getInt("do_rotary") || ctx.getInt("past_present_share_buffer"))
    return ctx.emitError("rotation and shared caches are not supported");
  SmallVector<int64_t> sizes = ctx.getInts("qkv_hidden_sizes");
  int64_t all = ctx.inputType(1).getShape().back();
  if (sizes.empty() && !ShapedType::isDynamic(all))
    sizes.assign(3, all / 3);
  if (sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != all ||
      llvm::any_of(sizes, [&](int64_t s) { return s <= 0 || s % heads; }))
    return ctx.emitError("the sizes of queries, keys and values must be known, "
                         "and multiples of num_heads");
  bool hasPast = ctx.hasInput(op.past), hasMask = ctx.hasInput(op.mask);
  bool isCausal = ctx.getInt("unidirectional") != 0;
  std::string body = op.product;
  body += formatv(R"(
  sizes = Constant <value_ints = [{0}, {1}, {2}]> ()
  q, k, v = Split <axis = 2> (qkv, sizes)
  length_list = Shape <start = 1, end = 2> (qkv)
  length = Squeeze(length_list))",
                  sizes[0], sizes[1], sizes[2]);
  body += hasPast ? R"(
  zero_index = Constant <value_int = 0> ()
  one_index = Constant <value_int = 1> ()
  past_key = Gather <axis = 0> (past, zero_index)
  past_value = Gather <axis = 0> (past, one_index)
  past_list = Shape <start = 2, end = 3> (past_key)
  past_length = Squeeze(past_list)
  total = Add(past_length, length))"
                  : R"(
  total = Identity(length))";
  StringRef mask = op.bias.empty() ? "\"\"" : op.bias;
  if (hasMask) {
    auto text = describeMask(ctx, op);
    if (failed(text))
      return failure();
    body += *text;
    mask = "mask_sum";
  }
  if (isCausal) {
    // A token sees those before it, of the past too.
    body += R"(
  c_zero = Constant <value_int = 0> ()
  c_one = Constant <value_int = 1> ()
  c_steps = Range(c_zero, length, c_one)
  c_offset = Sub(total, length)
  c_rows = Add(c_steps, c_offset)
  c_axis = Constant <value_ints = [1]> ()
  c_row_column = Unsqueeze(c_rows, c_axis)
  c_columns = Range(c_zero, total, c_one)
  c_allowed = LessOrEqual(c_columns, c_row_column)
  c_float_zero = Constant <value_float = 0.0> ()
  c_float_blocked = Constant <value_float = -3.0e38> ()
  c_zero_like = CastLike(c_float_zero, qkv)
  c_blocked_like = CastLike(c_float_blocked, qkv)
  c_mask = Where(c_allowed, c_zero_like, c_blocked_like))";
    if (mask == "\"\"") {
      mask = "c_mask";
    } else {
      body += formatv(R"(
  c_sum = Add(c_mask, {0}))",
                      mask);
      mask = "c_sum";
    }
  }
  bool hasPresent = ctx.hasOutput(1);
  body += formatv(R"(
  y{0} = Attention <{1}q_num_heads = {2}, kv_num_heads = {2}>
      (q, k, v, {3}{4}))",
                  hasPresent ? ", present_key, present_value" : "",
                  ctx.getFloat("scale") == 0 ? "" : "scale: float = @scale, ",
                  heads, mask, hasPast ? ", past_key, past_value" : "");
  if (hasPresent)
    body += R"(
  front = Constant <value_ints = [0]> ()
  present_keys = Unsqueeze(present_key, front)
  present_values = Unsqueeze(present_value, front)
  present = Concat <axis = 0> (present_keys, present_values))";
  return ctx.expandFunction(
      formatv(
          R"(<domain: "com.microsoft", opset_import: ["" : 23, "com.microsoft" : 1]>
FusedAttention <scale: float = 0.0> ({1}) => ({2}) {{{0}
})",
          body, op.inputs, hasPresent ? "y, present" : "y")
          .str());
}

static LogicalResult importAttention(NodeContext &ctx) {
  FusedAttention op;
  op.mask = 3;
  op.past = 4;
  op.inputs = "x, weights, qkv_bias, mask_index, past, bias, past_sequence";
  op.bias = ctx.hasInput(5) ? "bias" : "";
  op.product = ctx.hasInput(2) ? R"(
  product = MatMul(x, weights)
  qkv = Add(product, qkv_bias))"
                               : R"(
  qkv = MatMul(x, weights))";
  return importFusedAttention(ctx, op);
}

static LogicalResult importQAttention(NodeContext &ctx) {
  FusedAttention op;
  op.mask = 5;
  op.past = 8;
  op.inputs =
      "x, weights, qkv_bias, x_scale, weights_scale, mask_index, x_zero, "
      "weights_zero, past";
  op.product = R"(
  qkv = com.microsoft.MatMulIntegerToFloat
      (x, weights, x_scale, weights_scale, x_zero, weights_zero, qkv_bias))";
  return importFusedAttention(ctx, op);
}

void quantc::onnx_import::registerContribTransformerRules(
    RuleRegistry &registry) {
  registry.add(kMicrosoft, "EmbedLayerNormalization", 1, importEmbedLayerNorm,
               /*numRequired=*/1);
  registry.add(kMicrosoft, "Attention", 1, importAttention, /*numRequired=*/2);
  registry.add(kMicrosoft, "QAttention", 1, importQAttention,
               /*numRequired=*/5);
}
