//===- RewriteConfig.h - How greedy rewrites run ----------------*- C++ -*-===//

#ifndef QUANTC_SUPPORT_REWRITECONFIG_H
#define QUANTC_SUPPORT_REWRITECONFIG_H

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc {

/// For passes over ops on tensors: there are no blocks to simplify yet, and to
/// look for them in each region takes a third of the time.
inline mlir::GreedyRewriteConfig getTensorRewriteConfig() {
  return mlir::GreedyRewriteConfig().setRegionSimplificationLevel(
      mlir::GreedySimplifyRegionLevel::Disabled);
}

} // namespace quantc

#endif // QUANTC_SUPPORT_REWRITECONFIG_H
