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
struct ConvertMatMul : OpConversionPattern<qnn::MatMulOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(qnn::MatMulOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value lhs = adaptor.getLhs(), rhs = adaptor.getRhs();
    auto lhsType = cast<RankedTensorType>(lhs.getType());
    auto rhsType = cast<RankedTensorType>(rhs.getType());
    auto type =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
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

  /// Any ranks, any zero points. A batch dimension that is 1 is collapsed away;
  /// one that may be 1 at run time is read by a computed index.
  Value lowerGeneric(OpBuilder &b, Location loc, Operands &o,
                     RankedTensorType type) const {
    Value lhs = o.adaptor.getLhs(), rhs = o.adaptor.getRhs();
    auto lhsType = cast<RankedTensorType>(lhs.getType());
    auto rhsType = cast<RankedTensorType>(rhs.getType());
    bool row = lhsType.getRank() == 1, column = rhsType.getRank() == 1;
    int64_t batches = type.getRank() - !row - !column;
    int64_t loops = batches + !row + !column + 1;
    AffineExpr k = b.getAffineDimExpr(loops - 1);
    AffineExpr m = b.getAffineDimExpr(batches);
    AffineExpr n = b.getAffineDimExpr(batches + !row);

    if (o.isPlain() && lhsType.getRank() == 2 && rhsType.getRank() == 2) {
      SmallVector<OpFoldResult> dims{getDim(b, loc, lhs, 0),
                                     getDim(b, loc, rhs, 1)};
      Value acc = zeroAccumulator(b, loc, type, dims);
      return linalg::MatmulOp::create(b, loc, TypeRange(type),
                                      ValueRange{lhs, rhs}, acc)
          .getResult(0);
    }

    SmallVector<OpFoldResult> dims;
    SmallVector<Value> operands;
    SmallVector<AffineMap> maps;
    SmallVector<OpFoldResult> batchDims =
        batchSizes(b, loc, lhs, rhs, batches, type);
    dims = batchDims;
    if (!row)
      dims.push_back(getDim(b, loc, lhs, lhsType.getRank() - 2));
    if (!column)
      dims.push_back(getDim(b, loc, rhs, rhsType.getRank() - 1));

    auto addOperand = [&](Value v, ArrayRef<AffineExpr> inner) {
      auto vt = cast<RankedTensorType>(v.getType());
      int64_t own = vt.getRank() - int64_t(inner.size());
      v = stretchBatch(b, loc, v, own, batchDims, type);
      vt = cast<RankedTensorType>(v.getType());
      SmallVector<AffineExpr> exprs;
      SmallVector<ReassociationIndices> groups;
      SmallVector<int64_t> shape;
      ReassociationIndices pending;
      for (int64_t i = 0; i < vt.getRank(); ++i) {
        pending.push_back(i);
        int64_t loop = batches - own + i;
        if (i < own && vt.getDimSize(i) == 1 && type.getDimSize(loop) != 1)
          continue;
        exprs.push_back(i < own ? b.getAffineDimExpr(loop) : inner[i - own]);
        shape.push_back(vt.getDimSize(i));
        groups.push_back(pending);
        pending.clear();
      }
      if (int64_t(shape.size()) != vt.getRank())
        v = tensor::CollapseShapeOp::create(
            b, loc, RankedTensorType::get(shape, vt.getElementType()), v,
            groups);
      operands.push_back(v);
      maps.push_back(AffineMap::get(loops, 0, exprs, b.getContext()));
    };
    addOperand(lhs, row ? ArrayRef<AffineExpr>{k} : ArrayRef<AffineExpr>{m, k});
    addOperand(rhs,
               column ? ArrayRef<AffineExpr>{k} : ArrayRef<AffineExpr>{k, n});

    if (o.isPlain() && !row && !column && batches == 1 &&
        cast<RankedTensorType>(operands[0].getType()).getRank() == 3 &&
        cast<RankedTensorType>(operands[1].getType()).getRank() == 3) {
      Value acc = zeroAccumulator(b, loc, type, dims);
      return linalg::BatchMatmulOp::create(b, loc, TypeRange(type), operands,
                                           acc)
          .getResult(0);
    }

    // Zero points: scalars, or one a row of lhs or a column of rhs.
    bool hasLhsZero = bool(o.op.getLhsZeroPoint());
    bool hasRhsZero = bool(o.op.getRhsZeroPoint());
    auto addZero = [&](Value z, bool ofLhs) {
      auto zt = cast<RankedTensorType>(z.getType());
      if (zt.getRank() == 1 && zt.getDimSize(0) == 1) {
        z = tensor::CollapseShapeOp::create(
            b, loc, RankedTensorType::get({}, zt.getElementType()), z,
            ArrayRef<ReassociationIndices>{});
        zt = cast<RankedTensorType>(z.getType());
      }
      SmallVector<AffineExpr> exprs;
      if (zt.getRank() == 1)
        exprs.push_back(ofLhs ? m : n);
      else if (zt.getRank() > 1) {
        for (int64_t i = 0; i + 2 < zt.getRank(); ++i)
          exprs.push_back(b.getAffineDimExpr(batches - (zt.getRank() - 2) + i));
        exprs.push_back(ofLhs ? m : b.getAffineConstantExpr(0));
        exprs.push_back(ofLhs ? b.getAffineConstantExpr(0) : n);
      }
      operands.push_back(z);
      maps.push_back(AffineMap::get(loops, 0, exprs, b.getContext()));
    };
    if (hasLhsZero)
      addZero(o.adaptor.getLhsZeroPoint(), true);
    if (hasRhsZero)
      addZero(o.adaptor.getRhsZeroPoint(), false);

    SmallVector<AffineExpr> outExprs;
    for (int64_t i = 0; i + 1 < loops; ++i)
      outExprs.push_back(b.getAffineDimExpr(i));
    maps.push_back(AffineMap::get(loops, 0, outExprs, b.getContext()));
    SmallVector<utils::IteratorType> iterators(loops,
                                               utils::IteratorType::parallel);
    iterators.back() = utils::IteratorType::reduction;

    // Half precision accumulates in f32. What is no constant is extended
    // before: kernels would do so for each panel of columns.
    Type element = type.getElementType();
    if (element.isF16())
      for (auto [operand, given] :
           llvm::zip_equal(operands, SmallVector<Value>{lhs, rhs})) {
        if (matchPattern(given, m_Constant()))
          continue;
        auto wide = cast<RankedTensorType>(operand.getType())
                        .clone(Type(b.getF32Type()));
        operand = createElementwise(
            b, loc, wide, operand,
            [](OpBuilder &nb, Location l, ValueRange x) -> Value {
              return arith::ExtFOp::create(nb, l, nb.getF32Type(), x[0]);
            });
      }
    bool half = isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32;
    Type accElement = half ? Type(b.getF32Type()) : element;
    auto accType = RankedTensorType::get(type.getShape(), accElement);
    Value acc = zeroAccumulator(b, loc, accType, dims);
    Type lhsQnn = o.op.getLhs().getType().getElementType();
    Type rhsQnn = o.op.getRhs().getType().getElementType();
    auto generic = linalg::GenericOp::create(
        b, loc, TypeRange(accType), operands, ValueRange(acc), maps, iterators,
        [&](OpBuilder &nb, Location l, ValueRange args) {
          Value x = widen(nb, l, args[0], lhsQnn, accElement);
          Value y = widen(nb, l, args[1], rhsQnn, accElement);
          unsigned next = 2;
          if (hasLhsZero)
            x = arith::SubIOp::create(
                nb, l, x, widen(nb, l, args[next++], lhsQnn, accElement));
          if (hasRhsZero)
            y = arith::SubIOp::create(
                nb, l, y, widen(nb, l, args[next++], rhsQnn, accElement));
          Value sum;
          if (isa<FloatType>(accElement))
            sum = arith::AddFOp::create(nb, l, args.back(),
                                        arith::MulFOp::create(nb, l, x, y));
          else
            sum = arith::AddIOp::create(nb, l, args.back(),
                                        arith::MulIOp::create(nb, l, x, y));
          linalg::YieldOp::create(nb, l, sum);
        });
    Value result = generic.getResult(0);
    if (!half)
      return result;
    return createElementwise(
        b, loc, type, result, [&](OpBuilder &nb, Location l, ValueRange x) {
          return arith::TruncFOp::create(nb, l, element, x[0]).getResult();
        });
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
