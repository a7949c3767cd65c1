//===- UnaryFunctions.cpp - Scalar functions of one argument --------------===//

#include "ScalarFunctions.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantc;
using qnn::UnaryKind;

namespace {
/// Short names for the ops that formulas are made of.
struct Formula {
  OpBuilder &b;
  Location loc;
  Type type;

  Value c(double v) { return constantScalar(b, loc, type, v); }
  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y); }
  /// maximum and minimum keep NaN, as ONNX Runtime's activations do.
  Value max(Value x, Value y) {
    return arith::MaximumFOp::create(b, loc, x, y);
  }
  Value min(Value x, Value y) {
    return arith::MinimumFOp::create(b, loc, x, y);
  }
  Value neg(Value x) { return arith::NegFOp::create(b, loc, x); }
  Value exp(Value x) { return math::ExpOp::create(b, loc, x); }
  Value log(Value x) { return math::LogOp::create(b, loc, x); }
  Value log1p(Value x) { return math::Log1pOp::create(b, loc, x); }
  Value expm1(Value x) { return math::ExpM1Op::create(b, loc, x); }
  Value tanh(Value x) { return math::TanhOp::create(b, loc, x); }
  Value erf(Value x) { return math::ErfOp::create(b, loc, x); }
  Value abs(Value x) { return math::AbsFOp::create(b, loc, x); }
  Value less(Value x, Value y) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y);
  }
  Value greater(Value x, Value y) {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y);
  }
  Value select(Value cond, Value x, Value y) {
    return arith::SelectOp::create(b, loc, cond, x, y);
  }
  Value sigmoid(Value x) { return div(c(1), add(c(1), exp(neg(x)))); }
  /// log(1 + exp(x)) without overflow for large x.
  Value softplus(Value x) { return add(max(x, c(0)), log1p(exp(neg(abs(x))))); }
};
} // namespace

static Value buildFloatUnary(OpBuilder &b, Location loc, UnaryKind kind,
                             Value x, double alpha, double beta) {
  Formula f{b, loc, x.getType()};
  Value zero = f.c(0);
  switch (kind) {
  case UnaryKind::abs:
    return f.abs(x);
  case UnaryKind::neg:
    return f.neg(x);
  case UnaryKind::sign: {
    // NaN stays NaN: neither comparison holds.
    Value r = f.select(f.less(x, zero), f.c(-1), x);
    r = f.select(f.greater(x, zero), f.c(1), r);
    return r;
  }
  case UnaryKind::reciprocal:
    return f.div(f.c(1), x);
  case UnaryKind::sqrt:
    return math::SqrtOp::create(b, loc, x);
  case UnaryKind::exp:
    return f.exp(x);
  case UnaryKind::log:
    return f.log(x);
  case UnaryKind::floor:
    return math::FloorOp::create(b, loc, x);
  case UnaryKind::ceil:
    return math::CeilOp::create(b, loc, x);
  case UnaryKind::round:
    return math::RoundEvenOp::create(b, loc, x);
  case UnaryKind::sin:
    return math::SinOp::create(b, loc, x);
  case UnaryKind::cos:
    return math::CosOp::create(b, loc, x);
  case UnaryKind::tan:
    return math::TanOp::create(b, loc, x);
  case UnaryKind::asin:
    return math::AsinOp::create(b, loc, x);
  case UnaryKind::acos:
    return math::AcosOp::create(b, loc, x);
  case UnaryKind::atan:
    return math::AtanOp::create(b, loc, x);
  case UnaryKind::sinh:
    return math::SinhOp::create(b, loc, x);
  case UnaryKind::cosh:
    return math::CoshOp::create(b, loc, x);
  case UnaryKind::tanh:
    return f.tanh(x);
  case UnaryKind::asinh:
    return math::AsinhOp::create(b, loc, x);
  case UnaryKind::acosh:
    return math::AcoshOp::create(b, loc, x);
  case UnaryKind::atanh:
    return math::AtanhOp::create(b, loc, x);
  case UnaryKind::erf:
    return f.erf(x);
  case UnaryKind::sigmoid:
    return f.sigmoid(x);
  case UnaryKind::relu:
    return f.max(x, zero);
  case UnaryKind::leaky_relu:
    return f.select(f.less(x, zero), f.mul(f.c(alpha), x), x);
  case UnaryKind::elu:
    return f.select(f.less(x, zero), f.mul(f.c(alpha), f.expm1(x)), x);
  case UnaryKind::selu:
    return f.mul(f.c(beta), f.select(f.greater(x, zero), x,
                                     f.mul(f.c(alpha), f.expm1(x))));
  case UnaryKind::celu:
    return f.add(f.max(zero, x),
                 f.min(zero, f.mul(f.c(alpha), f.expm1(f.div(x, f.c(alpha))))));
  case UnaryKind::softplus:
    return f.softplus(x);
  case UnaryKind::softsign:
    return f.div(x, f.add(f.c(1), f.abs(x)));
  case UnaryKind::mish:
    return f.mul(x, f.tanh(f.softplus(x)));
  case UnaryKind::gelu: {
    Value e = f.erf(f.mul(x, f.c(0.70710678118654752440)));
    return f.mul(f.mul(f.c(0.5), x), f.add(f.c(1), e));
  }
  case UnaryKind::gelu_tanh: {
    Value cube = f.mul(x, f.mul(x, x));
    Value inner = f.mul(f.c(0.79788456080286535588),
                        f.add(x, f.mul(f.c(0.044715), cube)));
    return f.mul(f.mul(f.c(0.5), x), f.add(f.c(1), f.tanh(inner)));
  }
  case UnaryKind::hard_sigmoid:
    return f.max(zero, f.min(f.c(1), f.add(f.mul(f.c(alpha), x), f.c(beta))));
  case UnaryKind::hard_swish: {
    Value gate = f.add(f.mul(f.c(1.0 / 6), x), f.c(0.5));
    return f.mul(x, f.max(zero, f.min(f.c(1), gate)));
  }
  case UnaryKind::swish:
    return f.div(x, f.add(f.c(1), f.exp(f.mul(f.c(-alpha), x))));
  case UnaryKind::thresholded_relu:
    return f.select(f.greater(x, f.c(alpha)), x, zero);
  case UnaryKind::shrink: {
    Value low = f.select(f.less(x, f.c(-alpha)), f.add(x, f.c(beta)), zero);
    return f.select(f.greater(x, f.c(alpha)), f.sub(x, f.c(beta)), low);
  }
  case UnaryKind::is_nan:
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
  case UnaryKind::is_inf:
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, f.abs(x),
                                 f.c(INFINITY));
  case UnaryKind::is_pos_inf:
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x,
                                 f.c(INFINITY));
  case UnaryKind::is_neg_inf:
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x,
                                 f.c(-INFINITY));
  case UnaryKind::logical_not:
  case UnaryKind::bitwise_not:
    break;
  }
  return nullptr;
}

static Value buildIntUnary(OpBuilder &b, Location loc, UnaryKind kind, Value x,
                           Type type) {
  Value zero = constantScalar(b, loc, x.getType(), 0);
  switch (kind) {
  case UnaryKind::abs:
    if (isUnsigned(type))
      return x;
    return arith::MaxSIOp::create(b, loc, x,
                                  arith::SubIOp::create(b, loc, zero, x));
  case UnaryKind::neg:
    return arith::SubIOp::create(b, loc, zero, x);
  case UnaryKind::sign: {
    Value one = constantScalar(b, loc, x.getType(), 1);
    if (isUnsigned(type))
      return arith::MinUIOp::create(b, loc, x, one);
    Value r = arith::MinSIOp::create(b, loc, x, one);
    return arith::MaxSIOp::create(b, loc, r,
                                  constantScalar(b, loc, x.getType(), -1));
  }
  case UnaryKind::relu:
    return isUnsigned(type) ? x : arith::MaxSIOp::create(b, loc, x, zero);
  case UnaryKind::logical_not:
  case UnaryKind::bitwise_not:
    return arith::XOrIOp::create(b, loc, x,
                                 constantScalar(b, loc, x.getType(), -1));
  default:
    return nullptr;
  }
}

bool quantc::isUnarySupported(UnaryKind kind, Type type) {
  if (isa<FloatType>(type))
    return kind != UnaryKind::logical_not && kind != UnaryKind::bitwise_not;
  switch (kind) {
  case UnaryKind::abs:
  case UnaryKind::neg:
  case UnaryKind::sign:
  case UnaryKind::relu:
  case UnaryKind::logical_not:
  case UnaryKind::bitwise_not:
    return true;
  default:
    return false;
  }
}

Value quantc::buildUnary(OpBuilder &b, Location loc, UnaryKind kind, Value x,
                         Type type, double alpha, double beta) {
  auto fp = dyn_cast<FloatType>(x.getType());
  if (!fp)
    return buildIntUnary(b, loc, kind, x, type);
  // Half-precision functions compute in f32, as ONNX Runtime's do.
  if (fp.getWidth() >= 32)
    return buildFloatUnary(b, loc, kind, x, alpha, beta);
  Value wide = arith::ExtFOp::create(b, loc, b.getF32Type(), x);
  Value y = buildFloatUnary(b, loc, kind, wide, alpha, beta);
  if (y.getType() == b.getI1Type())
    return y;
  return arith::TruncFOp::create(b, loc, fp, y);
}
