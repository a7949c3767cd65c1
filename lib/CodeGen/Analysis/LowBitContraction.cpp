//===- LowBitContraction.cpp - Contractions with low-bit weights ----------===//

#include "LowBitContraction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

/// The number of the operand that `value` is an element of, through casts of
/// floats; -1 if it is none.
static int getOperandNumber(linalg::LinalgOp op, Value value) {
  while (Operation *cast = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(cast))
      return -1;
    value = cast->getOperand(0);
  }
  auto argument = dyn_cast<BlockArgument>(value);
  return argument && argument.getOwner() == op.getBlock()
             ? int(argument.getArgNumber())
             : -1;
}

/// `truncate(element)`, or an element of 8 bits.
static int matchCode(linalg::LinalgOp op, Value value, unsigned &bits) {
  bits = value.getType().getIntOrFloatBitWidth();
  if (auto truncate = value.getDefiningOp<arith::TruncIOp>())
    value = truncate.getIn();
  return value.getType().isInteger(8) ? getOperandNumber(op, value) : -1;
}

/// `extend(code)`.
static int matchExtended(linalg::LinalgOp op, Value value, unsigned &bits,
                         bool &isSigned) {
  Operation *extend = value.getDefiningOp();
  if (!extend || !isa<arith::ExtSIOp, arith::ExtUIOp>(extend))
    return -1;
  isSigned = isa<arith::ExtSIOp>(extend);
  return matchCode(op, extend->getOperand(0), bits);
}

static std::optional<float> getConstantFloat(Value value) {
  FloatAttr attr;
  if (!matchPattern(value, m_Constant(&attr)))
    return std::nullopt;
  return float(attr.getValueAsDouble());
}

/// The weight before it is scaled.
static bool matchNumber(linalg::LinalgOp op, Value value, LowBitBody &body) {
  Operation *producer = value.getDefiningOp();
  if (!producer)
    return false;
  if (isa<tensor::ExtractOp, memref::LoadOp>(producer)) {
    auto index =
        producer->getNumOperands() == 2
            ? producer->getOperand(1).getDefiningOp<arith::IndexCastUIOp>()
            : nullptr;
    if (!index || !value.getType().isF32())
      return false;
    body.table = producer->getOperand(0);
    body.codes = matchCode(op, index.getIn(), body.bits);
    // A code in several planes would have to be put together first.
    return body.codes >= 0 && llvm::isPowerOf2_32(body.bits);
  }
  if (auto difference = dyn_cast<arith::SubFOp>(producer)) {
    if (auto constant = getConstantFloat(difference.getRhs()))
      body.constantZeroPoint = *constant;
    else if ((body.zeroPoints = getOperandNumber(op, difference.getRhs())) < 0)
      return false;
    producer = difference.getLhs().getDefiningOp();
  }
  auto convert = dyn_cast_or_null<arith::SIToFPOp>(producer);
  if (!convert)
    return false;
  Value code = convert.getIn();
  if (auto difference = code.getDefiningOp<arith::SubIOp>()) {
    APInt constant;
    unsigned bits;
    bool isSigned;
    if (matchPattern(difference.getRhs(), m_ConstantInt(&constant)))
      body.constantZeroPoint = constant.getSExtValue();
    else if ((body.zeroPoints =
                  matchExtended(op, difference.getRhs(), bits, isSigned)) < 0)
      return false;
    code = difference.getLhs();
  }
  body.codes = matchExtended(op, code, body.bits, body.isSigned);
  return body.codes >= 0;
}

/// The size of blocks along the loop `k`, as the scales or zero points are
/// indexed; 0 if they are in another way.
static int64_t getBlockSize(linalg::LinalgOp op, const LowBitBody &body,
                            AffineExpr k) {
  int operand = body.scales >= 0 ? body.scales : body.zeroPoints;
  if (operand < 0)
    return 0;
  AffineMap map = op.getIndexingMapsArray()[operand];
  if (map.getNumResults() == 0)
    return 0;
  auto block = dyn_cast<AffineBinaryOpExpr>(map.getResult(0));
  if (!block || block.getKind() != AffineExprKind::FloorDiv ||
      block.getLHS() != k)
    return 0;
  auto size = dyn_cast<AffineConstantExpr>(block.getRHS());
  return size ? size.getValue() : 0;
}

std::optional<LowBitBody> quantc::matchLowBitProduct(linalg::LinalgOp op) {
  unsigned numReductions = op.getNumReductionLoops();
  if (!isa<linalg::GenericOp>(op) || op.getNumDpsInits() != 1 ||
      numReductions < 1 || numReductions > 2)
    return std::nullopt;
  Block *block = op.getBlock();
  auto sum =
      block->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!sum || sum.getLhs() != block->getArguments().back())
    return std::nullopt;
  auto product = sum.getRhs().getDefiningOp<arith::MulFOp>();
  if (!product || !product.getType().isF32())
    return std::nullopt;
  auto scaled = product.getRhs().getDefiningOp<arith::MulFOp>();
  LowBitBody body;
  body.inputFactor = product.getLhs();
  Value input = body.inputFactor;
  if (auto convert = input.getDefiningOp<arith::SIToFPOp>();
      convert && convert.getIn().getType().isInteger(8))
    input = convert.getIn();
  body.input = getOperandNumber(op, input);
  if (!scaled || body.input < 0 || !matchNumber(op, scaled.getLhs(), body))
    return std::nullopt;
  if (auto constant = getConstantFloat(scaled.getRhs()))
    body.constantScale = *constant;
  else if ((body.scales = getOperandNumber(op, scaled.getRhs())) < 0)
    return std::nullopt;

  // The loops: [..., n, block, k], or [..., n, k].
  unsigned loops = op.getNumLoops();
  MLIRContext *context = op.getContext();
  SmallVector<AffineExpr> outer;
  unsigned column = loops - 1 - numReductions;
  for (unsigned i = 0; i < column; ++i)
    outer.push_back(getAffineDimExpr(i, context));
  AffineExpr n = getAffineDimExpr(column, context);
  AffineExpr k = getAffineDimExpr(loops - 1, context);
  AffineExpr b = getAffineDimExpr(loops - 2, context);
  SmallVector<AffineExpr> inner{b, k};
  auto codesType = cast<ShapedType>(op->getOperand(body.codes).getType());
  if (!codesType.hasStaticShape() ||
      codesType.getRank() != int64_t(numReductions) + 1)
    return std::nullopt;
  body.columns = codesType.getShape().back();
  if (numReductions == 2) {
    body.blockSize = codesType.getDimSize(1);
    body.depth = codesType.getDimSize(0) * body.blockSize;
  } else {
    body.depth = codesType.getDimSize(0);
    body.blockSize = getBlockSize(op, body, k);
    if (body.blockSize <= 0)
      return std::nullopt;
    inner = {k};
    b = k.floorDiv(body.blockSize);
  }
  auto hasMap = [&](int operand, ArrayRef<AffineExpr> tail, bool isOuter) {
    if (operand < 0)
      return true;
    SmallVector<AffineExpr> expected;
    if (isOuter)
      expected = outer;
    llvm::append_range(expected, tail);
    return llvm::equal(op.getIndexingMapsArray()[operand].getResults(),
                       expected);
  };
  SmallVector<AffineExpr> ofCodes(inner);
  ofCodes.push_back(n);
  if (!hasMap(body.input, inner, true) || !hasMap(body.codes, ofCodes, false) ||
      !hasMap(body.scales, {b, n}, false) ||
      !hasMap(body.zeroPoints, {b, n}, false) ||
      !hasMap(op.getNumDpsInputs(), {n}, true))
    return std::nullopt;
  return body;
}
