//===- Indexing.cpp - Lowers gather, scatter, slice, concat ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/IndexingOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateIndexingPatterns(const TypeConverter &converter,
                                      RewritePatternSet &patterns) {}
