//===- MlTrees.cpp - Ensembles of decision trees --------------------------===//

#include "MlForest.h"
#include "MlScores.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using Presence = Forest::Presence;

/// What is compared: f64 for an input of doubles, else f32.
static Type getTreeType(NodeContext &ctx) {
  return ctx.inputElementType(0).isF64() ? Type(ctx.builder.getF64Type())
                                         : Type(ctx.builder.getF32Type());
}

/// Scores with the base values added (one, or one for each target); 0 where
/// there is no score, unless all rows get the base values.
static Value addBase(NodeContext &ctx, const ForestScores &result,
                     ArrayRef<double> base, bool always) {
  if (!result.scores || base.empty())
    return result.scores;
  Type type = cast<RankedTensorType>(result.scores.getType()).getElementType();
  Value sum = ctx.binary(BinaryKind::add, result.scores,
                         matrix(ctx, type, 1, base.size(), base));
  return always || !result.isPresent
             ? sum
             : ctx.create<qnn::SelectOp>(result.isPresent, sum,
                                         ctx.scalar(type, 0));
}

//===- TreeEnsembleRegressor, TreeEnsemble --------------------------------===//

static LogicalResult finishRegressor(NodeContext &ctx, const Forest &forest,
                                     ArrayRef<double> base,
                                     PostTransform transform, Type resultType) {
  ForestScores result =
      evaluateForest(ctx, forest, readRows(ctx, getTreeType(ctx)));
  Value scores = addBase(ctx, result, base, forest.numTargets == 1);
  scores = applyPostTransform(ctx, transform, scores);
  return scores ? ctx.setOutput(0, ctx.castTo(scores, resultType)) : failure();
}

static LogicalResult importRegressor(NodeContext &ctx) {
  auto transform = readPostTransform(ctx);
  Forest forest;
  forest.numTargets = ctx.getInt("n_targets", 1);
  using Aggregate = Forest::Aggregate;
  std::string name = ctx.getString("aggregate_function", "SUM");
  auto aggregate = llvm::StringSwitch<std::optional<Aggregate>>(name)
                       .Case("SUM", Aggregate::sum)
                       .Case("AVERAGE", Aggregate::average)
                       .Case("MIN", Aggregate::min)
                       .Case("MAX", Aggregate::max)
                       .Default(std::nullopt);
  if (!transform || forest.numTargets < 1 || !aggregate)
    return ctx.emitError("n_targets or aggregate_function is out of range");
  forest.aggregate = *aggregate;
  if (failed(readForest(ctx, "target", forest)))
    return failure();
  SmallVector<double> base = readNumbers(ctx, "base_values");
  if (!base.empty() && int64_t(base.size()) != forest.numTargets)
    return ctx.emitError("it needs a base value for each target");
  return finishRegressor(ctx, forest, base, *transform,
                         ctx.builder.getF32Type());
}

static LogicalResult importTreeEnsemble(NodeContext &ctx) {
  Forest forest;
  forest.numTargets = ctx.getInt("n_targets", 1);
  int64_t transform = ctx.getInt("post_transform", 0);
  int64_t aggregate = ctx.getInt("aggregate_function", 1);
  if (forest.numTargets < 1 || transform < 0 || transform > 4 ||
      aggregate < 0 || aggregate > 3)
    return ctx.emitError("n_targets, post_transform or aggregate_function is "
                         "out of range");
  using Aggregate = Forest::Aggregate;
  constexpr Aggregate aggregates[] = {Aggregate::average, Aggregate::sum,
                                      Aggregate::min, Aggregate::max};
  constexpr PostTransform transforms[] = {
      PostTransform::none, PostTransform::softmax, PostTransform::logistic,
      PostTransform::softmax_zero, PostTransform::probit};
  forest.aggregate = aggregates[aggregate];
  if (failed(readTreeEnsemble(ctx, forest)))
    return failure();
  return finishRegressor(ctx, forest, {}, transforms[transform],
                         ctx.inputElementType(0));
}

//===- TreeEnsembleClassifier ---------------------------------------------===//

namespace {
/// ONNX leaves open what two classes mean; this is what ONNX Runtime does.
class BinaryClassifier {
public:
  BinaryClassifier(NodeContext &ctx, const Forest &forest,
                   const ForestScores &result, ArrayRef<double> base,
                   PostTransform transform);
  /// The scores (rows, 2); null after an error.
  Value getScores();
  /// Whether the second class wins (rows, 1).
  Value getIsSecond();
  /// Whether one class alone has weights.
  bool hasOneSide() const {
    return (first == Presence::never) != (second == Presence::never);
  }

private:
  Value zero() { return ctx.scalar(type, 0); }
  Value add(Value a, double b) {
    return b == 0 ? a : ctx.binary(BinaryKind::add, a, ctx.scalar(type, b));
  }
  Value transformed(Value a, Value b) {
    return applyPostTransform(ctx, transform, joinColumns(ctx, {a, b}));
  }
  /// What a single score becomes.
  Value single(Value score) {
    if (transform == PostTransform::probit) {
      (void)ctx.emitError("PROBIT of one score for two classes is not "
                          "supported");
      return {};
    }
    return addSecondClass(ctx, transform, score, isProbability());
  }
  bool isProbability() const { return hasOneSide() && isPositive; }

  NodeContext &ctx;
  ArrayRef<double> base;
  PostTransform transform;
  Presence first, second;
  bool isPositive;
  Type type;
  Value scoreOfFirst, scoreOfSecond, hasSecond;
  /// What decides.
  Value deciding;
};
} // namespace

BinaryClassifier::BinaryClassifier(NodeContext &ctx, const Forest &forest,
                                   const ForestScores &result,
                                   ArrayRef<double> base,
                                   PostTransform transform)
    : ctx(ctx), base(base), transform(transform),
      first(forest.getPresence()[0]), second(forest.getPresence()[1]),
      type(cast<RankedTensorType>(result.scores.getType()).getElementType()),
      scoreOfFirst(column(ctx, result.scores, 0)),
      scoreOfSecond(column(ctx, result.scores, 1)) {
  isPositive = llvm::all_of(forest.leaves, [](const Forest::Leaf &leaf) {
    return llvm::all_of(leaf, [](auto w) { return w.second >= 0; });
  });
  if (second == Presence::sometimes)
    hasSecond = column(ctx, result.isPresent, 1);
}

Value BinaryClassifier::getScores() {
  if (!base.empty() && (first == Presence::sometimes || hasSecond)) {
    (void)ctx.emitError("base values, and leaves of which some score two "
                        "classes, are not supported");
    return {};
  }
  if (second == Presence::never) {
    deciding = add(scoreOfFirst, base.empty() ? 0 : base[0]);
    return base.size() == 2 ? transformed(deciding, scoreOfSecond)
                            : single(deciding);
  }
  Value a = scoreOfFirst, b = scoreOfSecond;
  if (base.size() == 2) {
    b = add(scoreOfFirst, base[1]);
    a = first == Presence::never ? scoreOfFirst
                                 : ctx.unary(qnn::UnaryKind::neg, b);
  } else if (base.size() == 1 && first != Presence::never) {
    a = add(scoreOfFirst, base[0]);
  }
  deciding = b;
  Value both = transformed(a, b);
  if (!hasSecond)
    return both;
  deciding = ctx.create<qnn::SelectOp>(hasSecond, b, a);
  return ctx.create<qnn::SelectOp>(hasSecond, both, single(a));
}

Value BinaryClassifier::getIsSecond() {
  return ctx.create<qnn::CompareOp>(
      CompareKind::greater, deciding,
      ctx.scalar(type, isProbability() ? 0.5 : 0));
}

static LogicalResult
importBinaryClassifier(NodeContext &ctx, const Forest &forest,
                       const ForestScores &result, ArrayRef<double> base,
                       PostTransform transform, const ClassLabels &labels) {
  if (base.size() > 2)
    return ctx.emitError("it has more base values than classes");
  BinaryClassifier binary(ctx, forest, result, base, transform);
  Value scores = binary.getScores();
  Value isSecond = scores ? binary.getIsSecond() : Value();
  if (!isSecond ||
      failed(ctx.setOutput(1, ctx.castTo(scores, ctx.builder.getF32Type()))))
    return failure();
  if (binary.hasOneSide() || labels.areStrings())
    return labels.setBinaryOutput(isSecond);
  // Without a look at the labels, as there.
  return ctx.setOutput(
      0, ctx.reshape(ctx.castTo(isSecond, ctx.builder.getI64Type()), {-1}));
}

static LogicalResult importClassifier(NodeContext &ctx) {
  auto transform = readPostTransform(ctx);
  ClassLabels labels(ctx, "classlabels_int64s", "classlabels_strings");
  Forest forest;
  forest.numTargets = labels.size();
  if (!transform || forest.numTargets < 1)
    return ctx.emitError("it has no labels of classes");
  if (failed(readForest(ctx, "class", forest)))
    return failure();
  SmallVector<double> base = readNumbers(ctx, "base_values");
  ForestScores result =
      evaluateForest(ctx, forest, readRows(ctx, getTreeType(ctx)));
  if (!result.scores)
    return failure();
  if (forest.numTargets == 2)
    return importBinaryClassifier(ctx, forest, result, base, *transform,
                                  labels);
  if (!base.empty() && int64_t(base.size()) != forest.numTargets)
    return ctx.emitError("it needs a base value for each class");
  Value scores = addBase(ctx, result, base, /*always=*/true);
  Value shown = applyPostTransform(ctx, *transform, scores);
  if (!shown ||
      failed(ctx.setOutput(1, ctx.castTo(shown, ctx.builder.getF32Type()))))
    return failure();
  Type type = cast<RankedTensorType>(scores.getType()).getElementType();
  if (forest.numTargets == 1) {
    if (labels.areStrings())
      return ctx.emitError("one label that is a string is not supported");
    Value above = ctx.create<qnn::CompareOp>(CompareKind::greater, scores,
                                             ctx.scalar(type, 0));
    return ctx.setOutput(
        0, ctx.reshape(ctx.castTo(above, ctx.builder.getI64Type()), {-1}));
  }
  // A class without a score does not win over a negative one.
  if (result.isPresent && base.empty())
    scores = ctx.create<qnn::SelectOp>(
        result.isPresent, scores,
        ctx.scalar(type, -std::numeric_limits<double>::infinity()));
  return labels.setOutput(findWinner(ctx, scores));
}

void quantc::onnx_import::registerMlTreeRules(RuleRegistry &registry) {
  registry.add(kOnnxMl, "TreeEnsemble", 5, importTreeEnsemble);
  registry.add(kOnnxMl, "TreeEnsembleClassifier", 1, importClassifier);
  registry.add(kOnnxMl, "TreeEnsembleRegressor", 1, importRegressor);
}
