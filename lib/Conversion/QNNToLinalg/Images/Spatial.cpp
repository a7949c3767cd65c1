//===- Spatial.cpp - Lowers pooling of regions and col2im -----------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/SpatialOps.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "SpatialPatterns.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

/// Gathers what falls on each image element: for each element of a block there
/// is at most one window.
struct ConvertCol2Im : QNNPattern<qnn::Col2ImOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::Col2ImOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    SizeMath m{b, loc};
    RankedTensorType type = getResultType(op);
    Type element = type.getElementType();
    if (!isa<FloatType>(element))
      return op.emitOpError() << "cannot add blocks of "
                              << op.getInput().getType().getElementType();
    Value input = adaptor.getInput();
    int64_t spatial = type.getRank() - 2;
    SmallVector<OpFoldResult> block, image, count;
    OpFoldResult blockSize = m.cst(1), windows = m.cst(1);
    for (int64_t i = 0; i < spatial; ++i) {
      block.push_back(
          getAsOpFoldResult(extractIndex(b, loc, adaptor.getBlockShape(), i)));
      image.push_back(
          getAsOpFoldResult(extractIndex(b, loc, adaptor.getImageShape(), i)));
      blockSize = m.mul(blockSize, block[i]);
      OpFoldResult extent =
          m.add(m.mul(m.sub(block[i], m.cst(1)), m.cst(op.getDilations()[i])),
                m.cst(1));
      OpFoldResult room = m.sub(
          m.add(image[i], m.cst(op.getPads()[i] + op.getPads()[i + spatial])),
          extent);
      count.push_back(
          m.add(m.floorDiv(room, m.cst(op.getStrides()[i])), m.cst(1)));
      windows = m.mul(windows, count[i]);
    }
    createCheck(b, loc,
                arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                      m.value(windows),
                                      m.value(getDim(b, loc, input, 2))),
                describeNode(loc) + ": image, block and the number of windows "
                                    "do not fit together");
    if (!getConstantIntValue(blockSize))
      createCheck(b, loc, m.isLess(m.cst(0), blockSize),
                  describeNode(loc) + ": the block is empty");
    SmallVector<OpFoldResult> dims{
        getDim(b, loc, input, 0),
        m.floorDiv(getDim(b, loc, input, 1), blockSize)};
    llvm::append_range(dims, image);
    Value result = createIndexed(
        b, loc, getTypeOf(dims, element), dims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          Value zero = constantScalar(nb, l, element, 0);
          auto loop = scf::ForOp::create(
              nb, l, constantIndex(nb, l, 0), materialize(nb, l, blockSize),
              constantIndex(nb, l, 1), ValueRange(zero),
              [&](OpBuilder &lb, Location, Value k, ValueRange acc) {
                SizeMath n{lb, l};
                // Which element of the block `k` is, the last dimension first.
                OpFoldResult rest = k, window = n.cst(0), step = n.cst(1);
                Value inside;
                for (int64_t i = spatial - 1; i >= 0; --i) {
                  OpFoldResult next = n.floorDiv(rest, block[i]);
                  OpFoldResult own = n.sub(rest, n.mul(next, block[i]));
                  rest = next;
                  OpFoldResult place =
                      n.sub(n.add(at[i + 2], n.cst(op.getPads()[i])),
                            n.mul(own, n.cst(op.getDilations()[i])));
                  OpFoldResult stride = n.cst(op.getStrides()[i]);
                  OpFoldResult o = n.floorDiv(place, stride);
                  Value exact = arith::CmpIOp::create(
                      lb, l, arith::CmpIPredicate::eq, n.value(place),
                      n.value(n.mul(o, stride)));
                  Value fits =
                      arith::AndIOp::create(lb, l, n.isLessOrEqual(n.cst(0), o),
                                            n.isLess(o, count[i]));
                  Value ok = arith::AndIOp::create(lb, l, exact, fits);
                  inside = inside
                               ? Value(arith::AndIOp::create(lb, l, inside, ok))
                               : ok;
                  o = n.max(n.min(o, n.sub(count[i], n.cst(1))), n.cst(0));
                  window = n.add(window, n.mul(o, step));
                  step = n.mul(step, count[i]);
                }
                Value row = n.value(n.add(n.mul(at[1], blockSize), k));
                Value x = tensor::ExtractOp::create(
                    lb, l, input, ValueRange{at[0], row, n.value(window)});
                x = arith::SelectOp::create(lb, l, inside, x, zero);
                scf::YieldOp::create(
                    lb, l, arith::AddFOp::create(lb, l, acc[0], x).getResult());
              });
          return loop.getResult(0);
        });
    b.replaceOp(op, castTo(b, loc, result, type));
    return success();
  }
};

} // namespace

void quantc::populateSpatialPatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {
  patterns.add<ConvertCol2Im>(converter, patterns.getContext());
  populateGridSamplePatterns(converter, patterns);
  populateResizePatterns(converter, patterns);
  populateSignalPatterns(converter, patterns);
}
