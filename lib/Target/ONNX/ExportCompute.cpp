//===- ExportCompute.cpp - Sums and windows as nodes ----------------------===//

#include "GraphExporter.h"

#include "TensorData.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

StringRef onnx_export::getAutoPad(qnn::AutoPad autoPad) {
  switch (autoPad) {
  case qnn::AutoPad::none:
    return "NOTSET";
  case qnn::AutoPad::same_upper:
    return "SAME_UPPER";
  case qnn::AutoPad::same_lower:
    return "SAME_LOWER";
  }
  llvm_unreachable("all ways are above");
}

LogicalResult GraphExporter::writeWindows(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](qnn::MatMulOp m) {
        if (!isFloat(m))
          return failure();
        node(op, "MatMul", {m.getLhs(), m.getRhs()});
        return success();
      })
      .Case([&](qnn::EinsumOp e) {
        SmallVector<Value> inputs(e.getInputs());
        node(op, "Einsum", inputs).set("equation", e.getEquation());
        return success();
      })
      .Case([&](qnn::ConvOp c) {
        if (!isFloat(c))
          return failure();
        Node conv =
            node(op, "Conv", {c.getInput(), c.getWeights(), c.getBias()});
        setWindow(conv, c).set("group", int64_t(c.getGroup()));
        return success();
      })
      .Case([&](qnn::ConvTransposeOp c) {
        if (!isFloat(c))
          return failure();
        Node conv = node(op, "ConvTranspose",
                         {c.getInput(), c.getWeights(), c.getBias()});
        setWindow(conv, c)
            .set("group", int64_t(c.getGroup()))
            .set("output_padding", c.getOutputPadding());
        if (!c.getOutputShape().empty())
          conv.set("output_shape", c.getOutputShape());
        return success();
      })
      .Case([&](qnn::PoolOp p) {
        switch (p.getKind()) {
        case qnn::PoolKind::max: {
          Node pool = node(op, "MaxPool", {p.getInput()});
          setWindow(pool, p)
              .set("kernel_shape", p.getKernel())
              .set("ceil_mode", int64_t(p.getCeilMode()));
          return success();
        }
        case qnn::PoolKind::average: {
          Node pool = node(op, "AveragePool", {p.getInput()});
          setWindow(pool, p)
              .set("kernel_shape", p.getKernel())
              .set("ceil_mode", int64_t(p.getCeilMode()))
              .set("count_include_pad", int64_t(p.getCountIncludePad()));
          return success();
        }
        case qnn::PoolKind::lp: {
          Node pool = node(op, "LpPool", {p.getInput()});
          setWindow(pool, p)
              .set("kernel_shape", p.getKernel())
              .set("ceil_mode", int64_t(p.getCeilMode()))
              .set("p", int64_t(p.getP()));
          return success();
        }
        }
        llvm_unreachable("all kinds return");
      })
      .Case([&](qnn::ResizeOp r) {
        Node resize =
            node(op, "Resize",
                 {r.getInput(), r.getRoi(), r.getScales(), r.getSizes()});
        resize.set("mode", qnn::stringifyInterpolation(r.getKind()))
            .set("axes", r.getAxes())
            .set("coordinate_transformation_mode",
                 qnn::stringifyResizeCoordinates(r.getCoordinates()))
            .set("nearest_mode", qnn::stringifyResizeRounding(r.getRounding()))
            .set("keep_aspect_ratio_policy",
                 qnn::stringifyResizePolicy(r.getPolicy()))
            .set("cubic_coeff_a", r.getCubicCoeffA().convertToDouble())
            .set("extrapolation_value",
                 r.getExtrapolationValue().convertToDouble())
            .set("exclude_outside", int64_t(r.getExcludeOutside()))
            .set("antialias", int64_t(r.getAntialias()));
        return success();
      })
      .Default([](Operation *) { return failure(); });
}

static StringRef getOpType(qnn::ReduceKind kind) {
  switch (kind) {
  case qnn::ReduceKind::sum:
    return "ReduceSum";
  case qnn::ReduceKind::mean:
    return "ReduceMean";
  case qnn::ReduceKind::max:
    return "ReduceMax";
  case qnn::ReduceKind::min:
    return "ReduceMin";
  case qnn::ReduceKind::prod:
    return "ReduceProd";
  case qnn::ReduceKind::l1:
    return "ReduceL1";
  case qnn::ReduceKind::l2:
    return "ReduceL2";
  case qnn::ReduceKind::log_sum:
    return "ReduceLogSum";
  case qnn::ReduceKind::log_sum_exp:
    return "ReduceLogSumExp";
  case qnn::ReduceKind::sum_square:
    return "ReduceSumSquare";
  }
  llvm_unreachable("all kinds return");
}

/// Layer normalization is an op, RMS normalization one from opset 23 on only:
/// x / sqrt(mean(x²) + epsilon) · scale + bias.
LogicalResult GraphExporter::writeNormalize(qnn::NormalizeOp op) {
  int64_t axis = op.getAxis(), rank = op.getInput().getType().getRank();
  double epsilon = op.getEpsilon().convertToDouble();
  bool usesStatistics =
      !op.getMean().use_empty() || !op.getInvStdDev().use_empty();
  if (op.getKind() == qnn::NormalizeKind::layer && op.getScale()) {
    SmallVector<std::string> outputs{nameOf(op.getOutput())};
    if (usesStatistics) {
      outputs.push_back(nameOf(op.getMean()));
      outputs.push_back(nameOf(op.getInvStdDev()));
    }
    namedNode(
        op, "LayerNormalization",
        {nameOf(op.getInput()), nameOf(op.getScale()), nameOf(op.getBias())},
        outputs)
        .set("axis", axis)
        .set("epsilon", epsilon);
    return success();
  }
  Type element = op.getInput().getType().getElementType();
  if (op.getKind() != qnn::NormalizeKind::rms || usesStatistics ||
      !element.isF32())
    return failure();
  SmallVector<int64_t> axes;
  for (int64_t i = axis < 0 ? axis + rank : axis; i < rank; ++i)
    axes.push_back(i);
  std::string x = nameOf(op.getInput());
  auto step = [&](StringRef type, ArrayRef<std::string> inputs) {
    std::string name = freshName("norm");
    namedNode(op, type, inputs, {name});
    return name;
  };
  std::string square = step("Mul", {x, x});
  std::string mean = step("ReduceMean", {square, initializer(axes)});
  std::string moved = step("Add", {mean, scalar(element, epsilon)});
  std::string deviation = step("Sqrt", {moved});
  std::string result = step("Div", {x, deviation});
  if (op.getScale())
    result = step("Mul", {result, nameOf(op.getScale())});
  if (op.getBias())
    result = step("Add", {result, nameOf(op.getBias())});
  namedNode(op, "Identity", {result}, {nameOf(op.getOutput())});
  return success();
}

LogicalResult GraphExporter::writeReduction(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](qnn::ReduceOp r) {
        if (options.keepRoundings && succeeded(writeOrderedSum(r)))
          return success();
        namedNode(op, getOpType(r.getKind()),
                  {nameOf(r.getInput()), asInt64(op, r.getAxes())}, {nameOf(r)})
            .set("keepdims", int64_t(r.getKeepdims()))
            .set("noop_with_empty_axes", int64_t(r.getNoopWithEmptyAxes()));
        return success();
      })
      .Case([&](qnn::ArgReduceOp r) {
        node(op, r.getKind() == qnn::ExtremumKind::max ? "ArgMax" : "ArgMin",
             {r.getInput()})
            .set("axis", int64_t(r.getAxis()))
            .set("keepdims", int64_t(r.getKeepdims()))
            .set("select_last_index", int64_t(r.getSelectLast()));
        return success();
      })
      .Case([&](qnn::SoftmaxOp s) {
        int64_t rank = s.getInput().getType().getRank();
        int64_t axis = s.getAxis();
        if (s.getFlatten() && axis != rank - 1 && axis != -1)
          return failure();
        StringRef type = "Softmax";
        if (s.getKind() == qnn::SoftmaxKind::log_softmax)
          type = "LogSoftmax";
        else if (s.getKind() == qnn::SoftmaxKind::hardmax)
          type = "Hardmax";
        node(op, type, {s.getInput()}).set("axis", axis);
        return success();
      })
      .Case([&](qnn::CumulateOp c) {
        if (c.getKind() != qnn::CumulateKind::sum)
          return failure();
        node(op, "CumSum", {c.getInput(), c.getAxis()})
            .set("exclusive", int64_t(c.getExclusive()))
            .set("reverse", int64_t(c.getReverse()));
        return success();
      })
      .Case([&](qnn::TopKOp t) {
        namedNode(op, "TopK", {nameOf(t.getInput()), asInt64(op, t.getK())},
                  {nameOf(t.getValues()), nameOf(t.getIndices())})
            .set("axis", int64_t(t.getAxis()))
            .set("largest", int64_t(t.getLargest()));
        return success();
      })
      .Case([&](qnn::NormalizeOp n) { return writeNormalize(n); })
      .Case([&](qnn::BatchNormOp b) {
        node(op, "BatchNormalization",
             {b.getInput(), b.getScale(), b.getBias(), b.getMean(),
              b.getVariance()})
            .set("epsilon", b.getEpsilon().convertToDouble());
        return success();
      })
      .Case([&](qnn::LocalResponseNormOp n) {
        node(op, "LRN", {n.getInput()})
            .set("size", int64_t(n.getSize()))
            .set("alpha", n.getAlpha().convertToDouble())
            .set("beta", n.getBeta().convertToDouble())
            .set("bias", n.getBias().convertToDouble());
        return success();
      })
      .Default([](Operation *) { return failure(); });
}
