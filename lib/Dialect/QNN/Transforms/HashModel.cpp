//===- HashModel.cpp - By which statistics know their model ---------------===//

#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_HASHMODELPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;

static std::string hash(ArrayRef<char> bytes) {
  auto [low, high] = llvm::xxh3_128bits(
      ArrayRef(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
  return llvm::utohexstr(high, /*LowerCase=*/true, 16) +
         llvm::utohexstr(low, /*LowerCase=*/true, 16);
}

static ArrayRef<char> getBytes(ElementsAttr value) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    return blob ? blob->getData() : ArrayRef<char>();
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  return dense ? dense.getRawData() : ArrayRef<char>();
}

namespace {
struct HashModel : qnn::impl::HashModelPassBase<HashModel> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    constexpr StringLiteral attribute("qnn.model_hash");
    if (module->hasAttr(attribute))
      return;
    std::string interface;
    auto addNames = [&](ArrayAttr dictionaries) {
      if (dictionaries)
        for (Attribute attr : dictionaries)
          if (auto dictionary = dyn_cast<DictionaryAttr>(attr))
            if (auto name = dictionary.getAs<StringAttr>("qnn.name"))
              interface += name.getValue().str() + "\n";
      interface += "\n";
    };
    for (auto func : module.getOps<func::FuncOp>()) {
      addNames(func.getArgAttrsAttr());
      addNames(func.getResAttrsAttr());
    }
    // Their order depends on what is folded, and that on shapes.
    SmallVector<std::string> weights;
    module.walk([&](qnn::ConstantOp op) {
      StringRef name = qnn::getValueName(op.getResult());
      if (!name.empty() && isa<FloatType>(op.getType().getElementType()))
        weights.push_back(name.str() + " " + hash(getBytes(op.getValue())));
    });
    llvm::sort(weights);
    weights.erase(llvm::unique(weights), weights.end());
    numWeights += weights.size();
    std::string text = interface + llvm::join(weights, "\n");
    module->setAttr(attribute,
                    StringAttr::get(&getContext(),
                                    hash(ArrayRef(text.data(), text.size()))));
  }
};
} // namespace
