//===- PatternCounter.h - How often patterns applied ------------*- C++ -*-===//

#ifndef QUANTC_SUPPORT_PATTERNCOUNTER_H
#define QUANTC_SUPPORT_PATTERNCOUNTER_H

#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/StringMap.h"

namespace quantc {

/// Listens to a greedy rewrite for a pass's statistics.
class PatternCounter : public mlir::RewriterBase::Listener {
public:
  void notifyPatternEnd(const mlir::Pattern &pattern,
                        mlir::LogicalResult status) override {
    if (failed(status))
      return;
    ++total;
    for (llvm::StringRef label : pattern.getDebugLabels())
      ++byLabel[label];
  }

  /// Of all patterns, or of those with `label`.
  unsigned count() const { return total; }
  unsigned count(llvm::StringRef label) const { return byLabel.lookup(label); }

  /// Gives those of `patterns` a label that have none yet.
  static void label(mlir::RewritePatternSet &patterns, llvm::StringRef label) {
    for (auto &pattern : patterns.getNativePatterns())
      if (pattern->getDebugLabels().empty())
        pattern->addDebugLabels(label);
  }

private:
  unsigned total = 0;
  llvm::StringMap<unsigned> byLabel;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_PATTERNCOUNTER_H
