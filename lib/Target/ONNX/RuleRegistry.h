//===- RuleRegistry.h - Which rule imports which ONNX op --------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULEREGISTRY_H
#define QUANTC_LIB_TARGET_ONNX_RULEREGISTRY_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <map>
#include <set>

namespace quantc::onnx_import {

class NodeContext;

/// Builds the qnn ops of one node. Fails with an error emitted through the
/// context.
using ImportRule = std::function<mlir::LogicalResult(NodeContext &)>;

/// Domains by the name that models use; ONNX's own is "" (or "ai.onnx").
inline constexpr llvm::StringLiteral kOnnx = "";
inline constexpr llvm::StringLiteral kOnnxMl = "ai.onnx.ml";
inline constexpr llvm::StringLiteral kMicrosoft = "com.microsoft";

class RuleRegistry {
public:
  /// The registry with all families, built once.
  static const RuleRegistry &get();

  /// `rule` imports `opType` from opset `sinceVersion` on, until a rule with a
  /// higher version takes over. ONNX's checker counts the inputs of its own
  /// ops; of others, the first `numRequired` must be there.
  void add(llvm::StringRef domain, llvm::StringRef opType, int sinceVersion,
           ImportRule rule, size_t numRequired = 0);

  /// The rule for an op at an opset, or null.
  const ImportRule *lookup(llvm::StringRef domain, llvm::StringRef opType,
                           int64_t opset) const;

  /// Says that the rules of an op take sequences, optional values and strings;
  /// others see tensors of numbers only.
  void allowSequences(llvm::StringRef domain, llvm::StringRef opType);
  bool takesSequences(llvm::StringRef domain, llvm::StringRef opType) const;

  void forEach(llvm::function_ref<void(llvm::StringRef domain,
                                       llvm::StringRef opType, int version)>
                   fn) const;

private:
  std::map<std::pair<std::string, std::string>, std::map<int, ImportRule>>
      rules;
  std::set<std::pair<std::string, std::string>> sequenceOps;
};

/// "" for ONNX's own domain under any of its names.
llvm::StringRef normalizeDomain(llvm::StringRef domain);

// One function for each file of Rules/.
void registerElementwiseRules(RuleRegistry &registry);
void registerQuantizationRules(RuleRegistry &registry);
void registerReductionRules(RuleRegistry &registry);
void registerNormalizationRules(RuleRegistry &registry);
void registerTensorRules(RuleRegistry &registry);
void registerIndexingRules(RuleRegistry &registry);
void registerControlRules(RuleRegistry &registry);
void registerRecurrentRules(RuleRegistry &registry);
void registerConvolutionRules(RuleRegistry &registry);
void registerContractionRules(RuleRegistry &registry);
void registerPoolingRules(RuleRegistry &registry);
void registerSpatialRules(RuleRegistry &registry);
void registerSequenceRules(RuleRegistry &registry);
void registerGenerationRules(RuleRegistry &registry);
void registerContribRules(RuleRegistry &registry);
void registerContribTensorRules(RuleRegistry &registry);
void registerContribTransformerRules(RuleRegistry &registry);
void registerDetectionRules(RuleRegistry &registry);
void registerGradientRules(RuleRegistry &registry);
void registerStringRules(RuleRegistry &registry);
void registerTfIdfRules(RuleRegistry &registry);
void registerMlRules(RuleRegistry &registry);
void registerMlFeatureRules(RuleRegistry &registry);
void registerMlLinearRules(RuleRegistry &registry);
void registerMlTreeRules(RuleRegistry &registry);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULEREGISTRY_H
