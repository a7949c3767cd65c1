//===- ConstantData.cpp - The elements of constants -----------------------===//

#include "quantc/Dialect/QNN/IR/ConstantData.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace quantc;

std::optional<ArrayRef<char>> qnn::getConstantBytes(ElementsAttr value) {
  if (value.getShapedType().getElementTypeBitWidth() < 8)
    return std::nullopt;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? std::optional(blob->getData()) : std::nullopt;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || dense.isSplat())
    return std::nullopt;
  return dense.getRawData();
}

ElementsAttr qnn::makeConstant(RankedTensorType type, ArrayRef<char> bytes) {
  unsigned width = type.getElementTypeBitWidth();
  if (width < 8) {
    SmallVector<APInt> values;
    for (char c : bytes)
      values.push_back(APInt(width, uint8_t(c) & ((1u << width) - 1)));
    if (!isa<FloatType>(type.getElementType()))
      return DenseElementsAttr::get(type, values);
    SmallVector<APFloat> floats;
    for (const APInt &v : values)
      floats.emplace_back(
          cast<FloatType>(type.getElementType()).getFloatSemantics(), v);
    return DenseElementsAttr::get(type, floats);
  }
  if (bytes.size() < 1024)
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  return DenseResourceElementsAttr::get(
      type, "computed",
      HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64,
                                                    /*dataIsMutable=*/false));
}

ElementsAttr qnn::makeFloatConstant(MLIRContext *context,
                                    ArrayRef<int64_t> shape,
                                    ArrayRef<float> values) {
  return makeConstant(RankedTensorType::get(shape, Float32Type::get(context)),
                      ArrayRef(reinterpret_cast<const char *>(values.data()),
                               values.size() * sizeof(float)));
}

std::optional<std::vector<float>> qnn::readFloats(ElementsAttr value) {
  if (!value.getShapedType().getElementType().isF32())
    return std::nullopt;
  std::vector<float> values(value.getShapedType().getNumElements());
  if (auto bytes = getConstantBytes(value)) {
    if (bytes->size() != values.size() * sizeof(float))
      return std::nullopt;
    std::memcpy(values.data(), bytes->data(), bytes->size());
    return values;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return std::nullopt;
  llvm::copy(dense.getValues<float>(), values.begin());
  return values;
}
