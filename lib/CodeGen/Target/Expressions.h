//===- Expressions.h - Scalar code as vector code ---------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_TARGET_EXPRESSIONS_H
#define QUANTC_LIB_CODEGEN_TARGET_EXPRESSIONS_H

#include "CodeGen/Emitter/KernelEmitter.h"
#include "Target.h"

namespace quantc {

/// Emits `value`, an expression over the values in `known`, with `lanes`
/// elements a value (0 for scalars). Entries of a ByteTable are looked up with
/// the `permutes` that the target has.
mlir::Value emitExpression(KernelEmitter &e, mlir::Value value, int64_t lanes,
                           llvm::DenseMap<mlir::Value, mlir::Value> &known,
                           TablePermutes permutes = {});

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_TARGET_EXPRESSIONS_H
