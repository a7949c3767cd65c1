//===- Convolution.cpp - Lowers convolutions ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateConvolutionPatterns(const TypeConverter &converter,
                                         RewritePatternSet &patterns) {}
