//===- BatchedProducts.cpp - Products of matrices by the batch ------------===//

#include "BatchedProducts.h"

#include "ProductRoots.h"

using namespace mlir;
using namespace quantc;

namespace {
/// A product of two matrices for each index of the outer loops.
struct BatchedProduct {
  OpOperand *lhs; // Its rows are those of the result.
  /// Of the right-hand side, which may be one for several outer indices.
  AffineMap rhs;
  unsigned column, reduction;

  /// Whether `loop` goes through rows.
  bool isRow(unsigned loop) const {
    return loop != column && loop != reduction && !rhs.isFunctionOfDim(loop);
  }
};
} // namespace

static std::optional<BatchedProduct> matchBatchedProduct(linalg::LinalgOp op) {
  if (op.getNumDpsInits() != 1 || op.getNumReductionLoops() != 1 ||
      linalg::isaConvolutionOpInterface(op) || !isProductRoot(op))
    return std::nullopt;
  SmallVector<OpOperand *> factors;
  for (OpOperand *input : op.getDpsInputOperands())
    if (isa<ShapedType>(input->get().getType()))
      factors.push_back(input);
  AffineMap out = op.getIndexingMapsArray().back();
  // A dot product of two vectors has no columns.
  if (factors.size() != 2 || out.getNumResults() == 0 ||
      out.getNumResults() + 1 != op.getNumLoops() ||
      !out.isProjectedPermutation())
    return std::nullopt;
  BatchedProduct product;
  product.column = out.getDimPosition(out.getNumResults() - 1);
  if (op.getMatchingIndexingMap(factors[0]).isFunctionOfDim(product.column))
    std::swap(factors[0], factors[1]);
  product.lhs = factors[0];
  AffineMap lhs = op.getMatchingIndexingMap(factors[0]);
  product.rhs = op.getMatchingIndexingMap(factors[1]);
  if (!lhs.isProjectedPermutation() || !product.rhs.isProjectedPermutation() ||
      lhs.getNumResults() + 1 != op.getNumLoops() ||
      lhs.isFunctionOfDim(product.column))
    return std::nullopt;
  for (auto [loop, type] : llvm::enumerate(op.getIteratorTypesArray()))
    if (type == utils::IteratorType::reduction)
      product.reduction = loop;
  if (!product.rhs.isFunctionOfDim(product.reduction))
    return std::nullopt;
  return product;
}

std::optional<SharedRows> quantc::findWeights(linalg::LinalgOp scores,
                                              linalg::LinalgOp root) {
  std::optional<BatchedProduct> first = matchBatchedProduct(scores);
  std::optional<BatchedProduct> second = matchBatchedProduct(root);
  if (!first || !second)
    return std::nullopt;
  AffineMap out = scores.getIndexingMapsArray().back();
  AffineMap weights = root.getMatchingIndexingMap(second->lhs);
  unsigned rank = out.getNumResults(), row = rank - 2;
  if (rank < 2 || weights.getNumResults() != rank ||
      !first->isRow(out.getDimPosition(row)) ||
      !second->isRow(weights.getDimPosition(row)) ||
      weights.getDimPosition(row + 1) != second->reduction)
    return std::nullopt;
  // What is written has the outer loops in the same order.
  SmallVector<AffineExpr> order;
  for (AffineExpr expr : root.getIndexingMapsArray().back().getResults()) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    if (loop != weights.getDimPosition(row) && loop != second->column)
      order.push_back(expr);
  }
  if (!llvm::equal(order, weights.getResults().take_front(row)))
    return std::nullopt;
  return SharedRows{second->lhs->get(), out.getDimPosition(row),
                    weights.getDimPosition(row)};
}
