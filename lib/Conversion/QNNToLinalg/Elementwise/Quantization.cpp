//===- Quantization.cpp - Lowers quantize, dequantize, requantize ---------===//
//
// Exact by ONNX's definition: divide (never by a reciprocal), round half to
// even, add the zero point and clamp in float, and only then convert.
//
//===----------------------------------------------------------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"

#include "Conversion/QNNToLinalg/Reductions/ReductionBuilder.h"
#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "ScalarFunctions.h"
#include "SmallFloat.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace quantc;

//===- scalars ------------------------------------------------------------===//

/// An integer of 2 to 32 bits, from its storage, as i32.
static Value widenInt(OpBuilder &b, Location loc, Value stored, Type type) {
  if (stored.getType().isInteger(32))
    return stored;
  if (isUnsigned(type))
    return arith::ExtUIOp::create(b, loc, b.getI32Type(), stored);
  return arith::ExtSIOp::create(b, loc, b.getI32Type(), stored);
}

/// The least and the largest number of an integer type.
static std::pair<int64_t, int64_t> getRange(Type type) {
  unsigned width = type.getIntOrFloatBitWidth();
  int64_t low = isUnsigned(type) ? 0 : -(int64_t(1) << (width - 1));
  return {low, low + (int64_t(1) << width) - 1};
}

/// `x` (f32) rounded to the nearest integer, moved by the zero point (i32, may
/// be null) and clamped to the range of `type`, as stored. The clamp comes
/// before the rounding, which it commutes with as its ends are integers, so
/// that one instruction may round and convert; its maxnum turns NaN into the
/// smallest integer.
static Value roundAndSaturate(OpBuilder &b, Location loc, Value x,
                              Value zeroPoint, Type type) {
  auto [low, high] = getRange(type);
  Type f32 = b.getF32Type(), i32 = b.getI32Type();
  auto getEnd = [&](int64_t end) -> Value {
    if (!zeroPoint)
      return constantScalar(b, loc, f32, double(end));
    Value moved = arith::SubIOp::create(
        b, loc, constantScalar(b, loc, i32, double(end)), zeroPoint);
    return arith::SIToFPOp::create(b, loc, f32, moved);
  };
  Value y = arith::MaxNumFOp::create(b, loc, x, getEnd(low));
  y = arith::MinNumFOp::create(b, loc, y, getEnd(high));
  y = math::RoundEvenOp::create(b, loc, y);
  Value integer = arith::FPToSIOp::create(b, loc, i32, y);
  if (zeroPoint)
    integer = arith::AddIOp::create(b, loc, integer, zeroPoint);
  return arith::TruncIOp::create(b, loc, getStorageType(type), integer);
}

/// The same for an `x` that is far from the ends of i32 (and no NaN): clamped
/// as an integer, at the ends of `type`, which is what the instructions do that
/// narrow integers.
static Value roundAndNarrow(OpBuilder &b, Location loc, Value x,
                            Value zeroPoint, Type type) {
  auto [low, high] = getRange(type);
  Type i32 = b.getI32Type();
  Value y = math::RoundEvenOp::create(b, loc, x);
  Value integer = arith::FPToSIOp::create(b, loc, i32, y);
  if (zeroPoint)
    integer = arith::AddIOp::create(b, loc, integer, zeroPoint);
  integer =
      arith::MaxSIOp::create(b, loc, integer, constantScalar(b, loc, i32, low));
  integer = arith::MinSIOp::create(b, loc, integer,
                                   constantScalar(b, loc, i32, high));
  return arith::TruncIOp::create(b, loc, getStorageType(type), integer);
}

/// `x` as f32, after it was rounded to `precision` (which may be f32 itself).
static Value roundTo(OpBuilder &b, Location loc, Value x, Type xType,
                     Type precision) {
  Value y = convertScalar(b, loc, x, xType, precision);
  return convertScalar(b, loc, y, precision, b.getF32Type());
}

//===- loops --------------------------------------------------------------===//

namespace {

using QuantizedBody = llvm::function_ref<Value(OpBuilder &, Location, Value x,
                                               Value scale, Value zeroPoint)>;

/// One loop nest over the data of a (de-, re-)quantization, which reads scale
/// and zero point by tensor, axis or block.
class QuantizationLoops {
public:
  QuantizationLoops(OpBuilder &b, Location loc, std::optional<uint64_t> axis,
                    int64_t blockSize)
      : b(b), loc(loc), axis(axis), blockSize(blockSize) {}

  Value build(Value data, Value scale, Value zeroPoint, RankedTensorType type,
              QuantizedBody body) {
    auto dataType = cast<RankedTensorType>(data.getType());
    int64_t extent = blockSize > 0 ? dataType.getDimSize(*axis)
                                   : int64_t(ShapedType::kDynamic);
    // Whole blocks become a dimension of their own, so that all maps are
    // projected permutations, which fuse and vectorize.
    isSplit =
        !ShapedType::isDynamic(extent) && extent % blockSize == 0 && extent > 0;
    SmallVector<ReassociationIndices> groups;
    if (isSplit) {
      int64_t next = 0;
      for (int64_t i = 0; i < dataType.getRank(); ++i) {
        groups.push_back({next++});
        if (i == int64_t(*axis))
          groups.back().push_back(next++);
      }
      data = tensor::ExpandShapeOp::create(b, loc, splitBlocks(dataType), data,
                                           groups,
                                           splitDims(getDims(b, loc, data)));
    }
    auto loopType = isSplit ? splitBlocks(type) : type;
    rank = loopType.getRank();
    SmallVector<OpFoldResult> dims = getDims(b, loc, data);

    SmallVector<Value> operands{data};
    SmallVector<AffineMap> maps{b.getMultiDimIdentityMap(rank)};
    addParameter(scale, dims, operands, maps);
    if (zeroPoint)
      addParameter(zeroPoint, dims, operands, maps);
    maps.push_back(b.getMultiDimIdentityMap(rank));
    Value empty = createEmpty(b, loc, loopType, dims);
    Value result =
        linalg::GenericOp::create(
            b, loc, TypeRange(loopType), operands, ValueRange(empty), maps,
            SmallVector<utils::IteratorType>(rank,
                                             utils::IteratorType::parallel),
            [&](OpBuilder &nb, Location l, ValueRange args) {
              linalg::YieldOp::create(
                  nb, l,
                  body(nb, l, args[0], args[1],
                       zeroPoint ? Value(args[2]) : Value()));
            })
            .getResult(0);
    if (!isSplit)
      return result;
    return tensor::CollapseShapeOp::create(b, loc, type, result, groups);
  }

private:
  RankedTensorType splitBlocks(RankedTensorType type) {
    SmallVector<int64_t> shape(type.getShape());
    shape[*axis] /= blockSize;
    shape.insert(shape.begin() + *axis + 1, blockSize);
    return RankedTensorType::get(shape, type.getElementType());
  }

  SmallVector<OpFoldResult> splitDims(SmallVector<OpFoldResult> dims) {
    int64_t extent = *getConstantIntValue(dims[*axis]);
    dims[*axis] = b.getIndexAttr(extent / blockSize);
    dims.insert(dims.begin() + *axis + 1, b.getIndexAttr(blockSize));
    return dims;
  }

  /// Adds a scale or zero point as an operand, with its map.
  void addParameter(Value parameter, ArrayRef<OpFoldResult> dims,
                    SmallVectorImpl<Value> &operands,
                    SmallVectorImpl<AffineMap> &maps) {
    auto type = cast<RankedTensorType>(parameter.getType());
    SmallVector<AffineExpr> exprs;
    if (type.getRank() == 1 && type.getDimSize(0) == 1) {
      parameter = tensor::CollapseShapeOp::create(
          b, loc, RankedTensorType::get({}, type.getElementType()), parameter,
          ArrayRef<ReassociationIndices>{});
    } else if (blockSize > 0 && type.getRank() > 0) {
      for (int64_t i = 0; i < type.getRank(); ++i) {
        int64_t loop = isSplit && i > int64_t(*axis) ? i + 1 : i;
        AffineExpr expr = b.getAffineDimExpr(loop);
        OpFoldResult needed = dims[loop];
        if (i == int64_t(*axis) && !isSplit) {
          expr = expr.floorDiv(blockSize);
          needed = ceilDiv(needed);
        }
        exprs.push_back(expr);
        check(parameter, i, needed);
      }
    } else if (type.getRank() == 1) {
      exprs.push_back(b.getAffineDimExpr(*axis));
      check(parameter, 0, dims[*axis]);
    }
    operands.push_back(parameter);
    maps.push_back(AffineMap::get(rank, 0, exprs, b.getContext()));
  }

  OpFoldResult ceilDiv(OpFoldResult extent) {
    if (auto known = getConstantIntValue(extent))
      return b.getIndexAttr(llvm::divideCeil(*known, blockSize));
    return arith::CeilDivUIOp::create(b, loc, materialize(b, loc, extent),
                                      constantIndex(b, loc, blockSize))
        .getResult();
  }

  void check(Value parameter, int64_t i, OpFoldResult needed) {
    OpFoldResult extent = getDim(b, loc, parameter, i);
    if (extent == needed)
      return;
    createCheck(b, loc,
                arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                      materialize(b, loc, extent),
                                      materialize(b, loc, needed)),
                describeNode(loc) +
                    ": the scale's dimensions do not match the data's");
  }

  OpBuilder &b;
  Location loc;
  std::optional<uint64_t> axis;
  int64_t blockSize;
  bool isSplit = false;
  int64_t rank = 0;
};

//===- patterns -----------------------------------------------------------===//

struct ConvertQuantize : QNNPattern<qnn::QuantizeOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::QuantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type from = op.getInput().getType().getElementType();
    Type scaleType = op.getScale().getType().getElementType();
    Type to = op.getType().getElementType();
    Type precision = op.getPrecision().value_or(scaleType);
    RankedTensorType type = getResultType(op);
    auto toFloat = dyn_cast<FloatType>(to);
    QuantizationLoops loops(rewriter, op.getLoc(), op.getAxis(),
                            int64_t(op.getBlockSize()));
    // A zero point of a float type can only be 0, which the onnx package adds
    // to 4-bit floats: it shows in the sign of zeros.
    bool hasZero = !toFloat || toFloat.getWidth() < 8;
    Value zeroPoint = hasZero ? adaptor.getZeroPoint() : Value();
    rewriter.replaceOp(
        op,
        loops.build(
            adaptor.getInput(), adaptor.getScale(), zeroPoint, type,
            [&](OpBuilder &b, Location loc, Value x, Value scale, Value zero) {
              // f32 holds enough bits for the quotient of narrower floats to
              // be rounded once only.
              x = roundTo(b, loc, loadScalar(b, loc, x, from), from, precision);
              scale = roundTo(b, loc, loadScalar(b, loc, scale, scaleType),
                              scaleType, precision);
              Value y = arith::DivFOp::create(b, loc, x, scale);
              y = roundTo(b, loc, y, b.getF32Type(), precision);
              if (toFloat) {
                if (zero)
                  y = arith::AddFOp::create(b, loc, y,
                                            loadScalar(b, loc, zero, to));
                return encodeSmallFloat(b, loc, y, toFloat, op.getSaturate(),
                                        qnn::RoundMode::up);
              }
              if (zero)
                zero = widenInt(b, loc, zero, to);
              return roundAndSaturate(b, loc, y, zero, to);
            }));
    return success();
  }
};

struct ConvertDequantize : QNNPattern<qnn::DequantizeOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::DequantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type from = op.getInput().getType().getElementType();
    Type scaleType = op.getScale().getType().getElementType();
    Type to = op.getType().getElementType();
    RankedTensorType type = getResultType(op);
    QuantizationLoops loops(rewriter, op.getLoc(), op.getAxis(),
                            int64_t(op.getBlockSize()));
    bool isFloat = isa<FloatType>(from);
    Value zeroPoint = isFloat ? Value() : adaptor.getZeroPoint();
    bool isFloatZero =
        zeroPoint && isa<FloatType>(getElementTypeOrSelf(zeroPoint));
    rewriter.replaceOp(
        op,
        loops.build(
            adaptor.getInput(), adaptor.getScale(), zeroPoint, type,
            [&](OpBuilder &b, Location loc, Value x, Value scale, Value zero) {
              Type f32 = b.getF32Type();
              if (isFloat) {
                x = loadScalar(b, loc, x, from);
              } else {
                x = widenInt(b, loc, x, from);
                if (zero && !isFloatZero)
                  x = arith::SubIOp::create(b, loc, x,
                                            widenInt(b, loc, zero, from));
                x = arith::SIToFPOp::create(b, loc, f32, x);
                if (zero && isFloatZero)
                  x = arith::SubFOp::create(
                      b, loc, x, convertScalar(b, loc, zero, scaleType, f32));
              }
              scale = loadScalar(b, loc, scale, scaleType);
              scale = convertScalar(b, loc, scale, scaleType, f32);
              Value y = arith::MulFOp::create(b, loc, x, scale);
              return storeScalar(b, loc, convertScalar(b, loc, y, f32, to), to);
            }));
    return success();
  }
};

struct ConvertRequantize : QNNPattern<qnn::RequantizeOp> {
  using QNNPattern::QNNPattern;

  /// Whether any i32 times such a scale, plus a zero point of 16 bits, is an
  /// i32 again. (From 1 - 2^-14 on it is not.)
  static bool staysInRange(Value scale) {
    ElementsAttr constant;
    if (!matchPattern(scale, m_Constant(&constant)))
      return false;
    std::vector<float> storage;
    auto values = qnn::viewFloats(constant, storage);
    return values && llvm::all_of(*values, [](float value) {
             return std::abs(value) < 0.99f;
           });
  }

  LogicalResult
  matchAndRewrite(qnn::RequantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type to = op.getType().getElementType();
    RankedTensorType type = getResultType(op);
    QuantizationLoops loops(rewriter, op.getLoc(), op.getAxis(), 0);
    bool fits = staysInRange(op.getScale());
    rewriter.replaceOp(
        op,
        loops.build(
            adaptor.getInput(), adaptor.getScale(), adaptor.getZeroPoint(),
            type,
            [&](OpBuilder &b, Location loc, Value x, Value scale, Value zero) {
              x = arith::SIToFPOp::create(b, loc, b.getF32Type(), x);
              Value y = arith::MulFOp::create(b, loc, x, scale);
              if (zero)
                zero = widenInt(b, loc, zero, to);
              return fits ? roundAndNarrow(b, loc, y, zero, to)
                          : roundAndSaturate(b, loc, y, zero, to);
            }));
    return success();
  }
};

/// The smallest and the largest element, both of them together with 0.
struct ConvertDynamicQuantize : QNNPattern<qnn::DynamicQuantizeOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::DynamicQuantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value x = adaptor.getInput();
    auto scalarType = RankedTensorType::get({}, rewriter.getF32Type());
    Value low = findExtremum(
        rewriter, loc, x, [](OpBuilder &b, Location l, ValueRange args) {
          return arith::MinNumFOp::create(b, l, args[0], args[1]).getResult();
        });
    Value high = findExtremum(
        rewriter, loc, x, [](OpBuilder &b, Location l, ValueRange args) {
          return arith::MaxNumFOp::create(b, l, args[0], args[1]).getResult();
        });

    Value scale = createElementwise(
        rewriter, loc, scalarType, {low, high},
        [](OpBuilder &b, Location l, ValueRange v) -> Value {
          Type f32 = b.getF32Type();
          Value extent = arith::SubFOp::create(b, l, v[1], v[0]);
          Value s = arith::DivFOp::create(b, l, extent,
                                          constantScalar(b, l, f32, 255));
          Value isZero = arith::CmpFOp::create(b, l, arith::CmpFPredicate::OEQ,
                                               s, constantScalar(b, l, f32, 0));
          return arith::SelectOp::create(b, l, isZero,
                                         constantScalar(b, l, f32, 1), s);
        });
    Type ui8 = op.getZeroPoint().getType().getElementType();
    auto zeroType = RankedTensorType::get({}, rewriter.getI8Type());
    Value zeroPoint = createElementwise(
        rewriter, loc, zeroType, {low, scale},
        [&](OpBuilder &b, Location l, ValueRange v) -> Value {
          Value steps = arith::DivFOp::create(b, l, v[0], v[1]);
          return roundAndSaturate(b, l, arith::NegFOp::create(b, l, steps),
                                  Value(), ui8);
        });
    RankedTensorType type = getResultType(op);
    QuantizationLoops loops(rewriter, loc, std::nullopt, 0);
    Value y = loops.build(
        x, scale, zeroPoint, type,
        [&](OpBuilder &b, Location l, Value v, Value s, Value z) {
          Value q = arith::DivFOp::create(b, l, v, s);
          return roundAndSaturate(b, l, q, widenInt(b, l, z, ui8), ui8);
        });
    rewriter.replaceOp(op, ValueRange{y, scale, zeroPoint});
    return success();
  }

private:
  /// The least or greatest of all elements and 0. All of them are one line: of
  /// its rows first, which are reduced in vectors and on all threads whatever
  /// the tensor's shape, then of these and what remains of the line.
  static Value findExtremum(OpBuilder &b, Location loc, Value x,
                            CombineBody combine) {
    constexpr int64_t rowSize = 1024;
    Value zero = constantScalar(b, loc, b.getF32Type(), 0);
    int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
    if (rank == 0)
      return createReduction(b, loc, x, {}, zero, combine);
    if (rank > 1)
      x = tensor::CollapseShapeOp::create(
          b, loc, x,
          ReassociationIndices(llvm::to_vector(llvm::seq<int64_t>(0, rank))));
    SizeMath m{b, loc};
    OpFoldResult size = getDim(b, loc, x, 0);
    OpFoldResult numRows = m.floorDiv(size, m.cst(rowSize));
    OpFoldResult inRows = m.mul(numRows, m.cst(rowSize));
    OpFoldResult remaining = m.sub(size, inRows);
    auto slice = [&](OpFoldResult begin, OpFoldResult count) -> Value {
      return tensor::ExtractSliceOp::create(b, loc, x, begin, count, m.cst(1));
    };

    Value extremum;
    if (getConstantIntValue(numRows) != 0) {
      SmallVector<OpFoldResult> sizes{numRows, m.cst(rowSize)};
      Value rows = tensor::ExpandShapeOp::create(
          b, loc, getTypeOf(sizes, b.getF32Type()), slice(m.cst(0), inRows),
          ReassociationIndices{0, 1}, sizes);
      rows = createReduction(b, loc, rows, {false, true}, zero, combine);
      extremum = createReduction(b, loc, rows, true, zero, combine);
    }
    if (getConstantIntValue(remaining) == 0 && extremum)
      return extremum;
    Value rest =
        createReduction(b, loc, slice(inRows, remaining), true, zero, combine);
    if (!extremum)
      return rest;
    return createElementwise(b, loc, cast<RankedTensorType>(rest.getType()),
                             {extremum, rest}, combine);
  }
};

/// Nobody records here.
struct ConvertObserve : OpConversionPattern<qnn::ObserveOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ObserveOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getInput());
    return success();
  }
};

} // namespace

void quantc::populateQuantizationPatterns(const TypeConverter &converter,
                                          RewritePatternSet &patterns) {
  patterns.add<ConvertQuantize, ConvertDequantize, ConvertRequantize,
               ConvertDynamicQuantize, ConvertObserve>(converter,
                                                       patterns.getContext());
}
