//===- Codebook.cpp - Lowers packed integers and lookup tables ------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

struct ConvertUnpack : QNNPattern<qnn::UnpackOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::UnpackOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value bytes = adaptor.getInput();
    RankedTensorType type = getResultType(op);
    int64_t bits = op.getBits(), perByte = 8 / bits;
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, bytes);
    dims.back() = rewriter.getIndexAttr(op.getSize());
    rewriter.replaceOp(
        op, createIndexed(
                rewriter, loc, type, dims,
                [&](OpBuilder &b, Location l, ValueRange at) -> Value {
                  SmallVector<Value> from(at);
                  if (perByte == 1)
                    return tensor::ExtractOp::create(b, l, bytes, from);
                  Value count = constantIndex(b, l, perByte);
                  from.back() = arith::DivUIOp::create(b, l, at.back(), count);
                  Value byte = tensor::ExtractOp::create(b, l, bytes, from);
                  Value place = arith::RemUIOp::create(b, l, at.back(), count);
                  if (op.getHighFirst())
                    place = arith::SubIOp::create(
                        b, l, constantIndex(b, l, perByte - 1), place);
                  Value shift = arith::IndexCastUIOp::create(
                      b, l, b.getI8Type(),
                      arith::MulIOp::create(b, l, place,
                                            constantIndex(b, l, bits)));
                  return arith::AndIOp::create(
                      b, l, arith::ShRUIOp::create(b, l, byte, shift),
                      constantScalar(b, l, b.getI8Type(), (1 << bits) - 1));
                }));
    return success();
  }
};

struct ConvertLookup : QNNPattern<qnn::LookupOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::LookupOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    RankedTensorType type = getResultType(op);
    Value table = adaptor.getTable();
    rewriter.replaceOp(
        op, createElementwise(
                rewriter, op.getLoc(), type, adaptor.getInput(),
                [&](OpBuilder &b, Location l, ValueRange x) -> Value {
                  Value index = arith::IndexCastUIOp::create(
                      b, l, b.getIndexType(), x[0]);
                  return tensor::ExtractOp::create(b, l, table, index);
                }));
    return success();
  }
};

} // namespace

void quantc::populateCodebookPatterns(const TypeConverter &converter,
                                      RewritePatternSet &patterns) {
  patterns.add<ConvertUnpack, ConvertLookup>(converter, patterns.getContext());
}
