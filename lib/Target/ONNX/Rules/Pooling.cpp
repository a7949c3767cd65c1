//===- Pooling.cpp - Pooling ----------------------------------------------===//

#include "Windows.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::PoolKind;

/// Attributes of one node that both results of MaxPool are made with.
namespace {
struct PoolAttrs {
  DenseI64ArrayAttr kernel, strides, dilations, pads;
  UnitAttr ceilMode;
  qnn::AutoPadAttr autoPad;
};
} // namespace

static UnitAttr unit(NodeContext &ctx, bool value) {
  return value ? ctx.builder.getUnitAttr() : UnitAttr();
}

static std::optional<PoolAttrs> readPool(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  if (rank < 3) {
    (void)ctx.emitError("the input must be (N, C, spatial...)");
    return std::nullopt;
  }
  auto window = readWindow(ctx, rank - 2);
  if (!window)
    return std::nullopt;
  Builder &b = ctx.builder;
  return PoolAttrs{b.getDenseI64ArrayAttr(ctx.getInts("kernel_shape")),
                   b.getDenseI64ArrayAttr(window->strides),
                   b.getDenseI64ArrayAttr(window->dilations),
                   b.getDenseI64ArrayAttr(window->pads),
                   unit(ctx, ctx.getInt("ceil_mode")),
                   window->autoPad};
}

static Value createPool(NodeContext &ctx, PoolKind kind, Value x,
                        const PoolAttrs &a) {
  return ctx.create<qnn::PoolOp>(
      qnn::PoolKindAttr::get(ctx.getContext(), kind), x, a.kernel, a.strides,
      a.dilations, a.pads, a.ceilMode,
      unit(ctx, ctx.getInt("count_include_pad")),
      ctx.builder.getI64IntegerAttr(ctx.getInt("p", 2)), a.autoPad);
}

Value onnx_import::createAveragePool(NodeContext &ctx, Value x) {
  auto attrs = readPool(ctx);
  return attrs ? createPool(ctx, PoolKind::average, x, *attrs) : Value();
}

static LogicalResult importMaxPool(NodeContext &ctx) {
  auto attrs = readPool(ctx);
  if (!attrs || failed(ctx.setOutput(
                    0, createPool(ctx, PoolKind::max, ctx.input(0), *attrs))))
    return failure();
  if (!ctx.hasOutput(1))
    return success();
  return ctx.setOutput(1, ctx.create<qnn::PoolIndicesOp>(
                              ctx.input(0), attrs->kernel, attrs->strides,
                              attrs->dilations, attrs->pads, attrs->ceilMode,
                              unit(ctx, ctx.getInt("storage_order")),
                              attrs->autoPad));
}

static ImportRule importPool(PoolKind kind) {
  return [=](NodeContext &ctx) -> LogicalResult {
    auto attrs = readPool(ctx);
    if (!attrs)
      return failure();
    return ctx.setOutput(0, createPool(ctx, kind, ctx.input(0), *attrs));
  };
}

/// Reductions of all spatial dimensions.
static ImportRule importGlobalPool(qnn::ReduceKind kind) {
  return [=](NodeContext &ctx) -> LogicalResult {
    int64_t rank = ctx.inputType(0).getRank();
    Value axes = ctx.i64List(llvm::to_vector(llvm::seq<int64_t>(2, rank)));
    return ctx.setOutput(
        0, ctx.create<qnn::ReduceOp>(
               qnn::ReduceKindAttr::get(ctx.getContext(), kind), ctx.input(0),
               axes, ctx.builder.getUnitAttr(), UnitAttr()));
  };
}

/// (Σ |x|^p)^(1/p).
static LogicalResult importGlobalLpPool(NodeContext &ctx) {
  int64_t p = ctx.getInt("p", 2);
  if (p == 1 || p == 2)
    return importGlobalPool(p == 1 ? qnn::ReduceKind::l1
                                   : qnn::ReduceKind::l2)(ctx);
  Type element = ctx.inputElementType(0);
  int64_t rank = ctx.inputType(0).getRank();
  Value powers = ctx.binary(qnn::BinaryKind::pow,
                            ctx.unary(qnn::UnaryKind::abs, ctx.input(0)),
                            ctx.scalar(element, p));
  Value sum = ctx.create<qnn::ReduceOp>(
      qnn::ReduceKindAttr::get(ctx.getContext(), qnn::ReduceKind::sum), powers,
      ctx.i64List(llvm::to_vector(llvm::seq<int64_t>(2, rank))),
      ctx.builder.getUnitAttr(), UnitAttr());
  return ctx.setOutput(
      0, ctx.binary(qnn::BinaryKind::pow, sum, ctx.scalar(element, 1.0 / p)));
}

void quantc::onnx_import::registerPoolingRules(RuleRegistry &registry) {
  registry.add(kOnnx, "MaxPool", 1, importMaxPool);
  registry.add(kOnnx, "AveragePool", 1, importPool(PoolKind::average));
  registry.add(kOnnx, "GlobalAveragePool", 1,
               importGlobalPool(qnn::ReduceKind::mean));
  registry.add(kOnnx, "GlobalMaxPool", 1,
               importGlobalPool(qnn::ReduceKind::max));
  registry.add(kOnnx, "GlobalLpPool", 1, importGlobalLpPool);
  registry.add(kOnnx, "LpPool", 1, importPool(PoolKind::lp));
}
