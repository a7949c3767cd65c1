//===- ModuleArguments.cpp - More arguments for @main ---------------------===//

#include "ModuleArguments.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

void quantc::updateMainArguments(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  Block &block = main.getBody().front();
  main.setType(FunctionType::get(module.getContext(), block.getArgumentTypes(),
                                 main.getResultTypes()));
  SmallVector<Attribute> attributes;
  if (ArrayAttr known = main.getArgAttrsAttr())
    llvm::append_range(attributes, known);
  attributes.resize(block.getNumArguments(),
                    DictionaryAttr::get(module.getContext()));
  main.setArgAttrsAttr(ArrayAttr::get(module.getContext(), attributes));
  // The interface is another one now.
  module->removeAttr("qnn.inputs");
  module->removeAttr("qnn.outputs");
}
