//===- Elementwise.cpp - Lowers elementwise ops ---------------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"

#include "ScalarFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantc;

namespace {

/// The four families share one shape: load each operand's scalar by its qnn
/// type, compute, store the result by its qnn type.
template <typename Op, typename ComputeFn>
static LogicalResult
lowerElementwise(Op op, ValueRange converted, const TypeConverter &converter,
                 ConversionPatternRewriter &rewriter, ComputeFn compute) {
  auto resultType =
      cast<RankedTensorType>(converter.convertType(op.getOutput().getType()));
  Type qnnResult = op.getOutput().getType().getElementType();
  SmallVector<Type> qnnTypes;
  for (Value v : op->getOperands())
    qnnTypes.push_back(cast<RankedTensorType>(v.getType()).getElementType());
  rewriter.replaceOp(
      op, createElementwise(rewriter, op.getLoc(), resultType, converted,
                            [&](OpBuilder &b, Location loc, ValueRange stored) {
                              SmallVector<Value> scalars;
                              for (auto [v, type] : llvm::zip(stored, qnnTypes))
                                scalars.push_back(loadScalar(b, loc, v, type));
                              return storeScalar(
                                  b, loc, compute(b, loc, scalars), qnnResult);
                            }));
  return success();
}

struct ConvertUnary : OpConversionPattern<qnn::UnaryOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::UnaryOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = op.getInput().getType().getElementType();
    if (!isUnarySupported(op.getKind(), type))
      return op.emitOpError()
             << "cannot compute '" << stringifyUnaryKind(op.getKind())
             << "' of " << type;
    return lowerElementwise(
        op, adaptor.getOperands(), *getTypeConverter(), rewriter,
        [&](OpBuilder &b, Location loc, ValueRange x) {
          return buildUnary(b, loc, op.getKind(), x[0], type,
                            op.getAlpha().convertToDouble(),
                            op.getBeta().convertToDouble());
        });
  }
};

struct ConvertBinary : OpConversionPattern<qnn::BinaryOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::BinaryOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type lhs = op.getLhs().getType().getElementType();
    Type rhs = op.getRhs().getType().getElementType();
    if (!isBinarySupported(op.getKind(), lhs, rhs))
      return op.emitOpError()
             << "cannot compute '" << stringifyBinaryKind(op.getKind())
             << "' of " << lhs << " and " << rhs;
    return lowerElementwise(
        op, adaptor.getOperands(), *getTypeConverter(), rewriter,
        [&](OpBuilder &b, Location loc, ValueRange x) {
          return buildBinary(b, loc, op.getKind(), x[0], x[1], lhs, rhs);
        });
  }
};

struct ConvertFusedMultiplyAdd : OpConversionPattern<qnn::FusedMultiplyAddOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::FusedMultiplyAddOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    return lowerElementwise(
        op, adaptor.getOperands(), *getTypeConverter(), rewriter,
        [&](OpBuilder &b, Location loc, ValueRange x) -> Value {
          return math::FmaOp::create(b, loc, x[0], x[1], x[2]);
        });
  }
};

struct ConvertCompare : OpConversionPattern<qnn::CompareOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(qnn::CompareOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type type = op.getLhs().getType().getElementType();
    return lowerElementwise(
        op, adaptor.getOperands(), *getTypeConverter(), rewriter,
        [&](OpBuilder &b, Location loc, ValueRange x) {
          return buildCompare(b, loc, op.getKind(), x[0], x[1], type);
        });
  }
};

struct ConvertSelect : QNNPattern<qnn::SelectOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::SelectOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    RankedTensorType type = getResultType(op);
    rewriter.replaceOp(
        op, createElementwise(
                rewriter, op.getLoc(), type, adaptor.getOperands(),
                [](OpBuilder &b, Location loc, ValueRange x) -> Value {
                  Value condition = loadScalar(b, loc, x[0], b.getI1Type());
                  return arith::SelectOp::create(b, loc, condition, x[1], x[2]);
                }));
    return success();
  }
};

struct ConvertCast : QNNPattern<qnn::CastOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::CastOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type from = op.getInput().getType().getElementType();
    Type to = op.getType().getElementType();
    RankedTensorType type = getResultType(op);
    rewriter.replaceOp(
        op, createElementwise(
                rewriter, op.getLoc(), type, adaptor.getOperands(),
                [&](OpBuilder &b, Location loc, ValueRange x) {
                  return buildCast(b, loc, x[0], from, to, op.getSaturate(),
                                   op.getRoundMode());
                }));
    return success();
  }
};

struct ConvertBitcast : QNNPattern<qnn::BitcastOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::BitcastOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Type to = op.getType().getElementType();
    unsigned width = to.getIntOrFloatBitWidth();
    RankedTensorType type = getResultType(op);
    rewriter.replaceOp(
        op, createElementwise(
                rewriter, op.getLoc(), type, adaptor.getOperands(),
                [&](OpBuilder &b, Location loc, ValueRange x) -> Value {
                  Type storage = type.getElementType();
                  if (x[0].getType() != storage)
                    return arith::BitcastOp::create(b, loc, storage, x[0]);
                  if (to.isInteger(1))
                    return storeScalar(b, loc, loadScalar(b, loc, x[0], to),
                                       to);
                  if (width >= 8)
                    return x[0];
                  // Fewer bits than a byte are extended by the new type.
                  Value bits = arith::TruncIOp::create(
                      b, loc, b.getIntegerType(width), x[0]);
                  if (isUnsigned(to) || isa<FloatType>(to))
                    return arith::ExtUIOp::create(b, loc, storage, bits);
                  return arith::ExtSIOp::create(b, loc, storage, bits);
                }));
    return success();
  }
};

} // namespace

void quantc::populateElementwisePatterns(const TypeConverter &converter,
                                         RewritePatternSet &patterns) {
  patterns.add<ConvertUnary, ConvertBinary, ConvertFusedMultiplyAdd,
               ConvertCompare, ConvertSelect, ConvertCast, ConvertBitcast>(
      converter, patterns.getContext());
}
