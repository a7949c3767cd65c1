//===- Tensor.cpp - Lowers constants, shapes and transposes ---------------===//

#include "Conversion/QNNToLinalg/Shapes/DimensionAlgebra.h"

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

struct ConvertConstant : QNNPattern<qnn::ConstantOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::ConstantOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    RankedTensorType type = getResultType(op);
    TypedAttr value = convertElements(op.getValue(), type);
    if (!value)
      return op.emitOpError(
          "holds neither dense elements nor a resource of them");
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(op, type, value);
    return success();
  }
};

struct ConvertReshape : QNNPattern<qnn::ReshapeOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::ReshapeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto from = cast<RankedTensorType>(input.getType());
    RankedTensorType to = getResultType(op);
    checkInferredSizes(rewriter, op, adaptor.getShape(), from, to);
    if (from.hasStaticShape() && to.hasStaticShape()) {
      rewriter.replaceOp(op, reshapeStatic(rewriter, loc, input, to));
      return success();
    }
    SmallVector<OpFoldResult> fromSizes = getDims(rewriter, loc, input);
    DimensionProduct total;
    for (OpFoldResult dim : fromSizes)
      total = total * DimensionProduct(dim);
    // Sizes as they are asked for; a -1 takes what remains of the elements.
    auto known = qnn::getConstantInts(op.getShape());
    SmallVector<OpFoldResult> sizes;
    std::optional<int64_t> rest;
    bool mayBeRest = false;
    for (int64_t i = 0; i < to.getRank(); ++i) {
      if (!to.isDynamicDim(i)) {
        sizes.push_back(rewriter.getIndexAttr(to.getDimSize(i)));
        continue;
      }
      OpFoldResult asked =
          known ? OpFoldResult(rewriter.getIndexAttr((*known)[i]))
                : getAsOpFoldResult(
                      extractIndex(rewriter, loc, adaptor.getShape(), i));
      if (auto constant = getConstantIntValue(asked)) {
        if (*constant == 0 && !op.getAllowzero() && i < from.getRank())
          asked = fromSizes[i];
        else if (*constant == -1)
          rest = i;
      } else if (!isDimension(rewriter, cast<Value>(asked))) {
        mayBeRest = true;
        // A 0 beyond the input's dimensions copies none: no size is as bad.
        if (!op.getAllowzero())
          asked = selectIfEqual(
              rewriter, loc, cast<Value>(asked), 0,
              i < from.getRank()
                  ? fromSizes[i]
                  : OpFoldResult(rewriter.getIndexAttr(ShapedType::kDynamic)),
              asked);
      }
      sizes.push_back(asked);
    }
    if (!mayBeRest) {
      DimensionProduct others;
      for (auto [i, size] : llvm::enumerate(sizes))
        if (rest != int64_t(i))
          others = others * DimensionProduct(size);
      bool proven = total == others;
      if (rest)
        if (auto quotient = total.dividedBy(others)) {
          sizes[*rest] = quotient->build(rewriter, loc);
          proven = true;
        }
      if (proven)
        if (auto groups = matchReshape(fromSizes, sizes)) {
          rewriter.replaceOp(
              op, reshapeByGroups(rewriter, loc, input, to, *groups, sizes));
          return success();
        }
      if (!rest) {
        rewriter.replaceOp(
            op, reshapeToSizes(rewriter, loc, input, to, sizes, total, others));
        return success();
      }
    }
    rewriter.replaceOp(
        op, reshapeAtRunTime(rewriter, loc, input, to, sizes, total));
    return success();
  }

  /// Sizes that the type knows from the number of elements, where `shape` says
  /// when the model runs what they should be.
  static void checkInferredSizes(OpBuilder &b, qnn::ReshapeOp op, Value shape,
                                 RankedTensorType from, RankedTensorType to) {
    Location loc = op.getLoc();
    auto asked = qnn::getKnownInts(op.getShape());
    for (int64_t i = 0; i < to.getRank(); ++i) {
      if (to.isDynamicDim(i) || (asked && (*asked)[i].isConstant()))
        continue;
      Value size = extractIndex(b, loc, shape, i);
      auto is = [&](int64_t expected) -> Value {
        return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, size,
                                     constantIndex(b, loc, expected));
      };
      Value fits =
          arith::OrIOp::create(b, loc, is(to.getDimSize(i)), is(/*rest*/ -1));
      if (!op.getAllowzero() && i < from.getRank() &&
          from.getDimSize(i) == to.getDimSize(i))
        fits = arith::OrIOp::create(b, loc, fits, is(/*copy*/ 0));
      createCheck(b, loc, fits, describeMisfit(loc));
    }
  }

  /// Whether a size is made of dimensions of tensors, never negative (and
  /// where 0 means 0 in any case: copying the input's dimension instead would
  /// change the number of elements).
  static bool isDimension(OpBuilder &b, Value size) {
    DimensionProduct product{OpFoldResult(size)};
    return llvm::all_of(product.values, [&](Value v) {
      return DimensionSum(v).isNeverNegative(b);
    });
  }

  static Value selectIfEqual(OpBuilder &b, Location loc, Value v, int64_t c,
                             OpFoldResult then, OpFoldResult otherwise) {
    Value equal = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, v,
                                        constantIndex(b, loc, c));
    return arith::SelectOp::create(b, loc, equal, materialize(b, loc, then),
                                   materialize(b, loc, otherwise));
  }

  static Value reshapeByGroups(OpBuilder &b, Location loc, Value input,
                               RankedTensorType to, const ReshapeGroups &groups,
                               ArrayRef<OpFoldResult> sizes) {
    if (llvm::any_of(groups.input, [](auto &g) { return g.size() > 1; }))
      input = tensor::CollapseShapeOp::create(b, loc, input, groups.input);
    if (llvm::any_of(groups.output, [](auto &g) { return g.size() > 1; })) {
      // A size that is static in the type must be an attribute, too.
      SmallVector<OpFoldResult> outputShape(sizes);
      (void)foldDynamicIndexList(outputShape);
      SmallVector<int64_t> shape = decomposeMixedValues(outputShape).first;
      // The type may know less than what was proven of the dimensions.
      SmallVector<int64_t> collapsed;
      for (const ReassociationIndices &group : groups.output) {
        collapsed.push_back(1);
        for (int64_t i : group)
          collapsed.back() = ShapedType::isDynamic(shape[i]) ||
                                     ShapedType::isDynamic(collapsed.back())
                                 ? ShapedType::kDynamic
                                 : collapsed.back() * shape[i];
      }
      input = castTo(b, loc, input, to.clone(collapsed));
      input = tensor::ExpandShapeOp::create(b, loc, to.clone(shape), input,
                                            groups.output, outputShape);
    }
    return castTo(b, loc, input, to);
  }

  /// The sizes are those of other tensors: that there are as many elements is
  /// all that is left to find out.
  static Value reshapeToSizes(OpBuilder &b, Location loc, Value input,
                              RankedTensorType to, ArrayRef<OpFoldResult> sizes,
                              const DimensionProduct &total,
                              const DimensionProduct &count) {
    Value fits =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                              materialize(b, loc, count.build(b, loc)),
                              materialize(b, loc, total.build(b, loc)));
    createCheck(b, loc, fits, describeMisfit(loc));
    return reshape(b, loc, input, to,
                   llvm::map_to_vector(sizes, [&](OpFoldResult size) {
                     return materialize(b, loc, size);
                   }));
  }

  static std::string describeMisfit(Location loc) {
    return describeNode(loc) + " (Reshape): the shape does not fit the number "
                               "of elements";
  }

  static Value reshape(OpBuilder &b, Location loc, Value input,
                       RankedTensorType to, ArrayRef<Value> sizes) {
    Value shape = tensor::FromElementsOp::create(
        b, loc,
        RankedTensorType::get({int64_t(sizes.size())}, b.getIndexType()),
        sizes);
    return tensor::ReshapeOp::create(b, loc, to, input, shape);
  }

  /// The general case: any size may be -1, and whether the elements fit is only
  /// known when the model runs.
  static Value reshapeAtRunTime(OpBuilder &b, Location loc, Value input,
                                RankedTensorType to,
                                ArrayRef<OpFoldResult> asked,
                                const DimensionProduct &totalProduct) {
    Value total = materialize(b, loc, totalProduct.build(b, loc));
    Value one = constantIndex(b, loc, 1);
    Value zero = constantIndex(b, loc, 0);
    SmallVector<Value> sizes;
    Value product = one, numRests = zero;
    for (OpFoldResult size : asked) {
      sizes.push_back(materialize(b, loc, size));
      product = b.createOrFold<arith::MulIOp>(
          loc, product,
          selectIfEqual(b, loc, sizes.back(), -1, one, sizes.back()));
      numRests = b.createOrFold<arith::AddIOp>(
          loc, numRests, selectIfEqual(b, loc, sizes.back(), -1, one, zero));
    }
    Value isOneRest =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, numRests, one);
    // A product of 0 leaves nothing to share out: no size follows for a -1.
    Value divisor = arith::MaxSIOp::create(b, loc, product, one);
    Value rest = selectIfEqual(
        b, loc, product, 0, b.getIndexAttr(ShapedType::kDynamic),
        arith::DivSIOp::create(b, loc, total, divisor).getResult());
    Value count = one, valid = isOneRest, lost = zero;
    for (Value &size : sizes) {
      size = selectIfEqual(b, loc, size, -1, rest, size);
      // More than 64 bits hold are not as many as there are.
      auto product = arith::MulUIExtendedOp::create(b, loc, count, size);
      count = product.getLow();
      lost = b.createOrFold<arith::OrIOp>(loc, lost, product.getHigh());
      Value ok =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, size, zero);
      valid = arith::AndIOp::create(b, loc, valid, ok);
    }
    Value fits =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, count, total);
    fits = arith::AndIOp::create(b, loc, fits, valid);
    Value isWhole =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lost, zero);
    fits = arith::AndIOp::create(b, loc, fits, isWhole);
    createCheck(b, loc, fits, describeMisfit(loc));
    return reshape(b, loc, input, to, sizes);
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

struct ConvertTranspose : QNNPattern<qnn::TransposeOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::TransposeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    RankedTensorType type = getResultType(op);
    SmallVector<OpFoldResult> dims;
    for (int64_t p : op.getPermutation())
      dims.push_back(getDim(rewriter, loc, adaptor.getInput(), p));
    // The op wants exactly the input's extents, which may be less static.
    checkDims(rewriter, loc, type, dims);
    auto from = cast<RankedTensorType>(adaptor.getInput().getType());
    SmallVector<int64_t> shape;
    for (int64_t p : op.getPermutation())
      shape.push_back(from.getDimSize(p));
    Value empty =
        createEmpty(rewriter, loc,
                    RankedTensorType::get(shape, type.getElementType()), dims);
    Value result =
        linalg::TransposeOp::create(rewriter, loc, adaptor.getInput(), empty,
                                    op.getPermutation())
            ->getResult(0);
    rewriter.replaceOp(op, castTo(rewriter, loc, result, type));
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
