//===- ScalarFunctions.h - The functions of elementwise kinds ---*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_ELEMENTWISE_SCALARFUNCTIONS_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_ELEMENTWISE_SCALARFUNCTIONS_H

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"

#include "mlir/IR/Builders.h"

namespace quantc {

// Arguments are of compute type (Lowering.h); `type` is the qnn element type,
// which says the signedness.

bool isUnarySupported(qnn::UnaryKind kind, mlir::Type type);
mlir::Value buildUnary(mlir::OpBuilder &b, mlir::Location loc,
                       qnn::UnaryKind kind, mlir::Value x, mlir::Type type,
                       double alpha, double beta);

bool isBinarySupported(qnn::BinaryKind kind, mlir::Type lhs, mlir::Type rhs);
mlir::Value buildBinary(mlir::OpBuilder &b, mlir::Location loc,
                        qnn::BinaryKind kind, mlir::Value x, mlir::Value y,
                        mlir::Type lhsType, mlir::Type rhsType);

mlir::Value buildCompare(mlir::OpBuilder &b, mlir::Location loc,
                         qnn::CompareKind kind, mlir::Value x, mlir::Value y,
                         mlir::Type type);

/// From compute type to compute type: floats to integers truncate.
mlir::Value convertScalar(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                          mlir::Type from, mlir::Type to);

/// From a stored scalar to a stored scalar.
mlir::Value buildCast(mlir::OpBuilder &b, mlir::Location loc,
                      mlir::Value stored, mlir::Type from, mlir::Type to,
                      bool saturate, qnn::RoundMode roundMode);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_ELEMENTWISE_SCALARFUNCTIONS_H
