//===- Convolution.cpp - Lowers convolutions ------------------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "ConvolutionBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

//===- conv ---------------------------------------------------------------===//

struct ConvertConv : QNNPattern<qnn::ConvOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::ConvOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Value weights = adaptor.getWeights();
    SizeMath m{b, loc};
    Value input =
        withChannels(b, loc, adaptor.getInput(),
                     m.mul(getDim(b, loc, weights, 1), m.cst(op.getGroup())));
    Type element = op.getInput().getType().getElementType();
    WindowGeometry windows = computeWindows(
        b, loc, input, ArrayRef(getDims(b, loc, weights)).drop_front(2),
        op.getStrides(), op.getDilations(), op.getPads(), op.getAutoPad());

    // Padding stands for zero, which the zero point encodes.
    Value zero = adaptor.getInputZeroPoint()
                     ? extractScalar(b, loc, adaptor.getInputZeroPoint())
                     : constantScalar(b, loc, getStorageType(element), 0);
    Convolution conv;
    conv.input =
        padSpatial(b, loc, input, windows.padBegin, windows.padEnd, zero);
    conv.weights = weights;
    conv.bias = adaptor.getBias();
    conv.strides = op.getStrides();
    conv.dilations = op.getDilations();
    conv.group = op.getGroup();
    conv.inputType = element;
    conv.weightsType = op.getWeights().getType().getElementType();
    conv.resultElement = type.getElementType();
    conv.counts = windows.count;
    conv.inputZeroPoint = adaptor.getInputZeroPoint() ? zero : Value();
    conv.weightsZeroPoint = adaptor.getWeightsZeroPoint();
    b.replaceOp(op, castTo(b, loc, buildConvolution(b, loc, conv), type));
    return success();
  }

  /// Makes the number of channels static where the weights know it, and checks
  /// it where the types do not.
  static Value withChannels(OpBuilder &b, Location loc, Value input,
                            OpFoldResult expected) {
    auto type = cast<RankedTensorType>(input.getType());
    if (!type.isDynamicDim(1) && getConstantIntValue(expected))
      return input;
    SizeMath m{b, loc};
    OpFoldResult channels = getDim(b, loc, input, 1);
    createCheck(b, loc,
                arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                      m.value(channels), m.value(expected)),
                describeNode(loc) +
                    ": input and weights differ in their number of channels");
    SmallVector<int64_t> shape(type.getShape());
    if (auto known = getConstantIntValue(expected))
      shape[1] = *known;
    return castTo(b, loc, input, type.clone(shape));
  }
};

//===- conv_transpose -----------------------------------------------------===//

/// Puts zeros between the input's elements, and convolves with the reversed
/// kernel: what `qnn-multiply-tiles` left. A kernel of floats that just tiles
/// the result is a matrix product instead, for graphs that this pass has not
/// seen: calibration's.
struct ConvertConvTranspose : QNNPattern<qnn::ConvTransposeOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::ConvTransposeOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value input = ConvertConv::withChannels(
        b, loc, adaptor.getInput(), getDim(b, loc, adaptor.getWeights(), 0));
    RankedTensorType type = getResultType(op);
    // What stands for zero.
    Value zero =
        adaptor.getInputZeroPoint()
            ? extractScalar(b, loc, adaptor.getInputZeroPoint())
            : constantScalar(
                  b, loc,
                  getStorageType(op.getInput().getType().getElementType()), 0);
    SmallVector<OpFoldResult> dims = getDims(b, loc, input);
    SmallVector<OpFoldResult> kernel = getDims(b, loc, adaptor.getWeights());
    kernel.erase(kernel.begin(), kernel.begin() + 2);
    ResultSizes sizes =
        planResult(b, loc, op, ArrayRef(dims).drop_front(2), kernel);
    Value result = isTiling(op, kernel, sizes.cropBegin)
                       ? lowerTiling(b, loc, op, adaptor, input)
                       : convolve(b, loc, op, adaptor, input, zero, sizes,
                                  type.getElementType());
    b.replaceOp(op, castTo(b, loc, result, type));
    return success();
  }

private:
  /// For each spatial dimension: the result's size, how much of the full result
  /// is cut away before it, and the distance from a window's first element to
  /// its last one.
  struct ResultSizes {
    SmallVector<OpFoldResult> counts, cropBegin, extents;
  };

  /// Whether pads say what is cut away, not the result's size.
  static bool hasPads(qnn::ConvTransposeOp op) {
    return op.getOutputShape().empty() && op.getAutoPad() == qnn::AutoPad::none;
  }

  static ResultSizes planResult(OpBuilder &b, Location loc,
                                qnn::ConvTransposeOp op,
                                ArrayRef<OpFoldResult> dims,
                                ArrayRef<OpFoldResult> kernel) {
    SizeMath m{b, loc};
    ResultSizes result;
    size_t spatial = kernel.size();
    for (size_t i = 0; i < spatial; ++i) {
      OpFoldResult stride = m.cst(op.getStrides()[i]);
      OpFoldResult extent =
          m.mul(m.sub(kernel[i], m.cst(1)), m.cst(op.getDilations()[i]));
      OpFoldResult full =
          m.add(m.add(m.mul(stride, m.sub(dims[i], m.cst(1))), extent),
                m.cst(1 + op.getOutputPadding()[i]));
      result.extents.push_back(extent);
      if (hasPads(op)) {
        OpFoldResult count =
            m.sub(full, m.cst(op.getPads()[i] + op.getPads()[i + spatial]));
        if (!getConstantIntValue(count))
          createCheck(b, loc, m.isLess(m.cst(-1), count),
                      describeNode(loc) + ": the result has a negative size");
        result.cropBegin.push_back(m.cst(op.getPads()[i]));
        result.counts.push_back(count);
        continue;
      }
      // What is asked for may be more than everything: zeros follow.
      OpFoldResult count = op.getOutputShape().empty()
                               ? m.min(full, m.mul(dims[i], stride))
                               : m.cst(op.getOutputShape()[i]);
      OpFoldResult total = m.max(m.cst(0), m.sub(full, count));
      OpFoldResult half = m.floorDiv(total, m.cst(2));
      result.cropBegin.push_back(op.getAutoPad() == qnn::AutoPad::same_upper
                                     ? half
                                     : m.sub(total, half));
      result.counts.push_back(count);
    }
    return result;
  }

  static Value convolve(OpBuilder &b, Location loc, qnn::ConvTransposeOp op,
                        OpAdaptor adaptor, Value input, Value zero,
                        const ResultSizes &sizes, Type resultElement) {
    SizeMath m{b, loc};
    Value stretched = stretch(b, loc, input, op.getStrides(), zero);
    SmallVector<OpFoldResult> padBegin, padEnd;
    size_t spatial = sizes.counts.size();
    for (size_t i = 0; i < spatial; ++i) {
      OpFoldResult size = getDim(b, loc, stretched, i + 2);
      // The first result element reads what lies `extent` before.
      padBegin.push_back(m.sub(sizes.extents[i], sizes.cropBegin[i]));
      // Pads say directly what is left of it at the end, for any size.
      padEnd.push_back(
          hasPads(op)
              ? m.add(sizes.extents[i], m.cst(op.getOutputPadding()[i] -
                                              op.getPads()[i + spatial]))
              : m.sub(m.sub(m.add(sizes.counts[i], sizes.extents[i]),
                            padBegin[i]),
                      size));
    }
    Convolution conv;
    conv.input = padSpatial(b, loc, stretched, padBegin, padEnd, zero,
                            /*mayCrop=*/true);
    conv.weights = reverseKernel(
        b, loc, swapChannels(b, loc, adaptor.getWeights(), op.getGroup()));
    conv.bias = adaptor.getBias();
    SmallVector<int64_t> ones(spatial, 1);
    conv.strides = ones;
    conv.dilations = op.getDilations();
    conv.group = op.getGroup();
    conv.inputType = op.getInput().getType().getElementType();
    conv.weightsType = op.getWeights().getType().getElementType();
    conv.resultElement = resultElement;
    conv.counts = sizes.counts;
    conv.inputZeroPoint = adaptor.getInputZeroPoint() ? zero : Value();
    conv.weightsZeroPoint = adaptor.getWeightsZeroPoint();
    return buildConvolution(b, loc, conv);
  }

  /// (C, M / group, ...) to (M, C / group, ...).
  static Value swapChannels(OpBuilder &b, Location loc, Value weights,
                            int64_t group) {
    auto type = cast<RankedTensorType>(weights.getType());
    SmallVector<OpFoldResult> dims = getDims(b, loc, weights);
    SizeMath m{b, loc};
    OpFoldResult in = m.floorDiv(dims[0], m.cst(group)), out = dims[1];
    SmallVector<OpFoldResult> swapped(dims);
    swapped[0] = m.mul(out, m.cst(group));
    swapped[1] = in;
    return createIndexed(
        b, loc, getTypeOf(swapped, type.getElementType()), swapped,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          SizeMath n{nb, l};
          SmallVector<Value> from(at);
          Value g = n.value(n.floorDiv(at[0], out));
          from[0] = n.value(n.add(n.mul(g, in), at[1]));
          from[1] = n.value(n.sub(at[0], n.mul(g, out)));
          return tensor::ExtractOp::create(nb, l, weights, from);
        });
  }

  static Value reverseKernel(OpBuilder &b, Location loc, Value weights) {
    SmallVector<OpFoldResult> dims = getDims(b, loc, weights);
    return createIndexed(
        b, loc, cast<RankedTensorType>(weights.getType()), dims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          SizeMath n{nb, l};
          SmallVector<Value> from(at);
          for (size_t i = 2; i < dims.size(); ++i)
            from[i] = n.value(n.sub(n.sub(dims[i], n.cst(1)), at[i]));
          return tensor::ExtractOp::create(nb, l, weights, from);
        });
  }

  static Value stretch(OpBuilder &b, Location loc, Value input,
                       ArrayRef<int64_t> strides, Value zero) {
    if (llvm::all_of(strides, [](int64_t s) { return s == 1; }))
      return input;
    SizeMath m{b, loc};
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<OpFoldResult> dims = getDims(b, loc, input), sizes(dims);
    SmallVector<OpFoldResult> offsets(dims.size(), m.cst(0)),
        steps(dims.size(), m.cst(1));
    for (size_t i = 0; i < strides.size(); ++i) {
      steps[i + 2] = m.cst(strides[i]);
      // Nothing stays nothing.
      sizes[i + 2] = m.max(
          m.add(m.mul(m.sub(dims[i + 2], m.cst(1)), steps[i + 2]), m.cst(1)),
          m.cst(0));
    }
    Value zeros = createFilled(b, loc, getTypeOf(sizes, type.getElementType()),
                               sizes, zero);
    // What is empty goes nowhere.
    if (llvm::any_of(dims, isZeroInteger))
      return zeros;
    return tensor::InsertSliceOp::create(b, loc, input, zeros, offsets, dims,
                                         steps);
  }

  /// Whether windows neither overlap nor leave gaps, and nothing is cut.
  static bool isTiling(qnn::ConvTransposeOp op, ArrayRef<OpFoldResult> kernel,
                       ArrayRef<OpFoldResult> crop) {
    auto zero = [](int64_t v) { return v == 0; };
    auto one = [](int64_t v) { return v == 1; };
    if (op.getGroup() != 1 || !llvm::all_of(op.getDilations(), one) ||
        !llvm::all_of(op.getPads(), zero) ||
        !llvm::all_of(op.getOutputPadding(), zero) ||
        !op.getOutputShape().empty() ||
        !isa<FloatType>(op.getType().getElementType()) ||
        op.getType().getElementType().getIntOrFloatBitWidth() < 32)
      return false;
    for (auto [k, s] : llvm::zip(kernel, op.getStrides()))
      if (!isConstantIntValue(k, s))
        return false;
    return op.getWeights().getType().hasStaticShape();
  }

  /// y[n, m, i·s + k] = Σc x[n, c, i] · w[c, m, k]: one contraction whose
  /// result (n, m, i0, k0, i1, k1, ...) has the layout of y already.
  static Value lowerTiling(OpBuilder &b, Location loc, qnn::ConvTransposeOp op,
                           OpAdaptor adaptor, Value input) {
    MLIRContext *ctx = b.getContext();
    auto weightsType = op.getWeights().getType();
    Type element = op.getType().getElementType();
    int64_t spatial = weightsType.getRank() - 2;
    SmallVector<OpFoldResult> dims = getDims(b, loc, input);
    // Loops: n, m, i0, k0, i1, k1, ..., c.
    int64_t loops = 3 + 2 * spatial;
    AffineExpr c = getAffineDimExpr(loops - 1, ctx);
    SmallVector<AffineExpr> in{getAffineDimExpr(0, ctx), c},
        filter{c, getAffineDimExpr(1, ctx)}, out;
    SmallVector<OpFoldResult> sizes{dims[0],
                                    b.getIndexAttr(weightsType.getDimSize(1))};
    SmallVector<ReassociationIndices> groups{{0}, {1}};
    for (int64_t i = 0; i < spatial; ++i) {
      in.push_back(getAffineDimExpr(2 + 2 * i, ctx));
      filter.push_back(getAffineDimExpr(3 + 2 * i, ctx));
      sizes.push_back(dims[i + 2]);
      sizes.push_back(b.getIndexAttr(weightsType.getDimSize(i + 2)));
      groups.push_back({2 + 2 * i, 3 + 2 * i});
    }
    for (int64_t i = 0; i + 1 < loops; ++i)
      out.push_back(getAffineDimExpr(i, ctx));
    auto type = getTypeOf(sizes, element);
    Value acc = createBias(b, loc, type, sizes, adaptor.getBias());
    SmallVector<utils::IteratorType> iterators(loops,
                                               utils::IteratorType::parallel);
    iterators.back() = utils::IteratorType::reduction;
    Value tiles =
        linalg::GenericOp::create(
            b, loc, TypeRange(type), ValueRange{input, adaptor.getWeights()},
            ValueRange(acc),
            ArrayRef<AffineMap>{AffineMap::get(loops, 0, in, ctx),
                                AffineMap::get(loops, 0, filter, ctx),
                                AffineMap::get(loops, 0, out, ctx)},
            iterators,
            [](OpBuilder &nb, Location l, ValueRange x) {
              Value product = arith::MulFOp::create(nb, l, x[0], x[1]);
              linalg::YieldOp::create(
                  nb, l,
                  arith::AddFOp::create(nb, l, x[2], product).getResult());
            })
            .getResult(0);
    return tensor::CollapseShapeOp::create(b, loc, tiles, groups);
  }
};

} // namespace

void quantc::populateConvolutionPatterns(const TypeConverter &converter,
                                         RewritePatternSet &patterns) {
  patterns.add<ConvertConv, ConvertConvTranspose>(converter,
                                                  patterns.getContext());
  populateDeformConvPatterns(converter, patterns);
}
