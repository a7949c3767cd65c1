//===- SpatialOps.cpp - Resize, sampling, detection and signal ops --------===//

#include "quantc/Dialect/QNN/IR/SpatialOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/SpatialOps.cpp.inc"
