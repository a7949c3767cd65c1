//===- NameValues.cpp - A name of its own for each value ------------------===//

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_NAMEVALUESPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;

namespace {
struct NameValues : qnn::impl::NameValuesPassBase<NameValues> {
  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    SmallVector<Value> values(func.getArguments());
    auto add = [&](Value value) {
      if (isa<RankedTensorType>(value.getType()))
        values.push_back(value);
    };
    func.walk<WalkOrder::PreOrder>([&](Operation *op) {
      llvm::for_each(op->getResults(), add);
      // What loops carry from one turn to the next.
      if (op == func)
        return;
      for (Region &region : op->getRegions())
        for (Block &block : region)
          llvm::for_each(block.getArguments(), add);
    });

    // The last value of a name is the one that keeps it.
    llvm::StringMap<Value> owners;
    for (Value value : values)
      if (StringRef name = qnn::getValueName(value); !name.empty())
        owners[name] = value;
    llvm::StringSet<> used;
    for (const auto &entry : owners)
      used.insert(entry.getKey());
    llvm::StringMap<unsigned> counters;
    for (Value value : values) {
      StringRef name = qnn::getValueName(value);
      if (!name.empty() && owners.lookup(name) == value)
        continue;
      StringRef node = qnn::getNodeName(value.getLoc());
      if (node.empty() && value.getParentBlock() != &func.front())
        node =
            qnn::getNodeName(value.getParentRegion()->getParentOp()->getLoc());
      if (node.empty())
        node = isa<BlockArgument>(value) ? "argument" : "value";
      std::string fresh;
      do
        fresh = (node + ":" + Twine(counters[node]++)).str();
      while (!used.insert(fresh).second);
      qnn::setValueName(value, fresh);
      ++numNamed;
    }
  }
};
} // namespace
