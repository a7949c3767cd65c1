//===- TensorOps.cpp - Constants, shapes and the movement of elements -----===//

#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/InterleavedRange.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/TensorOps.cpp.inc"

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

//===- reshape ------------------------------------------------------------===//

LogicalResult ReshapeOp::inferReturnTypes(MLIRContext *,
                                          std::optional<Location> loc,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  auto shapeType = cast<RankedTensorType>(adaptor.getShape().getType());
  if (shapeType.getRank() != 1)
    return emitOptionalError(loc, "shape must be a list, got ", shapeType);
  auto dims = getConstantInts(adaptor.getShape());
  if (!dims) {
    if (!shapeType.hasStaticShape())
      return emitOptionalError(loc, "the rank of the result is unknown: the "
                                    "number of dimensions in `shape` is not "
                                    "static");
    types.push_back(RankedTensorType::get(
        SmallVector<int64_t>(shapeType.getDimSize(0), ShapedType::kDynamic),
        input.getElementType()));
    return success();
  }
  int64_t known = 1, inferred = -1;
  bool allKnown = true;
  for (auto [i, d] : llvm::enumerate(*dims)) {
    if (d == 0 && !adaptor.getAllowzero()) {
      if (int64_t(i) >= input.getRank())
        return emitOptionalError(loc, "shape copies dimension ", i,
                                 ", but the input has rank ", input.getRank());
      d = input.getDimSize(i);
    } else if (d == -1) {
      if (inferred >= 0)
        return emitOptionalError(loc, "shape has more than one -1");
      inferred = i;
      d = ShapedType::kDynamic;
      continue;
    } else if (d < 0) {
      return emitOptionalError(loc, "shape has the negative dimension ", d);
    }
    if (ShapedType::isDynamic(d))
      allKnown = false;
    else if (llvm::MulOverflow(known, d, known))
      return emitOptionalError(loc, "shape has too many elements");
  }
  if (input.hasStaticShape() && allKnown) {
    int64_t total = input.getNumElements();
    if (inferred >= 0) {
      if (known == 0 || total % known)
        return emitOptionalError(loc, "cannot reshape ", input, " to [",
                                 llvm::interleaved(*dims), "]");
      (*dims)[inferred] = total / known;
    } else if (known != total) {
      return emitOptionalError(loc, "cannot reshape ", input, " to [",
                               llvm::interleaved(*dims), "]: ", total,
                               " elements against ", known);
    }
  }
  types.push_back(RankedTensorType::get(*dims, input.getElementType()));
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType() && getType().hasStaticShape())
    return getInput();
  if (!getType().hasStaticShape())
    return {};
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(adaptor.getInput()))
    return dense.reshape(getType());
  if (auto resource =
          dyn_cast_or_null<DenseResourceElementsAttr>(adaptor.getInput()))
    return DenseResourceElementsAttr::get(getType(), resource.getRawHandle());
  return {};
}

//===- transpose ----------------------------------------------------------===//

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *,
                                            std::optional<Location> loc,
                                            Adaptor adaptor,
                                            SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  SmallVector<int64_t> shape;
  for (int64_t p : adaptor.getPermutation()) {
    if (p < 0 || p >= input.getRank())
      return emitOptionalError(loc, "permutation names dimension ", p, " of ",
                               input);
    shape.push_back(input.getDimSize(p));
  }
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

LogicalResult TransposeOp::verify() {
  if (int64_t(getPermutation().size()) != getInput().getType().getRank() ||
      !isPermutationVector(getPermutation()))
    return emitOpError("[")
           << getPermutation() << "] is no permutation of the dimensions of "
           << getInput().getType();
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (llvm::equal(getPermutation(),
                  llvm::seq<int64_t>(0, getPermutation().size())) &&
      getInput().getType() == getType())
    return getInput();
  return {};
}

//===- shape --------------------------------------------------------------===//

LogicalResult ShapeOp::inferReturnTypes(MLIRContext *ctx,
                                        std::optional<Location>,
                                        Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  int64_t n = std::max<int64_t>(0, adaptor.getEnd() - adaptor.getStart());
  types.push_back(RankedTensorType::get({n}, IntegerType::get(ctx, 64)));
  return success();
}

LogicalResult ShapeOp::verify() {
  int64_t rank = getInput().getType().getRank();
  if (getStart() < 0 || getEnd() > rank)
    return emitOpError("dimensions ") << getStart() << " to " << getEnd()
                                      << " of a tensor of rank " << rank;
  return success();
}

OpFoldResult ShapeOp::fold(FoldAdaptor) {
  SmallVector<int64_t> dims;
  for (int64_t i = getStart(); i < getEnd(); ++i) {
    if (getInput().getType().isDynamicDim(i))
      return {};
    dims.push_back(getInput().getType().getDimSize(i));
  }
  return DenseElementsAttr::get(getType(), ArrayRef<int64_t>(dims));
}
