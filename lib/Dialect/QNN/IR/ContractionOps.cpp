//===- ContractionOps.cpp - Matrix products -------------------------------===//

#include "quantc/Dialect/QNN/IR/ContractionOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ContractionOps.cpp.inc"

//===- matmul -------------------------------------------------------------===//

LogicalResult MatMulOp::inferReturnTypes(MLIRContext *ctx,
                                         std::optional<Location> loc,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto lhs = cast<RankedTensorType>(adaptor.getLhs().getType());
  auto rhs = cast<RankedTensorType>(adaptor.getRhs().getType());
  if (lhs.getRank() == 0 || rhs.getRank() == 0)
    return emitOptionalError(loc,
                             "operands must have a dimension at least, got ",
                             lhs, " and ", rhs);
  SmallVector<int64_t> a(lhs.getShape()), b(rhs.getShape());
  bool row = a.size() == 1, column = b.size() == 1;
  if (row)
    a.insert(a.begin(), 1);
  if (column)
    b.push_back(1);
  int64_t ka = a.back(), kb = b[b.size() - 2];
  if (!ShapedType::isDynamic(ka) && !ShapedType::isDynamic(kb) && ka != kb)
    return emitOptionalError(loc, "inner dimensions differ: ", lhs, " and ",
                             rhs);
  auto batch =
      broadcastShapes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (failed(batch))
    return emitOptionalError(loc, "batch dimensions do not broadcast: ", lhs,
                             " and ", rhs);
  if (!row)
    batch->push_back(a[a.size() - 2]);
  if (!column)
    batch->push_back(b.back());
  Type element = lhs.getElementType();
  if (element.isInteger(8) || adaptor.getLhsZeroPoint())
    element = IntegerType::get(ctx, 32);
  types.push_back(RankedTensorType::get(*batch, element));
  return success();
}

SmallVector<unsigned> MatMulOp::getQuantizableOperands() { return {0, 1}; }

std::optional<int64_t> MatMulOp::getChannelAxis(unsigned index) {
  int64_t rank = getRhs().getType().getRank();
  if (index == 1 && rank >= 2)
    return rank - 1;
  return std::nullopt;
}
