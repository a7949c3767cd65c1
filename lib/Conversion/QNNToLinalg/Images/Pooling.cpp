//===- Pooling.cpp - Lowers reductions over sliding windows ---------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/PoolingOps.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::PoolKind;

template <typename OpTy>
static WindowGeometry getWindows(OpBuilder &b, OpTy op, Value input) {
  return computeWindows(b, op.getLoc(), input,
                        getAsIndexOpFoldResult(b.getContext(), op.getKernel()),
                        op.getStrides(), op.getDilations(), op.getPads(),
                        op.getAutoPad(), op.getCeilMode(),
                        /*takesPartial=*/true);
}

/// The least value of a type: what a maximum starts with.
static Value createLeast(OpBuilder &b, Location loc, Type qnnType) {
  Type type = getStorageType(qnnType);
  if (auto fp = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(
        b, loc,
        b.getFloatAttr(fp, APFloat::getInf(fp.getFloatSemantics(),
                                           /*Negative=*/true)));
  unsigned width = type.getIntOrFloatBitWidth();
  return arith::ConstantOp::create(
      b, loc,
      b.getIntegerAttr(type, isUnsigned(qnnType)
                                 ? APInt::getZero(width)
                                 : APInt::getSignedMinValue(width)));
}

/// How far the last window reaches beyond what the padding at the end covers:
/// `padEnd`, and more with `ceil_mode` or where a kernel is larger than its
/// input.
static SmallVector<OpFoldResult>
getReach(OpBuilder &b, Location loc, const WindowGeometry &g, bool ceilMode) {
  SizeMath m{b, loc};
  SmallVector<OpFoldResult> reach;
  for (size_t i = 0; i < g.kernel.size(); ++i) {
    if (!ceilMode && !g.mayBePartial[i]) {
      reach.push_back(g.padEnd[i]);
      continue;
    }
    OpFoldResult last = m.mul(m.sub(g.count[i], m.cst(1)), m.cst(g.strides[i]));
    OpFoldResult extent = m.add(
        m.mul(m.sub(g.kernel[i], m.cst(1)), m.cst(g.dilations[i])), m.cst(1));
    OpFoldResult need = addSizes(b, loc,
                                 {last, extent, m.sub(m.cst(0), g.padBegin[i]),
                                  m.mul(g.input[i], m.cst(-1))});
    reach.push_back(m.max(g.padEnd[i], need));
  }
  return reach;
}

/// `input` with what windows reach beyond it. Where that is nothing in most
/// runs, and only the run tells, it is copied in those runs alone that need it.
static Value padWindows(OpBuilder &b, Location loc, Value input,
                        const WindowGeometry &g, bool ceilMode, Value neutral) {
  SizeMath m{b, loc};
  SmallVector<OpFoldResult> reach = getReach(b, loc, g, ceilMode);
  SmallVector<OpFoldResult> unknown;
  for (OpFoldResult size : llvm::concat<const OpFoldResult>(g.padBegin, reach))
    if (!isConstantIntValue(size, 0))
      unknown.push_back(size);
  bool alwaysPads = llvm::any_of(unknown, [](OpFoldResult size) {
    return getConstantIntValue(size).has_value();
  });
  if (unknown.empty() || alwaysPads)
    return padSpatial(b, loc, input, g.padBegin, reach, neutral);
  OpFoldResult most = unknown.front();
  for (OpFoldResult size : ArrayRef(unknown).drop_front())
    most = m.max(most, size);
  SmallVector<OpFoldResult> dims = getDims(b, loc, input);
  for (size_t i = 0; i < reach.size(); ++i)
    dims[i + 2] = m.add(m.add(dims[i + 2], g.padBegin[i]), reach[i]);
  auto type =
      getTypeOf(dims, cast<RankedTensorType>(input.getType()).getElementType());
  return scf::IfOp::create(
             b, loc, m.isLess(m.cst(0), most),
             [&](OpBuilder &then, Location l) {
               scf::YieldOp::create(
                   then, l,
                   castTo(
                       then, l,
                       padSpatial(then, l, input, g.padBegin, reach, neutral),
                       type));
             },
             [&](OpBuilder &otherwise, Location l) {
               scf::YieldOp::create(otherwise, l,
                                    castTo(otherwise, l, input, type));
             })
      .getResult(0);
}

namespace {
/// The maps and iterators of loops n, c, spatial..., kernel....
struct PoolLoops {
  SmallVector<AffineMap> maps; // input, window, result
  SmallVector<utils::IteratorType> iterators;
  Value window; // gives the kernel loops their extents

  PoolLoops(OpBuilder &b, Location loc, const WindowGeometry &g, Type element) {
    MLIRContext *ctx = b.getContext();
    int64_t spatial = g.kernel.size(), loops = 2 + 2 * spatial;
    SmallVector<AffineExpr> in{getAffineDimExpr(0, ctx),
                               getAffineDimExpr(1, ctx)};
    SmallVector<AffineExpr> kernel, out(in);
    for (int64_t i = 0; i < spatial; ++i) {
      AffineExpr o = getAffineDimExpr(2 + i, ctx);
      AffineExpr k = getAffineDimExpr(2 + spatial + i, ctx);
      in.push_back(o * g.strides[i] + k * g.dilations[i]);
      kernel.push_back(k);
      out.push_back(o);
    }
    maps = {AffineMap::get(loops, 0, in, ctx),
            AffineMap::get(loops, 0, kernel, ctx),
            AffineMap::get(loops, 0, out, ctx)};
    iterators.assign(2 + spatial, utils::IteratorType::parallel);
    iterators.append(spatial, utils::IteratorType::reduction);
    window = tensor::EmptyOp::create(b, loc, g.kernel, element);
  }
};

//===- pool ---------------------------------------------------------------===//

struct ConvertPool : QNNPattern<qnn::PoolOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::PoolOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Value input = adaptor.getInput();
    Type qnnType = op.getInput().getType().getElementType();
    Type element = type.getElementType();
    bool isMax = op.getKind() == PoolKind::max;
    WindowGeometry g = getWindows(b, op, input);
    SmallVector<OpFoldResult> dims{getDim(b, loc, input, 0),
                                   getDim(b, loc, input, 1)};
    llvm::append_range(dims, g.count);

    // Sums of half precision are wider.
    bool half = isa<FloatType>(element) &&
                element.getIntOrFloatBitWidth() < 32 && !isMax;
    Type accElement = half ? Type(b.getF32Type()) : element;
    Value neutral = isMax ? createLeast(b, loc, qnnType)
                          : constantScalar(b, loc, element, 0);
    Value padded = padWindows(b, loc, input, g, op.getCeilMode(), neutral);
    Value initial = isMax ? neutral : constantScalar(b, loc, accElement, 0);
    auto accType = getTypeOf(dims, accElement);
    Value acc = createFilled(b, loc, accType, dims, initial);
    PoolLoops loops(b, loc, g, element);
    Value result =
        linalg::GenericOp::create(
            b, loc, TypeRange(accType), ValueRange{padded, loops.window},
            ValueRange(acc), loops.maps, loops.iterators,
            [&](OpBuilder &nb, Location l, ValueRange x) {
              linalg::YieldOp::create(
                  nb, l, accumulate(nb, l, op, qnnType, x[0], x[2]));
            })
            .getResult(0);
    if (!isMax)
      result = finish(b, loc, op, g, result, accType.clone(element));
    b.replaceOp(op, castTo(b, loc, result, type));
    return success();
  }

private:
  static Value accumulate(OpBuilder &b, Location loc, qnn::PoolOp op,
                          Type qnnType, Value x, Value acc) {
    if (op.getKind() == PoolKind::max) {
      if (isa<FloatType>(x.getType()))
        return arith::MaximumFOp::create(b, loc, acc, x);
      if (isUnsigned(qnnType))
        return arith::MaxUIOp::create(b, loc, acc, x);
      return arith::MaxSIOp::create(b, loc, acc, x);
    }
    if (x.getType() != acc.getType())
      x = arith::ExtFOp::create(b, loc, acc.getType(), x);
    if (op.getKind() == PoolKind::lp) {
      if (op.getP() == 2) {
        x = arith::MulFOp::create(b, loc, x, x);
      } else {
        x = math::AbsFOp::create(b, loc, x);
        if (op.getP() != 1)
          x = math::PowFOp::create(
              b, loc, x, constantScalar(b, loc, x.getType(), op.getP()));
      }
    }
    return arith::AddFOp::create(b, loc, acc, x);
  }

  /// From sums to averages or norms.
  static Value finish(OpBuilder &b, Location loc, qnn::PoolOp op,
                      const WindowGeometry &g, Value sums,
                      RankedTensorType type) {
    int64_t rank = type.getRank();
    AffineMap identity = b.getMultiDimIdentityMap(rank);
    SmallVector<Value> inputs{sums};
    SmallVector<AffineMap> maps{identity};
    Type accElement = cast<RankedTensorType>(sums.getType()).getElementType();
    // Elements of a window that the tables do not count.
    int64_t size = 1;
    for (auto [i, k] : llvm::enumerate(op.getKernel())) {
      if (!hasPartialWindows(op, g, i)) {
        size *= k;
        continue;
      }
      inputs.push_back(countElements(b, loc, op, g, i, accElement));
      maps.push_back(
          AffineMap::get(rank, 0, b.getAffineDimExpr(i + 2), b.getContext()));
    }
    maps.push_back(identity);
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    SmallVector<OpFoldResult> dims = getDims(b, loc, sums);
    return linalg::GenericOp::create(
               b, loc, TypeRange(type), inputs,
               ValueRange(createEmpty(b, loc, type, dims)), maps, iterators,
               [&](OpBuilder &nb, Location l, ValueRange x) {
                 Value y = x[0];
                 Type f = y.getType();
                 if (op.getKind() == PoolKind::lp) {
                   if (op.getP() == 2)
                     y = math::SqrtOp::create(nb, l, y);
                   else if (op.getP() != 1)
                     y = math::PowFOp::create(
                         nb, l, y, constantScalar(nb, l, f, 1.0 / op.getP()));
                 } else {
                   Value count;
                   for (Value own : x.drop_front().drop_back())
                     count =
                         count ? arith::MulFOp::create(nb, l, count, own) : own;
                   Value rest = constantScalar(nb, l, f, size);
                   if (!count)
                     count = rest;
                   else if (size != 1)
                     count = arith::MulFOp::create(nb, l, count, rest);
                   y = arith::DivFOp::create(nb, l, y, count);
                 }
                 if (f != type.getElementType())
                   y = arith::TruncFOp::create(nb, l, type.getElementType(), y);
                 linalg::YieldOp::create(nb, l, y);
               })
        .getResult(0);
  }

  /// Whether windows differ along spatial dimension `i` in how many of their
  /// elements count: those at the border have fewer with padding that does not.
  static bool hasPartialWindows(qnn::PoolOp op, const WindowGeometry &g,
                                int64_t i) {
    return op.getKind() == PoolKind::average &&
           (op.getCeilMode() || g.mayBePartial[i] ||
            (g.hasPads(i) && !op.getCountIncludePad()));
  }

  /// How many elements count along spatial dimension `i` of each window: the
  /// factors of a number, which would take long to find for each element of
  /// the result.
  static Value countElements(OpBuilder &b, Location loc, qnn::PoolOp op,
                             const WindowGeometry &g, int64_t i, Type type) {
    return createIndexed(
        b, loc, getTypeOf(g.count[i], type), g.count[i],
        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
          SizeMath m{nb, l};
          OpFoldResult begin =
              m.sub(m.mul(at[0], m.cst(g.strides[i])), g.padBegin[i]);
          OpFoldResult low = m.cst(0), high = g.input[i];
          if (op.getCountIncludePad()) {
            low = m.sub(low, g.padBegin[i]);
            high = m.add(high, g.padEnd[i]);
          }
          // Steps of the window before `low`, and before `high`.
          OpFoldResult step = m.cst(g.dilations[i]);
          auto stepsBefore = [&](OpFoldResult bound) {
            OpFoldResult steps = m.ceilDiv(m.sub(bound, begin), step);
            return m.min(m.max(steps, m.cst(0)), g.kernel[i]);
          };
          OpFoldResult steps = m.sub(stepsBefore(high), stepsBefore(low));
          // Where dilations step over the whole image, the average of nothing
          // is 0.
          Value count = arith::IndexCastOp::create(
              nb, l, nb.getI64Type(), m.value(m.max(steps, m.cst(1))));
          return arith::SIToFPOp::create(nb, l, type, count);
        });
  }
};

//===- pool_indices -------------------------------------------------------===//

struct ConvertPoolIndices : QNNPattern<qnn::PoolIndicesOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::PoolIndicesOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    Value input = adaptor.getInput();
    Type qnnType = op.getInput().getType().getElementType();
    Type element = getStorageType(qnnType);
    WindowGeometry g = getWindows(b, op, input);
    SmallVector<OpFoldResult> dims{getDim(b, loc, input, 0),
                                   getDim(b, loc, input, 1)};
    OpFoldResult channels = dims[1];
    llvm::append_range(dims, g.count);
    Value least = createLeast(b, loc, qnnType);
    Value padded = padWindows(b, loc, input, g, op.getCeilMode(), least);
    // The best element so far and its position; none yet is -1.
    auto bestType = getTypeOf(dims, element);
    auto positionType = bestType.clone(b.getI64Type());
    Value best = createFilled(b, loc, bestType, dims, least);
    Value position = createFilled(b, loc, positionType, dims,
                                  constantScalar(b, loc, b.getI64Type(), -1));
    PoolLoops loops(b, loc, g, element);
    loops.maps.push_back(loops.maps.back());
    auto body = [&](OpBuilder &nb, Location l, ValueRange x) {
      auto [inside, place] = locate(nb, l, op, g, channels);
      Value none =
          arith::CmpIOp::create(nb, l, arith::CmpIPredicate::slt, x[3],
                                constantScalar(nb, l, nb.getI64Type(), 0));
      Value better;
      if (isa<FloatType>(element))
        better =
            arith::CmpFOp::create(nb, l, arith::CmpFPredicate::OGT, x[0], x[2]);
      else
        better = arith::CmpIOp::create(nb, l,
                                       isUnsigned(qnnType)
                                           ? arith::CmpIPredicate::ugt
                                           : arith::CmpIPredicate::sgt,
                                       x[0], x[2]);
      Value take = arith::AndIOp::create(
          nb, l, inside, arith::OrIOp::create(nb, l, none, better));
      linalg::YieldOp::create(
          nb, l,
          ValueRange{arith::SelectOp::create(nb, l, take, x[0], x[2]),
                     arith::SelectOp::create(nb, l, take, place, x[3])});
    };
    auto generic = linalg::GenericOp::create(
        b, loc, TypeRange{bestType, positionType},
        ValueRange{padded, loops.window}, ValueRange{best, position},
        loops.maps, loops.iterators, body);
    b.replaceOp(op, castTo(b, loc, generic.getResult(1), type));
    return success();
  }

private:
  /// Whether the current window element is one of the input's, and its position
  /// in the flattened input.
  static std::pair<Value, Value> locate(OpBuilder &b, Location loc,
                                        qnn::PoolIndicesOp op,
                                        const WindowGeometry &g,
                                        OpFoldResult channels) {
    SizeMath m{b, loc};
    int64_t spatial = g.kernel.size();
    Value n = linalg::IndexOp::create(b, loc, 0);
    Value c = linalg::IndexOp::create(b, loc, 1);
    OpFoldResult place = m.add(m.mul(n, channels), c), within = m.cst(0);
    SmallVector<OpFoldResult> at;
    Value inside;
    for (int64_t i = 0; i < spatial; ++i) {
      Value o = linalg::IndexOp::create(b, loc, 2 + i);
      Value k = linalg::IndexOp::create(b, loc, 2 + spatial + i);
      at.push_back(m.sub(
          m.add(m.mul(o, m.cst(g.strides[i])), m.mul(k, m.cst(g.dilations[i]))),
          g.padBegin[i]));
      Value ok = arith::AndIOp::create(b, loc, m.isLessOrEqual(m.cst(0), at[i]),
                                       m.isLess(at[i], g.input[i]));
      inside = inside ? Value(arith::AndIOp::create(b, loc, inside, ok)) : ok;
      place = m.mul(place, g.input[i]);
    }
    // The fastest dimension last.
    auto order = llvm::to_vector(llvm::seq<int64_t>(0, spatial));
    if (op.getColumnMajor())
      std::reverse(order.begin(), order.end());
    for (int64_t i : order)
      within = m.add(m.mul(within, g.input[i]), at[i]);
    Value sum = m.value(m.add(place, within));
    return {inside, arith::IndexCastOp::create(b, loc, b.getI64Type(), sum)};
  }
};

} // namespace

void quantc::populatePoolingPatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {
  patterns.add<ConvertPool, ConvertPoolIndices>(converter,
                                                patterns.getContext());
}
