//===- QNN.h - All ops of the qnn dialect -----------------------*- C++ -*-===//
// For the few files that need every family; most include only theirs.

#ifndef QUANTC_DIALECT_QNN_IR_QNN_H
#define QUANTC_DIALECT_QNN_IR_QNN_H

#include "quantc/Dialect/QNN/IR/ContractionOps.h"
#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/IndexingOps.h"
#include "quantc/Dialect/QNN/IR/NormalizationOps.h"
#include "quantc/Dialect/QNN/IR/PoolingOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/IR/ReductionOps.h"
#include "quantc/Dialect/QNN/IR/SpatialOps.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/WeightOnlyOps.h"

#endif // QUANTC_DIALECT_QNN_IR_QNN_H
