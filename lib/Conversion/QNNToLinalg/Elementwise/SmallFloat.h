//===- SmallFloat.h - 8- and 4-bit floats as integer code -------*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_ELEMENTWISE_SMALLFLOAT_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_ELEMENTWISE_SMALLFLOAT_H

#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace quantc {

/// The f32 that the code `stored` (i8) of a float of 8 or fewer bits stands
/// for.
mlir::Value decodeSmallFloat(mlir::OpBuilder &b, mlir::Location loc,
                             mlir::Value stored, mlir::FloatType type);

/// The code of `value` (f32), rounded to nearest even (NUMERICS rule 13);
/// `roundMode` matters for E8M0 only.
mlir::Value encodeSmallFloat(mlir::OpBuilder &b, mlir::Location loc,
                             mlir::Value value, mlir::FloatType type,
                             bool saturate, qnn::RoundMode roundMode);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_ELEMENTWISE_SMALLFLOAT_H
