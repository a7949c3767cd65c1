//===- Passes.h - Passes that compute at compile time -----------*- C++ -*-===//

#ifndef QUANTC_JIT_PASSES_H
#define QUANTC_JIT_PASSES_H

#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace quantc {
#define GEN_PASS_DECL
#include "quantc/JIT/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quantc/JIT/Passes.h.inc"
} // namespace quantc

#endif // QUANTC_JIT_PASSES_H
