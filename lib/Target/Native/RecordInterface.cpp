//===- RecordInterface.cpp - Remember the model's inputs and outputs ------===//
//
// Module attributes carry the interface of the model through the lowering; see
// the description of the pass.
//
//===----------------------------------------------------------------------===//

#include "quantc/Target/Native/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace quantc::native {
#define GEN_PASS_DEF_RECORDINTERFACEPASS
#include "quantc/Target/Native/Passes.h.inc"

namespace {
/// The attribute of one tensor; null for types that a model cannot pass.
DictionaryAttr describe(Builder &builder, Type type, DictionaryAttr attrs,
                        const Twine &defaultName) {
  auto shaped = dyn_cast<ShapedType>(type);
  if (!shaped || !shaped.hasRank())
    return {};
  auto name = attrs ? attrs.getAs<StringAttr>("qnn.name") : StringAttr();
  auto dims = attrs ? attrs.getAs<ArrayAttr>("qnn.dims") : ArrayAttr();
  if (!name)
    name = builder.getStringAttr(defaultName);
  if (!dims || static_cast<int64_t>(dims.size()) != shaped.getRank())
    dims = builder.getStrArrayAttr(
        SmallVector<StringRef>(shaped.getRank(), StringRef()));
  auto tensor =
      RankedTensorType::get(shaped.getShape(), shaped.getElementType());
  SmallVector<NamedAttribute> entries = {
      builder.getNamedAttr("dims", dims), builder.getNamedAttr("name", name),
      builder.getNamedAttr("type", TypeAttr::get(tensor))};
  if (attrs && attrs.contains("qnn.state"))
    entries.push_back(builder.getNamedAttr("state", builder.getUnitAttr()));
  return builder.getDictionaryAttr(entries);
}

struct RecordInterface : impl::RecordInterfacePassBase<RecordInterface> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (module->hasAttr("qnn.inputs"))
      return;
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    Builder builder(&getContext());
    SmallVector<Attribute> inputs, outputs;
    for (auto [i, type] : llvm::enumerate(main.getArgumentTypes()))
      inputs.push_back(
          describe(builder, type, main.getArgAttrDict(i), "input" + Twine(i)));
    // States come back in the inputs' memory.
    for (auto [i, type] : llvm::enumerate(main.getResultTypes()))
      if (!main.getResultAttr(i, "qnn.state"))
        outputs.push_back(describe(builder, type, main.getResultAttrDict(i),
                                   "output" + Twine(i)));
    if (llvm::is_contained(inputs, Attribute()) ||
        llvm::is_contained(outputs, Attribute())) {
      main.emitError("inputs and outputs of a model must be ranked tensors");
      return signalPassFailure();
    }
    module->setAttr("qnn.inputs", builder.getArrayAttr(inputs));
    module->setAttr("qnn.outputs", builder.getArrayAttr(outputs));
  }
};
} // namespace
} // namespace quantc::native
