//===- FuseWeightOnly.cpp - Dequantized constants become low-bit weights --===//
//
// Finds constant matrices that are dequantized just to be multiplied, and gives
// their codes, scales and zero points to one op. The arithmetic on the
// parameters that this takes (transposes, reshapes) is left to constant
// folding.
//
//===----------------------------------------------------------------------===//

#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/ContractionOps.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/IR/WeightOnlyOps.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Support/RewriteConfig.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_FUSEWEIGHTONLYPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using qnn::isSingle;
using qnn::typeOf;

namespace {

/// A matrix of codes and what gives them their values. All are constants.
/// Where `isTransposed`, the matrix is [N, K], and so are its parameters.
struct CodedMatrix {
  Value codes, scales, zeroPoints, codebook;
  /// 0 for one scale a column, or one for all.
  int64_t blockSize = 0;
  bool isTransposed = false;
};

} // namespace

static bool isConstant(Value value) {
  return value && value.getDefiningOp<qnn::ConstantOp>();
}

/// Whether weights of this type are stored and unpacked as they are.
static bool isLowBit(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return integer.getWidth() >= 2 && integer.getWidth() <= 8;
  // Powers of two are scales, not weights.
  auto small = dyn_cast<FloatType>(type);
  return small && small.getWidth() <= 8 && !isa<Float8E8M0FNUType>(small);
}

/// `dequantize(constant)`, along the rows or columns that `matrix` expects.
static LogicalResult matchDequantize(qnn::DequantizeOp op,
                                     CodedMatrix &matrix) {
  if (!isConstant(op.getInput()) || !isConstant(op.getScale()) ||
      (op.getZeroPoint() && !isConstant(op.getZeroPoint())) ||
      op.getType().getRank() != 2 || !op.getType().hasStaticShape() ||
      !isLowBit(op.getInput().getType().getElementType()))
    return failure();
  int64_t innerAxis = matrix.isTransposed ? 1 : 0;
  matrix.blockSize = op.getBlockSize();
  if (!isSingle(op.getScale()) || matrix.blockSize) {
    // Blocks lie along the inner dimension, single scales along the outer one.
    int64_t axis = *op.getAxis();
    if (axis != (matrix.blockSize ? innerAxis : 1 - innerAxis))
      return failure();
  }
  matrix.codes = op.getInput();
  matrix.scales = op.getScale();
  matrix.zeroPoints = op.getZeroPoint();
  return success();
}

/// `value` through casts of shape that leave the elements in order.
static Value skipReshapes(Value value) {
  while (auto reshape = value.getDefiningOp<qnn::ReshapeOp>())
    value = reshape.getInput();
  return value;
}

static Value reshape(OpBuilder &b, Location loc, Value value,
                     ArrayRef<int64_t> shape) {
  if (typeOf(value).getShape() == shape)
    return value;
  Value to = qnn::ConstantOp::create(b, loc, shape);
  return qnn::ReshapeOp::create(b, loc, value, to, nullptr);
}

/// `lookup(codes, table) · scales`: the product is [blocks, block] of a
/// row-major matrix [N, K], or [blocks, block, N] of a matrix [K, N].
static LogicalResult matchCodebook(OpBuilder &b, Location loc, Value value,
                                   CodedMatrix &matrix) {
  RankedTensorType type = typeOf(value);
  auto product = skipReshapes(value).getDefiningOp<qnn::BinaryOp>();
  if (!product || product.getKind() != qnn::BinaryKind::mul ||
      type.getRank() != 2 || !type.hasStaticShape())
    return failure();
  auto lookup = skipReshapes(product.getLhs()).getDefiningOp<qnn::LookupOp>();
  Value scales = skipReshapes(product.getRhs());
  if (!lookup || !isConstant(lookup.getInput()) ||
      !isConstant(lookup.getTable()) || !isConstant(scales) ||
      !lookup.getTable().getType().getElementType().isF32())
    return failure();
  ArrayRef<int64_t> shape = typeOf(product.getResult()).getShape();
  ArrayRef<int64_t> factor = typeOf(product.getRhs()).getShape();
  int64_t k = type.getDimSize(matrix.isTransposed ? 1 : 0);
  int64_t n = type.getDimSize(matrix.isTransposed ? 0 : 1);
  bool isFlat = matrix.isTransposed && shape.size() == 2 && shape[1] > 0 &&
                k % shape[1] == 0 && factor == ArrayRef<int64_t>({shape[0], 1});
  bool isBlocked = !matrix.isTransposed && shape.size() == 3 && shape[2] == n &&
                   shape[0] * shape[1] == k &&
                   factor == ArrayRef<int64_t>({shape[0], 1, n});
  if (!isFlat && !isBlocked)
    return failure();
  matrix.blockSize = shape[1];
  int64_t blocks = k / matrix.blockSize;
  matrix.codes = reshape(b, loc, lookup.getInput(), type.getShape());
  matrix.scales = reshape(b, loc, scales,
                          matrix.isTransposed ? ArrayRef<int64_t>({n, blocks})
                                              : ArrayRef<int64_t>({blocks, n}));
  matrix.codebook = lookup.getTable();
  return success();
}

/// The 8-bit tokens and their scales [..., 1] that `value` is made of, if each
/// token has one scale and no zero point.
static qnn::DequantizeOp matchTokens(Value value) {
  auto op = value.getDefiningOp<qnn::DequantizeOp>();
  if (!op || op.getZeroPoint() || !op.getAxis() ||
      !op.getInput().getType().getElementType().isSignlessInteger(8))
    return {};
  RankedTensorType type = op.getType();
  int64_t last = type.getRank() - 1;
  RankedTensorType scales = typeOf(op.getScale());
  bool isToken = int64_t(*op.getAxis()) == last && !type.isDynamicDim(last) &&
                 int64_t(op.getBlockSize()) == type.getDimSize(last) &&
                 scales.getRank() == type.getRank() &&
                 scales.getDimSize(last) == 1 &&
                 scales.getElementType().isF32();
  return isToken ? op : qnn::DequantizeOp();
}

/// Whether sums of 8-bit tokens times the codes are sums of integers in 32
/// bits, which one scale for each column makes numbers of.
static bool isProductOfBytes(const CodedMatrix &matrix, qnn::MatMulOp op) {
  constexpr int64_t maxTerms = 1 << 16;
  return !matrix.blockSize && !matrix.zeroPoints && !matrix.codebook &&
         typeOf(matrix.codes).getElementType().isSignlessInteger(8) &&
         typeOf(matrix.scales).getElementType().isF32() &&
         op.getType().getElementType().isF32() &&
         !typeOf(op.getRhs()).isDynamicDim(0) &&
         typeOf(op.getRhs()).getDimSize(0) <= maxTerms;
}

namespace {

struct FuseMatMul : OpRewritePattern<qnn::MatMulOp> {
  FuseMatMul(MLIRContext *context, bool groupsOnly, bool floatsOnly)
      : OpRewritePattern(context), groupsOnly(groupsOnly),
        floatsOnly(floatsOnly) {}

  LogicalResult matchAndRewrite(qnn::MatMulOp op,
                                PatternRewriter &rewriter) const override {
    if (!isa<FloatType>(op.getLhs().getType().getElementType()))
      return rewriter.notifyMatchFailure(op, "the activations are no floats");
    CodedMatrix matrix;
    if (failed(matchWeights(op, rewriter, matrix)))
      return failure();
    // What is left of the tokens' scales multiplies the rows of the result.
    // With a codebook there is no product of integers.
    qnn::DequantizeOp tokens =
        matrix.codebook ? qnn::DequantizeOp() : matchTokens(op.getLhs());
    Value result = tokens && isProductOfBytes(matrix, op)
                       ? multiplyBytes(op, rewriter, matrix, tokens)
                       : multiplyCodes(op, rewriter, matrix, tokens);
    if (tokens)
      result = qnn::BinaryOp::create(rewriter, op.getLoc(), op.getType(),
                                     qnn::BinaryKind::mul, result,
                                     tokens.getScale());
    rewriter.replaceOp(op, result);
    return success();
  }

private:
  LogicalResult matchWeights(qnn::MatMulOp op, PatternRewriter &rewriter,
                             CodedMatrix &matrix) const {
    Value rhs = op.getRhs();
    if (auto transpose = rhs.getDefiningOp<qnn::TransposeOp>()) {
      if (transpose.getPermutation() != ArrayRef<int64_t>({1, 0}))
        return rewriter.notifyMatchFailure(op, "the weights are no matrix");
      matrix.isTransposed = true;
      rhs = transpose.getInput();
    }
    auto dequantize = rhs.getDefiningOp<qnn::DequantizeOp>();
    if (!dequantize) {
      if (failed(matchCodebook(rewriter, op.getLoc(), rhs, matrix)))
        return rewriter.notifyMatchFailure(op,
                                           "the weights are not dequantized");
      return success();
    }
    if (failed(matchDequantize(dequantize, matrix)))
      return rewriter.notifyMatchFailure(
          op, "the weights are not constant low-bit numbers with scales along "
              "columns or in blocks of rows");
    if (groupsOnly && !matrix.blockSize)
      return rewriter.notifyMatchFailure(op, "the weights have no groups");
    if (floatsOnly && !matrix.blockSize &&
        op.getLhs().getDefiningOp<qnn::DequantizeOp>() &&
        !(matchTokens(op.getLhs()) && isProductOfBytes(matrix, op)))
      return rewriter.notifyMatchFailure(op, "both operands are quantized");
    return success();
  }

  /// The part of a matrix as rows along k by columns.
  static Value orient(OpBuilder &b, Location loc, const CodedMatrix &matrix,
                      Value part) {
    if (!matrix.isTransposed)
      return part;
    return qnn::TransposeOp::create(b, loc, part, ArrayRef<int64_t>({1, 0}));
  }

  /// One scale for all, one a column, or one a block and column, as blocks by
  /// columns.
  static Value toBlocks(OpBuilder &b, Location loc, const CodedMatrix &matrix,
                        Value scales, int64_t numColumns) {
    if (matrix.blockSize)
      return orient(b, loc, matrix, scales);
    Value row = reshape(b, loc, scales, {1, isSingle(scales) ? 1 : numColumns});
    if (!isSingle(scales))
      return row;
    Value to = qnn::ConstantOp::create(b, loc, {1, numColumns});
    return qnn::ExpandOp::create(b, loc, row, to);
  }

  /// A product of integers, whose columns are scaled.
  static Value multiplyBytes(qnn::MatMulOp op, OpBuilder &b,
                             const CodedMatrix &matrix,
                             qnn::DequantizeOp tokens) {
    Location loc = op.getLoc();
    int64_t n = typeOf(op.getRhs()).getDimSize(1);
    Value codes = orient(b, loc, matrix, matrix.codes);
    Value scales = toBlocks(b, loc, matrix, matrix.scales, n);
    auto integers = op.getType().clone(b.getI32Type());
    Value sums = qnn::MatMulOp::create(b, loc, integers, tokens.getInput(),
                                       codes, Value(), Value());
    sums = qnn::CastOp::create(b, loc, op.getType(), sums);
    return qnn::BinaryOp::create(b, loc, op.getType(), qnn::BinaryKind::mul,
                                 sums, reshape(b, loc, scales, {n}));
  }

  /// The product with a matrix that stays coded.
  static Value multiplyCodes(qnn::MatMulOp op, OpBuilder &b,
                             const CodedMatrix &matrix,
                             qnn::DequantizeOp tokens) {
    Location loc = op.getLoc();
    RankedTensorType type = typeOf(op.getRhs());
    int64_t n = type.getDimSize(1);
    Value codes = orient(b, loc, matrix, matrix.codes);
    Value zeros = matrix.zeroPoints;
    if (zeros && !isSingle(zeros))
      zeros = toBlocks(b, loc, matrix, zeros, n);
    int64_t blockSize = matrix.blockSize
                            ? matrix.blockSize
                            : std::max<int64_t>(1, type.getDimSize(0));
    Value scales = toBlocks(b, loc, matrix, matrix.scales, n);
    return qnn::WeightOnlyMatMulOp::create(
        b, loc, op.getType(), tokens ? tokens.getInput() : op.getLhs(), codes,
        scales, zeros, matrix.codebook, blockSize);
  }

  bool groupsOnly, floatsOnly;
};

struct FuseWeightOnlyPass
    : qnn::impl::FuseWeightOnlyPassBase<FuseWeightOnlyPass> {
  using Base::Base;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseMatMul>(&getContext(), groupsOnly, floatsOnly);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns),
                                     getRewriteConfig())))
      return signalPassFailure();
    getOperation().walk([&](qnn::WeightOnlyMatMulOp op) {
      ++numFused;
      RankedTensorType weights = op.getWeights().getType();
      if (weights.hasStaticShape())
        numWeights += weights.getNumElements();
    });
  }
};

} // namespace
