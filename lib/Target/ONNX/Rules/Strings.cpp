//===- Strings.cpp - Ops on strings ---------------------------------------===//

#include "LabelEncoder.h"
#include "StringBytes.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::ReduceKind;
using qnn::UnaryKind;

/// Dimension `i` as a list of one; the last is the width in bytes.
static Value dim(NodeContext &ctx, Value x, int64_t i) {
  return ctx.create<qnn::ShapeOp>(x, i, i + 1);
}

static Value width(NodeContext &ctx, Value x) {
  return x ? dim(ctx, x, rankOf(x) - 1) : Value();
}

/// `x` with `count` (a list of one) more zeros at the end of each string.
static Value widen(NodeContext &ctx, Value x, Value count) {
  if (!x || !count)
    return {};
  Value pads =
      ctx.create<qnn::ConcatOp>(ValueRange{ctx.i64List(int64_t(0)), count},
                                ctx.builder.getI64IntegerAttr(0));
  return ctx.create<qnn::PadOp>(qnn::PadMode::constant, x, pads,
                                ctx.i64List(rankOf(x) - 1),
                                ctx.scalar(byteType(ctx), 0));
}

Value quantc::onnx_import::widenTo(NodeContext &ctx, Value x, Value least) {
  Value missing = ctx.binary(BinaryKind::sub, least, width(ctx, x));
  return widen(ctx, x,
               ctx.binary(BinaryKind::max, missing, ctx.i64List(int64_t(0))));
}

/// Whether `flags` hold along the last dimension.
static Value all(NodeContext &ctx, Value flags) {
  Type i32 = ctx.builder.getI32Type();
  Value least = ctx.create<qnn::ReduceOp>(
      ReduceKind::min, ctx.castTo(flags, i32), ctx.i64List(-1),
      /*keepdims=*/false, /*noop_with_empty_axes=*/false);
  return ctx.castTo(least, ctx.builder.getI1Type());
}

Value quantc::onnx_import::areEqual(NodeContext &ctx, Value a, Value b) {
  Value wideA = widenTo(ctx, a, width(ctx, b));
  Value wideB = widenTo(ctx, b, width(ctx, a));
  return all(ctx, ctx.create<qnn::CompareOp>(CompareKind::equal, wideA, wideB));
}

Value quantc::onnx_import::literal(NodeContext &ctx, StringRef text,
                                   size_t least) {
  SmallVector<uint8_t> bytes(text.bytes_begin(), text.bytes_end());
  bytes.resize(std::max(bytes.size(), least));
  return ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({int64_t(bytes.size())}, byteType(ctx)),
      ArrayRef<uint8_t>(bytes)));
}

//===- StringNormalizer ---------------------------------------------------===//

/// ASCII letters in the other case.
static Value changeCase(NodeContext &ctx, Value x, bool toUpper) {
  Type byte = byteType(ctx);
  auto number = [&](double v) { return ctx.scalar(byte, v); };
  Value fromFirst = ctx.create<qnn::CompareOp>(CompareKind::greater_or_equal, x,
                                               number(toUpper ? 'a' : 'A'));
  Value toLast = ctx.create<qnn::CompareOp>(CompareKind::less_or_equal, x,
                                            number(toUpper ? 'z' : 'Z'));
  Value isLetter = ctx.binary(BinaryKind::logical_and, fromFirst, toLast);
  // The cases differ in one bit.
  Value other = ctx.binary(BinaryKind::bitwise_xor, x, number('a' ^ 'A'));
  return ctx.create<qnn::SelectOp>(isLetter, other, x);
}

static LogicalResult importStringNormalizer(NodeContext &ctx) {
  std::string action = ctx.getString("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    return ctx.emitError("case_change_action '" + action + "' is unknown");
  Value x = ctx.input(0);
  int64_t rank = rankOf(x) - 1;
  if (rank != 1 && rank != 2)
    return ctx.emitError("its input must be [C] or [1, C]");
  // One row of strings.
  Value rows =
      rank == 2 ? ctx.create<qnn::SqueezeOp>(x, ctx.i64List(int64_t(0))) : x;
  bool sensitive = ctx.getInt("is_case_sensitive", 0);
  Value compared = sensitive ? rows : changeCase(ctx, rows, /*toUpper=*/false);
  Type i1 = ctx.builder.getI1Type();
  Value keep = ctx.create<qnn::ExpandOp>(ctx.scalar(i1, 1), dim(ctx, rows, 0));
  for (StringRef word : ctx.getStrings("stopwords")) {
    Value stop = areEqual(ctx, compared,
                          literal(ctx, sensitive ? word.str() : word.lower()));
    keep = ctx.binary(BinaryKind::logical_and, keep,
                      ctx.unary(UnaryKind::logical_not, stop));
  }
  if (action != "NONE")
    rows = changeCase(ctx, rows, action == "UPPER");
  if (ctx.hasFailed())
    return failure();
  // One empty string if nothing is left.
  Value count = ctx.create<qnn::ReduceOp>(
      ReduceKind::sum, ctx.castTo(keep, ctx.builder.getI32Type()),
      ctx.i64List(int64_t(0)), /*keepdims=*/true,
      /*noop_with_empty_axes=*/false);
  Value isNone = ctx.create<qnn::CompareOp>(
      CompareKind::equal, count, ctx.scalar(ctx.builder.getI32Type(), 0));
  Value empty = ctx.create<qnn::ExpandOp>(
      ctx.scalar(byteType(ctx), 0),
      ctx.create<qnn::ConcatOp>(ValueRange{ctx.i64List(1), width(ctx, rows)},
                                ctx.builder.getI64IntegerAttr(0)));
  IntegerAttr front = ctx.builder.getI64IntegerAttr(0);
  rows = ctx.create<qnn::ConcatOp>(ValueRange{rows, empty}, front);
  keep = ctx.create<qnn::ConcatOp>(ValueRange{keep, isNone}, front);
  Value places = ctx.create<qnn::NonZeroOp>(keep);
  Value kept =
      ctx.create<qnn::GatherOp>(rows, ctx.reshape(places, {-1}), front);
  if (rank == 2)
    kept = ctx.create<qnn::UnsqueezeOp>(kept, ctx.i64List(int64_t(0)));
  return ctx.setStrings(0, kept);
}

//===- StringConcat, Equal ------------------------------------------------===//

static LogicalResult importStringConcat(NodeContext &ctx) {
  Value a = ctx.input(0), b = ctx.input(1);
  Value widthA = width(ctx, a), widthB = width(ctx, b);
  if (!widthA || !widthB)
    return failure();
  // Both as wide as the result, and in its shape.
  Value wideA = widen(ctx, a, widthB), wideB = widen(ctx, b, widthA);
  Value like = ctx.binary(BinaryKind::max, wideA, wideB);
  if (!like)
    return failure();
  Value shape = ctx.create<qnn::ShapeOp>(like, int64_t(0), rankOf(like));
  wideA = ctx.create<qnn::ExpandOp>(wideA, shape);
  wideB = ctx.create<qnn::ExpandOp>(wideB, shape);
  // Byte j is a's, or b's after a's length.
  Type i64 = ctx.builder.getI64Type();
  Value used = ctx.create<qnn::CompareOp>(CompareKind::greater, wideA,
                                          ctx.scalar(byteType(ctx), 0));
  Value length = ctx.create<qnn::ReduceOp>(
      ReduceKind::sum, ctx.castTo(used, i64), ctx.i64List(-1),
      /*keepdims=*/true, /*noop_with_empty_axes=*/false);
  Value columns = ctx.create<qnn::RangeOp>(
      ctx.i64Scalar(0), ctx.reshape(width(ctx, wideA), {}), ctx.i64Scalar(1));
  Value behind = ctx.binary(BinaryKind::sub, columns, length);
  Value place = ctx.binary(BinaryKind::max, behind, ctx.scalar(i64, 0));
  Value moved = ctx.create<qnn::GatherElementsOp>(
      wideB, place, ctx.builder.getI64IntegerAttr(rankOf(like) - 1));
  Value isFirst =
      ctx.create<qnn::CompareOp>(CompareKind::less, columns, length);
  return ctx.setStrings(0, ctx.create<qnn::SelectOp>(isFirst, wideA, moved));
}

static LogicalResult importEqual(NodeContext &ctx) {
  if (ctx.isString(0) && ctx.isString(1))
    return ctx.setOutput(0, areEqual(ctx, ctx.input(0), ctx.input(1)));
  return ctx.setOutput(0, ctx.create<qnn::CompareOp>(
                              CompareKind::equal, ctx.input(0), ctx.input(1)));
}

void quantc::onnx_import::registerStringRules(RuleRegistry &registry) {
  auto add = [&](StringRef domain, StringRef op, int version, ImportRule rule) {
    registry.add(domain, op, version, std::move(rule));
    registry.allowSequences(domain, op);
  };
  add(kOnnx, "StringNormalizer", 10, importStringNormalizer);
  add(kOnnx, "StringConcat", 20, importStringConcat);
  add(kOnnx, "Equal", 7, importEqual);
  add(kOnnxMl, "LabelEncoder", 2, importLabelEncoder);
}
