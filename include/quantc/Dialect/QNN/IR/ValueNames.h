//===- ValueNames.h - The ONNX names of values ------------------*- C++ -*-===//
//
// Statistics are keyed by the names that values have in the ONNX model. An op
// carries the names of its results in its location, beside its node's name:
//
//   loc(fused<["/layer0/MatMul_output_0"]>["/layer0/MatMul"])
//
// Arguments of functions carry theirs in the attribute `qnn.name`, those of
// loops in their own location.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_VALUENAMES_H
#define QUANTC_DIALECT_QNN_IR_VALUENAMES_H

#include "mlir/IR/Location.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/StringRef.h"

namespace quantc::qnn {

/// The value's name in the model; empty if it has none. The text lives as long
/// as the context.
llvm::StringRef getValueName(mlir::Value value);

/// Names a result of an op, or an argument of a function or a loop. An empty
/// name takes the name away.
void setValueName(mlir::Value value, llvm::StringRef name);

/// The location of the ONNX node only, without names of values: what an op
/// gets that is put beside `loc`'s op and computes something else.
mlir::Location getNodeLoc(mlir::Location loc);

/// The name of the ONNX node that a location tells; empty if there is none.
llvm::StringRef getNodeName(mlir::Location loc);

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_IR_VALUENAMES_H
