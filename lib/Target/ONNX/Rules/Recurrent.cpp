//===- Recurrent.cpp - LSTM, GRU and RNN ----------------------------------===//
//
// Each direction becomes one matrix multiplication of all steps' inputs with
// the weights, and a loop over the steps that multiplies the hidden state and
// applies the gates.
//
//===----------------------------------------------------------------------===//

#include "../LoopBuilder.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::UnaryKind;

namespace {

/// One activation function with its parameters.
struct Activation {
  std::string name = "tanh";
  double alpha = 0, beta = 0;
};

/// Which op, and where its parameters are.
struct CellKind {
  int64_t numGates;
  SmallVector<StringRef> activations;
  bool hasCellState;
  /// com.microsoft.DynamicQuantizeLSTM: weights are 8-bit integers, not
  /// transposed, and what they multiply is quantized when it is known.
  bool isQuantized = false;
};

/// A matrix that multiplies from the right; with scale and zero point if it is
/// one of integers.
struct Matrix {
  Value values, scale, zeroPoint;
};

class RecurrentImporter {
public:
  RecurrentImporter(NodeContext &ctx, CellKind kind) : ctx(ctx), kind(kind) {}
  LogicalResult run();

private:
  using State = SmallVector<Value>;
  /// What one direction gives.
  struct Direction {
    Value all;
    State last;
  };

  LogicalResult readAttributes();
  FailureOr<Direction> importDirection(int64_t d, bool isReverse);
  /// The new state from the projected input and the old state.
  State stepLSTM(Value projected, const State &old);
  State stepGRU(Value projected, const State &old);
  State stepRNN(Value projected, const State &old);

  Value activate(unsigned i, Value x);
  Value add(Value a, Value b) { return ctx.binary(BinaryKind::add, a, b); }
  Value sub(Value a, Value b) { return ctx.binary(BinaryKind::sub, a, b); }
  Value mul(Value a, Value b) { return ctx.binary(BinaryKind::mul, a, b); }
  Value matmul(Value a, Value b) {
    return ctx.create<qnn::MatMulOp>(a, b, Value(), Value());
  }
  Value matmul(Value a, const Matrix &b);
  /// The weights that are input `i`, for direction `d`.
  Matrix pickWeights(size_t i, int64_t d);
  Value slice(Value x, int64_t axis, int64_t from, int64_t to) {
    return ctx.create<qnn::SliceOp>(x, ctx.i64List(from), ctx.i64List(to),
                                    ctx.i64List(axis), ctx.i64List(1));
  }
  Value gate(Value x, int64_t i) {
    int64_t axis = cast<RankedTensorType>(x.getType()).getRank() - 1;
    return slice(x, axis, i * hidden, (i + 1) * hidden);
  }
  Value pick(Value x, int64_t d, int64_t axis = 0) {
    return ctx.create<qnn::GatherOp>(x, ctx.i64Scalar(d),
                                     ctx.builder.getI64IntegerAttr(axis));
  }
  Value dim(Value x, int64_t i) {
    return ctx.create<qnn::ShapeOp>(x, ctx.builder.getI64IntegerAttr(i),
                                    ctx.builder.getI64IntegerAttr(i + 1));
  }
  Value stack(ArrayRef<Value> parts, int64_t axis);
  Value transposed(Value matrix) { return ctx.transpose(matrix, {1, 0}); }

  NodeContext &ctx;
  CellKind kind;
  Type elementType;
  int64_t hidden = 0, numDirections = 1;
  double clip = 0;
  bool isBatchFirst = false, linearBeforeReset = false, inputForget = false;
  SmallVector<Activation> activations;

  // Of the direction at hand; biases are null if there are none.
  Matrix recurrent;
  Value recurrentBias, peepholes;
  unsigned firstActivation = 0;
};

} // namespace

//===- attributes ---------------------------------------------------------===//

LogicalResult RecurrentImporter::readAttributes() {
  if (ctx.inputType(0).getRank() != 3 || ctx.inputType(1).getRank() != 3 ||
      ctx.inputType(2).getRank() != 3)
    return ctx.emitError("X, W and R must have rank 3");
  elementType = ctx.inputElementType(0);
  int64_t size = ctx.inputType(2).getDimSize(kind.isQuantized ? 1 : 2);
  hidden = ctx.getInt("hidden_size", size);
  if (hidden <= 0 || size != hidden)
    return ctx.emitError("hidden_size and R do not fit");
  clip = ctx.getFloat("clip", 0);
  isBatchFirst = ctx.getInt("layout", 0) == 1;
  linearBeforeReset = ctx.getInt("linear_before_reset", 0);
  inputForget = ctx.getInt("input_forget", 0);
  std::string direction = ctx.getString("direction", "forward");
  if (direction != "forward" && direction != "reverse" &&
      direction != "bidirectional")
    return ctx.emitError("its direction '" + direction + "' is unknown");
  numDirections = direction == "bidirectional" ? 2 : 1;

  SmallVector<std::string> names = ctx.getStrings("activations");
  if (names.empty())
    for (int64_t d = 0; d < numDirections; ++d)
      for (StringRef name : kind.activations)
        names.push_back(name.str());
  if (names.size() != kind.activations.size() * numDirections)
    return ctx.emitError("it has a wrong number of activations");
  // The lists hold parameters of those functions only that have some.
  SmallVector<double> alphas = ctx.getFloats("activation_alpha");
  SmallVector<double> betas = ctx.getFloats("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  for (std::string &name : names) {
    Activation f;
    f.name = StringRef(name).lower();
    auto take = [](ArrayRef<double> list, size_t &next, double otherwise) {
      return next < list.size() ? list[next++] : otherwise;
    };
    if (f.name == "affine" || f.name == "scaledtanh") {
      f.alpha = take(alphas, nextAlpha, 1);
      f.beta = take(betas, nextBeta, f.name == "affine" ? 0 : 1);
    } else if (f.name == "hardsigmoid") {
      f.alpha = take(alphas, nextAlpha, 0.2f);
      f.beta = take(betas, nextBeta, 0.5);
    } else if (f.name == "leakyrelu") {
      f.alpha = take(alphas, nextAlpha, 0.01f);
    } else if (f.name == "elu" || f.name == "thresholdedrelu") {
      f.alpha = take(alphas, nextAlpha, 1);
    } else if (f.name != "sigmoid" && f.name != "tanh" && f.name != "relu" &&
               f.name != "softsign" && f.name != "softplus") {
      return ctx.emitError("its activation '" + name + "' is unknown");
    }
    activations.push_back(f);
  }
  return success();
}

Value RecurrentImporter::activate(unsigned i, Value x) {
  const Activation &f = activations[firstActivation + i];
  if (clip > 0) {
    x = ctx.binary(BinaryKind::max, x, ctx.scalar(elementType, -clip));
    x = ctx.binary(BinaryKind::min, x, ctx.scalar(elementType, clip));
  }
  if (f.name == "affine")
    return add(mul(x, ctx.scalar(elementType, f.alpha)),
               ctx.scalar(elementType, f.beta));
  if (f.name == "scaledtanh")
    return mul(
        ctx.unary(UnaryKind::tanh, mul(x, ctx.scalar(elementType, f.beta))),
        ctx.scalar(elementType, f.alpha));
  UnaryKind unary = llvm::StringSwitch<UnaryKind>(f.name)
                        .Case("sigmoid", UnaryKind::sigmoid)
                        .Case("relu", UnaryKind::relu)
                        .Case("softsign", UnaryKind::softsign)
                        .Case("softplus", UnaryKind::softplus)
                        .Case("hardsigmoid", UnaryKind::hard_sigmoid)
                        .Case("leakyrelu", UnaryKind::leaky_relu)
                        .Case("elu", UnaryKind::elu)
                        .Case("thresholdedrelu", UnaryKind::thresholded_relu)
                        .Default(UnaryKind::tanh);
  return ctx.unary(unary, x, f.alpha, f.beta);
}

//===- products -----------------------------------------------------------===//

Matrix RecurrentImporter::pickWeights(size_t i, int64_t d) {
  if (!kind.isQuantized)
    return {transposed(pick(ctx.input(i), d)), {}, {}};
  // Scales and zero points follow all of LSTM's inputs.
  size_t scale = i == 1 ? 8 : 10;
  Value zeroPoint =
      ctx.hasInput(scale + 1) ? pick(ctx.input(scale + 1), d) : Value();
  return {pick(ctx.input(i), d), pick(ctx.input(scale), d), zeroPoint};
}

Value RecurrentImporter::matmul(Value a, const Matrix &b) {
  if (!b.scale)
    return matmul(a, b.values);
  SmallVector<Value> q = ctx.createMulti<qnn::DynamicQuantizeOp>(3, a);
  if (q.empty())
    return {};
  Value acc = ctx.create<qnn::MatMulOp>(q[0], b.values, q[2], b.zeroPoint);
  return mul(ctx.castTo(acc, elementType), mul(q[1], b.scale));
}

//===- cells --------------------------------------------------------------===//

RecurrentImporter::State RecurrentImporter::stepRNN(Value projected,
                                                    const State &old) {
  return {activate(0, add(projected, matmul(old[0], recurrent)))};
}

// Gates in the order update, reset, hidden.
RecurrentImporter::State RecurrentImporter::stepGRU(Value projected,
                                                    const State &old) {
  Value h = old[0];
  Value z, r, candidate;
  if (linearBeforeReset) {
    Value fromState = matmul(h, recurrent);
    if (recurrentBias)
      fromState = add(fromState, recurrentBias);
    z = activate(0, add(gate(projected, 0), gate(fromState, 0)));
    r = activate(0, add(gate(projected, 1), gate(fromState, 1)));
    candidate =
        activate(1, add(gate(projected, 2), mul(r, gate(fromState, 2))));
  } else {
    Value fromState = matmul(h, slice(recurrent.values, 1, 0, 2 * hidden));
    z = activate(0, add(gate(projected, 0), gate(fromState, 0)));
    r = activate(0, add(gate(projected, 1), gate(fromState, 1)));
    candidate = activate(1, add(gate(projected, 2),
                                matmul(mul(r, h), gate(recurrent.values, 2))));
  }
  Value one = ctx.scalar(elementType, 1);
  return {add(mul(sub(one, z), candidate), mul(z, h))};
}

// Gates in the order input, output, forget, cell; peepholes input, output,
// forget.
RecurrentImporter::State RecurrentImporter::stepLSTM(Value projected,
                                                     const State &old) {
  Value c = old[1];
  Value sums = add(projected, matmul(old[0], recurrent));
  auto withPeephole = [&](int64_t i, Value cell) {
    Value sum = gate(sums, i);
    return peepholes ? add(sum, mul(gate(peepholes, i), cell)) : sum;
  };
  Value input = activate(0, withPeephole(0, c));
  Value forget = inputForget ? sub(ctx.scalar(elementType, 1), input)
                             : activate(0, withPeephole(2, c));
  Value candidate = activate(1, gate(sums, 3));
  Value cell = add(mul(forget, c), mul(input, candidate));
  Value output = activate(0, withPeephole(1, cell));
  return {mul(output, activate(2, cell)), cell};
}

//===- directions ---------------------------------------------------------===//

Value RecurrentImporter::stack(ArrayRef<Value> parts, int64_t axis) {
  SmallVector<Value> items;
  for (Value part : parts)
    items.push_back(ctx.create<qnn::UnsqueezeOp>(part, ctx.i64List(axis)));
  return ctx.create<qnn::ConcatOp>(items, ctx.builder.getI64IntegerAttr(axis));
}

FailureOr<RecurrentImporter::Direction>
RecurrentImporter::importDirection(int64_t d, bool isReverse) {
  Value x = ctx.input(0);
  if (isBatchFirst)
    x = ctx.transpose(x, {1, 0, 2});
  Matrix weights = pickWeights(1, d);
  recurrent = pickWeights(2, d);
  firstActivation = d * kind.activations.size();
  recurrentBias = {};
  int64_t width = kind.numGates * hidden;
  Value projected = matmul(x, weights);
  if (ctx.hasInput(3)) {
    Value bias = pick(ctx.input(3), d);
    Value ofInput = slice(bias, 0, 0, width);
    recurrentBias = slice(bias, 0, width, 2 * width);
    bool isSeparate = kind.numGates == 3 && linearBeforeReset;
    projected =
        add(projected, isSeparate ? ofInput : add(ofInput, recurrentBias));
  }
  peepholes =
      kind.hasCellState && ctx.hasInput(7) ? pick(ctx.input(7), d) : Value();

  Value stateShape =
      projected ? ctx.create<qnn::ConcatOp>(
                      ValueRange{dim(projected, 1), ctx.i64List(hidden)},
                      ctx.builder.getI64IntegerAttr(0))
                : Value();
  auto initial = [&](size_t i) -> Value {
    if (ctx.hasInput(i))
      return pick(ctx.input(i), d, isBatchFirst ? 1 : 0);
    return ctx.create<qnn::ExpandOp>(ctx.scalar(elementType, 0), stateShape);
  };
  LoopBuilder loop(ctx);
  loop.init.push_back(initial(5));
  if (kind.hasCellState)
    loop.init.push_back(initial(6));
  loop.tripCount = ctx.reshape(dim(projected, 0), {});
  if (ctx.hasFailed())
    return failure();
  Value lastStep = sub(loop.tripCount, ctx.i64Scalar(1));
  Value lengths = ctx.hasInput(4)
                      ? ctx.create<qnn::UnsqueezeOp>(
                            ctx.castTo(ctx.input(4), ctx.builder.getI64Type()),
                            ctx.i64List(1))
                      : Value();
  loop.collected.push_back({0, isReverse, stateShape});
  loop.body = [&](Block *, Value iteration, Value, ValueRange carried,
                  SmallVectorImpl<Value> &results) -> LogicalResult {
    Value time = isReverse ? sub(lastStep, iteration) : iteration;
    Value now = ctx.create<qnn::GatherOp>(projected, time,
                                          ctx.builder.getI64IntegerAttr(0));
    // What is carried has the size of a batch, which no type may say.
    State old;
    for (Value state : carried)
      old.push_back(cast<RankedTensorType>(state.getType()).hasStaticShape()
                        ? state
                        : ctx.create<qnn::ReshapeOp>(state, stateShape,
                                                     /*allowzero=*/true));
    if (ctx.hasFailed())
      return failure();
    State next = kind.hasCellState    ? stepLSTM(now, old)
                 : kind.numGates == 3 ? stepGRU(now, old)
                                      : stepRNN(now, old);
    Value shown = next[0];
    if (lengths) {
      // A sequence that is over (or, backwards, has not begun) keeps its state.
      Value isInside =
          ctx.create<qnn::CompareOp>(qnn::CompareKind::less, time, lengths);
      shown = ctx.create<qnn::SelectOp>(isInside, shown,
                                        ctx.scalar(elementType, 0));
      for (auto [mine, previous] : llvm::zip(next, old))
        mine = ctx.create<qnn::SelectOp>(isInside, mine, previous);
    }
    if (ctx.hasFailed())
      return failure();
    results.push_back({});
    results.append(next.begin(), next.end());
    results.push_back(shown);
    return success();
  };
  auto results = loop.build();
  if (failed(results))
    return failure();
  Direction result;
  result.all = results->pop_back_val();
  result.last = *results;
  return result;
}

LogicalResult RecurrentImporter::run() {
  if (failed(readAttributes()))
    return failure();
  SmallVector<Value> all, lastHidden, lastCell;
  for (int64_t d = 0; d < numDirections; ++d) {
    bool isReverse =
        d == 1 || ctx.getString("direction", "forward") == "reverse";
    auto direction = importDirection(d, isReverse);
    if (failed(direction))
      return failure();
    all.push_back(direction->all);
    lastHidden.push_back(direction->last[0]);
    if (kind.hasCellState)
      lastCell.push_back(direction->last[1]);
  }
  Value y = stack(all, 1);
  if (isBatchFirst)
    y = ctx.transpose(y, {2, 0, 1, 3});
  int64_t stateAxis = isBatchFirst ? 1 : 0;
  SmallVector<Value> outputs = {y, stack(lastHidden, stateAxis)};
  if (kind.hasCellState)
    outputs.push_back(stack(lastCell, stateAxis));
  if (ctx.hasFailed())
    return failure();
  for (size_t i = 0; i < ctx.numOutputs() && i < outputs.size(); ++i)
    if (failed(ctx.setOutput(i, outputs[i])))
      return failure();
  return success();
}

void quantc::onnx_import::registerRecurrentRules(RuleRegistry &registry) {
  auto add = [&](StringRef name, CellKind kind) {
    registry.add(kOnnx, name, 7, [kind](NodeContext &ctx) {
      return RecurrentImporter(ctx, kind).run();
    });
  };
  add("RNN", {1, {"Tanh"}, false});
  add("GRU", {3, {"Sigmoid", "Tanh"}, false});
  add("LSTM", {4, {"Sigmoid", "Tanh", "Tanh"}, true});
  registry.add(kMicrosoft, "DynamicQuantizeLSTM", 1, [](NodeContext &ctx) {
    if (!ctx.hasInput(8) || !ctx.hasInput(10))
      return ctx.emitError("the scales of its weights are needed");
    return RecurrentImporter(
               ctx,
               {4, {"Sigmoid", "Tanh", "Tanh"}, true, /*isQuantized=*/true})
        .run();
  });
}
