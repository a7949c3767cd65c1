//===- Smooth.h - Passes that scale channels by statistics ------*- C++ -*-===//

#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_SMOOTH_H
#define QUANTC_DIALECT_QNN_TRANSFORMS_SMOOTH_H

#include "mlir/Pass/Pass.h"

#include <memory>

namespace quantc {
class Statistics;
struct Recipe;
struct Transformation;
struct WeightRecipe;
} // namespace quantc

namespace quantc::qnn {

/// `qnn-smooth-quant` with statistics in memory, which it changes: those of the
/// values that it divides are divided, too.
std::unique_ptr<mlir::Pass>
createSmoothQuantPass(const Transformation &transformation,
                      const Recipe &recipe,
                      std::shared_ptr<Statistics> statistics);

/// `qnn-awq` for weights of this recipe, with statistics that it changes.
std::unique_ptr<mlir::Pass>
createAWQPass(const WeightRecipe &weights, int64_t steps,
              std::shared_ptr<Statistics> statistics);

/// `qnn-split-outliers` with statistics, which get those of the inliers.
std::unique_ptr<mlir::Pass>
createSplitOutliersPass(double threshold,
                        std::shared_ptr<Statistics> statistics);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_SMOOTH_H
