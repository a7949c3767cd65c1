//===- Tensor.cpp - Lowers constants, shapes and transposes ---------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

/// The bytes of `value` in storage types: bool and sub-byte integers grow to a
/// byte each, small floats become their codes.
static TypedAttr convertElements(ElementsAttr value, RankedTensorType type) {
  if (value.getType() == type)
    return cast<TypedAttr>(value);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return nullptr;
  unsigned width = type.getElementTypeBitWidth();
  auto elementType = dense.getElementType();
  bool zeroExtend = isUnsigned(elementType);
  if (isa<FloatType>(elementType)) {
    SmallVector<APInt> codes;
    for (const APFloat &v : dense.getValues<APFloat>())
      codes.push_back(v.bitcastToAPInt().zextOrTrunc(width));
    return DenseElementsAttr::get(type, codes);
  }
  SmallVector<APInt> ints;
  if (dense.isSplat()) {
    APInt v = dense.getSplatValue<APInt>();
    return DenseElementsAttr::get(type, zeroExtend ? v.zextOrTrunc(width)
                                                   : v.sextOrTrunc(width));
  }
  for (const APInt &v : dense.getValues<APInt>())
    ints.push_back(zeroExtend ? v.zextOrTrunc(width) : v.sextOrTrunc(width));
  return DenseElementsAttr::get(type, ints);
}

namespace {

struct ConvertConstant : OpConversionPattern<qnn::ConstantOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ConstantOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    TypedAttr value = convertElements(op.getValue(), type);
    if (!value)
      return rewriter.notifyMatchFailure(op, "value is neither dense nor a "
                                             "dense resource");
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(op, type, value);
    return success();
  }
};

struct ConvertReshape : OpConversionPattern<qnn::ReshapeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ReshapeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto from = cast<RankedTensorType>(input.getType());
    auto to =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    if (from.hasStaticShape() && to.hasStaticShape()) {
      rewriter.replaceOp(op, reshapeStatic(rewriter, loc, input, to));
      return success();
    }
    // Sizes as they are asked for; -1 is what remains of the element count.
    Value total = constantIndex(rewriter, loc, 1);
    for (OpFoldResult dim : getDims(rewriter, loc, input))
      total = rewriter.createOrFold<arith::MulIOp>(
          loc, total, materialize(rewriter, loc, dim));
    auto known = qnn::getConstantInts(op.getShape());
    Value zero = constantIndex(rewriter, loc, 0);
    Value one = constantIndex(rewriter, loc, 1);
    Value minusOne = constantIndex(rewriter, loc, -1);
    SmallVector<Value> sizes;
    for (int64_t i = 0; i < to.getRank(); ++i) {
      if (!to.isDynamicDim(i)) {
        sizes.push_back(constantIndex(rewriter, loc, to.getDimSize(i)));
        continue;
      }
      if (known) {
        if ((*known)[i] == 0 && !op.getAllowzero())
          sizes.push_back(
              materialize(rewriter, loc, getDim(rewriter, loc, input, i)));
        else
          sizes.push_back(constantIndex(rewriter, loc, (*known)[i]));
        continue;
      }
      Value asked = extractIndex(rewriter, loc, adaptor.getShape(), i);
      if (!op.getAllowzero() && i < from.getRank()) {
        Value isZero = arith::CmpIOp::create(
            rewriter, loc, arith::CmpIPredicate::eq, asked, zero);
        asked = arith::SelectOp::create(
            rewriter, loc, isZero,
            materialize(rewriter, loc, getDim(rewriter, loc, input, i)), asked);
      }
      sizes.push_back(asked);
    }
    Value product = one;
    for (Value size : sizes) {
      Value isRest = rewriter.createOrFold<arith::CmpIOp>(
          loc, arith::CmpIPredicate::eq, size, minusOne);
      product = rewriter.createOrFold<arith::MulIOp>(
          loc, product,
          rewriter.createOrFold<arith::SelectOp>(loc, isRest, one, size));
    }
    // Guard the division: a product of 0 has nothing left to share out.
    Value divisor = arith::MaxSIOp::create(rewriter, loc, product, one);
    Value rest = arith::DivSIOp::create(rewriter, loc, total, divisor);
    Value check = one;
    for (Value &size : sizes) {
      Value isRest = rewriter.createOrFold<arith::CmpIOp>(
          loc, arith::CmpIPredicate::eq, size, minusOne);
      size = rewriter.createOrFold<arith::SelectOp>(loc, isRest, rest, size);
      check = rewriter.createOrFold<arith::MulIOp>(loc, check, size);
    }
    createCheck(
        rewriter, loc,
        arith::CmpIOp::create(rewriter, loc, arith::CmpIPredicate::eq, check,
                              total),
        describeNode(loc) +
            " (Reshape): the shape does not fit the number of elements");
    Value shape = tensor::FromElementsOp::create(rewriter, loc, sizes);
    rewriter.replaceOpWithNewOp<tensor::ReshapeOp>(op, to, input, shape);
    return success();
  }

  /// Collapse and expand, which fuse and bufferize without a copy.
  static Value reshapeStatic(OpBuilder &b, Location loc, Value input,
                             RankedTensorType to) {
    auto from = cast<RankedTensorType>(input.getType());
    if (from == to)
      return input;
    if (auto groups = getReassociationIndicesForReshape(from, to)) {
      if (from.getRank() > to.getRank())
        return tensor::CollapseShapeOp::create(b, loc, to, input, *groups);
      return tensor::ExpandShapeOp::create(b, loc, to, input, *groups);
    }
    auto flat =
        RankedTensorType::get({from.getNumElements()}, from.getElementType());
    if (from.getRank() != 1) {
      SmallVector<ReassociationIndices> all;
      if (from.getRank() > 0)
        all.push_back(llvm::to_vector(llvm::seq<int64_t>(0, from.getRank())));
      input = from.getRank() == 0
                  ? tensor::ExpandShapeOp::create(b, loc, flat, input, all)
                        .getResult()
                  : tensor::CollapseShapeOp::create(b, loc, flat, input, all)
                        .getResult();
    }
    if (to.getRank() == 1)
      return input;
    SmallVector<ReassociationIndices> all;
    if (to.getRank() > 0)
      all.push_back(llvm::to_vector(llvm::seq<int64_t>(0, to.getRank())));
    if (to.getRank() == 0)
      return tensor::CollapseShapeOp::create(b, loc, to, input, all);
    return tensor::ExpandShapeOp::create(b, loc, to, input, all);
  }
};

struct ConvertTranspose : OpConversionPattern<qnn::TransposeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::TransposeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto type =
        cast<RankedTensorType>(getTypeConverter()->convertType(op.getType()));
    SmallVector<OpFoldResult> dims;
    for (int64_t p : op.getPermutation())
      dims.push_back(getDim(rewriter, loc, adaptor.getInput(), p));
    Value empty = createEmpty(rewriter, loc, type, dims);
    rewriter.replaceOpWithNewOp<linalg::TransposeOp>(
        op, adaptor.getInput(), empty, op.getPermutation());
    return success();
  }
};

struct ConvertShape : OpConversionPattern<qnn::ShapeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::ShapeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    SmallVector<Value> dims;
    for (int64_t i = op.getStart(); i < int64_t(op.getEnd()); ++i) {
      Value dim = materialize(rewriter, loc,
                              getDim(rewriter, loc, adaptor.getInput(), i));
      dims.push_back(arith::IndexCastOp::create(rewriter, loc,
                                                rewriter.getI64Type(), dim));
    }
    if (dims.empty())
      rewriter.replaceOpWithNewOp<tensor::EmptyOp>(op, op.getType(),
                                                   ValueRange{});
    else
      rewriter.replaceOpWithNewOp<tensor::FromElementsOp>(op, op.getType(),
                                                          dims);
    return success();
  }
};

} // namespace

void quantc::populateTensorPatterns(const TypeConverter &converter,
                                    RewritePatternSet &patterns) {
  patterns.add<ConvertConstant, ConvertReshape, ConvertTranspose, ConvertShape>(
      converter, patterns.getContext());
}
