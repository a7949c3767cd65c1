//===- Gradient.cpp - Derivatives of what a model has computed ------------===//
//
// ai.onnx.preview.training's Gradient names a value y and values x_i of its
// graph. The ops between them are there already: going back from y, each hands
// the derivative of the sum of y on to its operands.
//
//===----------------------------------------------------------------------===//

#include "../NodeContext.h"

#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::ReduceKind;
using qnn::UnaryKind;

namespace {
class ReverseMode {
public:
  explicit ReverseMode(NodeContext &ctx) : ctx(ctx) {}

  /// Walks from `y` to all that it depends on.
  LogicalResult run(Value y);
  /// The derivative; zeros if y does not depend on `x`.
  Value get(Value x) {
    Value g = gradients.lookup(x);
    return g ? g : likeWith(x, 0);
  }

private:
  LogicalResult visit(Operation *op, Value g);
  LogicalResult visitUnary(qnn::UnaryOp op, Value g);
  LogicalResult visitBinary(qnn::BinaryOp op, Value g);
  LogicalResult visitReduce(qnn::ReduceOp op, Value g);

  /// Adds to the derivative of `x`, which may have been broadcast.
  void accumulate(Value x, Value g);
  Value unbroadcast(Value g, RankedTensorType type);

  Value likeWith(Value x, double number) {
    return ctx.create<qnn::ExpandOp>(
        ctx.scalar(typeOf(x).getElementType(), number), shapeOf(x));
  }
  Value shapeOf(Value x) {
    return ctx.create<qnn::ShapeOp>(x, int64_t(0), typeOf(x).getRank());
  }
  Value reshapeTo(Value g, Value like) {
    return ctx.create<qnn::ReshapeOp>(g, shapeOf(like), /*allowzero=*/true);
  }
  Value number(Value like, double v) {
    return ctx.scalar(typeOf(like).getElementType(), v);
  }
  Value add(Value a, Value b) { return ctx.binary(BinaryKind::add, a, b); }
  Value sub(Value a, Value b) { return ctx.binary(BinaryKind::sub, a, b); }
  Value mul(Value a, Value b) { return ctx.binary(BinaryKind::mul, a, b); }
  Value div(Value a, Value b) { return ctx.binary(BinaryKind::div, a, b); }
  Value neg(Value a) { return ctx.unary(UnaryKind::neg, a); }
  Value swapLast(Value x) {
    auto order = llvm::to_vector(llvm::seq<int64_t>(0, typeOf(x).getRank()));
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    return ctx.transpose(x, order);
  }

  NodeContext &ctx;
  llvm::DenseMap<Value, Value> gradients;
};
} // namespace

/// Sums over the dimensions along which `type` was broadcast.
Value ReverseMode::unbroadcast(Value g, RankedTensorType type) {
  if (!g)
    return {};
  int64_t extra = typeOf(g).getRank() - type.getRank();
  SmallVector<int64_t> leading = llvm::to_vector(llvm::seq<int64_t>(0, extra));
  SmallVector<int64_t> stretched;
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (type.getDimSize(d) == 1 && typeOf(g).getDimSize(d + extra) != 1)
      stretched.push_back(d + extra);
  auto sum = [&](ArrayRef<int64_t> axes, bool keeps) {
    if (!axes.empty())
      g = ctx.create<qnn::ReduceOp>(ReduceKind::sum, g, ctx.i64List(axes),
                                    keeps, /*noop_with_empty_axes=*/false);
  };
  sum(stretched, true);
  sum(leading, false);
  return g;
}

void ReverseMode::accumulate(Value x, Value g) {
  g = unbroadcast(g, typeOf(x));
  Value &sum = gradients[x];
  sum = sum ? add(sum, g) : g;
}

LogicalResult ReverseMode::visitUnary(qnn::UnaryOp op, Value g) {
  Value x = op.getInput(), y = op.getOutput();
  Value factor;
  switch (op.getKind()) {
  case UnaryKind::neg:
    factor = number(x, -1);
    break;
  case UnaryKind::abs:
    factor = ctx.unary(UnaryKind::sign, x);
    break;
  case UnaryKind::relu:
    factor = ctx.unary(UnaryKind::sign, y);
    break;
  case UnaryKind::exp:
    factor = y;
    break;
  case UnaryKind::log:
    factor = ctx.unary(UnaryKind::reciprocal, x);
    break;
  case UnaryKind::sqrt:
    factor = div(number(x, 0.5), y);
    break;
  case UnaryKind::reciprocal:
    factor = neg(mul(y, y));
    break;
  case UnaryKind::sin:
    factor = ctx.unary(UnaryKind::cos, x);
    break;
  case UnaryKind::cos:
    factor = neg(ctx.unary(UnaryKind::sin, x));
    break;
  case UnaryKind::tanh:
    factor = sub(number(x, 1), mul(y, y));
    break;
  case UnaryKind::sigmoid:
    factor = mul(y, sub(number(x, 1), y));
    break;
  default:
    return ctx.emitError("the derivative of " +
                         qnn::stringifyUnaryKind(op.getKind()) +
                         " is not known");
  }
  accumulate(x, mul(g, factor));
  return success();
}

LogicalResult ReverseMode::visitBinary(qnn::BinaryOp op, Value g) {
  Value a = op.getLhs(), b = op.getRhs();
  switch (op.getKind()) {
  case BinaryKind::add:
    accumulate(a, g);
    accumulate(b, g);
    return success();
  case BinaryKind::sub:
    accumulate(a, g);
    accumulate(b, neg(g));
    return success();
  case BinaryKind::mul:
    accumulate(a, mul(g, b));
    accumulate(b, mul(g, a));
    return success();
  case BinaryKind::div:
    accumulate(a, div(g, b));
    accumulate(b, neg(div(mul(g, op.getOutput()), b)));
    return success();
  default:
    return ctx.emitError("the derivative of " +
                         qnn::stringifyBinaryKind(op.getKind()) +
                         " is not known");
  }
}

LogicalResult ReverseMode::visitReduce(qnn::ReduceOp op, Value g) {
  Value x = op.getInput();
  bool isMean = op.getKind() == ReduceKind::mean;
  if (!isMean && op.getKind() != ReduceKind::sum)
    return ctx.emitError("the derivative of a " +
                         qnn::stringifyReduceKind(op.getKind()) +
                         " reduction is not known");
  auto axes = qnn::getConstantInts(op.getAxes());
  if (op.getAxes() && !axes)
    return ctx.emitError("the axes of a reduction must be known");
  if (!op.getKeepdims() && axes && !axes->empty())
    g = ctx.create<qnn::UnsqueezeOp>(g, ctx.i64List(*axes));
  Value wide = ctx.create<qnn::ExpandOp>(g, shapeOf(x));
  if (isMean) {
    // The number of elements that one result stands for.
    Value ones = likeWith(x, 1);
    Value count =
        ctx.create<qnn::ReduceOp>(ReduceKind::sum, ones, op.getAxes(),
                                  /*keepdims=*/true, op.getNoopWithEmptyAxes());
    wide = div(wide, count);
  }
  accumulate(x, wide);
  return success();
}

LogicalResult ReverseMode::visit(Operation *op, Value g) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](qnn::UnaryOp unary) { return visitUnary(unary, g); })
      .Case([&](qnn::BinaryOp binary) { return visitBinary(binary, g); })
      .Case([&](qnn::ReduceOp reduce) { return visitReduce(reduce, g); })
      .Case([&](qnn::ConstantOp) { return success(); })
      .Case<qnn::ReshapeOp, qnn::SqueezeOp, qnn::UnsqueezeOp>([&](auto move) {
        accumulate(move.getInput(), reshapeTo(g, move.getInput()));
        return success();
      })
      .Case([&](qnn::ExpandOp expand) {
        accumulate(expand.getInput(), g);
        return success();
      })
      .Case([&](qnn::TransposeOp transpose) {
        SmallVector<int64_t> inverse(transpose.getPermutation().size());
        for (auto [i, p] : llvm::enumerate(transpose.getPermutation()))
          inverse[p] = i;
        accumulate(transpose.getInput(), ctx.transpose(g, inverse));
        return success();
      })
      .Case([&](qnn::SelectOp select) {
        Value zero = number(g, 0);
        accumulate(select.getLhs(),
                   ctx.create<qnn::SelectOp>(select.getCondition(), g, zero));
        accumulate(select.getRhs(),
                   ctx.create<qnn::SelectOp>(select.getCondition(), zero, g));
        return success();
      })
      .Case([&](qnn::MatMulOp product) -> LogicalResult {
        Value a = product.getLhs(), b = product.getRhs();
        if (typeOf(a).getRank() < 2 || typeOf(b).getRank() < 2)
          return ctx.emitError("the derivative of a product of vectors is not "
                               "known");
        auto matmul = [&](Value x, Value y) {
          return ctx.create<qnn::MatMulOp>(x, y, Value(), Value());
        };
        accumulate(a, matmul(g, swapLast(b)));
        accumulate(b, matmul(swapLast(a), g));
        return success();
      })
      .Default([&](Operation *other) {
        return ctx.emitError("the derivative of " +
                             other->getName().getStringRef() + " is not known");
      });
}

LogicalResult ReverseMode::run(Value y) {
  gradients[y] = likeWith(y, 1);
  if (ctx.hasFailed())
    return failure();
  if (!y.getDefiningOp())
    return success();
  // Users come before what they use; what is between was built before this
  // node.
  SmallVector<Operation *> ops;
  for (Operation *op = y.getDefiningOp(); op; op = op->getPrevNode())
    ops.push_back(op);
  for (Operation *op : ops) {
    if (op->getNumResults() != 1)
      continue;
    Value g = gradients.lookup(op->getResult(0));
    if (g && (failed(visit(op, g)) || ctx.hasFailed()))
      return failure();
  }
  return success();
}

/// xs and zs name the inputs; the graph holds y as a function of them.
static LogicalResult importGradient(NodeContext &ctx) {
  SmallVector<std::string> names = ctx.getStrings("xs");
  size_t count = names.size();
  llvm::append_range(names, ctx.getStrings("zs"));
  if (names.size() != ctx.numInputs() || ctx.numOutputs() > count)
    return ctx.emitError("xs and zs must name its inputs");
  for (auto [i, name] : llvm::enumerate(names))
    if (ctx.lookup(name) != ctx.input(i))
      return ctx.emitError("its input '" + ctx.inputName(i) +
                           "' must be the value '" + name +
                           "' that y was computed from");
  Value y = ctx.lookup(ctx.getString("y"));
  if (!y || !isa<FloatType>(typeOf(y).getElementType()))
    return ctx.emitError("y must name a float value computed before");
  ReverseMode derivatives(ctx);
  if (failed(derivatives.run(y)))
    return failure();
  for (size_t i = 0; i < ctx.numOutputs(); ++i)
    if (failed(ctx.setOutput(i, derivatives.get(ctx.input(i)))))
      return failure();
  return success();
}

void quantc::onnx_import::registerGradientRules(RuleRegistry &registry) {
  registry.add("ai.onnx.preview.training", "Gradient", 1, importGradient);
}
