//===- DeformConv.cpp - Lowers deformable convolutions --------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"

#include "Conversion/QNNToLinalg/Images/Sampling.h"
#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "ConvolutionBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

/// Gathers the moved samples as (N, C, kernel elements of each window in
/// place), that is an image in which windows tile: a convolution whose strides
/// are the kernel's sizes then does the rest.
struct ConvertDeformConv : QNNPattern<qnn::DeformConvOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::DeformConvOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Type element = type.getElementType();
    if (!op.getWeights().getType().hasStaticShape() ||
        op.getInput().getType().isDynamicDim(1))
      return b.notifyMatchFailure(op, "needs static channels and kernel");
    Value input = adaptor.getInput(), offset = adaptor.getOffset();
    Value mask = adaptor.getMask();
    SmallVector<OpFoldResult> kernel(
        ArrayRef(getDims(b, loc, adaptor.getWeights())).drop_front(2));
    WindowGeometry windows =
        computeWindows(b, loc, input, kernel, op.getStrides(),
                       op.getDilations(), op.getPads(), qnn::AutoPad::none);
    SizeMath m{b, loc};
    int64_t channels = op.getInput().getType().getDimSize(1);
    int64_t perGroup = channels / op.getOffsetGroup();
    SmallVector<OpFoldResult> dims{getDim(b, loc, input, 0), m.cst(channels),
                                   m.mul(windows.count[0], kernel[0]),
                                   m.mul(windows.count[1], kernel[1])};
    Value samples = createIndexed(
        b, loc, getTypeOf(dims, element), dims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          SizeMath n{nb, l};
          OpFoldResult o[2], k[2];
          for (int i = 0; i < 2; ++i) {
            o[i] = n.floorDiv(at[2 + i], kernel[i]);
            k[i] = n.sub(at[2 + i], n.mul(o[i], kernel[i]));
          }
          // Which kernel element, of which offset group.
          OpFoldResult group = n.floorDiv(at[1], n.cst(perGroup));
          OpFoldResult tap = n.add(
              n.mul(n.add(n.mul(group, kernel[0]), k[0]), kernel[1]), k[1]);
          SmallVector<Value> place;
          for (int i = 0; i < 2; ++i) {
            SmallVector<Value> from{
                at[0], n.value(n.add(n.mul(tap, n.cst(2)), n.cst(i))),
                n.value(o[0]), n.value(o[1])};
            Value moved =
                toFloat(nb, l, tensor::ExtractOp::create(nb, l, offset, from));
            OpFoldResult base =
                n.sub(n.add(n.mul(o[i], n.cst(op.getStrides()[i])),
                            n.mul(k[i], n.cst(op.getDilations()[i]))),
                      windows.padBegin[i]);
            place.push_back(arith::AddFOp::create(
                nb, l, indexToFloat(nb, l, n.value(base), moved.getType()),
                moved));
          }
          Value sample = sampleLinear(nb, l, input, {at[0], at[1]}, place,
                                      {windows.input[0], windows.input[1]});
          if (mask) {
            Value factor = tensor::ExtractOp::create(
                nb, l, mask,
                ValueRange{at[0], n.value(tap), n.value(o[0]), n.value(o[1])});
            sample =
                arith::MulFOp::create(nb, l, sample, toFloat(nb, l, factor));
          }
          return fromFloat(nb, l, sample, element);
        });
    Convolution conv;
    conv.input = samples;
    conv.weights = adaptor.getWeights();
    conv.bias = adaptor.getBias();
    SmallVector<int64_t> strides(
        op.getWeights().getType().getShape().drop_front(2));
    SmallVector<int64_t> ones(2, 1);
    conv.strides = strides;
    conv.dilations = ones;
    conv.group = op.getGroup();
    conv.inputType = conv.weightsType = conv.resultElement = element;
    conv.counts = windows.count;
    b.replaceOp(op, castTo(b, loc, buildConvolution(b, loc, conv), type));
    return success();
  }
};

} // namespace

void quantc::populateDeformConvPatterns(const TypeConverter &converter,
                                        RewritePatternSet &patterns) {
  patterns.add<ConvertDeformConv>(converter, patterns.getContext());
}
