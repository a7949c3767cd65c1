//===- Interface.cpp - A model's inputs and outputs -----------------------===//

#include "quantc/Target/Native/Interface.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantc::native;

/// Codes of DLPack's DLDataTypeCode.
enum DLCode : uint8_t {
  Int = 0,
  UInt = 1,
  Float = 2,
  Bfloat = 4,
  Bool = 6,
  E4M3FN = 10,
  E4M3FNUZ = 11,
  E5M2 = 12,
  E5M2FNUZ = 13,
  E8M0FNU = 14,
};

std::optional<ElementTypeInfo> quantc::native::getElementTypeInfo(Type type) {
  if (type.isInteger(1))
    return ElementTypeInfo{"bool", Bool, 8};
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    uint8_t code = isUnsigned ? UInt : Int;
    switch (integer.getWidth()) {
    case 2:
      return ElementTypeInfo{isUnsigned ? "uint2" : "int2", code, 8};
    case 4:
      return ElementTypeInfo{isUnsigned ? "uint4" : "int4", code, 8};
    case 8:
      return ElementTypeInfo{isUnsigned ? "uint8" : "int8", code, 8};
    case 16:
      return ElementTypeInfo{isUnsigned ? "uint16" : "int16", code, 16};
    case 32:
      return ElementTypeInfo{isUnsigned ? "uint32" : "int32", code, 32};
    case 64:
      return ElementTypeInfo{isUnsigned ? "uint64" : "int64", code, 64};
    }
    return std::nullopt;
  }
  if (type.isF16())
    return ElementTypeInfo{"float16", Float, 16};
  if (type.isF32())
    return ElementTypeInfo{"float32", Float, 32};
  if (type.isF64())
    return ElementTypeInfo{"float64", Float, 64};
  if (type.isBF16())
    return ElementTypeInfo{"bfloat16", Bfloat, 16};
  if (isa<Float8E4M3FNType>(type))
    return ElementTypeInfo{"float8_e4m3fn", E4M3FN, 8};
  if (isa<Float8E4M3FNUZType>(type))
    return ElementTypeInfo{"float8_e4m3fnuz", E4M3FNUZ, 8};
  if (isa<Float8E5M2Type>(type))
    return ElementTypeInfo{"float8_e5m2", E5M2, 8};
  if (isa<Float8E5M2FNUZType>(type))
    return ElementTypeInfo{"float8_e5m2fnuz", E5M2FNUZ, 8};
  if (isa<Float8E8M0FNUType>(type))
    return ElementTypeInfo{"float8_e8m0fnu", E8M0FNU, 8};
  // One code a byte, which is not how DLPack packs it: pass it as bytes.
  if (isa<Float4E2M1FNType>(type))
    return ElementTypeInfo{"float4_e2m1fn", UInt, 8};
  return std::nullopt;
}

static FailureOr<SmallVector<TensorInterface>> readTensors(ModuleOp module,
                                                           StringRef attrName) {
  auto list = module->getAttrOfType<ArrayAttr>(attrName);
  if (!list)
    return module.emitError()
           << "attribute '" << attrName
           << "' is missing: run quantc-record-interface before lowering";
  SmallVector<TensorInterface> tensors;
  for (Attribute entry : list) {
    auto dict = dyn_cast<DictionaryAttr>(entry);
    auto name = dict ? dict.getAs<StringAttr>("name") : StringAttr();
    auto typeAttr = dict ? dict.getAs<TypeAttr>("type") : TypeAttr();
    auto type = typeAttr ? dyn_cast<RankedTensorType>(typeAttr.getValue())
                         : RankedTensorType();
    auto dims = dict ? dict.getAs<ArrayAttr>("dims") : ArrayAttr();
    if (!name || !type || !dims ||
        static_cast<int64_t>(dims.size()) != type.getRank() ||
        !llvm::all_of(dims, llvm::IsaPred<StringAttr>))
      return module.emitError() << "attribute '" << attrName
                                << "' has a malformed entry: " << entry;
    if (!getElementTypeInfo(type.getElementType()))
      return module.emitError()
             << "'" << name.getValue() << "': a model cannot pass tensors of "
             << type.getElementType();
    TensorInterface tensor{name.str(), type, {}, dict.contains("state")};
    for (StringAttr dim : dims.getAsRange<StringAttr>())
      tensor.dimNames.push_back(dim.str());
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

FailureOr<ModelInterface> quantc::native::readInterface(ModuleOp module) {
  FailureOr<SmallVector<TensorInterface>> inputs =
      readTensors(module, "qnn.inputs");
  if (failed(inputs))
    return failure();
  FailureOr<SmallVector<TensorInterface>> outputs =
      readTensors(module, "qnn.outputs");
  if (failed(outputs))
    return failure();
  return ModelInterface{std::move(*inputs), std::move(*outputs)};
}
