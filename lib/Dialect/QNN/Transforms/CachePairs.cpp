//===- CachePairs.cpp - The cache of a decoder: past and present ----------===//

#include "CachePairs.h"

#include "quantc/Dialect/QNN/IR/ValueNames.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

static std::optional<CachePair> matchPair(BlockArgument argument,
                                          func::ReturnOp ret) {
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  if (!type || type.getNumDynamicDims() != 1)
    return std::nullopt;
  CachePair pair;
  pair.past = argument;
  for (OpOperand &use : argument.getUses()) {
    if (auto shape = dyn_cast<ShapeOp>(use.getOwner())) {
      pair.shapes.push_back(shape);
      continue;
    }
    auto concat = dyn_cast<ConcatOp>(use.getOwner());
    if (!concat || pair.concat || concat.getInputs().size() != 2 ||
        use.getOperandNumber() != 0 || !type.isDynamicDim(concat.getAxis()))
      return std::nullopt;
    pair.concat = concat;
  }
  if (!pair.concat || pair.concat->getBlock() != argument.getOwner())
    return std::nullopt;
  if (llvm::count(ret.getOperands(), pair.concat.getOutput()) != 1)
    return std::nullopt;
  return pair;
}

unsigned CachePair::getResultNumber() {
  Operation *ret = past.getOwner()->getTerminator();
  return llvm::find(ret->getOperands(), concat.getOutput()) -
         ret->operand_begin();
}

Value CachePair::makeAppended(ImplicitLocOpBuilder &b) {
  Value value = concat.getInputs()[1];
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getNumDynamicDims() <= (type.isDynamicDim(getAxis()) ? 1 : 0))
    return value;
  SmallVector<int64_t> shape(getType().getShape());
  shape[getAxis()] = -1;
  return ReshapeOp::create(b, value, ConstantOp::create(b, shape));
}

SmallVector<CachePair> qnn::findCachePairs(func::FuncOp func) {
  SmallVector<CachePair> pairs;
  if (func.isExternal() || func.isPrivate() || !func.getBody().hasOneBlock())
    return pairs;
  auto ret = cast<func::ReturnOp>(func.getBody().front().getTerminator());
  for (BlockArgument argument : func.getArguments())
    if (std::optional<CachePair> pair = matchPair(argument, ret))
      pairs.push_back(*pair);
  return pairs;
}

SmallVector<StringRef> qnn::getArgumentDims(BlockArgument argument) {
  auto func = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  auto type = cast<RankedTensorType>(argument.getType());
  auto dims =
      func.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "qnn.dims");
  SmallVector<StringRef> names(type.getRank());
  if (dims && int64_t(dims.size()) == type.getRank())
    for (auto [name, attr] :
         llvm::zip(names, dims.getAsValueRange<StringAttr>()))
      name = attr;
  return names;
}

static DictionaryAttr describe(Builder b, StringRef name,
                               ArrayRef<StringRef> dims) {
  return b.getDictionaryAttr(
      {b.getNamedAttr("qnn.name", b.getStringAttr(name)),
       b.getNamedAttr("qnn.dims", b.getStrArrayAttr(dims))});
}

BlockArgument qnn::insertInput(func::FuncOp func, unsigned index,
                               RankedTensorType type, StringRef name,
                               ArrayRef<StringRef> dims) {
  Builder b(func.getContext());
  (void)func.insertArgument(index, type, describe(b, name, dims),
                            func.getLoc());
  return func.getArgument(index);
}

void qnn::insertOutput(func::FuncOp func, unsigned index, Value value,
                       StringRef name, ArrayRef<StringRef> dims) {
  Builder b(func.getContext());
  auto ret = cast<func::ReturnOp>(func.getBody().front().getTerminator());
  (void)func.insertResult(index, value.getType(), describe(b, name, dims));
  ret->insertOperands(index, value);
}

StringRef qnn::getOutputName(func::FuncOp func, unsigned index) {
  auto name = func.getResultAttrOfType<StringAttr>(index, "qnn.name");
  return name ? name.getValue() : StringRef();
}

void qnn::forgetInterface(func::FuncOp func) {
  auto module = func->getParentOfType<ModuleOp>();
  module->removeAttr("qnn.inputs");
  module->removeAttr("qnn.outputs");
}
