//===- Passes.h - Passes on the qnn dialect ---------------------*- C++ -*-===//

#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_PASSES_H
#define QUANTC_DIALECT_QNN_TRANSFORMS_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace quantc::qnn {

#define GEN_PASS_DECL
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_PASSES_H
