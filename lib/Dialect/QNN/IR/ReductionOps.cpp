//===- ReductionOps.cpp - Reductions, softmax, sorting and running sums ---===//

#include "quantc/Dialect/QNN/IR/ReductionOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ReductionOps.cpp.inc"
