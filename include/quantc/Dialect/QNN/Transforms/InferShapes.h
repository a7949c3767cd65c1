//===- InferShapes.h - Types from what became known -------------*- C++ -*-===//

#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_INFERSHAPES_H
#define QUANTC_DIALECT_QNN_TRANSFORMS_INFERSHAPES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace quantc::qnn {

/// Gives results the static dimensions that their operands have, and fails with
/// a diagnostic where those contradict each other. Patterns make ops of what is
/// dequantized, whose type may be more static than that of the floats: they
/// need not expect a contradiction afterwards.
mlir::LogicalResult refineShapes(mlir::func::FuncOp func);

/// Refines types in `region`, one of the branches of `op`, as qnn-infer-shapes
/// does. Fails, without a message, if its ops contradict each other, or if one
/// of their results has no elements: not all that follows takes that.
mlir::LogicalResult refineBranch(mlir::scf::IfOp op, mlir::Region &region);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_INFERSHAPES_H
