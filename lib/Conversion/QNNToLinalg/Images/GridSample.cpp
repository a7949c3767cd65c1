//===- GridSample.cpp - Lowers sampling at given places -------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/SpatialOps.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "Sampling.h"
#include "SpatialPatterns.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::Interpolation;

namespace {

struct ConvertGridSample : QNNPattern<qnn::GridSampleOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::GridSampleOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Value input = adaptor.getInput(), grid = adaptor.getGrid();
    SmallVector<OpFoldResult> sizes = getDims(b, loc, input);
    SmallVector<OpFoldResult> dims{sizes[0], sizes[1]};
    int64_t spatial = type.getRank() - 2;
    for (int64_t i = 0; i < spatial; ++i)
      dims.push_back(getDim(b, loc, grid, i + 1));
    int64_t block = getChannelBlock(type.getDimSize(1));
    Value blocks = splitChannels(b, loc, input, block);
    SmallVector<OpFoldResult> blockDims = splitChannelDim(b, dims, block);
    RankedTensorType blockType = getTypeOf(blockDims, type.getElementType());
    // A block's channels are innermost: what is computed of a place serves all
    // of them.
    SmallVector<unsigned> loops{0, 1, unsigned(spatial) + 2};
    for (int64_t i = 0; i < spatial; ++i)
      loops.push_back(i + 2);
    Value result = createIndexed(
        b, loc, blockType, blockDims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          SmallVector<Dimension> dimensions;
          for (int64_t i = 0; i < spatial; ++i) {
            SmallVector<Value> from{at[0]};
            llvm::append_range(from, at.drop_front(3));
            // The grid has the last dimension first.
            from.push_back(constantIndex(nb, l, spatial - 1 - i));
            Value x =
                toFloat(nb, l, tensor::ExtractOp::create(nb, l, grid, from));
            dimensions.push_back(locate(nb, l, op, x, sizes[i + 2]));
          }
          return fromFloat(
              nb, l, combine(nb, l, op, blocks, at.take_front(3), dimensions),
              type.getElementType());
        },
        AffineMap::getPermutationMap(loops, b.getContext()));
    Type joined = getTypeOf(dims, type.getElementType());
    result = tensor::CollapseShapeOp::create(b, loc, joined, result,
                                             getBlockGroups(type.getRank()));
    b.replaceOp(op, castTo(b, loc, result, type));
    return success();
  }

private:
  /// The elements that count along one dimension; null `inside`: all do.
  struct Tap {
    Value index, weight, inside;
  };
  using Dimension = SmallVector<Tap>;

  /// Mirrors `x` at `low` and `high` until it lies between.
  static Value reflect(OpBuilder &b, Location loc, Value x, Value low,
                       Value high) {
    Value range = arith::SubFOp::create(b, loc, high, low);
    Value two = constantScalar(b, loc, x.getType(), 2);
    Value period = arith::MulFOp::create(b, loc, range, two);
    // The distance from `low` within a period, as a triangle wave.
    Value distance =
        math::AbsFOp::create(b, loc, arith::SubFOp::create(b, loc, x, low));
    Value rest = arith::RemFOp::create(b, loc, distance, period);
    Value back = arith::SubFOp::create(b, loc, period, rest);
    Value wave = arith::MinimumFOp::create(b, loc, rest, back);
    // Of one element only, there is nothing to mirror.
    Value zero = constantScalar(b, loc, x.getType(), 0);
    Value empty =
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, range, zero);
    wave = arith::SelectOp::create(b, loc, empty, zero, wave);
    return arith::AddFOp::create(b, loc, low, wave);
  }

  static Dimension locate(OpBuilder &b, Location loc, qnn::GridSampleOp op,
                          Value x, OpFoldResult size) {
    SizeMath m{b, loc};
    Type f = x.getType();
    auto cst = [&](double v) { return constantScalar(b, loc, f, v); };
    Value length = indexToFloat(b, loc, m.value(size), f);
    Value last = arith::SubFOp::create(b, loc, length, cst(1));
    Value one = arith::AddFOp::create(b, loc, x, cst(1));
    Value low, high;
    if (op.getAlignCorners()) {
      x = arith::MulFOp::create(
          b, loc, arith::MulFOp::create(b, loc, one, cst(0.5)), last);
      low = cst(0);
      high = last;
    } else {
      x = arith::MulFOp::create(b, loc, one, length);
      x = arith::MulFOp::create(
          b, loc, arith::SubFOp::create(b, loc, x, cst(1)), cst(0.5));
      low = cst(-0.5);
      high = arith::SubFOp::create(b, loc, length, cst(0.5));
    }
    if (op.getKind() == Interpolation::nearest)
      x = math::RoundEvenOp::create(b, loc, x);
    // A cubic's weights keep the place as it is, as in ONNX Runtime and
    // PyTorch: only the elements that it reads are those of the border.
    bool isCubic = op.getKind() == Interpolation::cubic;
    if (op.getPadding() == qnn::GridPadding::border && !isCubic) {
      // Within the outer edges nothing moves: elements are clamped below.
      Value below =
          arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, low);
      Value above =
          arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, high);
      x = arith::SelectOp::create(b, loc, below, cst(0), x);
      x = arith::SelectOp::create(b, loc, above, last, x);
    } else if (op.getPadding() == qnn::GridPadding::reflection) {
      x = reflect(b, loc, x, low, high);
    }
    // What is far outside stays there; NaN too.
    x = arith::MaximumFOp::create(b, loc, x, cst(-1e6));
    x = arith::MinimumFOp::create(b, loc, x, cst(1e9));
    Value floor = math::FloorOp::create(b, loc, x);
    Value fraction = arith::SubFOp::create(b, loc, x, floor);
    Value base = floatToIndex(b, loc, floor);
    SmallVector<std::pair<int64_t, Value>> taps;
    if (op.getKind() == Interpolation::nearest) {
      taps.push_back({0, Value()});
    } else if (op.getKind() == Interpolation::linear) {
      taps.push_back({0, arith::SubFOp::create(b, loc, cst(1), fraction)});
      taps.push_back({1, fraction});
    } else {
      for (int64_t i = -1; i <= 2; ++i) {
        Value distance = arith::SubFOp::create(b, loc, cst(i), fraction);
        taps.push_back({i, weighCubic(b, loc, distance, i == -1 || i == 2)});
      }
    }
    Dimension dimension;
    for (auto [offset, weight] : taps)
      dimension.push_back(makeTap(b, loc, op,
                                  m.value(m.add(base, m.cst(offset))), weight,
                                  size, low, high));
    return dimension;
  }

  /// Keys' kernel with a = -0.75, within or beyond a distance of 1.
  static Value weighCubic(OpBuilder &b, Location loc, Value distance,
                          bool isFar) {
    Value x = math::AbsFOp::create(b, loc, distance);
    double a = -0.75;
    SmallVector<double, 4> c{a + 2, -(a + 3), 0, 1};
    if (isFar)
      c = {a, -5 * a, 8 * a, -4 * a};
    Value y = constantScalar(b, loc, x.getType(), c[0]);
    for (double next : ArrayRef(c).drop_front())
      y = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, y, x),
                                constantScalar(b, loc, x.getType(), next));
    return y;
  }

  static Tap makeTap(OpBuilder &b, Location loc, qnn::GridSampleOp op,
                     Value index, Value weight, OpFoldResult size, Value low,
                     Value high) {
    SizeMath m{b, loc};
    if (op.getPadding() == qnn::GridPadding::reflection) {
      Value x = indexToFloat(b, loc, index, low.getType());
      index = floatToIndex(b, loc, reflect(b, loc, x, low, high));
    }
    Value clamped =
        m.value(m.max(m.min(index, m.sub(size, m.cst(1))), m.cst(0)));
    Value inside;
    if (op.getPadding() == qnn::GridPadding::zeros)
      inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, clamped,
                                     index);
    return {clamped, weight, inside};
  }

  /// Σ over all combinations of taps.
  static Value combine(OpBuilder &b, Location loc, qnn::GridSampleOp op,
                       Value input, ValueRange prefix,
                       ArrayRef<Dimension> dimensions) {
    unsigned total = 1;
    for (const Dimension &d : dimensions)
      total *= d.size();
    Value sum;
    for (unsigned n = 0; n < total; ++n) {
      SmallVector<Value> at(prefix);
      Value weight, inside;
      unsigned rest = n;
      for (const Dimension &d : dimensions) {
        const Tap &tap = d[rest % d.size()];
        rest /= d.size();
        at.push_back(tap.index);
        if (tap.weight)
          weight =
              weight ? Value(arith::MulFOp::create(b, loc, weight, tap.weight))
                     : tap.weight;
        if (tap.inside)
          inside =
              inside ? Value(arith::AndIOp::create(b, loc, inside, tap.inside))
                     : tap.inside;
      }
      Value x = toFloat(b, loc, tensor::ExtractOp::create(b, loc, input, at));
      if (inside)
        x = arith::SelectOp::create(b, loc, inside, x,
                                    constantScalar(b, loc, x.getType(), 0));
      if (weight)
        x = arith::MulFOp::create(b, loc, x,
                                  fromFloat(b, loc, weight, x.getType()));
      sum = sum ? Value(arith::AddFOp::create(b, loc, sum, x)) : x;
    }
    return sum;
  }
};

} // namespace

void quantc::populateGridSamplePatterns(const TypeConverter &converter,
                                        RewritePatternSet &patterns) {
  patterns.add<ConvertGridSample>(converter, patterns.getContext());
}
