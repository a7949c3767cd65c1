//===- Resize.cpp - Lowers resampling to other sizes ----------------------===//
//
// ONNX's resizes are separable: each axis has a table of what its result
// elements read, and with which weights. Tables are small tensors computed once
// a run (or at compile time), so that the loops over the image only look up.
//
//===----------------------------------------------------------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/SpatialOps.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "Sampling.h"
#include "SpatialPatterns.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using qnn::Interpolation;
using qnn::ResizeCoordinates;
using qnn::ResizePolicy;
using qnn::ResizeRounding;

namespace {

/// Scalar f32 code, short enough to read as formulas.
struct F32 {
  OpBuilder &b;
  Location loc;

  Value cst(double v) const {
    return constantScalar(b, loc, b.getF32Type(), v);
  }
  Value add(Value x, Value y) const {
    return b.createOrFold<arith::AddFOp>(loc, x, y);
  }
  Value sub(Value x, Value y) const {
    return b.createOrFold<arith::SubFOp>(loc, x, y);
  }
  Value mul(Value x, Value y) const {
    return b.createOrFold<arith::MulFOp>(loc, x, y);
  }
  Value div(Value x, Value y) const {
    return b.createOrFold<arith::DivFOp>(loc, x, y);
  }
  Value floor(Value x) const { return b.createOrFold<math::FloorOp>(loc, x); }
  Value ceil(Value x) const { return b.createOrFold<math::CeilOp>(loc, x); }
  Value abs(Value x) const { return b.createOrFold<math::AbsFOp>(loc, x); }
  Value less(Value x, Value y) const {
    return b.createOrFold<arith::CmpFOp>(loc, arith::CmpFPredicate::OLT, x, y);
  }
  Value select(Value c, Value x, Value y) const {
    return b.createOrFold<arith::SelectOp>(loc, c, x, y);
  }
  Value fromIndex(OpFoldResult x) const {
    if (auto constant = getConstantIntValue(x))
      return cst(*constant);
    return indexToFloat(b, loc, cast<Value>(x), b.getF32Type());
  }
};

/// What is known about one axis that is resized.
struct Axis {
  int64_t dim;
  OpFoldResult in, out;
  Value scale;                      // f32
  std::optional<float> staticScale; // the same, if it is constant
  Value roiBegin, roiEnd;           // f32, with tf_crop_and_resize
  Value scaledSize;                 // f32: the result's size before rounding
};

struct ConvertResize : QNNPattern<qnn::ResizeOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::ResizeOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Value input = adaptor.getInput();
    SmallVector<Axis> axes = analyze(b, op, adaptor, type);
    SmallVector<OpFoldResult> dims = getDims(b, loc, input);
    for (const Axis &axis : axes)
      dims[axis.dim] = axis.out;
    // Axes that stay as they are.
    if (op.getCoordinates() != ResizeCoordinates::tf_crop_and_resize)
      llvm::erase_if(axes, [](const Axis &a) { return a.staticScale == 1.0f; });

    Value result;
    if (axes.empty())
      result = input;
    else if (isReplication(op, axes))
      result = replicate(b, loc, input, axes);
    else if (op.getKind() == Interpolation::nearest)
      result = gather(b, op, input, axes, dims);
    else
      result = interpolate(b, op, input, axes);
    b.replaceOp(op, castTo(b, loc, result, type));
    return success();
  }

private:
  //===- sizes and scales -------------------------------------------------===//

  static std::optional<float> constantFloat(Value tensor, int64_t i) {
    DenseFPElementsAttr attr;
    if (!tensor || !matchPattern(tensor, m_Constant(&attr)))
      return std::nullopt;
    return float(attr.getValues<APFloat>()[i].convertToDouble());
  }

  static SmallVector<Axis> analyze(OpBuilder &b, qnn::ResizeOp op,
                                   OpAdaptor adaptor, RankedTensorType type) {
    Location loc = op.getLoc();
    F32 f{b, loc};
    SizeMath m{b, loc};
    SmallVector<Axis> axes;
    int64_t count = op.getAxes().size();
    auto extractFloat = [&](Value tensor, int64_t i) -> Value {
      Value v =
          tensor::ExtractOp::create(b, loc, tensor, constantIndex(b, loc, i));
      return fromFloat(b, loc, toFloat(b, loc, v), b.getF32Type());
    };
    for (auto [i, dim] : llvm::enumerate(op.getAxes())) {
      Axis axis;
      axis.dim = dim;
      axis.in = getDim(b, loc, adaptor.getInput(), dim);
      if (op.getScales()) {
        axis.staticScale = constantFloat(op.getScales(), i);
        axis.scale = axis.staticScale ? f.cst(*axis.staticScale)
                                      : extractFloat(adaptor.getScales(), i);
        axis.scaledSize = f.mul(f.fromIndex(axis.in), axis.scale);
        if (!type.isDynamicDim(dim))
          axis.out = m.cst(type.getDimSize(dim));
        else if (axis.staticScale == 1.0f)
          axis.out = axis.in;
        else if (axis.staticScale &&
                 std::floor(*axis.staticScale) == *axis.staticScale)
          axis.out = m.mul(axis.in, m.cst(int64_t(*axis.staticScale)));
        else
          axis.out = floatToIndex(b, loc, f.floor(axis.scaledSize));
      } else {
        axis.out =
            getAsOpFoldResult(extractIndex(b, loc, adaptor.getSizes(), i));
        if (op.getPolicy() == ResizePolicy::stretch && !type.isDynamicDim(dim))
          axis.out = m.cst(type.getDimSize(dim));
        axis.scale = f.div(f.fromIndex(axis.out), f.fromIndex(axis.in));
        axis.scaledSize = f.fromIndex(axis.out);
        auto in = getConstantIntValue(axis.in);
        auto out = getConstantIntValue(axis.out);
        if (in && out && *in > 0)
          axis.staticScale = float(*out) / float(*in);
      }
      if (op.getCoordinates() == ResizeCoordinates::tf_crop_and_resize) {
        axis.roiBegin = extractFloat(adaptor.getRoi(), i);
        axis.roiEnd = extractFloat(adaptor.getRoi(), i + count);
      }
      axes.push_back(axis);
    }
    if (op.getSizes() && op.getPolicy() != ResizePolicy::stretch)
      applyPolicy(b, op, axes, type);
    return axes;
  }

  /// One scale for all axes, so that each size is a bound.
  static void applyPolicy(OpBuilder &b, qnn::ResizeOp op,
                          MutableArrayRef<Axis> axes, RankedTensorType type) {
    F32 f{b, op.getLoc()};
    SizeMath m{b, op.getLoc()};
    bool larger = op.getPolicy() == ResizePolicy::not_smaller;
    Value common = axes.front().scale;
    std::optional<float> known = axes.front().staticScale;
    for (const Axis &axis : axes.drop_front()) {
      Value isLess = f.less(axis.scale, common);
      common = larger ? f.select(isLess, common, axis.scale)
                      : f.select(isLess, axis.scale, common);
      if (known && axis.staticScale)
        known = larger ? std::max(*known, *axis.staticScale)
                       : std::min(*known, *axis.staticScale);
      else
        known.reset();
    }
    for (Axis &axis : axes) {
      axis.scale = common;
      axis.staticScale = known;
      axis.scaledSize = f.mul(f.fromIndex(axis.in), common);
      axis.out = type.isDynamicDim(axis.dim)
                     ? OpFoldResult(floatToIndex(
                           b, op.getLoc(),
                           f.floor(f.add(axis.scaledSize, f.cst(0.5)))))
                     : m.cst(type.getDimSize(axis.dim));
    }
  }

  //===- coordinates ------------------------------------------------------===//

  /// Where result element `index` lies in the input, as f32.
  static Value originalPlace(const F32 &f, qnn::ResizeOp op, const Axis &axis,
                             Value index) {
    Value o = f.fromIndex(index), one = f.cst(1), half = f.cst(0.5);
    ResizeCoordinates kind = op.getCoordinates();
    if (kind == ResizeCoordinates::asymmetric)
      return f.div(o, axis.scale);
    Value halfPixel = f.sub(f.div(f.add(o, half), axis.scale), half);
    if (kind == ResizeCoordinates::half_pixel)
      return halfPixel;
    Value in = f.fromIndex(axis.in);
    if (kind == ResizeCoordinates::half_pixel_symmetric) {
      // Keeps the centers of both images together.
      Value adjustment = f.div(f.fromIndex(axis.out), axis.scaledSize);
      Value offset = f.mul(f.mul(in, half), f.sub(one, adjustment));
      return f.add(offset, halfPixel);
    }
    // The others treat a result of one element apart.
    Value single = f.b.createOrFold<arith::CmpFOp>(
        f.loc, arith::CmpFPredicate::OEQ, axis.scaledSize, one);
    if (kind == ResizeCoordinates::pytorch_half_pixel)
      return f.select(single, f.cst(-0.5), halfPixel);
    Value last = f.sub(in, one), lastOut = f.sub(axis.scaledSize, one);
    if (kind == ResizeCoordinates::align_corners)
      return f.select(single, f.cst(0), f.div(f.mul(o, last), lastOut));
    // tf_crop_and_resize.
    Value extent = f.mul(f.sub(axis.roiEnd, axis.roiBegin), last);
    return f.add(f.mul(axis.roiBegin, last),
                 f.select(single, f.mul(extent, half),
                          f.div(f.mul(o, extent), lastOut)));
  }

  static Value clamp(const SizeMath &m, OpFoldResult x, OpFoldResult size) {
    return m.value(m.max(m.min(x, m.sub(size, m.cst(1))), m.cst(0)));
  }

  /// A float as an index, saturated so that the conversion is defined.
  static Value toIndex(const F32 &f, Value x) {
    Value low = arith::MaximumFOp::create(f.b, f.loc, x, f.cst(-1e9));
    return floatToIndex(f.b, f.loc,
                        arith::MinimumFOp::create(f.b, f.loc, low, f.cst(1e9)));
  }

  //===- nearest ----------------------------------------------------------===//

  /// Whether each result element (o) of each axis reads element o / scale.
  static bool isReplication(qnn::ResizeOp op, ArrayRef<Axis> axes) {
    if (op.getKind() != Interpolation::nearest)
      return false;
    bool floors = op.getCoordinates() == ResizeCoordinates::asymmetric &&
                  op.getRounding() == ResizeRounding::floor;
    bool rounds = op.getCoordinates() == ResizeCoordinates::half_pixel &&
                  (op.getRounding() == ResizeRounding::round_prefer_floor ||
                   op.getRounding() == ResizeRounding::round_prefer_ceil);
    if (!floors && !rounds)
      return false;
    return llvm::all_of(axes, [](const Axis &a) {
      return a.staticScale && *a.staticScale >= 1 && *a.staticScale < 1e6 &&
             std::floor(*a.staticScale) == *a.staticScale;
    });
  }

  /// Repeats elements: a broadcast into (size, scale), joined again.
  static Value replicate(OpBuilder &b, Location loc, Value input,
                         ArrayRef<Axis> axes) {
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<int64_t> factor(type.getRank(), 1);
    for (const Axis &axis : axes)
      factor[axis.dim] = int64_t(*axis.staticScale);
    SmallVector<OpFoldResult> dims;
    SmallVector<AffineExpr> exprs;
    SmallVector<ReassociationIndices> groups(type.getRank());
    for (int64_t i = 0; i < type.getRank(); ++i) {
      groups[i].push_back(dims.size());
      exprs.push_back(b.getAffineDimExpr(dims.size()));
      dims.push_back(getDim(b, loc, input, i));
      if (factor[i] == 1)
        continue;
      groups[i].push_back(dims.size());
      dims.push_back(b.getIndexAttr(factor[i]));
    }
    auto wide = getTypeOf(dims, type.getElementType());
    SmallVector<AffineMap> maps{
        AffineMap::get(dims.size(), 0, exprs, b.getContext()),
        b.getMultiDimIdentityMap(dims.size())};
    SmallVector<utils::IteratorType> iterators(dims.size(),
                                               utils::IteratorType::parallel);
    Value repeated =
        linalg::GenericOp::create(b, loc, TypeRange(wide), ValueRange(input),
                                  ValueRange(createEmpty(b, loc, wide, dims)),
                                  maps, iterators,
                                  [](OpBuilder &nb, Location l, ValueRange x) {
                                    linalg::YieldOp::create(nb, l, x[0]);
                                  })
            .getResult(0);
    return tensor::CollapseShapeOp::create(b, loc, repeated, groups);
  }

  static Value createTable(OpBuilder &b, Location loc, const Axis &axis,
                           Type element, IndexedBody body) {
    SmallVector<OpFoldResult> dims{axis.out};
    return createIndexed(b, loc, getTypeOf(dims, element), dims, body);
  }

  static Value gather(OpBuilder &b, qnn::ResizeOp op, Value input,
                      ArrayRef<Axis> axes, ArrayRef<OpFoldResult> dims) {
    Location loc = op.getLoc();
    // The element that each result element reads; -1: none.
    SmallVector<Value> tables;
    for (const Axis &axis : axes)
      tables.push_back(createTable(
          b, loc, axis, b.getI64Type(),
          [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
            F32 f{nb, l};
            SizeMath m{nb, l};
            Value x = originalPlace(f, op, axis, at[0]);
            Value rounded;
            if (op.getRounding() == ResizeRounding::floor)
              rounded = f.floor(x);
            else if (op.getRounding() == ResizeRounding::ceil)
              rounded = f.ceil(x);
            else if (op.getRounding() == ResizeRounding::round_prefer_floor)
              rounded = f.ceil(f.sub(x, f.cst(0.5)));
            else
              rounded = f.floor(f.add(x, f.cst(0.5)));
            Value index = clamp(m, toIndex(f, rounded), axis.in);
            index = arith::IndexCastOp::create(nb, l, nb.getI64Type(), index);
            if (op.getCoordinates() != ResizeCoordinates::tf_crop_and_resize)
              return index;
            return f.select(isOutside(f, axis, x),
                            constantScalar(nb, l, nb.getI64Type(), -1), index);
          }));
    auto type = cast<RankedTensorType>(input.getType());
    Type qnnType = op.getInput().getType().getElementType();
    return createIndexed(
        b, loc, getTypeOf(dims, type.getElementType()), dims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          SmallVector<Value> from(at);
          Value outside;
          for (auto [axis, table] : llvm::zip(axes, tables)) {
            Value index = tensor::ExtractOp::create(nb, l, table, at[axis.dim]);
            if (op.getCoordinates() == ResizeCoordinates::tf_crop_and_resize) {
              Value zero = constantScalar(nb, l, nb.getI64Type(), 0);
              Value none = arith::CmpIOp::create(
                  nb, l, arith::CmpIPredicate::slt, index, zero);
              outside = outside
                            ? Value(arith::OrIOp::create(nb, l, outside, none))
                            : none;
              index = arith::MaxSIOp::create(nb, l, index, zero);
            }
            from[axis.dim] =
                arith::IndexCastOp::create(nb, l, nb.getIndexType(), index);
          }
          Value element = tensor::ExtractOp::create(nb, l, input, from);
          if (!outside)
            return element;
          Value fill =
              constantScalar(nb, l, getStorageType(qnnType),
                             op.getExtrapolationValue().convertToDouble());
          return arith::SelectOp::create(nb, l, outside, fill, element);
        });
  }

  static Value isOutside(const F32 &f, const Axis &axis, Value x) {
    Value last = f.sub(f.fromIndex(axis.in), f.cst(1));
    return arith::OrIOp::create(f.b, f.loc, f.less(x, f.cst(0)),
                                f.less(last, x));
  }

  //===- linear and cubic -------------------------------------------------===//

  /// The weight of an element at `distance`.
  static Value weigh(const F32 &f, qnn::ResizeOp op, Value distance) {
    Value x = f.abs(distance), zero = f.cst(0), one = f.cst(1);
    if (op.getKind() == Interpolation::linear) {
      Value w = f.sub(one, x);
      return f.select(f.less(w, zero), zero, w);
    }
    double a = op.getCubicCoeffA().convertToDouble();
    auto horner = [&](double c3, double c2, double c1, double c0) {
      Value y = f.add(f.mul(f.cst(c3), x), f.cst(c2));
      y = f.add(f.mul(y, x), f.cst(c1));
      return f.add(f.mul(y, x), f.cst(c0));
    };
    Value near = horner(a + 2, -(a + 3), 0, 1);
    Value far = horner(a, -5 * a, 8 * a, -4 * a);
    return f.select(f.less(one, x), f.select(f.less(x, f.cst(2)), far, zero),
                    near);
  }

  static Value interpolate(OpBuilder &b, qnn::ResizeOp op, Value input,
                           ArrayRef<Axis> axes) {
    Location loc = op.getLoc();
    auto type = cast<RankedTensorType>(input.getType());
    Type element = type.getElementType();
    Value current = input;
    for (const Axis &axis : axes)
      current = interpolateAxis(b, op, current, axis);
    SmallVector<OpFoldResult> dims = getDims(b, loc, current);
    bool crops = op.getCoordinates() == ResizeCoordinates::tf_crop_and_resize;
    SmallVector<Value> outside;
    if (crops)
      for (const Axis &axis : axes)
        outside.push_back(createTable(
            b, loc, axis, b.getI8Type(),
            [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
              F32 f{nb, l};
              Value none =
                  isOutside(f, axis, originalPlace(f, op, axis, at[0]));
              return arith::ExtUIOp::create(nb, l, nb.getI8Type(), none);
            }));
    auto resultType = getTypeOf(dims, element);
    auto currentType = cast<RankedTensorType>(current.getType());
    if (!crops && currentType.getElementType() == element)
      return current;
    return createIndexed(
        b, loc, resultType, dims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          Value x = tensor::ExtractOp::create(nb, l, current, at);
          for (auto [axis, table] : llvm::zip(axes, outside)) {
            Value flag = tensor::ExtractOp::create(nb, l, table, at[axis.dim]);
            Value none = arith::TruncIOp::create(nb, l, nb.getI1Type(), flag);
            x = arith::SelectOp::create(
                nb, l, none,
                constantScalar(nb, l, x.getType(),
                               op.getExtrapolationValue().convertToDouble()),
                x);
          }
          return fromFloat(nb, l, x, element);
        });
  }

  /// One pass along one axis: y[.., o, ..] = Σt weight[o, t] · x[.., place,
  /// ..].
  static Value interpolateAxis(OpBuilder &b, qnn::ResizeOp op, Value input,
                               const Axis &axis) {
    Location loc = op.getLoc();
    F32 f{b, loc};
    SizeMath m{b, loc};
    // With antialiasing a kernel is as wide as a result element.
    bool linear = op.getKind() == Interpolation::linear;
    double support = linear ? 1 : 2;
    Value stretch = f.cst(1);
    OpFoldResult start = m.cst(1 - int64_t(support));
    if (op.getAntialias()) {
      if (axis.staticScale) {
        float s = std::min(*axis.staticScale, 1.0f);
        stretch = f.cst(s);
        start = m.cst(int64_t(std::floor(-support / double(s))) + 1);
      } else {
        stretch = f.select(f.less(axis.scale, stretch), axis.scale, stretch);
        start = m.add(
            floatToIndex(b, loc, f.floor(f.div(f.cst(-support), stretch))),
            m.cst(1));
      }
    }
    OpFoldResult taps = m.sub(m.cst(2), m.mul(start, m.cst(2)));
    SmallVector<OpFoldResult> tableDims{axis.out, taps};
    Type f32 = b.getF32Type();

    // The element before the place, unclamped, and the way to the place.
    auto split = [&](OpBuilder &nb, Location l, Value o) {
      F32 g{nb, l};
      Value x = originalPlace(g, op, axis, o);
      Value floor = g.floor(x);
      return std::make_pair(floor, g.sub(x, floor));
    };
    auto tap = [&](const SizeMath &n, const F32 &g, Value floor, Value t) {
      return n.add(toIndex(g, floor), n.add(t, start));
    };
    Value weights = createIndexed(
        b, loc, getTypeOf(tableDims, f32), tableDims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          F32 g{nb, l};
          SizeMath n{nb, l};
          auto [floor, ratio] = split(nb, l, at[0]);
          Value offset = g.fromIndex(n.add(at[1], start));
          Value w = weigh(g, op, g.mul(stretch, g.sub(offset, ratio)));
          if (!op.getExcludeOutside())
            return w;
          OpFoldResult place = tap(n, g, floor, at[1]);
          Value inside =
              arith::AndIOp::create(nb, l, n.isLessOrEqual(n.cst(0), place),
                                    n.isLess(place, axis.in));
          return g.select(inside, w, g.cst(0));
        });
    if (op.getExcludeOutside() || op.getAntialias())
      weights = normalize(b, loc, weights);
    Value places =
        createIndexed(b, loc, getTypeOf(tableDims, b.getI64Type()), tableDims,
                      [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
                        F32 g{nb, l};
                        SizeMath n{nb, l};
                        Value floor = split(nb, l, at[0]).first;
                        return arith::IndexCastOp::create(
                            nb, l, nb.getI64Type(),
                            clamp(n, tap(n, g, floor, at[1]), axis.in));
                      });

    auto type = cast<RankedTensorType>(input.getType());
    int64_t rank = type.getRank();
    bool isDouble = type.getElementType().isF64();
    Type element = isDouble ? type.getElementType() : f32;
    SmallVector<OpFoldResult> dims = getDims(b, loc, input);
    dims[axis.dim] = axis.out;
    auto resultType = getTypeOf(dims, element);
    Value acc = createFilled(b, loc, resultType, dims,
                             constantScalar(b, loc, element, 0));
    SmallVector<AffineExpr> out;
    for (int64_t i = 0; i < rank; ++i)
      out.push_back(b.getAffineDimExpr(i));
    AffineMap table = AffineMap::get(
        rank + 1, 0, {b.getAffineDimExpr(axis.dim), b.getAffineDimExpr(rank)},
        b.getContext());
    SmallVector<AffineMap> maps{
        table, table, AffineMap::get(rank + 1, 0, out, b.getContext())};
    SmallVector<utils::IteratorType> iterators(rank + 1,
                                               utils::IteratorType::parallel);
    iterators.back() = utils::IteratorType::reduction;
    bool isUnsignedInput = isUnsigned(op.getInput().getType().getElementType());
    return linalg::GenericOp::create(
               b, loc, TypeRange(resultType), ValueRange{places, weights},
               ValueRange(acc), maps, iterators,
               [&](OpBuilder &nb, Location l, ValueRange x) {
                 SmallVector<Value> from;
                 for (int64_t i = 0; i < rank; ++i)
                   from.push_back(
                       i == axis.dim
                           ? Value(arith::IndexCastOp::create(
                                 nb, l, nb.getIndexType(), x[0]))
                           : Value(linalg::IndexOp::create(nb, l, i)));
                 Value v = toFloat(
                     nb, l, tensor::ExtractOp::create(nb, l, input, from),
                     isUnsignedInput);
                 Value w = fromFloat(nb, l, x[1], element);
                 Value term = arith::MulFOp::create(nb, l, v, w);
                 linalg::YieldOp::create(
                     nb, l,
                     arith::AddFOp::create(nb, l, x[2], term).getResult());
               })
        .getResult(0);
  }

  /// Makes each row sum to 1.
  static Value normalize(OpBuilder &b, Location loc, Value weights) {
    auto type = cast<RankedTensorType>(weights.getType());
    SmallVector<OpFoldResult> dims = getDims(b, loc, weights), rows{dims[0]};
    auto rowType = getTypeOf(rows, type.getElementType());
    Value zeros =
        createFilled(b, loc, rowType, rows,
                     constantScalar(b, loc, type.getElementType(), 0));
    Value sums =
        linalg::ReduceOp::create(
            b, loc, weights, zeros, {1},
            [](OpBuilder &nb, Location l, ValueRange x) {
              linalg::YieldOp::create(
                  nb, l, arith::AddFOp::create(nb, l, x[0], x[1]).getResult());
            })
            ->getResult(0);
    return createIndexed(
        b, loc, type, dims,
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          Value w = tensor::ExtractOp::create(nb, l, weights, at);
          Value sum = tensor::ExtractOp::create(nb, l, sums, at[0]);
          return arith::DivFOp::create(nb, l, w, sum);
        });
  }
};

} // namespace

void quantc::populateResizePatterns(const TypeConverter &converter,
                                    RewritePatternSet &patterns) {
  patterns.add<ConvertResize>(converter, patterns.getContext());
}
