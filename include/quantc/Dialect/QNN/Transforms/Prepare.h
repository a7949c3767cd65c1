//===- Prepare.h - Passes that prepare a graph by statistics ----*- C++ -*-===//
#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_PREPARE_H
#define QUANTC_DIALECT_QNN_TRANSFORMS_PREPARE_H

#include "quantc/Quantization/Recipe.h"
#include "quantc/Quantization/Statistics.h"

#include "mlir/Pass/Pass.h"

#include <memory>

namespace quantc::qnn {

/// `qnn-equalize`. Statistics, if there are some, change with the values.
std::unique_ptr<mlir::Pass>
createEqualizePass(int64_t steps, std::shared_ptr<Statistics> statistics);

/// `qnn-correct-bias` for what qnn-quantize makes of a graph by this recipe.
std::unique_ptr<mlir::Pass>
createCorrectBiasPass(const Recipe &recipe,
                      std::shared_ptr<const Statistics> statistics);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_PREPARE_H
