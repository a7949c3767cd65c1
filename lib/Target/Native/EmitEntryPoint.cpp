//===- EmitEntryPoint.cpp - Exported functions of a model's library -------===//
//
// Adds to a module in the LLVM dialect what include/quantc/Runtime/model.h
// declares. The layouts of structs below follow that file.
//
//===----------------------------------------------------------------------===//

#include "quantc/Target/Native/Interface.h"
#include "quantc/Target/Native/Passes.h"
#include "quantc/Target/Native/Weights.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace quantc::native {
#define GEN_PASS_DEF_EMITDISPATCHPASS
#define GEN_PASS_DEF_EMITENTRYPOINTPASS
#include "quantc/Target/Native/Passes.h.inc"

namespace {
constexpr uint32_t abiVersion = 1;
/// QUANTC_HAS_STATES: the description of a model says which inputs are states.
constexpr uint32_t hasStates = 1;

/// Symbols by which the objects of a library with several variants meet.
std::string getVariantInfo(StringRef variant) {
  return (variant + "_model_info").str();
}
std::string getVariantEntry(StringRef variant) {
  return (variant + "_entry").str();
}

/// Builds private constants and the functions around them.
class EntryPointBuilder {
public:
  EntryPointBuilder(ModuleOp module, StringRef prefix)
      : module(module), prefix(prefix),
        b(module.getLoc(), module.getBody(), module.getBody()->end()),
        ptr(LLVM::LLVMPointerType::get(b.getContext())), i32(b.getI32Type()),
        i64(b.getI64Type()) {}

  LLVM::GlobalOp emitModelInfo(const ModelInterface &interface, StringRef name,
                               StringRef triple, StringRef features);
  LLVM::LLVMFuncOp emitEntry(const ModelInterface &interface,
                             LLVM::LLVMFuncOp main);
  /// Exports a model of these variants: symbols of a description and an entry.
  void emitExports(ArrayRef<std::pair<StringRef, StringRef>> variants);
  /// What another object of the library defines.
  void declareVariant(StringRef info, StringRef entry);
  /// The table of what `quantc-profile-kernels` counts; null without counters.
  LLVM::GlobalOp emitProfile();

private:
  /// A member of a constant struct: a number, or the address of a global.
  struct Field {
    Type type;
    uint64_t number = 0;
    std::string symbol;
  };
  Field number(Type type, uint64_t value) { return {type, value, ""}; }
  Field address(StringRef symbol) { return {ptr, 0, symbol.str()}; }

  LLVM::GlobalOp emitStruct(StringRef name, ArrayRef<Field> fields,
                            LLVM::Linkage linkage = LLVM::Linkage::Internal,
                            bool isConstant = true);
  Field emitString(StringRef text);
  Field emitDimNames(ArrayRef<std::string> names);
  Field emitTensors(ArrayRef<TensorInterface> tensors, StringRef name);
  LLVM::LLVMFuncOp declare(StringRef name, Type result, ArrayRef<Type> args);
  /// A function that returns the address of `global`, or null.
  LLVM::LLVMFuncOp emitGetter(StringRef suffix, LLVM::GlobalOp global);
  /// A function that passes `leading` and its own arguments on to `callee`.
  LLVM::LLVMFuncOp emitForward(StringRef suffix, LLVM::LLVMFuncOp callee,
                               ArrayRef<StringRef> leading);
  StringRef uniqueName(const Twine &base);

  ModuleOp module;
  StringRef prefix;
  ImplicitLocOpBuilder b;
  Type ptr, i32, i64;
  llvm::StringMap<std::string> strings;
  SmallVector<std::pair<SmallVector<std::string>, Field>> dimNames;
  unsigned counter = 0;
};

StringRef EntryPointBuilder::uniqueName(const Twine &base) {
  return b.getStringAttr("__quantc_" + base + "_" + Twine(counter++));
}

LLVM::GlobalOp EntryPointBuilder::emitStruct(StringRef name,
                                             ArrayRef<Field> fields,
                                             LLVM::Linkage linkage,
                                             bool isConstant) {
  SmallVector<Type> types;
  for (const Field &field : fields)
    types.push_back(field.type);
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), types);
  auto global =
      LLVM::GlobalOp::create(b, type, isConstant, linkage, name, Attribute());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&global.getInitializerRegion());
  Value value = LLVM::UndefOp::create(b, type);
  for (auto [i, field] : llvm::enumerate(fields)) {
    Value member;
    if (!field.symbol.empty())
      member = LLVM::AddressOfOp::create(b, ptr, field.symbol);
    else if (field.type == ptr)
      member = LLVM::ZeroOp::create(b, ptr);
    else
      member = LLVM::ConstantOp::create(
          b, field.type, b.getIntegerAttr(field.type, field.number));
    value = LLVM::InsertValueOp::create(b, value, member, i);
  }
  LLVM::ReturnOp::create(b, value);
  return global;
}

EntryPointBuilder::Field EntryPointBuilder::emitString(StringRef text) {
  auto [it, isNew] = strings.try_emplace(text);
  if (isNew) {
    it->second = uniqueName("string").str();
    std::string bytes = text.str();
    bytes.push_back('\0');
    LLVM::GlobalOp::create(
        b, LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size()),
        /*isConstant=*/true, LLVM::Linkage::Internal, it->second,
        b.getStringAttr(bytes));
  }
  return address(it->second);
}

/// Each of these pointers is relocated when the library is loaded, so tensors
/// whose dimensions have the same names share them.
EntryPointBuilder::Field
EntryPointBuilder::emitDimNames(ArrayRef<std::string> names) {
  auto known = llvm::find_if(dimNames, [&](const auto &entry) {
    return ArrayRef(entry.first).take_front(names.size()) == names;
  });
  if (known != dimNames.end())
    return known->second;
  SmallVector<Field> fields;
  for (const std::string &name : names)
    fields.push_back(emitString(name));
  Field field = address(emitStruct(uniqueName("dims"), fields).getSymName());
  dimNames.emplace_back(llvm::to_vector(names), field);
  return field;
}

EntryPointBuilder::Field
EntryPointBuilder::emitTensors(ArrayRef<TensorInterface> tensors,
                               StringRef name) {
  if (tensors.empty())
    return number(ptr, 0);
  SmallVector<Field> fields;
  for (const TensorInterface &tensor : tensors) {
    SmallVector<Field> shape;
    for (int64_t size : tensor.type.getShape())
      shape.push_back(number(i64, ShapedType::isDynamic(size) ? -1 : size));
    Field shapeField = number(ptr, 0), namesField = number(ptr, 0);
    if (!shape.empty()) {
      shapeField = address(emitStruct(uniqueName("shape"), shape).getSymName());
      namesField = emitDimNames(tensor.dimNames);
    }
    ElementTypeInfo element = *getElementTypeInfo(tensor.type.getElementType());
    // DLDataType: code, bits, and one lane, from the lowest byte on.
    uint64_t dtype = element.code | element.bits << 8 | 1 << 16;
    fields.append({emitString(tensor.name), emitString(element.name),
                   number(i32, dtype), number(i32, tensor.type.getRank()),
                   shapeField, namesField});
  }
  return address(emitStruct(uniqueName(name), fields).getSymName());
}

LLVM::GlobalOp EntryPointBuilder::emitModelInfo(const ModelInterface &interface,
                                                StringRef name,
                                                StringRef triple,
                                                StringRef features) {
  auto arena = module->getAttrOfType<IntegerAttr>("qnn.arena_bytes");
  SmallVector<Field> states;
  for (const TensorInterface &input : interface.inputs)
    states.push_back(number(b.getI8Type(), input.isState));
  Field stateField = number(ptr, 0);
  if (!states.empty())
    stateField = address(emitStruct(uniqueName("states"), states).getSymName());
  SmallVector<Field> fields = {number(i32, abiVersion),
                               number(i32, hasStates),
                               emitString(name),
                               emitString(triple),
                               emitString(features),
                               number(i64, countWeightBytes(module)),
                               number(i64, arena ? arena.getInt() : 0),
                               number(i64, interface.inputs.size()),
                               number(i64, interface.outputs.size()),
                               emitTensors(interface.inputs, "inputs"),
                               emitTensors(interface.outputs, "outputs"),
                               stateField};
  return emitStruct(uniqueName("info"), fields);
}

LLVM::LLVMFuncOp EntryPointBuilder::declare(StringRef name, Type result,
                                            ArrayRef<Type> args) {
  if (auto existing = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return existing;
  auto type = LLVM::LLVMFunctionType::get(result, args);
  auto func = LLVM::LLVMFuncOp::create(b, name, type);
  func.setVisibility_(LLVM::Visibility::Hidden);
  return func;
}

LLVM::LLVMFuncOp EntryPointBuilder::emitEntry(const ModelInterface &interface,
                                              LLVM::LLVMFuncOp main) {
  Type voidType = LLVM::LLVMVoidType::get(b.getContext());
  auto entry = LLVM::LLVMFuncOp::create(
      b, uniqueName("entry"), LLVM::LLVMFunctionType::get(voidType, {ptr, ptr}),
      LLVM::Linkage::Internal);
  OpBuilder::InsertionGuard guard(b);
  Block *block = entry.addEntryBlock(b);
  b.setInsertionPointToStart(block);

  auto loadPointer = [&](Value array, int64_t index) -> Value {
    Value slot = LLVM::GEPOp::create(b, ptr, ptr, array,
                                     ArrayRef<LLVM::GEPArg>{int32_t(index)});
    return LLVM::LoadOp::create(b, ptr, slot);
  };
  // A descriptor's words, in the order in which it is passed.
  SmallVector<Value> args;
  for (auto [i, tensor] : llvm::enumerate(interface.inputs)) {
    Value descriptor = loadPointer(block->getArgument(0), i);
    int64_t words = 3 + 2 * tensor.type.getRank();
    for (int64_t word = 0; word < words; ++word) {
      Type type = word < 2 ? ptr : i64;
      Value slot = LLVM::GEPOp::create(b, ptr, i64, descriptor,
                                       ArrayRef<LLVM::GEPArg>{int32_t(word)});
      args.push_back(LLVM::LoadOp::create(b, type, slot));
    }
  }
  auto call = LLVM::CallOp::create(b, main, args);
  for (auto [i, tensor] : llvm::enumerate(interface.outputs)) {
    Value result = call.getResult();
    if (interface.outputs.size() > 1)
      result = LLVM::ExtractValueOp::create(b, result, i);
    LLVM::StoreOp::create(b, result, loadPointer(block->getArgument(1), i));
  }
  LLVM::ReturnOp::create(b, ValueRange());
  return entry;
}

LLVM::LLVMFuncOp EntryPointBuilder::emitForward(StringRef suffix,
                                                LLVM::LLVMFuncOp callee,
                                                ArrayRef<StringRef> leading) {
  LLVM::LLVMFunctionType calleeType = callee.getFunctionType();
  auto type = LLVM::LLVMFunctionType::get(
      calleeType.getReturnType(),
      calleeType.getParams().drop_front(leading.size()));
  auto func = LLVM::LLVMFuncOp::create(b, (prefix + suffix).str(), type);
  OpBuilder::InsertionGuard guard(b);
  Block *block = func.addEntryBlock(b);
  b.setInsertionPointToStart(block);
  SmallVector<Value> args;
  for (StringRef symbol : leading)
    args.push_back(LLVM::AddressOfOp::create(b, ptr, symbol));
  args.append(block->args_begin(), block->args_end());
  auto call = LLVM::CallOp::create(b, callee, args);
  LLVM::ReturnOp::create(b, call.getResults());
  return func;
}

LLVM::LLVMFuncOp EntryPointBuilder::emitGetter(StringRef suffix,
                                               LLVM::GlobalOp global) {
  auto getter = LLVM::LLVMFuncOp::create(b, (prefix + suffix).str(),
                                         LLVM::LLVMFunctionType::get(ptr, {}));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(getter.addEntryBlock(b));
  Value result;
  if (global)
    result = LLVM::AddressOfOp::create(b, ptr, global.getSymName());
  else
    result = LLVM::ZeroOp::create(b, ptr);
  LLVM::ReturnOp::create(b, result);
  return getter;
}

LLVM::GlobalOp EntryPointBuilder::emitProfile() {
  auto kernels = module->getAttrOfType<ArrayAttr>("qnn.profile");
  if (!kernels)
    return {};
  SmallVector<Field> infos;
  for (auto kernel : kernels.getAsRange<DictionaryAttr>())
    for (StringRef key : {"nodes", "kernel", "operations"})
      infos.push_back(emitString(kernel.getAs<StringAttr>(key).getValue()));
  Field table = number(ptr, 0);
  if (!infos.empty())
    table = address(emitStruct(uniqueName("kernels"), infos).getSymName());
  // Weak, as quantc_interface.
  return emitStruct("quantc_profile",
                    {number(i32, abiVersion), number(i32, 0),
                     number(i64, kernels.size()), table,
                     address("__quantc_profile_counters")},
                    LLVM::Linkage::WeakODR);
}

void EntryPointBuilder::declareVariant(StringRef info, StringRef entry) {
  auto global =
      LLVM::GlobalOp::create(b, b.getI8Type(), /*isConstant=*/true,
                             LLVM::Linkage::External, info, Attribute());
  global.setVisibility_(LLVM::Visibility::Hidden);
  declare(entry, LLVM::LLVMVoidType::get(b.getContext()), {ptr, ptr});
}

void EntryPointBuilder::emitExports(
    ArrayRef<std::pair<StringRef, StringRef>> variants) {
  Type voidType = LLVM::LLVMVoidType::get(b.getContext());
  SmallVector<Field> fields = {number(ptr, 0), number(i64, variants.size())};
  for (auto [info, entry] : variants)
    fields.append({address(info), address(entry)});
  LLVM::GlobalOp model =
      emitStruct(uniqueName("model"), fields, LLVM::Linkage::Internal,
                 /*isConstant=*/false);
  LLVM::LLVMFuncOp run = emitForward(
      "_run", declare("quantc_rt_run", i32, {ptr, ptr, i64, ptr, i64}),
      model.getSymName());
  LLVM::LLVMFuncOp describe = emitForward(
      "_info", declare("quantc_rt_info", ptr, {ptr}), model.getSymName());
  LLVM::LLVMFuncOp lastError =
      emitForward("_last_error", declare("quantc_rt_last_error", ptr, {}), {});
  LLVM::LLVMFuncOp setNumThreads =
      emitForward("_set_num_threads",
                  declare("quantc_rt_set_num_threads", voidType, {i32}), {});
  emitGetter("_profile", emitProfile());
  // Weak, so that objects of two models can be linked into one program.
  emitStruct("quantc_interface",
             {number(i32, abiVersion), number(i32, 0),
              address(describe.getSymName()), address(run.getSymName()),
              address(lastError.getSymName()),
              address(setNumThreads.getSymName())},
             LLVM::Linkage::WeakODR);
}

/// The translation to LLVM IR does not know attributes of our dialect.
void dropGraphAttributes(LLVM::LLVMFuncOp func) {
  auto isGraphAttribute = [](NamedAttribute attr) {
    return attr.getName().getValue().starts_with("qnn.");
  };
  for (unsigned i = 0, n = func.getNumArguments(); i < n; ++i)
    if (DictionaryAttr attrs = func.getArgAttrDict(i))
      func.setArgAttrs(
          i, to_vector(llvm::make_filter_range(attrs, [&](NamedAttribute a) {
            return !isGraphAttribute(a);
          })));
  func.removeResAttrsAttr();
}

struct EmitEntryPoint : impl::EmitEntryPointPassBase<EmitEntryPoint> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    FailureOr<ModelInterface> interface = readInterface(module);
    if (failed(interface))
      return signalPassFailure();
    auto main = module.lookupSymbol<LLVM::LLVMFuncOp>("main");
    if (!main || main.isExternal()) {
      module.emitError("has no function 'main' in the LLVM dialect");
      return signalPassFailure();
    }
    size_t words = 0;
    for (const TensorInterface &input : interface->inputs)
      words += 3 + 2 * input.type.getRank();
    if (main.getNumArguments() != words) {
      main.emitError() << "takes " << main.getNumArguments()
                       << " arguments, but the descriptors of the model's "
                          "inputs have "
                       << words << " words";
      return signalPassFailure();
    }
    if (interface->outputs.empty()) {
      main.emitError("a model must have outputs");
      return signalPassFailure();
    }
    // Every other function is called from here only.
    for (auto func : module.getOps<LLVM::LLVMFuncOp>()) {
      if (!func.isExternal())
        func.setLinkage(LLVM::Linkage::Internal);
      dropGraphAttributes(func);
    }

    EntryPointBuilder builder(module, prefix);
    if (entryOnly) {
      LLVM::LLVMFuncOp entry = builder.emitEntry(*interface, main);
      entry.setSymName(prefix + "_entry");
      entry.setLinkage(LLVM::Linkage::External);
      return;
    }
    LLVM::GlobalOp info =
        builder.emitModelInfo(*interface, modelName, triple, features);
    LLVM::LLVMFuncOp entry = builder.emitEntry(*interface, main);
    if (variant.empty()) {
      builder.emitExports({{info.getSymName(), entry.getSymName()}});
      return;
    }
    info.setSymName(getVariantInfo(variant));
    info.setLinkage(LLVM::Linkage::External);
    info.setVisibility_(LLVM::Visibility::Hidden);
    entry.setSymName(getVariantEntry(variant));
    entry.setLinkage(LLVM::Linkage::External);
    entry.setVisibility_(LLVM::Visibility::Hidden);
  }
};

struct EmitDispatch : impl::EmitDispatchPassBase<EmitDispatch> {
  using Base::Base;

  void runOnOperation() override {
    if (variants.empty()) {
      getOperation().emitError("a model must have variants");
      return signalPassFailure();
    }
    EntryPointBuilder builder(getOperation(), prefix);
    SmallVector<std::pair<std::string, std::string>> names;
    SmallVector<std::pair<StringRef, StringRef>> symbols;
    for (const std::string &variant : variants)
      names.emplace_back(getVariantInfo(variant), getVariantEntry(variant));
    for (const auto &[info, entry] : names) {
      builder.declareVariant(info, entry);
      symbols.emplace_back(info, entry);
    }
    builder.emitExports(symbols);
    numVariants += variants.size();
  }
};
} // namespace
} // namespace quantc::native
