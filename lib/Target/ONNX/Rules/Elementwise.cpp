//===- Elementwise.cpp - Unary, binary, comparison, Where and Cast --------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::UnaryKind;

/// A function without parameters.
static void addUnary(RuleRegistry &registry, StringRef op, UnaryKind kind) {
  registry.add(kOnnx, op, 1, [=](NodeContext &ctx) {
    return ctx.setOutput(0, ctx.unary(kind, ctx.input(0)));
  });
}

/// A function with the parameter `alpha`, and `beta` if that has a default.
static void addUnary(RuleRegistry &registry, StringRef op, UnaryKind kind,
                     double alpha, double beta = 0) {
  registry.add(kOnnx, op, 1, [=](NodeContext &ctx) {
    return ctx.setOutput(0, ctx.unary(kind, ctx.input(0),
                                      ctx.getFloat("alpha", alpha),
                                      ctx.getFloat("beta", beta)));
  });
}

static void addBinary(RuleRegistry &registry, StringRef op, BinaryKind kind) {
  registry.add(kOnnx, op, 7, [=](NodeContext &ctx) {
    return ctx.setOutput(0, ctx.binary(kind, ctx.input(0), ctx.input(1)));
  });
}

static void addCompare(RuleRegistry &registry, StringRef op, CompareKind kind) {
  registry.add(kOnnx, op, 7, [=](NodeContext &ctx) {
    return ctx.setOutput(
        0, ctx.create<qnn::CompareOp>(kind, ctx.input(0), ctx.input(1)));
  });
}

/// The slope broadcasts to x; models of before numpy's broadcasting give one
/// number for each channel (dimension 1).
static LogicalResult importPRelu(NodeContext &ctx) {
  RankedTensorType x = ctx.inputType(0), slope = ctx.inputType(1);
  Value factors = ctx.input(1);
  if (x && slope && slope.getRank() == 1 && x.getRank() > 2 &&
      !slope.isDynamicDim(0) && slope.getDimSize(0) != 1 &&
      slope.getDimSize(0) == x.getDimSize(1) &&
      slope.getDimSize(0) != x.getShape().back()) {
    SmallVector<int64_t> shape(x.getRank() - 1, 1);
    shape[0] = slope.getDimSize(0);
    factors = ctx.reshape(factors, shape);
  }
  return ctx.setOutput(0, ctx.binary(BinaryKind::prelu, ctx.input(0), factors));
}

static LogicalResult importWhere(NodeContext &ctx) {
  return ctx.setOutput(
      0, ctx.create<qnn::SelectOp>(ctx.input(0), ctx.input(1), ctx.input(2)));
}

/// Cast and CastLike, to the element type `to`.
static LogicalResult castTo(NodeContext &ctx, Type to) {
  if (!to)
    return failure();
  if (to == ctx.inputElementType(0))
    return ctx.setOutput(0, ctx.input(0));
  auto roundMode = ctx.getWord<qnn::RoundModeAttr>("round_mode", "up");
  if (!roundMode)
    return failure();
  return ctx.setOutput(
      0, ctx.createTyped<qnn::CastOp>(
             ctx.inputType(0).clone(to), ctx.input(0),
             ctx.builder.getBoolAttr(ctx.getInt("saturate", 1)), roundMode));
}

static LogicalResult importCast(NodeContext &ctx) {
  return castTo(ctx, ctx.getElementType("to"));
}

static LogicalResult importCastLike(NodeContext &ctx) {
  return castTo(ctx, ctx.inputElementType(1));
}

static LogicalResult importBitCast(NodeContext &ctx) {
  Type to = ctx.getElementType("to");
  if (!to)
    return failure();
  return ctx.setOutput(0, ctx.createTyped<qnn::BitcastOp>(
                              ctx.inputType(0).clone(to), ctx.input(0)));
}

/// Max, Min, Sum: any number of operands.
static void addVariadic(RuleRegistry &registry, StringRef op, BinaryKind kind) {
  registry.add(kOnnx, op, 6, [=](NodeContext &ctx) {
    Value result = ctx.input(0);
    for (size_t i = 1; i < ctx.numInputs(); ++i)
      result = ctx.binary(kind, result, ctx.input(i));
    return ctx.setOutput(0, result);
  });
}

static LogicalResult importMean(NodeContext &ctx) {
  Value sum = ctx.input(0);
  for (size_t i = 1; i < ctx.numInputs(); ++i)
    sum = ctx.binary(BinaryKind::add, sum, ctx.input(i));
  if (ctx.numInputs() == 1)
    return ctx.setOutput(0, sum);
  Value count = ctx.scalar(ctx.inputElementType(0), ctx.numInputs());
  return ctx.setOutput(0, ctx.binary(BinaryKind::div, sum, count));
}

/// Bounds are attributes up to opset 10, then optional operands. The upper one
/// wins where they cross.
static LogicalResult importClip(NodeContext &ctx) {
  Value result = ctx.input(0);
  auto bound = [&](size_t i, StringRef name) -> Value {
    if (ctx.opset >= 11)
      return ctx.hasInput(i) ? ctx.input(i) : Value();
    if (!ctx.hasAttr(name))
      return {};
    return ctx.scalar(ctx.inputElementType(0), ctx.getFloat(name));
  };
  if (Value low = bound(1, "min"))
    result = ctx.binary(BinaryKind::max, result, low);
  if (Value high = bound(2, "max"))
    result = ctx.binary(BinaryKind::min, result, high);
  return ctx.setOutput(0, result);
}

static LogicalResult importMod(NodeContext &ctx) {
  return ctx.setOutput(
      0, ctx.binary(ctx.getInt("fmod") ? BinaryKind::fmod : BinaryKind::mod,
                    ctx.input(0), ctx.input(1)));
}

static LogicalResult importBitShift(NodeContext &ctx) {
  std::string direction = ctx.getString("direction");
  if (direction != "LEFT" && direction != "RIGHT")
    return ctx.emitError("direction must be LEFT or RIGHT, got '" + direction +
                         "'");
  return ctx.setOutput(0,
                       ctx.binary(direction == "LEFT" ? BinaryKind::shift_left
                                                      : BinaryKind::shift_right,
                                  ctx.input(0), ctx.input(1)));
}

static LogicalResult importIsInf(NodeContext &ctx) {
  bool positive = ctx.getInt("detect_positive", 1);
  bool negative = ctx.getInt("detect_negative", 1);
  UnaryKind kind = positive ? UnaryKind::is_pos_inf : UnaryKind::is_neg_inf;
  if (positive && negative)
    kind = UnaryKind::is_inf;
  Value result = ctx.unary(kind, ctx.input(0));
  if (!positive && !negative)
    result = ctx.binary(BinaryKind::logical_xor, result, result);
  return ctx.setOutput(0, result);
}

static LogicalResult importSelu(NodeContext &ctx) {
  return ctx.setOutput(
      0, ctx.unary(UnaryKind::selu, ctx.input(0),
                   ctx.getFloat("alpha", 1.67326319217681884765625),
                   ctx.getFloat("gamma", 1.05070102214813232421875)));
}

static LogicalResult importShrink(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.unary(UnaryKind::shrink, ctx.input(0),
                                    ctx.getFloat("lambd", 0.5),
                                    ctx.getFloat("bias", 0.0)));
}

static LogicalResult importGelu(NodeContext &ctx) {
  std::string approximate = ctx.getString("approximate", "none");
  return ctx.setOutput(0, ctx.unary(approximate == "tanh" ? UnaryKind::gelu_tanh
                                                          : UnaryKind::gelu,
                                    ctx.input(0)));
}

/// com.microsoft's BiasGelu and FastGelu, whose bias is optional.
static void addBiasGelu(RuleRegistry &registry, StringRef op, UnaryKind kind) {
  registry.add(kMicrosoft, op, 1, [=](NodeContext &ctx) {
    Value x = ctx.input(0);
    if (ctx.hasInput(1))
      x = ctx.binary(BinaryKind::add, x, ctx.input(1));
    return ctx.setOutput(0, ctx.unary(kind, x));
  });
}

void quantc::onnx_import::registerElementwiseRules(RuleRegistry &registry) {
  addUnary(registry, "Abs", UnaryKind::abs);
  addUnary(registry, "Neg", UnaryKind::neg);
  addUnary(registry, "Sign", UnaryKind::sign);
  addUnary(registry, "Reciprocal", UnaryKind::reciprocal);
  addUnary(registry, "Sqrt", UnaryKind::sqrt);
  addUnary(registry, "Exp", UnaryKind::exp);
  addUnary(registry, "Log", UnaryKind::log);
  addUnary(registry, "Floor", UnaryKind::floor);
  addUnary(registry, "Ceil", UnaryKind::ceil);
  addUnary(registry, "Round", UnaryKind::round);
  addUnary(registry, "Sin", UnaryKind::sin);
  addUnary(registry, "Cos", UnaryKind::cos);
  addUnary(registry, "Tan", UnaryKind::tan);
  addUnary(registry, "Asin", UnaryKind::asin);
  addUnary(registry, "Acos", UnaryKind::acos);
  addUnary(registry, "Atan", UnaryKind::atan);
  addUnary(registry, "Sinh", UnaryKind::sinh);
  addUnary(registry, "Cosh", UnaryKind::cosh);
  addUnary(registry, "Tanh", UnaryKind::tanh);
  addUnary(registry, "Asinh", UnaryKind::asinh);
  addUnary(registry, "Acosh", UnaryKind::acosh);
  addUnary(registry, "Atanh", UnaryKind::atanh);
  addUnary(registry, "Erf", UnaryKind::erf);
  addUnary(registry, "Sigmoid", UnaryKind::sigmoid);
  addUnary(registry, "Relu", UnaryKind::relu);
  addUnary(registry, "Softplus", UnaryKind::softplus);
  addUnary(registry, "Softsign", UnaryKind::softsign);
  addUnary(registry, "Mish", UnaryKind::mish);
  addUnary(registry, "HardSwish", UnaryKind::hard_swish);
  addUnary(registry, "Not", UnaryKind::logical_not);
  addUnary(registry, "BitwiseNot", UnaryKind::bitwise_not);
  addUnary(registry, "IsNaN", UnaryKind::is_nan);
  addUnary(registry, "LeakyRelu", UnaryKind::leaky_relu, 0.01f);
  addUnary(registry, "Elu", UnaryKind::elu, 1.0);
  addUnary(registry, "Celu", UnaryKind::celu, 1.0);
  addUnary(registry, "ThresholdedRelu", UnaryKind::thresholded_relu, 1.0);
  addUnary(registry, "HardSigmoid", UnaryKind::hard_sigmoid, 0.2f, 0.5);

  addBinary(registry, "Add", BinaryKind::add);
  addBinary(registry, "Sub", BinaryKind::sub);
  addBinary(registry, "Mul", BinaryKind::mul);
  addBinary(registry, "Div", BinaryKind::div);
  addBinary(registry, "Pow", BinaryKind::pow);
  addBinary(registry, "And", BinaryKind::logical_and);
  addBinary(registry, "Or", BinaryKind::logical_or);
  addBinary(registry, "Xor", BinaryKind::logical_xor);
  addBinary(registry, "BitwiseAnd", BinaryKind::bitwise_and);
  addBinary(registry, "BitwiseOr", BinaryKind::bitwise_or);
  addBinary(registry, "BitwiseXor", BinaryKind::bitwise_xor);

  addCompare(registry, "Less", CompareKind::less);
  addCompare(registry, "LessOrEqual", CompareKind::less_or_equal);
  addCompare(registry, "Greater", CompareKind::greater);
  addCompare(registry, "GreaterOrEqual", CompareKind::greater_or_equal);

  registry.add(kOnnx, "PRelu", 7, importPRelu);
  registry.add(kOnnx, "Where", 9, importWhere);
  registry.add(kOnnx, "Cast", 6, importCast);
  registry.add(kOnnx, "CastLike", 15, importCastLike);
  registry.add(kOnnx, "BitCast", 26, importBitCast);
  registry.add(kOnnx, "Mean", 6, importMean);
  registry.add(kOnnx, "Clip", 6, importClip);
  registry.add(kOnnx, "Mod", 10, importMod);
  registry.add(kOnnx, "BitShift", 11, importBitShift);
  registry.add(kOnnx, "IsInf", 10, importIsInf);
  registry.add(kOnnx, "Selu", 6, importSelu);
  registry.add(kOnnx, "Shrink", 9, importShrink);
  registry.add(kOnnx, "Gelu", 20, importGelu);
  addUnary(registry, "Swish", UnaryKind::swish, 1.0);
  addVariadic(registry, "Max", BinaryKind::max);
  addVariadic(registry, "Min", BinaryKind::min);
  addVariadic(registry, "Sum", BinaryKind::add);

  registry.add(kMicrosoft, "Gelu", 1, importGelu, /*numRequired=*/1);
  addBiasGelu(registry, "BiasGelu", UnaryKind::gelu);
  addBiasGelu(registry, "FastGelu", UnaryKind::gelu_tanh);
  registry.add(kMicrosoft, "QuickGelu", 1, [](NodeContext &ctx) {
    return ctx.setOutput(0, ctx.unary(UnaryKind::swish, ctx.input(0),
                                      ctx.getFloat("alpha", 1.702f)));
  });
}
