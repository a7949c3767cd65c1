//===- QNNDialect.h - The qnn dialect and its interfaces --------*- C++ -*-===//

#ifndef QUANTC_DIALECT_QNN_IR_QNNDIALECT_H
#define QUANTC_DIALECT_QNN_IR_QNNDIALECT_H

#include "quantc/Dialect/QNN/IR/IntegerEvaluator.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "quantc/Dialect/QNN/IR/QNNDialect.h.inc"

namespace quantc::qnn {
/// Whether each type of `actual` has the element type and the rank that
/// inference found, and no static dimension that contradicts it.
bool areCompatibleTypes(mlir::TypeRange inferred, mlir::TypeRange actual);

/// Each element of the result depends on one of each operand.
template <typename ConcreteOp>
class ElementwiseTrait
    : public mlir::OpTrait::TraitBase<ConcreteOp, ElementwiseTrait> {};
} // namespace quantc::qnn

#include "quantc/Dialect/QNN/IR/QNNInterfaces.h.inc"

#endif // QUANTC_DIALECT_QNN_IR_QNNDIALECT_H
