//===- Contrib.cpp - Attention ops of com.microsoft -----------------------===//
// Each is written as a function over ONNX's own ops, in ONNX's textual form,
// shaped by the inputs and attributes that the node has.

#include "../LoopBuilder.h"
#include "FunctionText.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using llvm::formatv;

/// What ONNX Runtime adds to the score of a blocked position.
static constexpr StringLiteral kBlocked = "-10000.0";

/// A dimension of input `i`, if it is static.
static std::optional<int64_t> getDim(NodeContext &ctx, size_t i, int64_t dim) {
  RankedTensorType type = ctx.inputType(i);
  if (!type || dim >= type.getRank() || type.isDynamicDim(dim))
    return std::nullopt;
  return type.getDimSize(dim);
}

/// "name: float = value" if the node has a scale other than 0 (the default).
static std::string scaleAttribute(NodeContext &ctx) {
  return ctx.getFloat("scale") == 0 ? "" : "scale: float = @scale, ";
}

/// Adds `bias` to a boolean `mask` turned into numbers.
static std::string addBias(StringRef mask, StringRef bias) {
  return formatv(R"(
  float_zero = Constant <value_float = 0.0> ()
  float_blocked = Constant <value_float = {2}> ()
  bias_zero = CastLike(float_zero, {1})
  bias_blocked = CastLike(float_blocked, {1})
  mask_bias = Where({0}, bias_zero, bias_blocked)
  mask = Add(mask_bias, {1}))",
                 mask, bias, kBlocked);
}

/// The results that the node uses, so that inference sees no others.
static std::string resultList(NodeContext &ctx, ArrayRef<StringRef> names) {
  return llvm::join(names.take_front(std::max<size_t>(ctx.numOutputs(), 1)),
                    ", ");
}

//===- RotaryEmbedding ----------------------------------------------------===//

static LogicalResult importRotaryEmbedding(NodeContext &ctx) {
  RankedTensorType x = ctx.inputType(0), position = ctx.inputType(1);
  if (x.getRank() != 3 && x.getRank() != 4)
    return ctx.emitError("its input must have rank 3 or 4, but has " +
                         Twine(x.getRank()));
  if (ctx.getInt("is_packed_batching") || ctx.getFloat("scale", 1) != 1)
    return ctx.emitError("packed batches and scales are not supported");
  int64_t heads = ctx.getInt("num_heads");
  int64_t rotated = ctx.getInt("rotary_embedding_dim");
  if (x.getRank() == 3 && heads == 0) {
    // The head size is what the tables rotate.
    auto hidden = getDim(ctx, 0, 2), half = getDim(ctx, 2, 1);
    if (!hidden || !half || *half == 0)
      return ctx.emitError("num_heads is needed");
    heads = *hidden / (2 * *half);
  }
  std::string body;
  StringRef positions = "position";
  if (position.getRank() == 1) {
    // The position of the first token, for all of the batch.
    body = formatv(R"(
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  batch = Shape <start = 0, end = 1> (x)
  length_list = Shape <start = {0}, end = {1}> (x)
  length = Squeeze(length_list)
  steps = Range(zero, length, one)
  shifted = Add(steps, position)
  grid = Concat <axis = 0> (batch, length_list)
  positions = Expand(shifted, grid))",
                   x.getRank() == 3 ? 1 : 2, x.getRank() == 3 ? 2 : 3);
    positions = "positions";
  }
  return ctx.expandFunction(
      formatv(R"(<domain: "com.microsoft", opset_import: ["" : 23]>
RotaryEmbedding <interleaved: int = 0> (x, position, cos, sin) => (y) {{{0}
  y = RotaryEmbedding <interleaved: int = @interleaved, num_heads = {1},
                       rotary_embedding_dim = {2}> (x, cos, sin, {3})
})",
              body, heads, rotated, positions)
          .str());
}

//===- MultiHeadAttention -------------------------------------------------===//

/// Text that gives `q`, `k` and `v` of shape (batch, length, hidden size) from
/// the forms in which they may come: together, or already split into heads.
static FailureOr<std::string> unpackHeads(NodeContext &ctx) {
  RankedTensorType query = ctx.inputType(0), key = ctx.inputType(1);
  int64_t queryRank = query ? query.getRank() : 0;
  int64_t keyRank = key ? key.getRank() : 0;
  std::string flat = R"(
  flat = Constant <value_ints = [0, 0, -1]> ())";
  if (queryRank == 5 && !key)
    return flat + R"(
  q_part, k_part, v_part = Split <axis = 3, num_outputs = 3> (query)
  q = Reshape(q_part, flat)
  k = Reshape(k_part, flat)
  v = Reshape(v_part, flat))";
  if (queryRank != 3)
    return failure();
  std::string q = R"(
  q = Identity(query))";
  if (keyRank == 5 && !ctx.hasInput(2))
    return flat + q + R"(
  k_part, v_part = Split <axis = 3, num_outputs = 2> (key)
  k = Reshape(k_part, flat)
  v = Reshape(v_part, flat))";
  if (!ctx.hasInput(2) || ctx.inputType(2).getRank() != keyRank)
    return failure();
  if (keyRank == 4)
    return flat + q + R"(
  k_turned = Transpose <perm = [0, 2, 1, 3]> (key)
  v_turned = Transpose <perm = [0, 2, 1, 3]> (value)
  k = Reshape(k_turned, flat)
  v = Reshape(v_turned, flat))";
  if (keyRank != 3)
    return failure();
  return q + R"(
  k = Identity(key)
  v = Identity(value))";
}

static LogicalResult importMultiHeadAttention(NodeContext &ctx) {
  auto unpacked = unpackHeads(ctx);
  if (failed(unpacked))
    return ctx.emitError("queries, keys and values of these ranks are not "
                         "supported");
  if (ctx.numInputs() > 8)
    return ctx.emitError("caches of a fixed size are not supported");
  int64_t heads = ctx.getInt("num_heads");
  if (auto hidden = getDim(ctx, 0, 2);
      heads <= 0 ||
      (ctx.inputType(0).getRank() == 3 && hidden && *hidden % heads != 0))
    return ctx.emitError("num_heads must divide the size of the queries, but "
                         "is " +
                         Twine(heads));
  std::string body = *unpacked;
  StringRef q = "q", k = "k", v = "v", mask = "\"\"";
  if (ctx.hasInput(3)) {
    body += R"(
  q_size = Shape <start = 2> (q)
  k_size = Shape <start = 2> (k)
  v_size = Shape <start = 2> (v)
  sizes = Concat <axis = 0> (q_size, k_size, v_size)
  q_bias, k_bias, v_bias = Split <axis = 0> (bias, sizes)
  q_biased = Add(q, q_bias)
  k_biased = Add(k, k_bias)
  v_biased = Add(v, v_bias))";
    q = "q_biased", k = "k_biased", v = "v_biased";
  }
  if (ctx.hasInput(5))
    mask = "attention_bias";
  if (ctx.hasInput(4)) {
    int64_t rank = ctx.inputType(4).getRank();
    if (rank != 2 && rank != 3)
      return ctx.emitError("only a key_padding_mask of shape (batch, keys) or "
                           "(batch, queries, keys) is supported");
    body += formatv(R"(
  inner_axes = Constant <value_ints = [{0}]> ()
  kept_flat = Cast <to = 9> (padding)
  kept = Unsqueeze(kept_flat, inner_axes)
  float_zero = Constant <value_float = 0.0> ()
  float_blocked = Constant <value_float = {1}> ()
  zero_like = CastLike(float_zero, q)
  blocked_like = CastLike(float_blocked, q)
  mask_part = Where(kept, zero_like, blocked_like))",
                    rank == 2 ? "1, 2" : "1",
                    writeFloat(ctx.getFloat("mask_filter_value", -10000)));
    body += ctx.hasInput(5) ? R"(
  mask = Add(mask_part, attention_bias))"
                            : R"(
  mask = Identity(mask_part))";
    mask = "mask";
  }
  return ctx.expandFunction(
      formatv(
          R"(<domain: "com.microsoft", opset_import: ["" : 23]>
MultiHeadAttention <num_heads, scale>
    (query, key, value, bias, padding, attention_bias, past_key,
     past_value) => ({6}) {{{0}
  {6} = Attention <{5}q_num_heads: int = @num_heads,
        kv_num_heads: int = @num_heads, is_causal = {8}> ({1}, {2}, {3}, {4}, {7})
})",
          body, q, k, v, mask, scaleAttribute(ctx),
          resultList(ctx, {"y", "present_key", "present_value"}),
          ctx.hasInput(6) ? "past_key, past_value" : "\"\", \"\"",
          ctx.getInt("unidirectional") != 0 ? 1 : 0)
          .str());
}

//===- GroupQueryAttention ------------------------------------------------===//

/// Input 5 holds each sequence's length with its past, less one: all of them
/// must be what the shapes say, which the run checks.
static LogicalResult checkLengths(NodeContext &ctx) {
  if (!ctx.hasInput(5))
    return success();
  auto dim = [&](Value x, int64_t i) {
    return ctx.create<qnn::ShapeOp>(x, i, i + 1);
  };
  Value length = dim(ctx.input(0), 1);
  if (ctx.hasInput(3))
    length = ctx.binary(qnn::BinaryKind::add, length, dim(ctx.input(3), 2));
  Value last = ctx.binary(qnn::BinaryKind::sub, length, ctx.i64List(1));
  Value given =
      ctx.castTo(ctx.reshape(ctx.input(5), {-1}), ctx.builder.getI64Type());
  Value same = ctx.create<qnn::CompareOp>(qnn::CompareKind::equal, given, last);
  Value all = ctx.create<qnn::ReduceOp>(
      qnn::ReduceKind::min, ctx.castTo(same, ctx.builder.getI32Type()),
      ctx.i64List(0), /*keepdims=*/false, /*noop_with_empty_axes=*/false);
  Value ok = extractScalar(ctx, ctx.castTo(all, ctx.builder.getI1Type()));
  if (!ok)
    return failure();
  assertWhenRun(ctx, ok,
                " (GroupQueryAttention): seqlens_k must be the "
                "length of the cache and the new tokens, less one");
  return success();
}

namespace {
/// Where a GroupQueryAttention finds what it multiplies: names in the function
/// that stands for it.
struct AttentionInputs {
  StringRef q = "query", k = "key", v = "value", mask = "allowed";
};
} // namespace

/// Splits queries, keys and values that are one tensor.
static LogicalResult splitPacked(NodeContext &ctx, int64_t heads,
                                 int64_t kvHeads, std::string &body,
                                 AttentionInputs &inputs) {
  if (ctx.hasInput(1))
    return success();
  auto hidden = getDim(ctx, 0, 2);
  if (!hidden || *hidden % (heads + 2 * kvHeads) != 0)
    return ctx.emitError("packed queries, keys and values need a static size "
                         "that its heads divide");
  int64_t head = *hidden / (heads + 2 * kvHeads);
  body += formatv(R"(
  sizes = Constant <value_ints = [{0}, {1}, {1}]> ()
  q, k, v = Split <axis = 2> (query, sizes))",
                  heads * head, kvHeads * head);
  inputs.q = "q", inputs.k = "k", inputs.v = "v";
  return success();
}

/// A token sees itself and those before it, as far as the window reaches.
static void addCausalMask(NodeContext &ctx, std::string &body,
                          AttentionInputs &inputs) {
  body += ctx.hasInput(3) ? R"(
  past_list = Shape <start = 2, end = 3> (past_key)
  past = Squeeze(past_list))"
                          : R"(
  past = Identity(zero))";
  body += R"(
  steps = Range(zero, length, one)
  rows = Add(steps, past)
  total_length = Add(past, length)
  columns = Range(zero, total_length, one)
  row_column = Unsqueeze(rows, second_axis)
  causal = LessOrEqual(columns, row_column))";
  int64_t window = ctx.getInt("local_window_size", -1);
  body += window > 0 ? formatv(R"(
  window = Constant <value_int = {0}> ()
  first = Sub(row_column, window)
  near = Greater(columns, first)
  allowed = And(causal, near))",
                               window)
                           .str()
                     : std::string(R"(
  allowed = Identity(causal))");
  if (ctx.hasInput(10)) {
    body += addBias("allowed", "attention_bias");
    inputs.mask = "mask";
  }
}

/// Rotates queries and keys by their positions.
static LogicalResult addRotation(NodeContext &ctx, int64_t heads,
                                 int64_t kvHeads, std::string &body,
                                 AttentionInputs &inputs) {
  if (!ctx.getInt("do_rotary"))
    return success();
  if (!ctx.hasInput(7) || !ctx.hasInput(8))
    return ctx.emitError("rotation needs cos_cache and sin_cache");
  StringRef positions = "position_ids";
  if (!ctx.hasInput(9)) {
    body += R"(
  grid = Concat <axis = 0> (batch, length_list)
  positions = Expand(rows, grid))";
    positions = "positions";
  }
  int64_t rotated = 2 * getDim(ctx, 7, 1).value_or(0);
  for (auto [name, value, count] :
       {std::tuple<StringRef, StringRef, int64_t>("q_rotated", inputs.q, heads),
        {"k_rotated", inputs.k, kvHeads}})
    body += formatv(R"(
  {0} = RotaryEmbedding <num_heads = {1}, interleaved = {2},
                         rotary_embedding_dim = {3}> ({4}, cos, sin, {5}))",
                    name, count, ctx.getInt("rotary_interleaved"), rotated,
                    value, positions);
  inputs.q = "q_rotated", inputs.k = "k_rotated";
  return success();
}

/// The cache grows by the new keys and values, as in a model whose cache is not
/// a buffer of a fixed size; sequences of a batch have one length.
static LogicalResult importGroupQueryAttention(NodeContext &ctx) {
  int64_t heads = ctx.getInt("num_heads"), kvHeads = ctx.getInt("kv_num_heads");
  if (heads <= 0 || kvHeads <= 0 || heads % kvHeads != 0)
    return ctx.emitError("num_heads must be a multiple of kv_num_heads, but "
                         "they are " +
                         Twine(heads) + " and " + Twine(kvHeads));
  for (size_t i : {0, 1, 2})
    if (ctx.hasInput(i) && ctx.inputType(i).getRank() != 3)
      return ctx.emitError("queries, keys and values must have rank 3");
  if (ctx.hasInput(1) != ctx.hasInput(2))
    return ctx.emitError("keys and values must be given together");
  if (failed(checkLengths(ctx)))
    return failure();
  if (ctx.hasInput(11) || ctx.getInt("smooth_softmax") > 0 ||
      ctx.getInt("qk_output"))
    return ctx.emitError("sinks, smooth softmax and the output of scores are "
                         "not supported");
  std::string body = R"(
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  second_axis = Constant <value_ints = [1]> ()
  batch = Shape <start = 0, end = 1> (query)
  length_list = Shape <start = 1, end = 2> (query)
  length = Squeeze(length_list))";
  AttentionInputs inputs;
  if (failed(splitPacked(ctx, heads, kvHeads, body, inputs)))
    return failure();
  addCausalMask(ctx, body, inputs);
  if (failed(addRotation(ctx, heads, kvHeads, body, inputs)))
    return failure();
  return ctx.expandFunction(
      formatv(
          R"(<domain: "com.microsoft", opset_import: ["" : 23]>
GroupQueryAttention <num_heads, kv_num_heads, scale, softcap: float = 0.0>
    (query, key, value, past_key, past_value, seqlens, total, cos, sin,
     position_ids, attention_bias) => ({6}) {{{0}
  {6} = Attention <{5}q_num_heads: int = @num_heads,
        kv_num_heads: int = @kv_num_heads, softcap: float = @softcap>
        ({1}, {2}, {3}, {4}, {7})
})",
          body, inputs.q, inputs.k, inputs.v, inputs.mask, scaleAttribute(ctx),
          resultList(ctx, {"y", "present_key", "present_value"}),
          ctx.hasInput(3) ? "past_key, past_value" : "\"\", \"\"")
          .str());
}

void quantc::onnx_import::registerContribRules(RuleRegistry &registry) {
  registry.add(kMicrosoft, "RotaryEmbedding", 1, importRotaryEmbedding,
               /*numRequired=*/4);
  registry.add(kMicrosoft, "MultiHeadAttention", 1, importMultiHeadAttention,
               /*numRequired=*/1);
  registry.add(kMicrosoft, "GroupQueryAttention", 1, importGroupQueryAttention,
               /*numRequired=*/1);
}
