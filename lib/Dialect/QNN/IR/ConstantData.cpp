//===- ConstantData.cpp - The elements of constants -----------------------===//

#include "quantc/Dialect/QNN/IR/ConstantData.h"

#include "quantc/Support/Resources.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace quantc;

std::optional<ArrayRef<char>> qnn::getConstantBytes(ElementsAttr value) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? std::optional(blob->getData()) : std::nullopt;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || dense.isSplat() ||
      value.getShapedType().getElementTypeBitWidth() < 8)
    return std::nullopt;
  return dense.getRawData();
}

/// Smaller constants are uniqued in the context.
static constexpr size_t minResourceBytes = 1024;

static ElementsAttr makeResource(RankedTensorType type, AsmResourceBlob blob) {
  return DenseResourceElementsAttr::get(type, "computed", std::move(blob));
}

ElementsAttr qnn::makeConstant(RankedTensorType type, ArrayRef<char> bytes) {
  unsigned width = type.getElementTypeBitWidth();
  if (width < 8 && width > 1 && isa<IntegerType>(type.getElementType()) &&
      bytes.size() >= minResourceBytes) {
    // A byte each, as at run time.
    AsmResourceBlob blob =
        HeapAsmResourceBlob::allocate(bytes.size(), /*align=*/64);
    bool isUnsigned = type.getElementType().isUnsignedInteger();
    unsigned unused = 8 - width;
    llvm::transform(bytes, blob.getMutableData().begin(), [&](char c) {
      auto code = uint8_t(uint8_t(c) << unused);
      return isUnsigned ? char(code >> unused) : char(int8_t(code) >> unused);
    });
    return makeResource(type, std::move(blob));
  }
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
  if (bytes.size() < minResourceBytes)
    return DenseElementsAttr::getFromRawBuffer(type, bytes);
  return makeResource(type, HeapAsmResourceBlob::allocateAndCopyWithAlign(
                                bytes, 64, /*dataIsMutable=*/false));
}

ElementsAttr qnn::moveToOtherSign(ElementsAttr value) {
  auto type = cast<RankedTensorType>(value.getShapedType());
  Type element = type.getElementType();
  if (!element.isInteger(8))
    return {};
  MLIRContext *context = value.getContext();
  auto other = element.isUnsignedInteger()
                   ? IntegerType::get(context, 8)
                   : IntegerType::get(context, 8, IntegerType::Unsigned);
  auto move = [](char byte) { return char(byte ^ 0x80); };
  if (auto bytes = getConstantBytes(value))
    return makeConstant(type.clone(other), llvm::map_to_vector(*bytes, move));
  auto splat = dyn_cast<SplatElementsAttr>(value);
  if (!splat)
    return {};
  char byte = char(splat.getSplatValue<APInt>().getZExtValue());
  return DenseElementsAttr::getFromRawBuffer(type.clone(other), move(byte));
}

ElementsAttr qnn::makeFloatConstant(MLIRContext *context,
                                    ArrayRef<int64_t> shape,
                                    ArrayRef<float> values) {
  return makeConstant(RankedTensorType::get(shape, Float32Type::get(context)),
                      ArrayRef(reinterpret_cast<const char *>(values.data()),
                               values.size() * sizeof(float)));
}

std::optional<std::vector<float>> qnn::readFloats(ElementsAttr value) {
  std::vector<float> storage;
  std::optional<ArrayRef<float>> values = viewFloats(value, storage);
  if (!values)
    return std::nullopt;
  if (values->data() != storage.data())
    storage.assign(values->begin(), values->end());
  return storage;
}

std::optional<ArrayRef<float>> qnn::viewFloats(ElementsAttr value,
                                               std::vector<float> &storage) {
  if (!value.getShapedType().getElementType().isF32())
    return std::nullopt;
  storage.resize(0);
  size_t count = value.getShapedType().getNumElements();
  if (auto bytes = getConstantBytes(value)) {
    if (bytes->size() != count * sizeof(float))
      return std::nullopt;
    if (uintptr_t(bytes->data()) % alignof(float) == 0)
      return ArrayRef(reinterpret_cast<const float *>(bytes->data()), count);
    storage.resize(count);
    std::memcpy(storage.data(), bytes->data(), bytes->size());
    return ArrayRef(storage);
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return std::nullopt;
  storage.resize(count);
  llvm::copy(dense.getValues<float>(), storage.begin());
  return ArrayRef(storage);
}

/// The resource that a constant of any dialect is, if it is one.
static DenseResourceElementsAttr getResource(Operation *op) {
  return op->getNumOperands()
             ? DenseResourceElementsAttr()
             : op->getAttrOfType<DenseResourceElementsAttr>("value");
}

qnn::ConstantRelease::ConstantRelease(Operation *root) {
  root->walk([&](Operation *op) {
    if (DenseResourceElementsAttr resource = getResource(op))
      ++numHolders[resource.getRawHandle().getKey()];
  });
}

void qnn::ConstantRelease::eraseIfUnused(Operation *constant) {
  if (!constant->use_empty())
    return;
  DenseResourceElementsAttr resource = getResource(constant);
  constant->erase();
  if (!resource)
    return;
  DenseResourceElementsHandle handle = resource.getRawHandle();
  if (--numHolders[handle.getKey()] == 0)
    freeResource(handle);
}
