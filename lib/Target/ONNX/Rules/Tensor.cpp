//===- Tensor.cpp - Constants, shapes and the movement of elements --------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

static LogicalResult importConstant(NodeContext &ctx) {
  Builder &b = ctx.builder;
  auto elements = [&](Type type, int64_t rank1Size = -1) {
    SmallVector<int64_t> shape;
    if (rank1Size >= 0)
      shape.push_back(rank1Size);
    return RankedTensorType::get(shape, type);
  };
  auto set = [&](ElementsAttr value) {
    return ctx.setOutput(0, ctx.constant(value));
  };
  if (ctx.hasAttr("value"))
    return set(ctx.getTensor("value"));
  if (ctx.hasAttr("sparse_value"))
    return set(ctx.getSparseTensor("sparse_value"));
  if (ctx.hasAttr("value_float"))
    return set(DenseElementsAttr::get(elements(b.getF32Type()),
                                      float(ctx.getFloat("value_float"))));
  if (ctx.hasAttr("value_int"))
    return set(DenseElementsAttr::get(elements(b.getI64Type()),
                                      ctx.getInt("value_int")));
  if (ctx.hasAttr("value_floats")) {
    SmallVector<double> values = ctx.getFloats("value_floats");
    SmallVector<float> floats(values.begin(), values.end());
    return set(DenseElementsAttr::get(elements(b.getF32Type(), floats.size()),
                                      ArrayRef<float>(floats)));
  }
  if (ctx.hasAttr("value_ints")) {
    SmallVector<int64_t> ints = ctx.getInts("value_ints");
    return set(DenseElementsAttr::get(elements(b.getI64Type(), ints.size()),
                                      ArrayRef<int64_t>(ints)));
  }
  return ctx.emitError("constants of strings are not supported");
}

static LogicalResult importIdentity(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.input(0));
}

static LogicalResult importReshape(NodeContext &ctx) {
  bool allowZero = ctx.getInt("allowzero", 0);
  return ctx.setOutput(
      0, ctx.create<qnn::ReshapeOp>(ctx.input(0), ctx.input(1), allowZero));
}

static LogicalResult importTranspose(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  SmallVector<int64_t> reversed(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  return ctx.setOutput(
      0, ctx.transpose(ctx.input(0), ctx.getInts("perm", reversed)));
}

static LogicalResult importShape(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  auto clampAxis = [&](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  int64_t start = clampAxis(ctx.getInt("start", 0));
  int64_t end = std::max(start, clampAxis(ctx.getInt("end", rank)));
  return ctx.setOutput(0, ctx.create<qnn::ShapeOp>(ctx.input(0), start, end));
}

void quantc::onnx_import::registerTensorRules(RuleRegistry &registry) {
  registry.add(kOnnx, "Constant", 1, importConstant);
  registry.add(kOnnx, "Identity", 1, importIdentity);
  registry.add(kOnnx, "Reshape", 5, importReshape);
  registry.add(kOnnx, "Transpose", 1, importTranspose);
  registry.add(kOnnx, "Shape", 1, importShape);
}
