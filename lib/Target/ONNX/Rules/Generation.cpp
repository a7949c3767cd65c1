//===- Generation.cpp - Random numbers and filter banks -------------------===//
//
// Random numbers are a function of a counter and a key, so that they need no
// state: element i is made from i and the seed alone, by rounds that multiply,
// add and swap halves ("squares", Widynski 2020). A node without a seed has one
// that its name gives: a library gives the same numbers each time it runs.
//
//===----------------------------------------------------------------------===//

#include "../NodeContext.h"

#include "mlir/IR/Matchers.h"
#include "llvm/Support/xxhash.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::UnaryKind;

//===- random numbers -----------------------------------------------------===//

namespace {
class RandomSource {
public:
  explicit RandomSource(NodeContext &ctx)
      : ctx(ctx), u64(ctx.builder.getIntegerType(64, /*isSigned=*/false)) {}

  /// Uniform numbers of [0, 1), as f32 in the shape `shape` (a list). Different
  /// streams are independent.
  Value uniform(Value shape, uint64_t stream);
  /// Numbers of mean 0 and deviation 1 (Box and Muller).
  Value normal(Value shape);

private:
  Value number(uint64_t v) {
    return ctx.constant(
        DenseElementsAttr::get(RankedTensorType::get({}, u64), APInt(64, v)));
  }
  Value real(double v) { return ctx.scalar(ctx.builder.getF32Type(), v); }
  uint64_t key(uint64_t stream);

  NodeContext &ctx;
  Type u64;
};
} // namespace

uint64_t RandomSource::key(uint64_t stream) {
  uint64_t seed;
  if (const onnx::AttributeProto *attr = ctx.findAttr("seed")) {
    // A float, but an integer of Dropout.
    double value = attr->type() == onnx::AttributeProto::INT
                       ? double(attr->i())
                       : double(attr->f());
    seed = llvm::xxh3_64bits(
        ArrayRef(reinterpret_cast<const uint8_t *>(&value), sizeof(value)));
  } else {
    seed = llvm::xxh3_64bits(cast<NameLoc>(ctx.loc).getName().getValue());
  }
  // Odd, and with bits everywhere.
  return (seed ^ (stream * 0x9E3779B97F4A7C15u)) | 1;
}

Value RandomSource::uniform(Value shape, uint64_t stream) {
  // Numbers each element.
  Value ones = ctx.create<qnn::ExpandOp>(ctx.i64Scalar(1), shape);
  Value count = ctx.i64List(1);
  if (!ones)
    return {};
  auto type = cast<RankedTensorType>(ones.getType());
  for (int64_t i = 0; i < type.getRank(); ++i)
    count = ctx.binary(BinaryKind::mul, count,
                       ctx.create<qnn::ShapeOp>(ones, i, i + 1));
  Value counter = ctx.create<qnn::RangeOp>(
      ctx.i64Scalar(0), ctx.reshape(count, {}), ctx.i64Scalar(1));
  auto mul = [&](Value a, Value b) {
    return ctx.binary(BinaryKind::mul, a, b);
  };
  auto add = [&](Value a, Value b) {
    return ctx.binary(BinaryKind::add, a, b);
  };
  auto high = [&](Value a) {
    return ctx.binary(BinaryKind::shift_right, a, number(32));
  };
  auto swap = [&](Value a) {
    Value low = ctx.binary(BinaryKind::shift_left, a, number(32));
    return ctx.binary(BinaryKind::bitwise_or, high(a), low);
  };
  Value k = number(key(stream));
  Value y = mul(add(ctx.castTo(counter, u64), number(1)), k);
  Value z = add(y, k);
  Value x = swap(add(mul(y, y), y));
  x = swap(add(mul(x, x), z));
  x = swap(add(mul(x, x), y));
  x = high(add(mul(x, x), z));
  // 24 bits are what an f32 holds.
  Value bits = ctx.binary(BinaryKind::shift_right, x, number(8));
  Value numbers = mul(ctx.castTo(bits, ctx.builder.getF32Type()),
                      real(std::ldexp(1.0, -24)));
  return ctx.create<qnn::ReshapeOp>(numbers, shape, /*allowzero=*/true);
}

Value RandomSource::normal(Value shape) {
  // 1 - u is never 0.
  Value radius = ctx.unary(
      UnaryKind::log, ctx.binary(BinaryKind::sub, real(1), uniform(shape, 1)));
  radius =
      ctx.unary(UnaryKind::sqrt, ctx.binary(BinaryKind::mul, radius, real(-2)));
  Value angle =
      ctx.binary(BinaryKind::mul, uniform(shape, 2), real(6.283185307179586));
  return ctx.binary(BinaryKind::mul, radius, ctx.unary(UnaryKind::cos, angle));
}

/// The shape of the result: an attribute, or that of the input.
static Value resultShape(NodeContext &ctx) {
  if (!ctx.hasInput(0))
    return ctx.i64List(ctx.getInts("shape"));
  return ctx.create<qnn::ShapeOp>(ctx.input(0), int64_t(0),
                                  ctx.inputType(0).getRank());
}

/// The result's type: an attribute, or that of the input, or f32.
static Type resultType(NodeContext &ctx) {
  if (ctx.hasAttr("dtype"))
    return ctx.getElementType("dtype");
  return ctx.hasInput(0) ? ctx.inputElementType(0)
                         : Type(ctx.builder.getF32Type());
}

/// `x * factor + offset` as the result.
static LogicalResult setScaled(NodeContext &ctx, Value x, double factor,
                               double offset) {
  Type type = resultType(ctx), f32 = ctx.builder.getF32Type();
  if (!type)
    return failure();
  Value scaled = ctx.binary(BinaryKind::mul, x, ctx.scalar(f32, factor));
  Value moved = ctx.binary(BinaryKind::add, scaled, ctx.scalar(f32, offset));
  return ctx.setOutput(0, ctx.castTo(moved, type));
}

static LogicalResult importRandomUniform(NodeContext &ctx) {
  double low = ctx.getFloat("low", 0), high = ctx.getFloat("high", 1);
  return setScaled(ctx, RandomSource(ctx).uniform(resultShape(ctx), 0),
                   high - low, low);
}

static LogicalResult importRandomNormal(NodeContext &ctx) {
  return setScaled(ctx, RandomSource(ctx).normal(resultShape(ctx)),
                   ctx.getFloat("scale", 1), ctx.getFloat("mean", 0));
}

static LogicalResult importBernoulli(NodeContext &ctx) {
  Value numbers = RandomSource(ctx).uniform(resultShape(ctx), 0);
  Value chance = ctx.castTo(ctx.input(0), ctx.builder.getF32Type());
  Value hit =
      ctx.create<qnn::CompareOp>(qnn::CompareKind::less, numbers, chance);
  Type type = resultType(ctx);
  return type ? ctx.setOutput(0, ctx.castTo(hit, type)) : failure();
}

/// data, ratio?, training_mode?. Inference drops nothing: the mask is true
/// everywhere. Training keeps what a random number lets through, scaled so that
/// the expectation stays.
static LogicalResult importDropout(NodeContext &ctx) {
  Value x = ctx.input(0), mask;
  auto mode = ctx.hasInput(2) ? ctx.constantInts(2) : std::nullopt;
  if (ctx.hasInput(2) && !mode)
    return ctx.emitError("whether it trains must be a constant");
  Type i1 = ctx.builder.getI1Type(), f32 = ctx.builder.getF32Type();
  int64_t rank = ctx.inputType(0).getRank();
  Value shape = ctx.create<qnn::ShapeOp>(x, int64_t(0), rank);
  if (mode && !mode->empty() && mode->front() != 0) {
    Value ratio = ctx.hasInput(1)
                      ? ctx.reshape(ctx.castTo(ctx.input(1), f32), {})
                      : ctx.scalar(f32, 0.5);
    Value numbers = RandomSource(ctx).uniform(shape, 0);
    mask = ctx.create<qnn::CompareOp>(qnn::CompareKind::greater_or_equal,
                                      numbers, ratio);
    Value scale =
        ctx.unary(UnaryKind::reciprocal,
                  ctx.binary(BinaryKind::sub, ctx.scalar(f32, 1), ratio));
    Type element = ctx.inputElementType(0);
    x = ctx.create<qnn::SelectOp>(
        mask, ctx.binary(BinaryKind::mul, x, ctx.castTo(scale, element)),
        ctx.scalar(element, 0));
  }
  if (failed(ctx.setOutput(0, x)))
    return failure();
  if (!ctx.hasOutput(1))
    return success();
  if (!mask)
    mask = ctx.create<qnn::ExpandOp>(ctx.scalar(i1, 1), shape);
  // Up to opset 9 the mask has the data's type.
  return ctx.setOutput(
      1, ctx.castTo(mask, ctx.opset >= 10 ? i1 : ctx.inputElementType(0)));
}

/// Classes drawn by their logarithmic, unnormalized probabilities: the largest
/// of them after adding Gumbel noise.
static LogicalResult importMultinomial(NodeContext &ctx) {
  RankedTensorType type = ctx.inputType(0);
  if (type.getRank() != 2)
    return ctx.emitError("its input must be (batch, classes)");
  Type f32 = ctx.builder.getF32Type();
  Value logits = ctx.create<qnn::UnsqueezeOp>(ctx.castTo(ctx.input(0), f32),
                                              ctx.i64List(1));
  Value dims[] = {
      ctx.create<qnn::ShapeOp>(ctx.input(0), int64_t(0), int64_t(1)),
      ctx.i64List(ctx.getInt("sample_size", 1)),
      ctx.create<qnn::ShapeOp>(ctx.input(0), int64_t(1), int64_t(2))};
  Value shape = ctx.create<qnn::ConcatOp>(ValueRange(dims),
                                          ctx.builder.getI64IntegerAttr(0));
  // -log(-log(u)), with u above 0.
  Value u = ctx.binary(BinaryKind::max, RandomSource(ctx).uniform(shape, 0),
                       ctx.scalar(f32, std::ldexp(1.0, -25)));
  auto minusLog = [&](Value v) {
    return ctx.unary(UnaryKind::neg, ctx.unary(UnaryKind::log, v));
  };
  Value noisy = ctx.binary(BinaryKind::add, logits, minusLog(minusLog(u)));
  Value best = ctx.create<qnn::ArgReduceOp>(qnn::ExtremumKind::max, noisy,
                                            int64_t(2), /*keepdims=*/false,
                                            /*select_last=*/false);
  Type result = ctx.hasAttr("dtype") ? ctx.getElementType("dtype")
                                     : Type(ctx.builder.getI32Type());
  return result ? ctx.setOutput(0, ctx.castTo(best, result)) : failure();
}

//===- filter banks -------------------------------------------------------===//

/// The number in constant input `i`; nothing, with an error, if it is unknown.
static std::optional<double> constantNumber(NodeContext &ctx, size_t i) {
  DenseElementsAttr attr;
  if (ctx.hasInput(i) && matchPattern(ctx.input(i), m_Constant(&attr)) &&
      attr.getNumElements() == 1) {
    if (isa<FloatType>(attr.getElementType()))
      return (*attr.getValues<APFloat>().begin()).convertToDouble();
    if (auto ints = ctx.constantInts(i))
      return double(ints->front());
  }
  (void)ctx.emitError("its input " + Twine(i) + " must be a constant");
  return std::nullopt;
}

/// Triangles over the bins of a spectrum, evenly spaced in mel.
static LogicalResult importMelWeightMatrix(NodeContext &ctx) {
  double inputs[5];
  for (size_t i = 0; i < 5; ++i) {
    auto number = constantNumber(ctx, i);
    if (!number)
      return failure();
    inputs[i] = *number;
  }
  auto [bands, length, rate, lowest, highest] = inputs;
  Type type = ctx.hasAttr("output_datatype")
                  ? ctx.getElementType("output_datatype")
                  : Type(ctx.builder.getF32Type());
  if (!type)
    return failure();
  if (bands < 1 || bands > 1 << 16 || length < 1 || length > 1 << 24 ||
      rate <= 0 || lowest < 0 || highest < lowest)
    return ctx.emitError("its numbers make no filter bank");
  int64_t count = bands, bins = int64_t(length) / 2 + 1;
  auto toMel = [](double f) { return 2595 * std::log10(1 + f / 700); };
  double first = toMel(lowest), step = (toMel(highest) - first) / (count + 2);
  SmallVector<int64_t> edges;
  for (int64_t i = 0; i < count + 2; ++i) {
    double frequency = 700 * (std::pow(10, (first + i * step) / 2595) - 1);
    edges.push_back(std::floor((length + 1) * frequency / rate));
  }
  if (edges.back() > bins)
    return ctx.emitError("its upper edge is above half the sample rate");
  std::vector<float> weights(bins * count);
  for (int64_t i = 0; i < count; ++i) {
    int64_t low = edges[i], center = edges[i + 1], high = edges[i + 2];
    auto at = [&](int64_t bin) -> float & { return weights[bin * count + i]; };
    if (low == center && center < bins)
      at(center) = 1;
    for (int64_t j = low; j <= center && j < bins && low < center; ++j)
      at(j) = float(j - low) / float(center - low);
    for (int64_t j = center; j < high && j < bins; ++j)
      at(j) = float(high - j) / float(high - center);
  }
  Value matrix = ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({bins, count}, ctx.builder.getF32Type()),
      ArrayRef<float>(weights)));
  return ctx.setOutput(0, ctx.castTo(matrix, type));
}

void quantc::onnx_import::registerGenerationRules(RuleRegistry &registry) {
  registry.add(kOnnx, "RandomUniform", 1, importRandomUniform);
  registry.add(kOnnx, "RandomUniformLike", 1, importRandomUniform);
  registry.add(kOnnx, "RandomNormal", 1, importRandomNormal);
  registry.add(kOnnx, "RandomNormalLike", 1, importRandomNormal);
  registry.add(kOnnx, "Bernoulli", 15, importBernoulli);
  registry.add(kOnnx, "Dropout", 7, importDropout);
  registry.add(kOnnx, "Multinomial", 7, importMultinomial);
  registry.add(kOnnx, "MelWeightMatrix", 17, importMelWeightMatrix);
}
