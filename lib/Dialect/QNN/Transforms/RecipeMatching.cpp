//===- RecipeMatching.cpp - What a recipe says about an op ----------------===//

#include "RecipeMatching.h"

#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

QuantizableOps::QuantizableOps(Operation *root) {
  root->walk([&](QuantizableOpInterface op) {
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (!isa<FloatType>(type.getElementType()))
      return;
    ops.push_back(op);
    if (llvm::any_of(op.getQuantizableOperands(), [&](unsigned i) {
          return op->getOperand(i).getDefiningOp<ConstantOp>();
        })) {
      first = first ? first : op.getOperation();
      last = op;
    }
  });
}

bool RecipeMatcher::Pattern::matches(Operation *candidate) const {
  return (op.empty() || candidate->getName().getStringRef() == op) &&
         (!node || node->match(getNodeName(candidate->getLoc())));
}

LogicalResult RecipeMatcher::addPattern(std::vector<Pattern> &list,
                                        StringRef node, StringRef op,
                                        const Twine &key, Operation *root) {
  Pattern pattern;
  pattern.key = key.str();
  pattern.op = op.str();
  if (!node.empty()) {
    auto glob = llvm::GlobPattern::create(node);
    if (!glob)
      return emitError(root->getLoc())
             << "recipe: " << pattern.key << ": '" << node
             << "' is no pattern: " << llvm::toString(glob.takeError());
    pattern.node = std::move(*glob);
  }
  bool found = root->walk([&](Operation *candidate) {
                     return pattern.matches(candidate) ? WalkResult::interrupt()
                                                       : WalkResult::advance();
                   })
                   .wasInterrupted();
  if (!found) {
    auto diagnostic = emitError(root->getLoc())
                      << "recipe: " << pattern.key << " matches nothing: no ";
    if (op.empty())
      diagnostic << "node is named '" << node << "'";
    else if (node.empty())
      diagnostic << "op is a '" << op << "'";
    else
      diagnostic << "'" << op << "' is named '" << node << "'";
    return diagnostic;
  }
  list.push_back(std::move(pattern));
  return success();
}

FailureOr<RecipeMatcher> RecipeMatcher::create(const Recipe &recipe,
                                               Operation *root) {
  RecipeMatcher matcher(recipe);
  // All that are wrong are reported, not the first one only.
  LogicalResult result = success();
  for (auto [i, name] : llvm::enumerate(recipe.skip))
    if (failed(matcher.addPattern(matcher.skips, name, "",
                                  "skip[" + Twine(i) + "]", root)))
      result = failure();
  for (auto [i, override] : llvm::enumerate(recipe.overrides))
    if (failed(matcher.addPattern(matcher.overrides, override.node, override.op,
                                  "overrides[" + Twine(i) + "]", root)))
      result = failure();
  if (failed(result))
    return failure();
  return matcher;
}

OpPlan RecipeMatcher::plan(Operation *op, bool isFirst, bool isLast) const {
  OpPlan plan;
  plan.weights = recipe.weights;
  plan.activations = recipe.activations;
  plan.slowerLayers = recipe.slowerLayers;
  for (const Pattern &pattern : skips)
    if (pattern.matches(op))
      plan.skipped = "the recipe says so (" + pattern.key + ")";
  for (auto [pattern, override] : llvm::zip(overrides, recipe.overrides)) {
    if (!pattern.matches(op))
      continue;
    plan.skipped =
        override.skip ? "the recipe says so (" + pattern.key + ")" : "";
    if (override.weights)
      plan.weights = *override.weights;
    if (override.activations)
      plan.activations = *override.activations;
    if (override.slowerLayers)
      plan.slowerLayers = *override.slowerLayers;
  }
  auto apply = [&](EdgePolicy policy, StringRef key) {
    switch (policy) {
    case EdgePolicy::Quantize:
      return;
    case EdgePolicy::Float:
      plan.skipped = ("the recipe says so (" + key + ")").str();
      return;
    case EdgePolicy::EightBits:
      if (plan.weights.format != NumberFormat::Integer ||
          plan.weights.bits < 8) {
        plan.weights.format = NumberFormat::Integer;
        plan.weights.scales = WeightFormat::Scales::Float32;
        plan.weights.bits = 8;
      }
      plan.activations.bits = std::max(plan.activations.bits, 8u);
      return;
    }
  };
  if (isFirst)
    apply(recipe.firstLayer, "first-layer");
  if (isLast)
    apply(recipe.lastLayer, "last-layer");
  if (op->hasAttr("qnn.keep_float"))
    plan.skipped = "a transformation made it, for floats";
  return plan;
}
