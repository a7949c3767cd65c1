//===- NormalizationOps.cpp - Normalizations and attention ----------------===//

#include "quantc/Dialect/QNN/IR/NormalizationOps.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/NormalizationOps.cpp.inc"
