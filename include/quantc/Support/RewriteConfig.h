//===- RewriteConfig.h - How greedy rewrites run ----------------*- C++ -*-===//

#ifndef QUANTC_SUPPORT_REWRITECONFIG_H
#define QUANTC_SUPPORT_REWRITECONFIG_H

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace quantc {

/// Regions are not simplified: there are no blocks to simplify before code is
/// control flow, LLVM simplifies those, and to look for them behind each
/// rewrite takes a third of the time.
inline mlir::GreedyRewriteConfig getRewriteConfig() {
  return mlir::GreedyRewriteConfig().setRegionSimplificationLevel(
      mlir::GreedySimplifyRegionLevel::Disabled);
}

} // namespace quantc

#endif // QUANTC_SUPPORT_REWRITECONFIG_H
