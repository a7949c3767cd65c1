//===- GenerationOps.cpp - Ranges, fills, random numbers and windows ------===//

#include "quantc/Dialect/QNN/IR/GenerationOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/GenerationOps.cpp.inc"
