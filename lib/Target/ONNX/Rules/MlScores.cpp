//===- MlScores.cpp - What the models of ai.onnx.ml share -----------------===//

#include "MlScores.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::ReduceKind;
using qnn::UnaryKind;

static RankedTensorType typeOf(Value v) {
  return cast<RankedTensorType>(v.getType());
}

//===- Transforms ---------------------------------------------------------===//

std::optional<PostTransform>
quantc::onnx_import::readPostTransform(NodeContext &ctx) {
  std::string name = ctx.getString("post_transform", "NONE");
  auto transform = llvm::StringSwitch<std::optional<PostTransform>>(name)
                       .Case("NONE", PostTransform::none)
                       .Case("SOFTMAX", PostTransform::softmax)
                       .Case("LOGISTIC", PostTransform::logistic)
                       .Case("SOFTMAX_ZERO", PostTransform::softmax_zero)
                       .Case("PROBIT", PostTransform::probit)
                       .Default(std::nullopt);
  if (!transform)
    (void)ctx.emitError("post_transform '" + name + "' is unknown");
  return transform;
}

static Value reduceRows(NodeContext &ctx, ReduceKind kind, Value x) {
  return ctx.create<qnn::ReduceOp>(kind, x, ctx.i64List(1), /*keepdims=*/true,
                                   /*noop_with_empty_axes=*/false);
}

/// Softmax of the scores that are not 0; those stay so.
static Value softmaxWithoutZeros(NodeContext &ctx, Value x) {
  if (!x)
    return {};
  Type type = typeOf(x).getElementType();
  Value most = reduceRows(ctx, ReduceKind::max, x);
  Value powers =
      ctx.unary(UnaryKind::exp, ctx.binary(BinaryKind::sub, x, most));
  Value isNonzero = ctx.create<qnn::CompareOp>(CompareKind::greater,
                                               ctx.unary(UnaryKind::abs, x),
                                               ctx.scalar(type, 1e-7f));
  Value zero = ctx.scalar(type, 0);
  Value terms = ctx.create<qnn::SelectOp>(isNonzero, powers, zero);
  return ctx.binary(BinaryKind::div, terms,
                    reduceRows(ctx, ReduceKind::sum, terms));
}

/// The quantile function of the normal distribution, by the approximation of
/// the inverse error function that ONNX Runtime has.
static Value probit(NodeContext &ctx, Value p) {
  if (!p)
    return {};
  Type type = typeOf(p).getElementType();
  auto number = [&](double v) { return ctx.scalar(type, v); };
  auto binary = [&](BinaryKind kind, Value a, Value b) {
    return ctx.binary(kind, a, b);
  };
  constexpr float a = 0.147f;
  Value x =
      binary(BinaryKind::sub, binary(BinaryKind::mul, p, number(2)), number(1));
  Value log =
      ctx.unary(UnaryKind::log,
                binary(BinaryKind::mul, binary(BinaryKind::sub, number(1), x),
                       binary(BinaryKind::add, number(1), x)));
  Value v = binary(BinaryKind::add, number(2 / (3.14159f * a)),
                   binary(BinaryKind::mul, log, number(0.5)));
  Value square = binary(BinaryKind::sub, binary(BinaryKind::mul, v, v),
                        binary(BinaryKind::mul, log, number(1 / a)));
  Value root =
      ctx.unary(UnaryKind::sqrt,
                binary(BinaryKind::sub, ctx.unary(UnaryKind::sqrt, square), v));
  Value isNegative =
      ctx.create<qnn::CompareOp>(CompareKind::less, x, number(0));
  Value sign = ctx.create<qnn::SelectOp>(isNegative, number(-1), number(1));
  return binary(BinaryKind::mul, binary(BinaryKind::mul, root, sign),
                number(1.41421356f));
}

Value quantc::onnx_import::applyPostTransform(NodeContext &ctx,
                                              PostTransform transform,
                                              Value scores) {
  if (!scores)
    return {};
  if (transform == PostTransform::probit)
    return probit(ctx, scores);
  if (typeOf(scores).getDimSize(1) == 1)
    return scores;
  switch (transform) {
  case PostTransform::softmax:
    return ctx.create<qnn::SoftmaxOp>(qnn::SoftmaxKind::softmax, scores,
                                      int64_t(1), /*flatten=*/false);
  case PostTransform::logistic:
    return ctx.unary(UnaryKind::sigmoid, scores);
  case PostTransform::softmax_zero:
    return softmaxWithoutZeros(ctx, scores);
  default:
    return scores;
  }
}

Value quantc::onnx_import::addSecondClass(NodeContext &ctx,
                                          PostTransform transform, Value score,
                                          bool isProbability) {
  if (!score)
    return {};
  if (transform == PostTransform::logistic)
    return ctx.unary(
        UnaryKind::sigmoid,
        joinColumns(ctx, {ctx.unary(UnaryKind::neg, score), score}));
  Value one = ctx.scalar(typeOf(score).getElementType(), 1);
  Value other = isProbability ? ctx.binary(BinaryKind::sub, one, score)
                              : ctx.unary(UnaryKind::neg, score);
  return joinColumns(ctx, {other, score});
}

//===- Tensors ------------------------------------------------------------===//

Value quantc::onnx_import::readRows(NodeContext &ctx, Type elementType) {
  Value x = ctx.input(0);
  int64_t rank = ctx.inputType(0).getRank();
  if (rank != 1 && rank != 2) {
    (void)ctx.emitError("its input must be (rows, features)");
    return {};
  }
  if (rank == 1)
    x = ctx.reshape(x, {1, -1});
  return ctx.castTo(x, elementType);
}

Value quantc::onnx_import::matrix(NodeContext &ctx, Type elementType,
                                  int64_t rows, int64_t columns,
                                  ArrayRef<double> values) {
  if (rows < 1 || columns < 1 || int64_t(values.size()) != rows * columns) {
    (void)ctx.emitError("it needs " + Twine(rows) + " x " + Twine(columns) +
                        " coefficients, and has " + Twine(values.size()));
    return {};
  }
  auto type = RankedTensorType::get({rows, columns}, elementType);
  if (elementType.isF64())
    return ctx.constant(DenseElementsAttr::get(type, values));
  SmallVector<float> floats(values.begin(), values.end());
  return ctx.constant(DenseElementsAttr::get(type, ArrayRef(floats)));
}

Value quantc::onnx_import::column(NodeContext &ctx, Value x, int64_t i) {
  return ctx.create<qnn::SliceOp>(x, ctx.i64List(i), ctx.i64List(i + 1),
                                  ctx.i64List(1), ctx.i64List(1));
}

Value quantc::onnx_import::joinColumns(NodeContext &ctx, ValueRange columns) {
  return ctx.create<qnn::ConcatOp>(columns, ctx.builder.getI64IntegerAttr(1));
}

//===- Classes ------------------------------------------------------------===//

ClassLabels::ClassLabels(NodeContext &ctx, StringRef intsName,
                         StringRef stringsName)
    : ctx(ctx), ints(ctx.getInts(intsName)),
      strings(ctx.getStrings(stringsName)) {}

LogicalResult ClassLabels::setOutput(Value classes) const {
  IntegerAttr front = ctx.builder.getI64IntegerAttr(0);
  if (!areStrings())
    return ctx.setOutput(
        0, ctx.create<qnn::GatherOp>(ctx.i64List(ints), classes, front));
  size_t width = 1;
  for (const std::string &text : strings)
    width = std::max(width, text.size());
  SmallVector<uint8_t> bytes(strings.size() * width);
  for (auto [i, text] : llvm::enumerate(strings))
    llvm::copy(text, bytes.begin() + i * width);
  Value table = ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({size(), int64_t(width)},
                            ctx.builder.getIntegerType(8, /*isSigned=*/false)),
      ArrayRef<uint8_t>(bytes)));
  return ctx.setStrings(0, ctx.create<qnn::GatherOp>(table, classes, front));
}

LogicalResult ClassLabels::setBinaryOutput(Value isSecond) const {
  return setOutput(
      ctx.reshape(ctx.castTo(isSecond, ctx.builder.getI64Type()), {-1}));
}

Value quantc::onnx_import::findWinner(NodeContext &ctx, Value scores) {
  return ctx.create<qnn::ArgReduceOp>(qnn::ExtremumKind::max, scores,
                                      int64_t(1), /*keepdims=*/false,
                                      /*select_last=*/false);
}
