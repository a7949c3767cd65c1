//===- Spatial.cpp - Lowers resize, sampling, detection, signal ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/SpatialOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateSpatialPatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {}
