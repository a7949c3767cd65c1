//===- DeformConv.cpp - Lowers deformable convolutions --------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"

#include "Conversion/QNNToLinalg/Images/Sampling.h"
#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "ConvolutionBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;

namespace {

/// Gathers the moved samples of each element of the kernel as channels of their
/// own: a convolution whose kernel is one element then does the rest.
struct ConvertDeformConv : QNNPattern<qnn::DeformConvOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::DeformConvOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Type element = type.getElementType();
    if (!op.getWeights().getType().hasStaticShape() ||
        op.getInput().getType().isDynamicDim(1))
      return op.emitOpError("needs channels and weights of sizes that are "
                            "known when it is compiled");
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
    int64_t block = getChannelBlock(perGroup);
    Value blocks = splitChannels(b, loc, input, block);
    SmallVector<OpFoldResult> dims{getDim(b, loc, input, 0),
                                   m.cst(channels / block), m.cst(block)};
    llvm::append_range(dims, kernel);
    llvm::append_range(dims, windows.count);
    // A block's channels are innermost: what is computed of a place serves all
    // of them.
    AffineMap map = AffineMap::getPermutationMap(
        ArrayRef<int64_t>{0, 1, 6, 2, 3, 4, 5}, b.getContext());
    Value samples = createIndexed(
        b, loc, getTypeOf(dims, element), dims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          SizeMath n{nb, l};
          OpFoldResult k[2] = {at[3], at[4]}, o[2] = {at[5], at[6]};
          // Which kernel element, of which offset group.
          OpFoldResult group = n.floorDiv(at[1], n.cst(perGroup / block));
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
          Value sample = sampleLinear(nb, l, blocks, at.take_front(3), place,
                                      {windows.input[0], windows.input[1]});
          if (mask) {
            Value factor = tensor::ExtractOp::create(
                nb, l, mask,
                ValueRange{at[0], n.value(tap), n.value(o[0]), n.value(o[1])});
            sample =
                arith::MulFOp::create(nb, l, sample, toFloat(nb, l, factor));
          }
          return fromFloat(nb, l, sample, element);
        },
        map);
    // Filters and samples have one order of channels and kernel elements.
    auto filters = op.getWeights().getType().getShape();
    OpFoldResult depth = m.cst(computeProduct(filters.drop_front()));
    SmallVector<OpFoldResult> taps{m.cst(filters[0]), depth};
    SmallVector<OpFoldResult> points{taps[0], depth, m.cst(1), m.cst(1)};
    SmallVector<OpFoldResult> columns{dims[0],
                                      m.mul(depth, m.cst(op.getGroup())),
                                      windows.count[0], windows.count[1]};
    SmallVector<ReassociationIndices> joined{{0}, {1, 2, 3}};
    Value rows = tensor::CollapseShapeOp::create(
        b, loc, getTypeOf(taps, element), adaptor.getWeights(), joined);
    Convolution conv;
    conv.input = tensor::CollapseShapeOp::create(
        b, loc, getTypeOf(columns, element), samples,
        SmallVector<ReassociationIndices>{{0}, {1, 2, 3, 4}, {5}, {6}});
    conv.weights = tensor::ExpandShapeOp::create(
        b, loc, getTypeOf(points, element), rows, joined, points);
    conv.bias = adaptor.getBias();
    SmallVector<int64_t> ones(2, 1);
    conv.strides = ones;
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
