//===- Spatial.cpp - Lowers pooling of regions and col2im -----------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/SpatialOps.h"

#include "SpatialPatterns.h"

using namespace mlir;
using namespace quantc;

void quantc::populateSpatialPatterns(const TypeConverter &converter,
                                     RewritePatternSet &patterns) {
  populateResizePatterns(converter, patterns);
}
