//===- IndexingOps.cpp - Gather, scatter, slice, concat and selection by index
//===//

#include "quantc/Dialect/QNN/IR/IndexingOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/IndexingOps.cpp.inc"
