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

static LogicalResult importWhere(NodeContext &ctx) {
  return ctx.setOutput(
      0, ctx.create<qnn::SelectOp>(ctx.input(0), ctx.input(1), ctx.input(2)));
}

static LogicalResult importCast(NodeContext &ctx) {
  Type to = ctx.getElementType("to");
  if (!to)
    return failure();
  if (to == ctx.inputElementType(0))
    return ctx.setOutput(0, ctx.input(0));
  return ctx.setOutput(
      0, ctx.createTyped<qnn::CastOp>(ctx.inputType(0).clone(to), ctx.input(0),
                                      ctx.getInt("saturate", 1) != 0,
                                      ctx.getString("round_mode", "up")));
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
  addBinary(registry, "PRelu", BinaryKind::prelu);
  addBinary(registry, "And", BinaryKind::logical_and);
  addBinary(registry, "Or", BinaryKind::logical_or);
  addBinary(registry, "Xor", BinaryKind::logical_xor);
  addBinary(registry, "BitwiseAnd", BinaryKind::bitwise_and);
  addBinary(registry, "BitwiseOr", BinaryKind::bitwise_or);
  addBinary(registry, "BitwiseXor", BinaryKind::bitwise_xor);

  addCompare(registry, "Equal", CompareKind::equal);
  addCompare(registry, "Less", CompareKind::less);
  addCompare(registry, "LessOrEqual", CompareKind::less_or_equal);
  addCompare(registry, "Greater", CompareKind::greater);
  addCompare(registry, "GreaterOrEqual", CompareKind::greater_or_equal);

  registry.add(kOnnx, "Where", 9, importWhere);
  registry.add(kOnnx, "Cast", 6, importCast);
}
