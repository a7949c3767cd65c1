//===- Passes.h - Passes at the border of native code -----------*- C++ -*-===//
#ifndef QUANTC_TARGET_NATIVE_PASSES_H
#define QUANTC_TARGET_NATIVE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace quantc::native {
#define GEN_PASS_DECL
#include "quantc/Target/Native/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quantc/Target/Native/Passes.h.inc"
} // namespace quantc::native

#endif // QUANTC_TARGET_NATIVE_PASSES_H
