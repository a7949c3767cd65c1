//===- Reduction.cpp - Lowers reductions, softmax and sorting ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ReductionOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateReductionPatterns(const TypeConverter &converter,
                                       RewritePatternSet &patterns) {}
