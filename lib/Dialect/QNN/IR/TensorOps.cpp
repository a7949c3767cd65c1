//===- TensorOps.cpp - Constants, shapes and the movement of elements -----===//

#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "quantc/Dialect/QNN/IR/IntegerValues.h"
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

/// Dimensions of a reshape's result. `0` copies, `-1` and one unknown element
/// are what the others leave, when the element counts on both sides are known
/// up to dynamic extents that they share.
/// A dimension stays if what is before it, and so what is behind it, has as
/// many elements as in the result.
std::optional<int64_t> ReshapeOp::getResultAxis(int64_t axis) {
  RankedTensorType from = getInput().getType(), to = getType();
  if (!from.hasStaticShape() || !to.hasStaticShape())
    return std::nullopt;
  auto count = [](ArrayRef<int64_t> dims) { return llvm::product_of(dims); };
  int64_t before = count(from.getShape().take_front(axis));
  for (int64_t i = 0; i < to.getRank(); ++i)
    if (to.getDimSize(i) == from.getDimSize(axis) &&
        count(to.getShape().take_front(i)) == before)
      return i;
  return std::nullopt;
}

LogicalResult ReshapeOp::inferReturnTypes(MLIRContext *,
                                          std::optional<Location> loc,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  auto shapeType = cast<RankedTensorType>(adaptor.getShape().getType());
  if (shapeType.getRank() != 1)
    return emitOptionalError(loc, "shape must be a list, got ", shapeType);
  auto shape = getKnownInts(adaptor.getShape());
  if (!shape)
    return emitOptionalError(loc, "the rank of the result is unknown: the "
                                  "number of dimensions in `shape` is not "
                                  "static");

  // The input's static element count, and its dynamic extents.
  int64_t inputCount = 1;
  SmallVector<KnownInt> inputExtents;
  for (int64_t i = 0; i < input.getRank(); ++i) {
    KnownInt extent = KnownInt::extent(adaptor.getInput(), i);
    if (!extent.isConstant())
      inputExtents.push_back(extent);
    else if (llvm::MulOverflow(inputCount, extent.getConstant(), inputCount))
      return emitOptionalError(loc, "the input has too many elements");
  }

  SmallVector<int64_t> dims(shape->size(), ShapedType::kDynamic);
  int64_t count = 1, rest = -1;
  unsigned numUnknown = 0;
  bool hasRest = false;
  for (auto [i, v] : llvm::enumerate(*shape)) {
    if (v.isConstant(0) && !adaptor.getAllowzero()) {
      if (int64_t(i) >= input.getRank())
        return emitOptionalError(loc, "shape copies dimension ", i,
                                 ", but the input has rank ", input.getRank());
      v = KnownInt::extent(adaptor.getInput(), i);
    } else if (v.isConstant(-1)) {
      if (hasRest)
        return emitOptionalError(loc, "shape has more than one -1");
      hasRest = true;
      ++numUnknown;
      rest = i;
      continue;
    }
    if (v.isConstant()) {
      if (v.getConstant() < 0)
        return emitOptionalError(loc, "shape has the negative dimension ",
                                 v.getConstant());
      if (llvm::MulOverflow(count, v.getConstant(), count))
        return emitOptionalError(loc, "shape has too many elements");
      dims[i] = v.getConstant();
      continue;
    }
    auto *same = llvm::find(inputExtents, v);
    if (same != inputExtents.end()) {
      inputExtents.erase(same);
    } else {
      ++numUnknown;
      rest = i;
    }
  }
  auto fail = [&] {
    return emitOptionalError(loc, "cannot reshape ", input, " to [",
                             llvm::interleaved(dims), "]: ", inputCount,
                             " elements against ", count);
  };
  if (inputExtents.empty() && numUnknown == 0 && count != inputCount &&
      input.hasStaticShape())
    return fail();
  if (inputExtents.empty() && numUnknown == 1) {
    if (count != 0 && inputCount % count == 0)
      dims[rest] = inputCount / count;
    else if (hasRest)
      return fail();
  }
  types.push_back(RankedTensorType::get(dims, input.getElementType()));
  return success();
}

/// Whether the shape is known now: else the model asks for it when it runs, and
/// may ask for what does not fit, even if only one type would.
static bool hasKnownShape(ReshapeOp op) {
  auto shape = getKnownInts(op.getShape());
  return shape &&
         llvm::all_of(*shape, [](const KnownInt &i) { return i.isConstant(); });
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (!getType().hasStaticShape() || !hasKnownShape(*this))
    return {};
  if (getInput().getType() == getType())
    return getInput();
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(adaptor.getInput()))
    return dense.reshape(getType());
  if (auto resource =
          dyn_cast_or_null<DenseResourceElementsAttr>(adaptor.getInput()))
    return DenseResourceElementsAttr::get(getType(), resource.getRawHandle());
  return foldKnownInts(*this);
}

//===- transpose ----------------------------------------------------------===//

std::optional<int64_t> TransposeOp::getResultAxis(int64_t axis) {
  const auto *it = llvm::find(getPermutation(), axis);
  return it - getPermutation().begin();
}

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
  if (getStart() < 0 || int64_t(getEnd()) > rank)
    return emitOpError("dimensions ") << getStart() << " to " << getEnd()
                                      << " of a tensor of rank " << rank;
  return success();
}

OpFoldResult ShapeOp::fold(FoldAdaptor) {
  SmallVector<int64_t> dims;
  for (int64_t i = getStart(); i < int64_t(getEnd()); ++i) {
    if (getInput().getType().isDynamicDim(i))
      return {};
    dims.push_back(getInput().getType().getDimSize(i));
  }
  return DenseElementsAttr::get(getType(), ArrayRef<int64_t>(dims));
}
