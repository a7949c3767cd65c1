//===- WeightOnlyOps.cpp - Float activations, weights of few bits ---------===//

#include "quantc/Dialect/QNN/IR/WeightOnlyOps.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/WeightOnlyOps.cpp.inc"

/// Whether two dimensions may be equal at run time.
static bool mayAgree(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

LogicalResult
WeightOnlyMatMulOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                     Adaptor adaptor,
                                     SmallVectorImpl<Type> &types) {
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  auto weights = cast<RankedTensorType>(adaptor.getWeights().getType());
  if (input.getRank() == 0 || weights.getRank() != 2)
    return emitOptionalError(
        loc, "needs an input of rank 1 at least and a matrix of weights, got ",
        input, " and ", weights);
  if (!mayAgree(input.getShape().back(), weights.getDimSize(0)))
    return emitOptionalError(loc, "inner dimensions differ: ", input, " and ",
                             weights);
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = weights.getDimSize(1);
  Type element = input.getElementType();
  if (element.isInteger())
    element =
        cast<RankedTensorType>(adaptor.getScales().getType()).getElementType();
  types.push_back(RankedTensorType::get(shape, element));
  return success();
}

LogicalResult WeightOnlyMatMulOp::verify() {
  RankedTensorType weights = getWeights().getType();
  RankedTensorType scales = getScales().getType();
  Type element = weights.getElementType();
  auto integer = dyn_cast<IntegerType>(element);
  auto small = dyn_cast<FloatType>(element);
  if (!(integer && integer.getWidth() >= 2 && integer.getWidth() <= 8) &&
      !(small && small.getWidth() <= 8))
    return emitOpError("weights must be integers of 2 to 8 bits or floats of "
                       "at most 8 bits, got ")
           << element;
  int64_t blockSize = getBlockSize();
  if (blockSize < 1)
    return emitOpError("block_size ") << blockSize << " is not positive";
  int64_t k = weights.getDimSize(0);
  int64_t blocks = ShapedType::isDynamic(k) ? ShapedType::kDynamic
                                            : llvm::divideCeil(k, blockSize);
  if (scales.getRank() != 2 || !mayAgree(scales.getDimSize(0), blocks) ||
      !mayAgree(scales.getDimSize(1), weights.getDimSize(1)))
    return emitOpError("scales ") << scales << " do not match " << weights
                                  << " in blocks of " << blockSize;
  if (Value codebook = getCodebook()) {
    auto type = cast<RankedTensorType>(codebook.getType());
    if (!integer || !integer.isUnsigned())
      return emitOpError("indices into a codebook must be unsigned integers, "
                         "got ")
             << element;
    if (type.getRank() != 1 ||
        type.getDimSize(0) != (int64_t(1) << integer.getWidth()))
      return emitOpError("codebook must be a list of ")
             << (int64_t(1) << integer.getWidth()) << " numbers, got " << type;
    if (getZeroPoints())
      return emitOpError("a codebook leaves no room for zero points");
  }
  if (Value zeros = getZeroPoints()) {
    auto type = cast<RankedTensorType>(zeros.getType());
    if (type.getElementType() != element &&
        type.getElementType() != scales.getElementType())
      return emitOpError("zero points must be of the weights' or the scales' "
                         "type, got ")
             << type.getElementType();
    bool isSingle =
        type.getRank() == 0 || (type.getRank() == 1 && type.getDimSize(0) == 1);
    if (!isSingle && failed(verifyCompatibleShape(type, scales)))
      return emitOpError("zero points ")
             << type << " must be one number or have the shape of " << scales;
  }
  return success();
}
