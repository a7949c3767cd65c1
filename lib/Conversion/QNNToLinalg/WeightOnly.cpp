//===- WeightOnly.cpp - Lowers products with low-bit weights --------------===//
//
// One contraction over [..., n, block, k]. What makes an element of the weights
// a factor is written in its body, starting with a truncation to as many bits
// as the weights have: that is how the code generator knows that it may pack
// them (lib/CodeGen/Analysis/LowBitContraction.h matches this form).
//
//===----------------------------------------------------------------------===//

#include "WeightOnly.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/WeightOnlyOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

/// `x`, a float of another width or a signed integer, as f32.
static Value toF32(OpBuilder &b, Location loc, Value x) {
  Type f32 = b.getF32Type();
  if (x.getType().isInteger())
    return arith::SIToFPOp::create(b, loc, f32, x);
  unsigned width = x.getType().getIntOrFloatBitWidth();
  if (width == 32)
    return x;
  if (width > 32)
    return arith::TruncFOp::create(b, loc, f32, x);
  return arith::ExtFOp::create(b, loc, f32, x);
}

/// The numbers that the codes of a small float stand for, as a table.
static Value createFloatTable(OpBuilder &b, Location loc, FloatType type) {
  unsigned width = type.getWidth();
  SmallVector<float> values;
  for (unsigned code = 0; code < (1u << width); ++code) {
    APFloat value(type.getFloatSemantics(), APInt(width, code));
    bool losesInfo;
    value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    values.push_back(value.convertToFloat());
  }
  auto table = RankedTensorType::get({int64_t(values.size())}, b.getF32Type());
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(table, ArrayRef<float>(values)));
}

namespace {

struct ConvertWeightOnlyMatMul : OpConversionPattern<qnn::WeightOnlyMatMulOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult
  matchAndRewrite(qnn::WeightOnlyMatMulOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value x = adaptor.getInput(), w = adaptor.getWeights();
    Value scales = adaptor.getScales(), zeros = adaptor.getZeroPoints();
    Type element = op.getWeights().getType().getElementType();
    auto type =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    Value table = adaptor.getCodebook();
    if (auto small = dyn_cast<FloatType>(element)) {
      table = createFloatTable(rewriter, loc, small);
      zeros = nullptr; // A zero point of a float type can only be 0.
    }
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, x);
    checkInner(rewriter, loc, dims.back(), getDim(rewriter, loc, w, 0));
    dims.back() = getDim(rewriter, loc, w, 1);

    // The loops: those of the result, the block, k inside of it. Blocks that do
    // not divide K leave one loop over k, and the last one short.
    int64_t blockSize = op.getBlockSize();
    int64_t k = cast<RankedTensorType>(w.getType()).getDimSize(0);
    bool isKnown = !ShapedType::isDynamic(k) && k > 0;
    if (isKnown)
      blockSize = std::min(blockSize, k);
    bool isSplit = isKnown && k % blockSize == 0;
    int64_t numLoops = type.getRank() + 1 + isSplit;
    MLIRContext *ctx = rewriter.getContext();
    AffineExpr n = getAffineDimExpr(type.getRank() - 1, ctx);
    AffineExpr block = getAffineDimExpr(type.getRank(), ctx);
    AffineExpr last = getAffineDimExpr(numLoops - 1, ctx);
    SmallVector<AffineExpr> outer, inner{block, last};
    for (int64_t i = 0; i + 1 < type.getRank(); ++i)
      outer.push_back(getAffineDimExpr(i, ctx));
    if (isSplit) {
      x = splitDim(rewriter, loc, x, type.getRank() - 1, k / blockSize,
                   blockSize);
      w = splitDim(rewriter, loc, w, 0, k / blockSize, blockSize);
    } else {
      inner = {last};
      block = last.floorDiv(blockSize);
    }
    auto join = [](ArrayRef<AffineExpr> a, ArrayRef<AffineExpr> b) {
      SmallVector<AffineExpr> all(a);
      llvm::append_range(all, b);
      return all;
    };
    SmallVector<Value> operands{x, w, scales};
    SmallVector<SmallVector<AffineExpr>> exprs{
        join(outer, inner), join(inner, {n}), {block, n}};
    if (zeros) {
      auto zeroType = cast<RankedTensorType>(zeros.getType());
      if (zeroType.getRank() == 1)
        zeros = tensor::CollapseShapeOp::create(
            rewriter, loc, RankedTensorType::get({}, zeroType.getElementType()),
            zeros, ArrayRef<ReassociationIndices>{});
      operands.push_back(zeros);
      exprs.push_back(zeroType.getRank() == 2
                          ? SmallVector<AffineExpr>{block, n}
                          : SmallVector<AffineExpr>{});
    }
    exprs.push_back(join(outer, {n}));
    SmallVector<AffineMap> maps;
    for (ArrayRef<AffineExpr> list : exprs)
      maps.push_back(AffineMap::get(numLoops, 0, list, ctx));
    SmallVector<utils::IteratorType> iterators(type.getRank(),
                                               utils::IteratorType::parallel);
    iterators.resize(numLoops, utils::IteratorType::reduction);

    Type f32 = rewriter.getF32Type();
    auto sumType = type.clone(f32);
    Value sum = createFilled(rewriter, loc, sumType, dims,
                             constantScalar(rewriter, loc, f32, 0));
    Value result =
        linalg::GenericOp::create(
            rewriter, loc, TypeRange(sumType), operands, ValueRange(sum), maps,
            iterators,
            [&](OpBuilder &b, Location l, ValueRange args) {
              Value weight =
                  table ? lookUp(b, l, args[1], element, table)
                        : subtractZero(b, l, args[1], element,
                                       zeros ? Value(args[3]) : Value());
              weight =
                  arith::MulFOp::create(b, l, weight, toF32(b, l, args[2]));
              Value product =
                  arith::MulFOp::create(b, l, toF32(b, l, args[0]), weight);
              linalg::YieldOp::create(
                  b, l,
                  arith::AddFOp::create(b, l, args.back(), product)
                      .getResult());
            })
            .getResult(0);
    if (type != sumType)
      result = createElementwise(
          rewriter, loc, type, result,
          [&](OpBuilder &b, Location l, ValueRange v) -> Value {
            if (type.getElementTypeBitWidth() > 32)
              return arith::ExtFOp::create(b, l, type.getElementType(), v[0]);
            return arith::TruncFOp::create(b, l, type.getElementType(), v[0]);
          });
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  static void checkInner(OpBuilder &b, Location loc, OpFoldResult k,
                         OpFoldResult rows) {
    if (k == rows)
      return;
    createCheck(b, loc,
                arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                      materialize(b, loc, k),
                                      materialize(b, loc, rows)),
                describeNode(loc) + " (MatMul): the inner dimensions differ");
  }

  /// `value` with dimension `dim` as two.
  static Value splitDim(OpBuilder &b, Location loc, Value value, int64_t dim,
                        int64_t count, int64_t size) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.isDynamicDim(dim)) {
      SmallVector<int64_t> known(type.getShape());
      known[dim] = count * size;
      value = castTo(b, loc, value,
                     RankedTensorType::get(known, type.getElementType()));
    }
    SmallVector<OpFoldResult> dims = getDims(b, loc, value);
    SmallVector<int64_t> shape(type.getShape());
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i < type.getRank(); ++i) {
      groups.push_back({i + (i > dim)});
      if (i == dim)
        groups.back().push_back(i + 1);
    }
    shape[dim] = count;
    shape.insert(shape.begin() + dim + 1, size);
    dims[dim] = b.getIndexAttr(count);
    dims.insert(dims.begin() + dim + 1, b.getIndexAttr(size));
    return tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(shape, type.getElementType()), value,
        groups, dims);
  }

  /// The stored code as an integer of exactly the weights' bits.
  static Value truncate(OpBuilder &b, Location loc, Value stored,
                        unsigned width) {
    if (stored.getType().getIntOrFloatBitWidth() == width)
      return stored;
    return arith::TruncIOp::create(b, loc, b.getIntegerType(width), stored);
  }

  static Value lookUp(OpBuilder &b, Location loc, Value stored, Type element,
                      Value table) {
    Value code = truncate(b, loc, stored, element.getIntOrFloatBitWidth());
    Value index = arith::IndexCastUIOp::create(b, loc, b.getIndexType(), code);
    return tensor::ExtractOp::create(b, loc, table, index);
  }

  static Value subtractZero(OpBuilder &b, Location loc, Value stored,
                            Type element, Value zero) {
    auto widen = [&](Value v) -> Value {
      v = truncate(b, loc, v, element.getIntOrFloatBitWidth());
      if (isUnsigned(element))
        return arith::ExtUIOp::create(b, loc, b.getI32Type(), v);
      return arith::ExtSIOp::create(b, loc, b.getI32Type(), v);
    };
    Type f32 = b.getF32Type();
    Value code = widen(stored);
    bool isFloatZero = zero && isa<FloatType>(zero.getType());
    if (zero && !isFloatZero)
      code = arith::SubIOp::create(b, loc, code, widen(zero));
    Value real = arith::SIToFPOp::create(b, loc, f32, code);
    if (isFloatZero)
      real = arith::SubFOp::create(b, loc, real, toF32(b, loc, zero));
    return real;
  }
};

} // namespace

void quantc::populateWeightOnlyPatterns(const TypeConverter &converter,
                                        RewritePatternSet &patterns) {
  patterns.add<ConvertWeightOnlyMatMul>(converter, patterns.getContext());
}
