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

struct ConvertWeightOnlyMatMul : QNNPattern<qnn::WeightOnlyMatMulOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::WeightOnlyMatMulOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Factors f{
        adaptor.getInput(),    adaptor.getWeights(),
        adaptor.getScales(),   adaptor.getZeroPoints(),
        adaptor.getCodebook(), op.getWeights().getType().getElementType()};
    RankedTensorType type = getResultType(op);
    if (auto small = dyn_cast<FloatType>(f.element)) {
      f.table = createFloatTable(rewriter, loc, small);
      f.zeros = nullptr; // A zero point of a float type can only be 0.
    }
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, f.x);
    checkInner(rewriter, loc, dims.back(), getDim(rewriter, loc, f.w, 0));
    dims.back() = getDim(rewriter, loc, f.w, 1);

    auto sumType = type.clone(Type(rewriter.getF32Type()));
    SmallVector<AffineMap> maps =
        splitBlocks(rewriter, loc, f, op.getBlockSize(), type.getRank());
    Value result = multiply(rewriter, loc, f, maps, dims, sumType);
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
  /// What is multiplied: the weights' codes are of type `element`, and indices
  /// into a table if there is one.
  struct Factors {
    Value x, w, scales, zeros, table;
    Type element;
  };

  /// Gives the factors' dimensions along k their blocks, and finds the maps for
  /// the loops: those of the result, the block, k inside of it. Blocks that do
  /// not divide K leave one loop over k, and the last one short.
  static SmallVector<AffineMap> splitBlocks(OpBuilder &b, Location loc,
                                            Factors &f, int64_t blockSize,
                                            int64_t rank) {
    int64_t k = cast<RankedTensorType>(f.w.getType()).getDimSize(0);
    bool isKnown = !ShapedType::isDynamic(k) && k > 0;
    if (isKnown)
      blockSize = std::min(blockSize, k);
    bool isSplit = isKnown && k % blockSize == 0;
    int64_t numLoops = rank + 1 + isSplit;
    AffineExpr n = b.getAffineDimExpr(rank - 1);
    AffineExpr block = b.getAffineDimExpr(rank);
    AffineExpr last = b.getAffineDimExpr(numLoops - 1);
    SmallVector<AffineExpr> outer, inner{block, last};
    for (int64_t i = 0; i + 1 < rank; ++i)
      outer.push_back(b.getAffineDimExpr(i));
    if (isSplit) {
      f.x = splitDim(b, loc, f.x, rank - 1, k / blockSize, blockSize);
      f.w = splitDim(b, loc, f.w, 0, k / blockSize, blockSize);
    } else {
      inner = {last};
      block = last.floorDiv(blockSize);
    }

    SmallVector<AffineMap> maps;
    auto addMap = [&](ArrayRef<AffineExpr> first, ArrayRef<AffineExpr> second) {
      SmallVector<AffineExpr> exprs(first);
      llvm::append_range(exprs, second);
      maps.push_back(AffineMap::get(numLoops, 0, exprs, b.getContext()));
    };
    addMap(outer, inner);
    addMap(inner, n);
    addMap(block, n);
    if (f.zeros) {
      auto zeroType = cast<RankedTensorType>(f.zeros.getType());
      if (zeroType.getRank() == 1)
        f.zeros = tensor::CollapseShapeOp::create(
            b, loc, RankedTensorType::get({}, zeroType.getElementType()),
            f.zeros, ArrayRef<ReassociationIndices>{});
      if (zeroType.getRank() == 2)
        addMap(block, n);
      else
        addMap({}, {});
    }
    addMap(outer, n);
    return maps;
  }

  /// The sum of x times weights, which are made of their codes on the way.
  static Value multiply(OpBuilder &builder, Location loc, const Factors &f,
                        ArrayRef<AffineMap> maps, ArrayRef<OpFoldResult> dims,
                        RankedTensorType type) {
    SmallVector<Value> operands{f.x, f.w, f.scales};
    if (f.zeros)
      operands.push_back(f.zeros);
    SmallVector<utils::IteratorType> iterators(type.getRank(),
                                               utils::IteratorType::parallel);
    iterators.resize(maps.front().getNumDims(), utils::IteratorType::reduction);
    Value sum =
        createFilled(builder, loc, type, dims,
                     constantScalar(builder, loc, type.getElementType(), 0));
    return linalg::GenericOp::create(
               builder, loc, TypeRange(type), operands, ValueRange(sum), maps,
               iterators,
               [&](OpBuilder &b, Location l, ValueRange args) {
                 Value weight =
                     f.table ? lookUp(b, l, args[1], f.element, f.table)
                             : subtractZero(b, l, args[1], f.element,
                                            f.zeros ? Value(args[3]) : Value());
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
  }

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
