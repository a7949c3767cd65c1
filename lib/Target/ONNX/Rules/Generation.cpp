//===- Generation.cpp - Random numbers and filter banks -------------------===//
//
// Random numbers are a function of a counter and a key, so that they need no
// state: element i is made from i and the seed alone, by rounds that multiply,
// add and swap halves ("squares", Widynski 2020). A node without a seed has one
// that its name gives: a library gives the same numbers each time it runs.
//
//===----------------------------------------------------------------------===//

#include "../NodeContext.h"

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
  auto mode = ctx.constantInts(2);
  Type i1 = ctx.builder.getI1Type(), f32 = ctx.builder.getF32Type();
  int64_t rank = ctx.inputType(0).getRank();
  Value shape = ctx.create<qnn::ShapeOp>(x, int64_t(0), rank);
  if (ctx.hasInput(2) && (!mode || mode->empty() || mode->front() != 0)) {
    Value ratio = ctx.hasInput(1)
                      ? ctx.reshape(ctx.castTo(ctx.input(1), f32), {})
                      : ctx.scalar(f32, 0.5);
    Value numbers = RandomSource(ctx).uniform(shape, 0);
    mask = ctx.create<qnn::CompareOp>(qnn::CompareKind::greater_or_equal,
                                      numbers, ratio);
    if (!mode) {
      // Whether it trains is known when the model runs.
      Value trains = ctx.reshape(ctx.input(2), {});
      mask = ctx.binary(BinaryKind::logical_or, mask,
                        ctx.unary(UnaryKind::logical_not, trains));
      ratio = ctx.create<qnn::SelectOp>(trains, ratio, ctx.scalar(f32, 0));
    }
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

namespace {
/// Arithmetic on doubles, which is what filter banks are defined with.
struct Doubles {
  NodeContext &ctx;
  Type type = ctx.builder.getF64Type();

  Value number(double v) const { return ctx.scalar(type, v); }
  Value of(Value v) const { return ctx.castTo(v, type); }
  Value add(Value a, Value b) const {
    return ctx.binary(BinaryKind::add, a, b);
  }
  Value sub(Value a, Value b) const {
    return ctx.binary(BinaryKind::sub, a, b);
  }
  Value mul(Value a, Value b) const {
    return ctx.binary(BinaryKind::mul, a, b);
  }
  Value div(Value a, Value b) const {
    return ctx.binary(BinaryKind::div, a, b);
  }
  Value min(Value a, Value b) const {
    return ctx.binary(BinaryKind::min, a, b);
  }
  Value max(Value a, Value b) const {
    return ctx.binary(BinaryKind::max, a, b);
  }
  /// 0, 1, ... below an integer (of no dimension).
  Value countTo(Value limit) const {
    return of(ctx.create<qnn::RangeOp>(
        ctx.i64Scalar(0), ctx.castTo(limit, ctx.builder.getI64Type()),
        ctx.i64Scalar(1)));
  }
};
} // namespace

/// num_mel_bins, dft_length, sample_rate, lower_edge_hertz, upper_edge_hertz:
/// triangles over the bins of a spectrum, evenly spaced in mel.
static LogicalResult importMelWeightMatrix(NodeContext &ctx) {
  Type result = ctx.hasAttr("output_datatype")
                    ? ctx.getElementType("output_datatype")
                    : Type(ctx.builder.getF32Type());
  if (!result)
    return failure();
  Doubles d{ctx};
  SmallVector<Value> in;
  for (size_t i = 0; i < 5; ++i)
    in.push_back(d.of(ctx.reshape(ctx.input(i), {})));
  if (llvm::is_contained(in, Value()))
    return failure();
  auto toMel = [&](Value f) {
    Value x = d.add(d.number(1), d.div(f, d.number(700)));
    return d.mul(ctx.unary(UnaryKind::log, x), d.number(2595 / std::log(10.0)));
  };
  // The bins in which the triangles begin, peak and end: one list, shifted.
  Value first = toMel(in[3]);
  Value step = d.div(d.sub(toMel(in[4]), first), d.add(in[0], d.number(2)));
  auto edge = [&](int64_t shift) {
    Value i = d.add(d.countTo(in[0]), d.number(shift));
    Value mel = d.add(d.mul(i, step), first);
    Value power =
        ctx.unary(UnaryKind::exp, d.mul(mel, d.number(std::log(10.0) / 2595)));
    Value f = d.mul(d.number(700), d.sub(power, d.number(1)));
    return ctx.unary(UnaryKind::floor,
                     d.div(d.mul(d.add(in[1], d.number(1)), f), in[2]));
  };
  Value low = edge(0), center = edge(1), high = edge(2);
  Value half = ctx.unary(UnaryKind::floor, d.mul(in[1], d.number(0.5)));
  Value bins = ctx.create<qnn::UnsqueezeOp>(d.countTo(d.add(half, d.number(1))),
                                            ctx.i64List(1));
  // Up from the beginning to the peak, down from there to the end. Without a
  // way up there is the peak alone.
  Value up = d.div(d.sub(bins, low), d.max(d.sub(center, low), d.number(1)));
  Value down =
      d.div(d.sub(high, bins), d.max(d.sub(high, center), d.number(1)));
  auto less = [&](Value a, Value b) {
    return ctx.create<qnn::CompareOp>(qnn::CompareKind::less, a, b);
  };
  Value isPeak =
      ctx.create<qnn::CompareOp>(qnn::CompareKind::equal, bins, center);
  Value weight = ctx.create<qnn::SelectOp>(less(bins, center), up, down);
  weight = ctx.create<qnn::SelectOp>(isPeak, d.number(1), weight);
  weight = d.max(weight, d.number(0));
  return ctx.setOutput(0, ctx.castTo(weight, result));
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
