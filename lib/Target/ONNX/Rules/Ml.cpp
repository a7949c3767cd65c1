//===- Ml.cpp - Ops of ai.onnx.ml and of ai.onnx.preview.training ---------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::UnaryKind;

namespace {
/// The arithmetic of the optimizers, on tensors of one element type. They take
/// a learning rate, a step count and then `lists` lists of tensors of the same
/// length: the weights, their gradients and the state.
class Optimizer {
public:
  Optimizer(NodeContext &ctx, size_t lists)
      : ctx(ctx),
        count(ctx.numInputs() < 2 ? 0 : (ctx.numInputs() - 2) / lists),
        wellFormed(
            count > 0 && count * lists + 2 == ctx.numInputs() &&
            llvm::all_of(ctx.inputs(), [](Value v) { return bool(v); })) {}

  LogicalResult check() {
    return wellFormed ? success()
                      : ctx.emitError("its lists of tensors are empty, have "
                                      "gaps or differ in length");
  }

  /// Tensor `i` of list `list`.
  Value input(size_t list, size_t i) { return ctx.input(2 + list * count + i); }
  LogicalResult setOutput(size_t list, size_t i, Value v) {
    return ctx.setOutput(list * count + i, v);
  }

  Value number(double v) { return ctx.scalar(ctx.inputElementType(2), v); }
  Value rate() { return ctx.castTo(ctx.input(0), ctx.inputElementType(2)); }
  Value step() { return ctx.castTo(ctx.input(1), ctx.inputElementType(2)); }
  Value add(Value a, Value b) { return ctx.binary(BinaryKind::add, a, b); }
  Value sub(Value a, Value b) { return ctx.binary(BinaryKind::sub, a, b); }
  Value mul(Value a, Value b) { return ctx.binary(BinaryKind::mul, a, b); }
  Value div(Value a, Value b) { return ctx.binary(BinaryKind::div, a, b); }
  Value pow(Value a, Value b) { return ctx.binary(BinaryKind::pow, a, b); }
  Value sqrt(Value x) { return ctx.unary(UnaryKind::sqrt, x); }
  /// `a` after the first step, `b` in it.
  Value afterFirstStep(Value a, Value b) {
    Value later = ctx.create<qnn::CompareOp>(qnn::CompareKind::greater, step(),
                                             number(0));
    return ctx.create<qnn::SelectOp>(later, a, b);
  }
  /// The gradient with the weight's penalty.
  Value gradient(size_t i) {
    return add(mul(number(ctx.getFloat("norm_coefficient", 0)), input(0, i)),
               input(1, i));
  }

  NodeContext &ctx;
  const size_t count;

private:
  bool wellFormed;
};
} // namespace

static LogicalResult importAdagrad(NodeContext &ctx) {
  Optimizer o(ctx, 3);
  if (failed(o.check()))
    return failure();
  Value decay = o.add(
      o.mul(o.step(), o.number(ctx.getFloat("decay_factor", 0))), o.number(1));
  Value rate = o.div(o.rate(), decay);
  for (size_t i = 0; i < o.count; ++i) {
    Value g = o.gradient(i);
    Value squares = o.add(o.input(2, i), o.mul(g, g));
    Value scale =
        o.add(o.sqrt(squares), o.number(ctx.getFloat("epsilon", 1e-6f)));
    Value weight = o.sub(o.input(0, i), o.div(o.mul(rate, g), scale));
    if (failed(o.setOutput(0, i, weight)) || failed(o.setOutput(1, i, squares)))
      return failure();
  }
  return success();
}

static LogicalResult importAdam(NodeContext &ctx) {
  Optimizer o(ctx, 4);
  if (failed(o.check()))
    return failure();
  double alpha = ctx.getFloat("alpha", 0.9f),
         beta = ctx.getFloat("beta", 0.999f);
  Value one = o.number(1);
  Value correction = o.div(o.sqrt(o.sub(one, o.pow(o.number(beta), o.step()))),
                           o.sub(one, o.pow(o.number(alpha), o.step())));
  Value rate = o.afterFirstStep(o.mul(o.rate(), correction), o.rate());
  auto blend = [&](double keep, Value old, Value now) {
    return o.add(o.mul(o.number(keep), old), o.mul(o.number(1 - keep), now));
  };
  for (size_t i = 0; i < o.count; ++i) {
    Value g = o.gradient(i);
    Value mean = blend(alpha, o.input(2, i), g);
    Value squares = blend(beta, o.input(3, i), o.mul(g, g));
    Value scale =
        o.add(o.sqrt(squares), o.number(ctx.getFloat("epsilon", 1e-6f)));
    Value weight = o.sub(o.input(0, i), o.div(o.mul(rate, mean), scale));
    weight =
        o.mul(weight, o.number(1 - ctx.getFloat("norm_coefficient_post", 0)));
    if (failed(o.setOutput(0, i, weight)) || failed(o.setOutput(1, i, mean)) ||
        failed(o.setOutput(2, i, squares)))
      return failure();
  }
  return success();
}

static LogicalResult importMomentum(NodeContext &ctx) {
  Optimizer o(ctx, 3);
  if (failed(o.check()))
    return failure();
  Value alpha = o.number(ctx.getFloat("alpha"));
  Value beta = o.afterFirstStep(o.number(ctx.getFloat("beta")), o.number(1));
  bool nesterov = ctx.getString("mode") == "nesterov";
  for (size_t i = 0; i < o.count; ++i) {
    Value g = o.gradient(i);
    Value momentum = o.add(o.mul(alpha, o.input(2, i)), o.mul(beta, g));
    Value direction = nesterov ? o.add(g, o.mul(alpha, momentum)) : momentum;
    Value weight = o.sub(o.input(0, i), o.mul(o.rate(), direction));
    if (failed(o.setOutput(0, i, weight)) ||
        failed(o.setOutput(1, i, momentum)))
      return failure();
  }
  return success();
}

//===- ai.onnx.ml ---------------------------------------------------------===//

/// Columns (along the last axis) by index; a vector gives one row.
static LogicalResult importArrayFeatureExtractor(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  if (rank == 0)
    return ctx.emitError("its input must have a dimension");
  Value x = ctx.input(0);
  if (rank == 1)
    x = ctx.reshape(x, {1, -1});
  return ctx.setOutput(
      0, ctx.create<qnn::GatherOp>(
             x, ctx.reshape(ctx.input(1), {-1}),
             ctx.builder.getI64IntegerAttr(std::max<int64_t>(rank, 2) - 1)));
}

static LogicalResult importBinarizer(NodeContext &ctx) {
  Type element = ctx.inputElementType(0);
  Value above = ctx.create<qnn::CompareOp>(
      qnn::CompareKind::greater, ctx.input(0),
      ctx.scalar(element, ctx.getFloat("threshold", 0)));
  return ctx.setOutput(0, ctx.castTo(above, element));
}

/// (x - offset) * scale, both one number or one for each column.
static LogicalResult importScaler(NodeContext &ctx) {
  Type f32 = ctx.builder.getF32Type();
  auto list = [&](StringRef name, double otherwise) -> Value {
    SmallVector<double> values = ctx.getFloats(name, {otherwise});
    SmallVector<float> floats(values.begin(), values.end());
    return ctx.constant(DenseElementsAttr::get(
        RankedTensorType::get({int64_t(floats.size())}, f32),
        ArrayRef(floats)));
  };
  Value centered = ctx.binary(BinaryKind::sub, ctx.castTo(ctx.input(0), f32),
                              list("offset", 0));
  return ctx.setOutput(0,
                       ctx.binary(BinaryKind::mul, centered, list("scale", 1)));
}

void quantc::onnx_import::registerMlRules(RuleRegistry &registry) {
  registry.add(kOnnxMl, "ArrayFeatureExtractor", 1,
               importArrayFeatureExtractor);
  registry.add(kOnnxMl, "Binarizer", 1, importBinarizer);
  registry.add(kOnnxMl, "Scaler", 1, importScaler);
  constexpr StringLiteral training = "ai.onnx.preview.training";
  registry.add(training, "Adagrad", 1, importAdagrad);
  registry.add(training, "Adam", 1, importAdam);
  registry.add(training, "Momentum", 1, importMomentum);
}
