//===- Generation.cpp - Lowers ranges, fills and random numbers ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/GenerationOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateGenerationPatterns(const TypeConverter &converter,
                                        RewritePatternSet &patterns) {}
