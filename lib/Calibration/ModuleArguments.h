//===- ModuleArguments.h - More arguments for @main -------------*- C++ -*-===//
#ifndef QUANTC_LIB_CALIBRATION_MODULEARGUMENTS_H
#define QUANTC_LIB_CALIBRATION_MODULEARGUMENTS_H

#include "mlir/IR/BuiltinOps.h"

namespace quantc {

/// Makes the function type and attributes of @main fit its block, which was
/// given arguments, and forgets the interface that was recorded.
void updateMainArguments(mlir::ModuleOp module);

} // namespace quantc

#endif // QUANTC_LIB_CALIBRATION_MODULEARGUMENTS_H
