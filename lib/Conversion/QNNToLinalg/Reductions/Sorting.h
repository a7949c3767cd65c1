//===- Sorting.h - Sorted orders, built of loops ----------------*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_REDUCTIONS_SORTING_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_REDUCTIONS_SORTING_H

#include "mlir/IR/Builders.h"

namespace quantc {

/// Whether element `i` must come before element `j`: a strict weak order.
using OrderBody = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::Value i, mlir::Value j)>;

/// The indices 0 to `count` - 1 in order, as tensor<?xindex>; stable. `before`
/// is expanded inside loops.
mlir::Value createSortedOrder(mlir::OpBuilder &b, mlir::Location loc,
                              mlir::Value count, OrderBody before);

/// Whether `x` is greater than `y`, NaN being greater than all numbers.
mlir::Value isGreater(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                      mlir::Value y, bool unsignedInts);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_REDUCTIONS_SORTING_H
