//===- RuleRegistry.cpp - Which rule imports which ONNX op ----------------===//

#include "RuleRegistry.h"

#include "NodeContext.h"

using namespace mlir;
using namespace quantc::onnx_import;

llvm::StringRef quantc::onnx_import::normalizeDomain(StringRef domain) {
  return domain == "ai.onnx" ? StringRef() : domain;
}

void RuleRegistry::add(StringRef domain, StringRef opType, int sinceVersion,
                       ImportRule rule, size_t numRequired) {
  ImportRule &added = rules[{domain.str(), opType.str()}][sinceVersion];
  if (numRequired == 0) {
    added = std::move(rule);
    return;
  }
  added = [rule = std::move(rule), numRequired](NodeContext &ctx) {
    for (size_t i = 0; i < numRequired; ++i)
      if (!ctx.hasInput(i))
        return ctx.emitError("its input " + Twine(i) +
                             " is missing: the first " + Twine(numRequired) +
                             " must be there");
    return rule(ctx);
  };
}

const ImportRule *RuleRegistry::lookup(StringRef domain, StringRef opType,
                                       int64_t opset) const {
  auto it = rules.find({normalizeDomain(domain).str(), opType.str()});
  if (it == rules.end())
    return nullptr;
  const ImportRule *found = nullptr;
  for (const auto &[version, rule] : it->second)
    if (version <= opset)
      found = &rule;
  return found;
}

void RuleRegistry::allowSequences(StringRef domain, StringRef opType) {
  sequenceOps.insert({domain.str(), opType.str()});
}

bool RuleRegistry::takesSequences(StringRef domain, StringRef opType) const {
  return sequenceOps.count({normalizeDomain(domain).str(), opType.str()});
}

void RuleRegistry::forEach(
    llvm::function_ref<void(StringRef, StringRef, int)> fn) const {
  for (const auto &[key, versions] : rules)
    fn(key.first, key.second, versions.begin()->first);
}

const RuleRegistry &RuleRegistry::get() {
  static const RuleRegistry registry = [] {
    RuleRegistry r;
    registerElementwiseRules(r);
    registerQuantizationRules(r);
    registerReductionRules(r);
    registerNormalizationRules(r);
    registerTensorRules(r);
    registerIndexingRules(r);
    registerControlRules(r);
    registerRecurrentRules(r);
    registerConvolutionRules(r);
    registerContractionRules(r);
    registerPoolingRules(r);
    registerSpatialRules(r);
    registerSequenceRules(r);
    registerGenerationRules(r);
    registerContribRules(r);
    registerContribTensorRules(r);
    registerContribTransformerRules(r);
    registerDetectionRules(r);
    registerGradientRules(r);
    registerStringRules(r);
    registerTfIdfRules(r);
    registerMlRules(r);
    registerMlFeatureRules(r);
    registerMlLinearRules(r);
    registerMlTreeRules(r);
    return r;
  }();
  return registry;
}
