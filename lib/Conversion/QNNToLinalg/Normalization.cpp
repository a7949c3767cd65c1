//===- Normalization.cpp - Lowers normalizations and attention ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/NormalizationOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateNormalizationPatterns(const TypeConverter &converter,
                                           RewritePatternSet &patterns) {}
