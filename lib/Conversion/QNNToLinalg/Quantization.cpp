//===- Quantization.cpp - Lowers quantize and dequantize ===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"

using namespace mlir;
using namespace quantc;

void quantc::populateQuantizationPatterns(const TypeConverter &converter,
                                          RewritePatternSet &patterns) {}
