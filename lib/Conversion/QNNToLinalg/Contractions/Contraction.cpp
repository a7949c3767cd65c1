//===- Contraction.cpp - Lowers matrix products ---------------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ContractionOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

/// numpy's matmul as one contraction. `x @ W` with a matrix W, the common case
/// of a layer, becomes a plain matmul over all rows of x; equal batches become
/// batch_matmul; the rest a generic contraction whose maps skip what is
/// broadcast.
struct ConvertMatMul : QNNPattern<qnn::MatMulOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::MatMulOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value lhs = adaptor.getLhs(), rhs = adaptor.getRhs();
    auto lhsType = cast<RankedTensorType>(lhs.getType());
    auto rhsType = cast<RankedTensorType>(rhs.getType());
    RankedTensorType type = getResultType(op);
    checkInner(rewriter, loc, lhs, rhs);

    Operands operands{op, adaptor, type.getElementType()};
    if (lhsType.getRank() >= 2 && rhsType.getRank() == 2) {
      rewriter.replaceOp(op, lowerRows(rewriter, loc, operands, type));
      return success();
    }
    rewriter.replaceOp(op, lowerGeneric(rewriter, loc, operands, type));
    return success();
  }

private:
  struct Operands {
    qnn::MatMulOp op;
    OpAdaptor adaptor;
    Type resultElement;

    /// Whether a named linalg op computes just this (half precision needs a
    /// wider accumulator than its result).
    bool isPlain() {
      return resultElement.getIntOrFloatBitWidth() >= 32 &&
             !op.getLhsZeroPoint() && !op.getRhsZeroPoint() &&
             cast<RankedTensorType>(adaptor.getLhs().getType())
                     .getElementType() == resultElement;
    }
  };

  static void checkInner(OpBuilder &b, Location loc, Value lhs, Value rhs) {
    auto lt = cast<RankedTensorType>(lhs.getType());
    auto rt = cast<RankedTensorType>(rhs.getType());
    int64_t li = lt.getRank() - 1,
            ri = rt.getRank() == 1 ? 0 : rt.getRank() - 2;
    if (!lt.isDynamicDim(li) && !rt.isDynamicDim(ri))
      return;
    Value k = materialize(b, loc, getDim(b, loc, lhs, li));
    Value l = materialize(b, loc, getDim(b, loc, rhs, ri));
    if (k != l)
      createCheck(b, loc,
                  arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, k, l),
                  describeNode(loc) + " (MatMul): the inner dimensions differ");
  }

  static Value zeroAccumulator(OpBuilder &b, Location loc,
                               RankedTensorType type,
                               ArrayRef<OpFoldResult> dims) {
    return createFilled(b, loc, type, dims,
                        constantScalar(b, loc, type.getElementType(), 0));
  }

  Value lowerRows(OpBuilder &b, Location loc, Operands &o,
                  RankedTensorType type) const {
    Value lhs = o.adaptor.getLhs(), rhs = o.adaptor.getRhs();
    auto lhsType = cast<RankedTensorType>(lhs.getType());
    int64_t rank = lhsType.getRank();
    if (rank == 2 || !o.isPlain())
      return lowerGeneric(b, loc, o, type);
    SmallVector<OpFoldResult> dims = getDims(b, loc, lhs);
    dims.back() = getDim(b, loc, rhs, 1);
    // Where there are no rows, their number does not tell the other dimensions.
    if (llvm::is_contained(lhsType.getShape().drop_back(), 0))
      return castTo(b, loc,
                    createEmpty(b, loc, type.clone(decodeShape(dims)), dims),
                    type);
    SmallVector<ReassociationIndices> groups(2);
    for (int64_t i = 0; i + 1 < rank; ++i)
      groups[0].push_back(i);
    groups[1].push_back(rank - 1);
    Value rows = tensor::CollapseShapeOp::create(b, loc, lhs, groups);
    auto rowsType = cast<RankedTensorType>(rows.getType());
    auto flatType =
        RankedTensorType::get({rowsType.getDimSize(0), type.getShape().back()},
                              type.getElementType());
    SmallVector<OpFoldResult> flatDims{getDim(b, loc, rows, 0), dims.back()};
    Value acc = zeroAccumulator(b, loc, flatType, flatDims);
    Value flat = linalg::MatmulOp::create(b, loc, TypeRange(flatType),
                                          ValueRange{rows, rhs}, acc)
                     .getResult(0);
    auto expanded =
        RankedTensorType::get(decodeShape(dims), type.getElementType());
    Value result =
        tensor::ExpandShapeOp::create(b, loc, expanded, flat, groups, dims);
    return castTo(b, loc, result, type);
  }

  static SmallVector<int64_t> decodeShape(ArrayRef<OpFoldResult> dims) {
    SmallVector<int64_t> shape;
    for (OpFoldResult d : dims)
      shape.push_back(
          getConstantIntValue(d).value_or(int64_t(ShapedType::kDynamic)));
    return shape;
  }

  /// The operands of a generic contraction, whose loops are batches, then rows
  /// and columns, if there are any, then k.
  struct Contraction {
    int64_t numBatches, numLoops;
    AffineExpr m, n, k;
    SmallVector<OpFoldResult> batchDims;
    SmallVector<Value> operands;
    SmallVector<AffineMap> maps;

    void add(Value operand, ArrayRef<AffineExpr> exprs) {
      operands.push_back(operand);
      maps.push_back(AffineMap::get(numLoops, 0, exprs, k.getContext()));
    }
  };

  /// Adds a tensor whose dimensions behind the batches are `inner`. A batch
  /// dimension that is 1 is collapsed away; one that may be 1 at run time is
  /// read by a computed index.
  static void addOperand(OpBuilder &b, Location loc, Contraction &c, Value v,
                         ArrayRef<AffineExpr> inner, RankedTensorType type) {
    int64_t own =
        cast<RankedTensorType>(v.getType()).getRank() - int64_t(inner.size());
    v = stretchBatch(b, loc, v, own, c.batchDims, type);
    auto vt = cast<RankedTensorType>(v.getType());
    SmallVector<AffineExpr> exprs;
    SmallVector<ReassociationIndices> groups;
    SmallVector<int64_t> shape;
    ReassociationIndices pending;
    for (int64_t i = 0; i < vt.getRank(); ++i) {
      pending.push_back(i);
      int64_t loop = c.numBatches - own + i;
      if (i < own && vt.getDimSize(i) == 1 && type.getDimSize(loop) != 1)
        continue;
      exprs.push_back(i < own ? b.getAffineDimExpr(loop) : inner[i - own]);
      shape.push_back(vt.getDimSize(i));
      groups.push_back(pending);
      pending.clear();
    }
    if (int64_t(shape.size()) != vt.getRank())
      v = tensor::CollapseShapeOp::create(
          b, loc, RankedTensorType::get(shape, vt.getElementType()), v, groups);
    c.add(v, exprs);
  }

  /// Adds a zero point: a scalar, or one a row of lhs or a column of rhs.
  static void addZeroPoint(OpBuilder &b, Location loc, Contraction &c, Value z,
                           bool isOfLhs) {
    auto zt = cast<RankedTensorType>(z.getType());
    if (zt.getRank() == 1 && zt.getDimSize(0) == 1) {
      z = tensor::CollapseShapeOp::create(
          b, loc, RankedTensorType::get({}, zt.getElementType()), z,
          ArrayRef<ReassociationIndices>{});
      zt = cast<RankedTensorType>(z.getType());
    }
    SmallVector<AffineExpr> exprs;
    if (zt.getRank() == 1) {
      exprs.push_back(isOfLhs ? c.m : c.n);
    } else if (zt.getRank() > 1) {
      int64_t numBatches = zt.getRank() - 2;
      for (int64_t i = 0; i < numBatches; ++i)
        exprs.push_back(b.getAffineDimExpr(c.numBatches - numBatches + i));
      AffineExpr first = b.getAffineConstantExpr(0);
      exprs.push_back(isOfLhs ? c.m : first);
      exprs.push_back(isOfLhs ? first : c.n);
    }
    c.add(z, exprs);
  }

  /// Half precision accumulates in f32. What is no constant is extended before:
  /// kernels would do so for each panel of columns.
  static void extendHalf(OpBuilder &b, Location loc, Contraction &c, Value lhs,
                         Value rhs) {
    for (auto [operand, given] :
         llvm::zip_equal(c.operands, SmallVector<Value>{lhs, rhs})) {
      if (matchPattern(given, m_Constant()))
        continue;
      auto wide =
          cast<RankedTensorType>(operand.getType()).clone(Type(b.getF32Type()));
      operand = createElementwise(
          b, loc, wide, operand,
          [](OpBuilder &nb, Location l, ValueRange x) -> Value {
            return arith::ExtFOp::create(nb, l, nb.getF32Type(), x[0]);
          });
    }
  }

  /// The sum of products, each factor without its zero point.
  static void buildBody(OpBuilder &b, Location loc, ValueRange args,
                        qnn::MatMulOp op) {
    Type accumulator = args.back().getType();
    Type lhsQnn = op.getLhs().getType().getElementType();
    Type rhsQnn = op.getRhs().getType().getElementType();
    Value x = widen(b, loc, args[0], lhsQnn, accumulator);
    Value y = widen(b, loc, args[1], rhsQnn, accumulator);
    unsigned next = 2;
    if (op.getLhsZeroPoint())
      x = arith::SubIOp::create(
          b, loc, x, widen(b, loc, args[next++], lhsQnn, accumulator));
    if (op.getRhsZeroPoint())
      y = arith::SubIOp::create(
          b, loc, y, widen(b, loc, args[next++], rhsQnn, accumulator));
    Value sum;
    if (isa<FloatType>(accumulator))
      sum = arith::AddFOp::create(b, loc, args.back(),
                                  arith::MulFOp::create(b, loc, x, y));
    else
      sum = arith::AddIOp::create(b, loc, args.back(),
                                  arith::MulIOp::create(b, loc, x, y));
    linalg::YieldOp::create(b, loc, sum);
  }

  static Value createGeneric(OpBuilder &b, Location loc, Contraction &c,
                             ArrayRef<OpFoldResult> dims, qnn::MatMulOp op,
                             RankedTensorType type) {
    SmallVector<AffineExpr> outExprs;
    for (int64_t i = 0; i + 1 < c.numLoops; ++i)
      outExprs.push_back(b.getAffineDimExpr(i));
    c.maps.push_back(AffineMap::get(c.numLoops, 0, outExprs, b.getContext()));
    SmallVector<utils::IteratorType> iterators(c.numLoops,
                                               utils::IteratorType::parallel);
    iterators.back() = utils::IteratorType::reduction;
    Type element = type.getElementType();
    bool isHalf =
        isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32;
    auto accType = RankedTensorType::get(
        type.getShape(), isHalf ? Type(b.getF32Type()) : element);
    Value acc = zeroAccumulator(b, loc, accType, dims);
    Value result = linalg::GenericOp::create(
                       b, loc, TypeRange(accType), c.operands, ValueRange(acc),
                       c.maps, iterators,
                       [&](OpBuilder &nb, Location l, ValueRange args) {
                         buildBody(nb, l, args, op);
                       })
                       .getResult(0);
    if (!isHalf)
      return result;
    return createElementwise(
        b, loc, type, result, [&](OpBuilder &nb, Location l, ValueRange x) {
          return arith::TruncFOp::create(nb, l, element, x[0]).getResult();
        });
  }

  /// Any ranks, any zero points.
  Value lowerGeneric(OpBuilder &b, Location loc, Operands &o,
                     RankedTensorType type) const {
    Value lhs = o.adaptor.getLhs(), rhs = o.adaptor.getRhs();
    auto lhsType = cast<RankedTensorType>(lhs.getType());
    auto rhsType = cast<RankedTensorType>(rhs.getType());
    bool row = lhsType.getRank() == 1, column = rhsType.getRank() == 1;
    if (o.isPlain() && lhsType.getRank() == 2 && rhsType.getRank() == 2) {
      SmallVector<OpFoldResult> dims{getDim(b, loc, lhs, 0),
                                     getDim(b, loc, rhs, 1)};
      Value acc = zeroAccumulator(b, loc, type, dims);
      return linalg::MatmulOp::create(b, loc, TypeRange(type),
                                      ValueRange{lhs, rhs}, acc)
          .getResult(0);
    }

    Contraction c;
    c.numBatches = type.getRank() - !row - !column;
    c.numLoops = c.numBatches + !row + !column + 1;
    c.m = b.getAffineDimExpr(c.numBatches);
    c.n = b.getAffineDimExpr(c.numBatches + !row);
    c.k = b.getAffineDimExpr(c.numLoops - 1);
    c.batchDims = batchSizes(b, loc, lhs, rhs, c.numBatches, type);
    SmallVector<OpFoldResult> dims = c.batchDims;
    if (!row)
      dims.push_back(getDim(b, loc, lhs, lhsType.getRank() - 2));
    if (!column)
      dims.push_back(getDim(b, loc, rhs, rhsType.getRank() - 1));
    SmallVector<AffineExpr> ofLhs{c.m, c.k}, ofRhs{c.k, c.n};
    addOperand(b, loc, c, lhs, ArrayRef(ofLhs).drop_front(row), type);
    addOperand(b, loc, c, rhs, ArrayRef(ofRhs).drop_back(column), type);

    auto isBatch = [](Value v) {
      return cast<RankedTensorType>(v.getType()).getRank() == 3;
    };
    if (o.isPlain() && !row && !column && c.numBatches == 1 &&
        llvm::all_of(c.operands, isBatch)) {
      Value acc = zeroAccumulator(b, loc, type, dims);
      return linalg::BatchMatmulOp::create(b, loc, TypeRange(type), c.operands,
                                           acc)
          .getResult(0);
    }

    if (o.op.getLhsZeroPoint())
      addZeroPoint(b, loc, c, o.adaptor.getLhsZeroPoint(), /*isOfLhs=*/true);
    if (o.op.getRhsZeroPoint())
      addZeroPoint(b, loc, c, o.adaptor.getRhsZeroPoint(), /*isOfLhs=*/false);
    if (type.getElementType().isF16())
      extendHalf(b, loc, c, lhs, rhs);
    return createGeneric(b, loc, c, dims, o.op, type);
  }

  static Value widen(OpBuilder &b, Location l, Value x, Type qnnType, Type to) {
    if (x.getType() == to)
      return x;
    if (isa<FloatType>(to))
      return arith::ExtFOp::create(b, l, to, x);
    if (isUnsigned(qnnType))
      return arith::ExtUIOp::create(b, l, to, x);
    return arith::ExtSIOp::create(b, l, to, x);
  }

  /// Sizes of the result's batch dimensions.
  static SmallVector<OpFoldResult> batchSizes(OpBuilder &b, Location loc,
                                              Value lhs, Value rhs,
                                              int64_t batches,
                                              RankedTensorType type) {
    SmallVector<OpFoldResult> sizes;
    for (int64_t d = 0; d < batches; ++d) {
      if (!type.isDynamicDim(d)) {
        sizes.push_back(b.getIndexAttr(type.getDimSize(d)));
        continue;
      }
      auto own = [&](Value v) -> OpFoldResult {
        int64_t rank = cast<RankedTensorType>(v.getType()).getRank();
        int64_t i = d - (batches - (rank - 2));
        if (rank < 3 || i < 0)
          return b.getIndexAttr(1);
        return getDim(b, loc, v, i);
      };
      OpFoldResult l = own(lhs), r = own(rhs);
      if (isConstantIntValue(l, 1)) {
        sizes.push_back(r);
      } else if (isConstantIntValue(r, 1) || l == r) {
        sizes.push_back(l);
      } else {
        Value lv = materialize(b, loc, l);
        Value one = constantIndex(b, loc, 1);
        Value isOne =
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lv, one);
        sizes.push_back(
            arith::SelectOp::create(b, loc, isOne, materialize(b, loc, r), lv)
                .getResult());
      }
    }
    return sizes;
  }

  /// Makes batch dimensions that may be 1 at run time, where the result's need
  /// not be, equal to the result's.
  static Value stretchBatch(OpBuilder &b, Location loc, Value v, int64_t own,
                            ArrayRef<OpFoldResult> sizes,
                            RankedTensorType type) {
    auto vt = cast<RankedTensorType>(v.getType());
    int64_t offset = int64_t(sizes.size()) - own;
    bool needed = false;
    SmallVector<OpFoldResult> dims = getDims(b, loc, v);
    SmallVector<int64_t> shape(vt.getShape());
    for (int64_t i = 0; i < own; ++i) {
      if (!vt.isDynamicDim(i) || dims[i] == sizes[offset + i])
        continue;
      needed = true;
      dims[i] = sizes[offset + i];
      shape[i] = type.getDimSize(offset + i);
    }
    if (!needed)
      return v;
    auto target = RankedTensorType::get(shape, vt.getElementType());
    return createElementwise(
        b, loc, target, {v, createEmpty(b, loc, target, dims)},
        [](OpBuilder &, Location, ValueRange x) { return x[0]; });
  }
};

} // namespace

void quantc::populateContractionPatterns(const TypeConverter &converter,
                                         RewritePatternSet &patterns) {
  patterns.add<ConvertMatMul>(converter, patterns.getContext());
}
