//===- ConvolutionOps.cpp - Convolutions ----------------------------------===//

#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ConvolutionOps.cpp.inc"
