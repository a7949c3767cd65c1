//===- ProductRoots.cpp - Which ops are products --------------------------===//

#include "ProductRoots.h"

#include "LowBitContraction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quantc;

std::optional<std::pair<Value, Value>>
quantc::matchSumOfProducts(linalg::LinalgOp op) {
  Block *body = op.getBlock();
  Operation *sum = body->getTerminator()->getOperand(0).getDefiningOp();
  if (!isa_and_present<arith::AddFOp, arith::AddIOp>(sum))
    return std::nullopt;
  Value out = body->getArguments().back();
  Value product = sum->getOperand(0) == out   ? sum->getOperand(1)
                  : sum->getOperand(1) == out ? sum->getOperand(0)
                                              : Value();
  Operation *multiply = product ? product.getDefiningOp() : nullptr;
  if (!isa_and_present<arith::MulFOp, arith::MulIOp>(multiply))
    return std::nullopt;
  return std::make_pair(multiply->getOperand(0), multiply->getOperand(1));
}

/// Whether the body sums products of factors that are computed elementwise.
static bool sumsProducts(linalg::LinalgOp op) {
  return matchSumOfProducts(op) &&
         llvm::all_of(op.getBlock()->without_terminator(), [](Operation &in) {
           return in.hasTrait<OpTrait::Elementwise>() ||
                  in.hasTrait<OpTrait::ConstantLike>();
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
