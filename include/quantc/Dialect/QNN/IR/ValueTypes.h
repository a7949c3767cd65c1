//===- ValueTypes.h - Values of the dialect are ranked tensors --*- C++ -*-===//

#ifndef QUANTC_DIALECT_QNN_IR_VALUETYPES_H
#define QUANTC_DIALECT_QNN_IR_VALUETYPES_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

namespace quantc::qnn {

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_IR_VALUETYPES_H
