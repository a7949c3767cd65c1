//===- Reduction.cpp - Reductions, softmax, sorting and running sums ------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::CumulateKind;
using qnn::ExtremumKind;
using qnn::ReduceKind;
using qnn::SoftmaxKind;

/// Attribute `name` as an axis of `rank` dimensions, counted from the front.
static FailureOr<int64_t> getAxis(NodeContext &ctx, StringRef name,
                                  int64_t defaultValue, int64_t rank) {
  int64_t axis = ctx.getInt(name, defaultValue);
  if (auto normalized = qnn::normalizeAxis(axis, rank))
    return *normalized;
  return ctx.emitError("axis " + Twine(axis) + " is no dimension of " +
                       Twine(rank));
}

/// The axes moved from an attribute to an input, at another opset for each op.
static LogicalResult importReduce(NodeContext &ctx, ReduceKind kind) {
  Value axes = ctx.input(1);
  if (!axes && ctx.hasAttr("axes"))
    axes = ctx.i64List(ctx.getInts("axes"));
  Value input = ctx.input(0);
  Type element = ctx.inputElementType(0);
  // Integers have no exp: computed in f64, as their logarithms are.
  bool isWide = kind == ReduceKind::log_sum_exp && isa<IntegerType>(element);
  if (isWide)
    input = ctx.castTo(input, ctx.builder.getF64Type());
  Value result = ctx.create<qnn::ReduceOp>(
      kind, input, axes, ctx.getInt("keepdims", 1) != 0,
      ctx.getInt("noop_with_empty_axes", 0) != 0);
  return ctx.setOutput(0, isWide ? ctx.castTo(result, element) : result);
}

static LogicalResult importArgReduce(NodeContext &ctx, ExtremumKind kind) {
  auto axis = getAxis(ctx, "axis", 0, ctx.inputType(0).getRank());
  if (failed(axis))
    return failure();
  return ctx.setOutput(
      0, ctx.create<qnn::ArgReduceOp>(kind, ctx.input(0), *axis,
                                      ctx.getInt("keepdims", 1) != 0,
                                      ctx.getInt("select_last_index", 0) != 0));
}

/// Before opset 13 the dimensions from the axis on were flattened.
static LogicalResult importSoftmax(NodeContext &ctx, SoftmaxKind kind) {
  int64_t rank = ctx.inputType(0).getRank();
  bool flatten = ctx.opset < 13;
  if (rank == 0)
    return ctx.emitError("a scalar has no softmax");
  auto axis = getAxis(ctx, "axis", flatten && rank > 1 ? 1 : -1, rank);
  if (failed(axis))
    return failure();
  return ctx.setOutput(
      0, ctx.create<qnn::SoftmaxOp>(kind, ctx.input(0), *axis, flatten));
}

static LogicalResult importCumulate(NodeContext &ctx, CumulateKind kind) {
  return ctx.setOutput(
      0, ctx.create<qnn::CumulateOp>(kind, ctx.input(0), ctx.input(1),
                                     ctx.getInt("exclusive", 0) != 0,
                                     ctx.getInt("reverse", 0) != 0));
}

static LogicalResult importTopK(NodeContext &ctx) {
  auto axis = getAxis(ctx, "axis", -1, ctx.inputType(0).getRank());
  if (failed(axis))
    return failure();
  Value k = ctx.hasInput(1) ? ctx.input(1) : ctx.i64List({ctx.getInt("k")});
  return ctx.setOutputs(ctx.createMulti<qnn::TopKOp>(
      2, ctx.input(0), k, *axis, ctx.getInt("largest", 1) != 0));
}

static LogicalResult importUnique(NodeContext &ctx) {
  IntegerAttr axis;
  if (ctx.hasAttr("axis")) {
    auto a = getAxis(ctx, "axis", 0, ctx.inputType(0).getRank());
    if (failed(a))
      return failure();
    axis = ctx.builder.getI64IntegerAttr(*a);
  }
  return ctx.setOutputs(ctx.createMulti<qnn::UniqueOp>(
      4, ctx.input(0), axis, ctx.getInt("sorted", 1) == 0));
}

template <typename Kind>
static void addKind(RuleRegistry &registry, StringRef op,
                    LogicalResult (*rule)(NodeContext &, Kind), Kind kind) {
  registry.add(kOnnx, op, 1, [=](NodeContext &ctx) { return rule(ctx, kind); });
}

void quantc::onnx_import::registerReductionRules(RuleRegistry &registry) {
  addKind(registry, "ReduceSum", importReduce, ReduceKind::sum);
  addKind(registry, "ReduceMean", importReduce, ReduceKind::mean);
  addKind(registry, "ReduceMax", importReduce, ReduceKind::max);
  addKind(registry, "ReduceMin", importReduce, ReduceKind::min);
  addKind(registry, "ReduceProd", importReduce, ReduceKind::prod);
  addKind(registry, "ReduceL1", importReduce, ReduceKind::l1);
  addKind(registry, "ReduceL2", importReduce, ReduceKind::l2);
  addKind(registry, "ReduceLogSum", importReduce, ReduceKind::log_sum);
  addKind(registry, "ReduceLogSumExp", importReduce, ReduceKind::log_sum_exp);
  addKind(registry, "ReduceSumSquare", importReduce, ReduceKind::sum_square);
  addKind(registry, "ArgMax", importArgReduce, ExtremumKind::max);
  addKind(registry, "ArgMin", importArgReduce, ExtremumKind::min);
  addKind(registry, "Softmax", importSoftmax, SoftmaxKind::softmax);
  addKind(registry, "LogSoftmax", importSoftmax, SoftmaxKind::log_softmax);
  addKind(registry, "Hardmax", importSoftmax, SoftmaxKind::hardmax);
  addKind(registry, "CumSum", importCumulate, CumulateKind::sum);
  addKind(registry, "CumProd", importCumulate, CumulateKind::prod);
  registry.add(kOnnx, "TopK", 1, importTopK);
  registry.add(kOnnx, "Unique", 11, importUnique);
}
