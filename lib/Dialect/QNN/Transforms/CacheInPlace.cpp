//===- CacheInPlace.cpp - A decoder's cache grows in its own memory -------===//

#include "CachePairs.h"

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_CACHEINPLACEPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

static constexpr StringLiteral stateName("qnn.state");

namespace {

struct CacheInPlacePass : qnn::impl::CacheInPlacePassBase<CacheInPlacePass> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (func.isPrivate() || func.isExternal())
        continue;
      SmallVector<CachePair> pairs = findCachePairs(func);
      if (pairs.empty()) {
        func.emitError("has no cache that could grow in place: no input that "
                       "only a concatenation along its one dynamic dimension "
                       "reads, whose result is an output");
        return signalPassFailure();
      }
      // By dimension: the input that holds the length.
      llvm::MapVector<StringRef, BlockArgument> lengths;
      Builder b(&getContext());
      for (CachePair &pair : pairs) {
        StringRef name = getArgumentDims(pair.past)[pair.getAxis()];
        if (name.empty())
          name = getValueName(pair.past);
        BlockArgument &length = lengths[name];
        if (!length)
          length = insertInput(func, func.getNumArguments(),
                               RankedTensorType::get({1}, b.getI64Type()),
                               (name + ".length").str(), {""});
      }
      llvm::MapVector<StringRef, Value> held;
      for (CachePair &pair : pairs) {
        StringRef name = getArgumentDims(pair.past)[pair.getAxis()];
        if (name.empty())
          name = getValueName(pair.past);
        held[name] = makeState(func, pair, name, lengths[name]);
      }
      for (auto [name, present] : held) {
        auto ret = cast<func::ReturnOp>(func.getBody().front().getTerminator());
        ImplicitLocOpBuilder at(func.getLoc(), ret);
        int64_t axis = present.getDefiningOp<AppendOp>().getAxis();
        insertOutput(func, func.getNumResults(),
                     ShapeOp::create(at, present, axis, axis + 1),
                     (name + ".length").str(), {""});
      }
      numStates += pairs.size();
      forgetInterface(func);
    }
  }

private:
  /// Returns what the state holds after the run.
  Value makeState(func::FuncOp func, CachePair &pair, StringRef dim,
                  BlockArgument length) {
    int64_t axis = pair.getAxis();
    ImplicitLocOpBuilder b(pair.concat.getLoc(), pair.concat);
    auto append = AppendOp::create(b, pair.makeAppended(b), pair.past, length,
                                   b.getI64IntegerAttr(axis));
    unsigned result = pair.getResultNumber();
    func.front().getTerminator()->setOperand(result, append.getUpdated());
    pair.concat.getOutput().replaceAllUsesWith(append.getOutput());
    pair.concat.erase();

    for (ShapeOp shape : pair.shapes) {
      b.setInsertionPoint(shape);
      SmallVector<Value> parts;
      for (int64_t i = shape.getStart(); i < int64_t(shape.getEnd()); ++i)
        parts.push_back(
            i == axis ? Value(length)
                      : ConstantOp::create(b, {pair.getType().getDimSize(i)}));
      Value all = parts.size() == 1 ? parts[0]
                                    : ConcatOp::create(b, parts, 0).getOutput();
      shape.getOutput().replaceAllUsesWith(all);
      shape.erase();
    }

    unsigned input = pair.past.getArgNumber();
    StringAttr key = b.getStringAttr("state" + Twine(input));
    func.setArgAttr(input, stateName, key);
    func.setResultAttr(result, stateName, key);
    SmallVector<StringRef> dims = getArgumentDims(pair.past);
    std::string capacity = (dim + ".capacity").str();
    dims[axis] = capacity;
    func.setArgAttr(input, "qnn.dims", b.getStrArrayAttr(dims));
    return append.getOutput();
  }
};

} // namespace
