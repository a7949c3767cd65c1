//===- Pooling.cpp - Lowers pooling ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/PoolingOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populatePoolingPatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {}
