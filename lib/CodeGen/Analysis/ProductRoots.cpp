//===- ProductRoots.cpp - Which ops are products --------------------------===//

#include "ProductRoots.h"

#include "LowBitContraction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quantc;

/// Whether the body is `yield(out + x * y)` with elementwise x and y.
static bool sumsProducts(linalg::LinalgOp op) {
  Block *body = op.getBlock();
  Operation *sum = body->getTerminator()->getOperand(0).getDefiningOp();
  if (!sum || !isa<arith::AddFOp, arith::AddIOp>(sum))
    return false;
  Value out = body->getArguments().back();
  Value product = sum->getOperand(0) == out   ? sum->getOperand(1)
                  : sum->getOperand(1) == out ? sum->getOperand(0)
                                              : Value();
  Operation *multiply = product ? product.getDefiningOp() : nullptr;
  if (!multiply || !isa<arith::MulFOp, arith::MulIOp>(multiply))
    return false;
  return llvm::all_of(body->without_terminator(), [](Operation &inner) {
    return inner.hasTrait<OpTrait::Elementwise>() ||
           inner.hasTrait<OpTrait::ConstantLike>();
  });
}

bool quantc::isProductRoot(linalg::LinalgOp op) {
  if (linalg::isaContractionOpInterface(op) ||
      linalg::isaConvolutionOpInterface(op) || matchLowBitProduct(op))
    return true;
  if (op.getNumDpsInputs() < 2 || op.getNumDpsInits() != 1 ||
      op.getNumReductionLoops() == 0 || !sumsProducts(op))
    return false;
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  return llvm::all_of(maps, [](AffineMap map) {
    return map.isProjectedPermutation(/*allowZeroInResults=*/true);
  });
}
