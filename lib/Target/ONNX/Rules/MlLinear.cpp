//===- MlLinear.cpp - Linear models and support vector machines -----------===//

#include "MlScores.h"

#include <numeric>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::ReduceKind;
using qnn::UnaryKind;

/// `x` times the transpose of the rows in `values`.
static Value project(NodeContext &ctx, Value x, int64_t rows,
                     ArrayRef<double> values) {
  if (!x || rows < 1 || values.empty() || values.size() % rows != 0) {
    (void)ctx.emitError("its coefficients have no " + Twine(rows) + " rows");
    return {};
  }
  Value weights =
      matrix(ctx, ctx.builder.getF32Type(), rows, values.size() / rows, values);
  return ctx.create<qnn::MatMulOp>(x, ctx.transpose(weights, {1, 0}), Value(),
                                   Value());
}

/// `x` plus a list of numbers, one for each column or one for all.
static Value addNumbers(NodeContext &ctx, Value x, ArrayRef<double> numbers) {
  return ctx.binary(
      BinaryKind::add, x,
      matrix(ctx, ctx.builder.getF32Type(), 1, numbers.size(), numbers));
}

static Value isAbove(NodeContext &ctx, Value x, double threshold) {
  return ctx.create<qnn::CompareOp>(
      CompareKind::greater, x, ctx.scalar(ctx.builder.getF32Type(), threshold));
}

//===- LinearRegressor, LinearClassifier ----------------------------------===//

static LogicalResult importLinearRegressor(NodeContext &ctx) {
  auto transform = readPostTransform(ctx);
  int64_t targets = ctx.getInt("targets", 1);
  Value scores = project(ctx, readRows(ctx, ctx.builder.getF32Type()), targets,
                         ctx.getFloats("coefficients"));
  SmallVector<double> intercepts = ctx.getFloats("intercepts");
  if (int64_t(intercepts.size()) == targets)
    scores = addNumbers(ctx, scores, intercepts);
  if (!transform || !scores)
    return failure();
  return ctx.setOutput(0, applyPostTransform(ctx, *transform, scores));
}

static LogicalResult importLinearClassifier(NodeContext &ctx) {
  auto transform = readPostTransform(ctx);
  ClassLabels labels(ctx, "classlabels_ints", "classlabels_strings");
  SmallVector<double> intercepts = ctx.getFloats("intercepts");
  int64_t classes = intercepts.size();
  if (classes == 0)
    return ctx.emitError("it needs an intercept for each class");
  Value scores = project(ctx, readRows(ctx, ctx.builder.getF32Type()), classes,
                         ctx.getFloats("coefficients"));
  scores = addNumbers(ctx, scores, intercepts);
  if (!transform || !scores)
    return failure();
  if (classes > 1) {
    if (labels.size() != classes)
      return ctx.emitError("it needs a label for each class");
    if (failed(ctx.setOutput(1, applyPostTransform(ctx, *transform, scores))))
      return failure();
    return labels.setOutput(findWinner(ctx, scores));
  }
  if (labels.size() != 2)
    return ctx.emitError("one intercept is for two classes");
  if (*transform == PostTransform::probit)
    return ctx.emitError("PROBIT of one score for two classes is not "
                         "supported");
  if (failed(ctx.setOutput(1, addSecondClass(ctx, *transform, scores,
                                             /*isProbability=*/true))))
    return failure();
  return labels.setBinaryOutput(isAbove(ctx, scores, 0));
}

//===- Kernels ------------------------------------------------------------===//

/// The kernel of each row with each of `count` vectors. `isLinear` says that it
/// is the product whatever kernel is named.
static Value applyKernel(NodeContext &ctx, Value x, int64_t count,
                         ArrayRef<double> vectors, bool isLinear) {
  std::string name =
      isLinear ? "LINEAR" : ctx.getString("kernel_type", "LINEAR");
  SmallVector<double> params = ctx.getFloats("kernel_params");
  // ONNX Runtime takes an empty list as zeros, but not that there is none.
  bool isGiven = name == "LINEAR" || ctx.hasAttr("kernel_params");
  if (!isGiven || (!params.empty() && params.size() != 3)) {
    (void)ctx.emitError("kernel_params must be gamma, coef0 and degree");
    return {};
  }
  params.resize(3);
  Value product = project(ctx, x, count, vectors);
  if (!product)
    return {};
  Type f32 = ctx.builder.getF32Type();
  auto scaled = [&](Value v, double factor) {
    return ctx.binary(BinaryKind::mul, v, ctx.scalar(f32, factor));
  };
  auto shifted = [&](Value v) {
    return ctx.binary(BinaryKind::add, v, ctx.scalar(f32, params[1]));
  };
  if (name == "LINEAR")
    return product;
  if (name == "POLY")
    return ctx.binary(BinaryKind::pow, shifted(scaled(product, params[0])),
                      ctx.scalar(f32, params[2]));
  if (name == "SIGMOID")
    return ctx.unary(UnaryKind::tanh, shifted(scaled(product, params[0])));
  if (name != "RBF") {
    (void)ctx.emitError("kernel_type '" + name + "' is unknown");
    return {};
  }
  // Of differences: the expansion of the square would cancel.
  Value rows = matrix(ctx, f32, count, vectors.size() / count, vectors);
  Value difference = ctx.binary(
      BinaryKind::sub, ctx.create<qnn::UnsqueezeOp>(x, ctx.i64List(1)), rows);
  Value distance = ctx.create<qnn::ReduceOp>(ReduceKind::sum_square, difference,
                                             ctx.i64List(2), /*keepdims=*/false,
                                             /*noop_with_empty_axes=*/false);
  return ctx.unary(UnaryKind::exp, scaled(distance, -params[0]));
}

//===- SVMRegressor -------------------------------------------------------===//

static LogicalResult importSVMRegressor(NodeContext &ctx) {
  int64_t supports = ctx.getInt("n_supports", 0);
  SmallVector<double> coefficients = ctx.getFloats("coefficients"),
                      rho = ctx.getFloats("rho");
  if (rho.empty())
    return ctx.emitError("it needs rho");
  if (supports < 0)
    return ctx.emitError("n_supports is negative");
  Value x = readRows(ctx, ctx.builder.getF32Type());
  Value y = x;
  if (supports > 0) {
    y = applyKernel(ctx, x, supports, ctx.getFloats("support_vectors"),
                    /*isLinear=*/false);
    if (int64_t(coefficients.size()) != supports)
      return ctx.emitError("it needs a coefficient for each support vector");
  }
  y = project(ctx, y, 1, coefficients);
  y = addNumbers(ctx, y, rho[0]);
  if (!y)
    return failure();
  if (ctx.getInt("one_class", 0)) {
    Type f32 = ctx.builder.getF32Type();
    y = ctx.create<qnn::SelectOp>(isAbove(ctx, y, 0), ctx.scalar(f32, 1),
                                  ctx.scalar(f32, -1));
  }
  return ctx.setOutput(0, y);
}

//===- SVMClassifier ------------------------------------------------------===//

namespace {
/// Which of two classes wins, for each pair of classes.
struct Pairs {
  Pairs(int64_t classes) {
    for (int64_t i = 0; i < classes; ++i)
      for (int64_t j = i + 1; j < classes; ++j)
        of.push_back({i, j});
  }
  SmallVector<std::pair<int64_t, int64_t>> of;
};
} // namespace

/// What each support vector counts in each pair (pairs, vectors). The
/// coefficients (classes - 1, vectors) leave out a class's row for itself.
static SmallVector<double> spreadCoefficients(const Pairs &pairs,
                                              ArrayRef<int64_t> perClass,
                                              ArrayRef<double> coefficients) {
  int64_t vectors =
      std::accumulate(perClass.begin(), perClass.end(), int64_t(0));
  SmallVector<int64_t> starts(1, 0);
  for (int64_t count : perClass)
    starts.push_back(starts.back() + count);
  SmallVector<double> result(pairs.of.size() * vectors);
  for (auto [p, pair] : llvm::enumerate(pairs.of)) {
    auto [i, j] = pair;
    for (int64_t v = starts[i]; v < starts[i + 1]; ++v)
      result[p * vectors + v] = coefficients[(j - 1) * vectors + v];
    for (int64_t v = starts[j]; v < starts[j + 1]; ++v)
      result[p * vectors + v] = coefficients[i * vectors + v];
  }
  return result;
}

/// The class that wins most pairs.
static Value countVotes(NodeContext &ctx, const Pairs &pairs, int64_t classes,
                        Value scores) {
  // A won pair is a vote for the first of two, a lost one for the second.
  SmallVector<double> votes(classes * pairs.of.size()), lost(classes);
  for (auto [p, pair] : llvm::enumerate(pairs.of)) {
    votes[pair.first * pairs.of.size() + p] = 1;
    votes[pair.second * pairs.of.size() + p] = -1;
    lost[pair.second] += 1;
  }
  Value won = ctx.castTo(isAbove(ctx, scores, 0), ctx.builder.getF32Type());
  return findWinner(ctx,
                    addNumbers(ctx, project(ctx, won, classes, votes), lost));
}

/// Without support vectors: one linear function for each class.
static LogicalResult importLinearSVM(NodeContext &ctx,
                                     const ClassLabels &labels, Value x,
                                     PostTransform transform) {
  SmallVector<double> coefficients = ctx.getFloats("coefficients");
  Value scores = project(ctx, x, labels.size(), coefficients);
  scores = addNumbers(ctx, scores, ctx.getFloats("rho")[0]);
  if (failed(ctx.setOutput(1, applyPostTransform(ctx, transform, scores))))
    return failure();
  Value winner = findWinner(ctx, scores);
  if (labels.size() != 2)
    return labels.setOutput(winner);
  // What ONNX Runtime makes of two classes: the second wins if the larger score
  // is positive, whichever that is.
  bool isPositive = llvm::all_of(coefficients, [](double c) { return c >= 0; });
  Value most = ctx.create<qnn::ReduceOp>(ReduceKind::max, scores,
                                         ctx.i64List(1), /*keepdims=*/false,
                                         /*noop_with_empty_axes=*/false);
  Value isSecond = ctx.create<qnn::CompareOp>(
      isPositive ? CompareKind::greater_or_equal : CompareKind::greater, most,
      ctx.scalar(ctx.builder.getF32Type(), isPositive ? 0.5 : 0));
  return labels.setOutput(
      ctx.create<qnn::SelectOp>(isSecond, ctx.i64Scalar(1), winner));
}

static LogicalResult importSVMClassifier(NodeContext &ctx) {
  auto transform = readPostTransform(ctx);
  ClassLabels labels(ctx, "classlabels_ints", "classlabels_strings");
  SmallVector<int64_t> perClass = ctx.getInts("vectors_per_class");
  SmallVector<double> rho = ctx.getFloats("rho");
  int64_t classes = labels.size();
  Value x = readRows(ctx, ctx.builder.getF32Type());
  if (!transform || !x || classes == 0 || rho.empty())
    return ctx.emitError("it needs labels of classes and rho");
  SmallVector<double> supports = ctx.getFloats("support_vectors");
  // Before they are added up: the sum of such counts cannot overflow.
  if (llvm::any_of(perClass, [&](int64_t n) {
        return n < 0 || n > int64_t(supports.size());
      }))
    return ctx.emitError("vectors_per_class counts vectors that are not there");
  int64_t vectors =
      std::accumulate(perClass.begin(), perClass.end(), int64_t(0));
  if (vectors == 0)
    return importLinearSVM(ctx, labels, x, *transform);
  if (!ctx.getFloats("prob_a").empty())
    return ctx.emitError("probabilities (prob_a, prob_b) are not supported: "
                         "export a model without them");
  Pairs pairs(classes);
  SmallVector<double> coefficients = ctx.getFloats("coefficients");
  if (int64_t(perClass.size()) != classes || classes < 2 ||
      int64_t(coefficients.size()) != (classes - 1) * vectors ||
      rho.size() != pairs.of.size())
    return ctx.emitError("its classes, support vectors and coefficients do not "
                         "fit");
  Value kernels = applyKernel(ctx, x, vectors, supports, /*isLinear=*/false);
  Value scores = project(ctx, kernels, pairs.of.size(),
                         spreadCoefficients(pairs, perClass, coefficients));
  scores = addNumbers(ctx, scores, rho);
  if (!scores)
    return failure();
  Value shown = scores;
  if (classes == 2)
    shown = addSecondClass(ctx, *transform, scores,
                           *transform != PostTransform::none);
  else
    shown = applyPostTransform(ctx, *transform, scores);
  if (failed(ctx.setOutput(1, shown)))
    return failure();
  return labels.setOutput(countVotes(ctx, pairs, classes, scores));
}

void quantc::onnx_import::registerMlLinearRules(RuleRegistry &registry) {
  registry.add(kOnnxMl, "LinearRegressor", 1, importLinearRegressor);
  registry.add(kOnnxMl, "LinearClassifier", 1, importLinearClassifier);
  registry.add(kOnnxMl, "SVMRegressor", 1, importSVMRegressor);
  registry.add(kOnnxMl, "SVMClassifier", 1, importSVMClassifier);
}
