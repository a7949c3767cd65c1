//===- UnitDims.h - Adds and removes dimensions of 1 ------------*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_UNITDIMS_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_UNITDIMS_H

#include "IndexMath.h"

#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"

namespace quantc {

/// Which dimensions join so that those flagged vanish: each kept one takes the
/// flagged ones behind it along, the first one also those before it. Collapses
/// and expansions have the same groups, so that they cancel out.
llvm::SmallVector<mlir::ReassociationIndices>
groupUnitDims(llvm::ArrayRef<bool> isUnit);

/// `value` without the flagged dimensions, which its type says are 1.
mlir::Value dropUnitDims(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::Value value, llvm::ArrayRef<bool> isUnit);

/// `value`, which lacks the flagged dimensions of the result, with those as 1.
mlir::Value insertUnitDims(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Value value, llvm::ArrayRef<bool> isUnit);

/// The same with flags (i1) that the run time knows only, and a result type
/// that may say less than all. The dimensions to drop must be 1; the run fails
/// where another number of them is flagged than the ranks differ by.
mlir::Value dropMarkedDims(const IndexMath &m, mlir::Value value,
                           mlir::RankedTensorType type,
                           llvm::ArrayRef<mlir::Value> isUnit);
mlir::Value insertMarkedDims(const IndexMath &m, mlir::Value value,
                             mlir::RankedTensorType type,
                             llvm::ArrayRef<mlir::Value> isUnit);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_SHAPES_UNITDIMS_H
