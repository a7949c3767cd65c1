//===- ValueNames.cpp - The ONNX names of values --------------------------===//

#include "quantc/Dialect/QNN/IR/ValueNames.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Operation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace quantc;

static constexpr StringLiteral argumentName("qnn.name");

/// The names of an op's results, if its location holds any.
static ArrayAttr getResultNames(Location loc) {
  auto fused = dyn_cast<FusedLocWith<ArrayAttr>>(loc);
  return fused ? fused.getMetadata() : ArrayAttr();
}

/// The function whose argument `value` is.
static FunctionOpInterface getFunctionOf(BlockArgument argument) {
  if (!argument.getOwner()->isEntryBlock())
    return {};
  return dyn_cast_or_null<FunctionOpInterface>(
      argument.getOwner()->getParentOp());
}

StringRef qnn::getValueName(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    FunctionOpInterface function = getFunctionOf(argument);
    if (!function) {
      ArrayAttr names = getResultNames(argument.getLoc());
      return names ? cast<StringAttr>(names[0]).getValue() : StringRef();
    }
    auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                      argumentName);
    return name ? name.getValue() : StringRef();
  }
  auto result = cast<OpResult>(value);
  ArrayAttr names = getResultNames(result.getOwner()->getLoc());
  if (!names || result.getResultNumber() >= names.size())
    return {};
  auto name = dyn_cast<StringAttr>(names[result.getResultNumber()]);
  return name ? name.getValue() : StringRef();
}

void qnn::setValueName(Value value, StringRef name) {
  Builder b(value.getContext());
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (FunctionOpInterface function = getFunctionOf(argument)) {
      if (name.empty())
        function.removeArgAttr(argument.getArgNumber(),
                               b.getStringAttr(argumentName));
      else
        function.setArgAttr(argument.getArgNumber(), argumentName,
                            b.getStringAttr(name));
      return;
    }
    Location node = getNodeLoc(argument.getLoc());
    argument.setLoc(
        name.empty()
            ? node
            : FusedLoc::get({node}, b.getStrArrayAttr({name}), b.getContext()));
    return;
  }
  auto result = cast<OpResult>(value);
  Operation *op = result.getOwner();
  SmallVector<Attribute> names(op->getNumResults(), b.getStringAttr(""));
  if (ArrayAttr known = getResultNames(op->getLoc()))
    llvm::copy(known.getValue().take_front(names.size()), names.begin());
  names[result.getResultNumber()] = b.getStringAttr(name);
  Location node = getNodeLoc(op->getLoc());
  bool hasNames = llvm::any_of(names, [](Attribute attr) {
    return !cast<StringAttr>(attr).getValue().empty();
  });
  op->setLoc(
      hasNames ? FusedLoc::get({node}, b.getArrayAttr(names), op->getContext())
               : node);
}

Location qnn::getNodeLoc(Location loc) {
  auto fused = dyn_cast<FusedLocWith<ArrayAttr>>(loc);
  return fused ? fused.getLocations().front() : loc;
}

StringRef qnn::getNodeName(Location loc) {
  auto name = loc->findInstanceOf<NameLoc>();
  return name ? name.getName().getValue() : StringRef();
}
