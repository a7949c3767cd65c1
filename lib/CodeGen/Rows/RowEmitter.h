//===- RowEmitter.h - One loop over rows ------------------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_ROWS_ROWEMITTER_H
#define QUANTC_LIB_CODEGEN_ROWS_ROWEMITTER_H

#include "CodeGen/Emitter/KernelEmitter.h"
#include "CodeGen/Target/Target.h"
#include "RowProgram.h"

namespace quantc {

/// Emits `program` where `e` stands.
void emitRows(KernelEmitter &e, const RowProgram &program,
              const VectorUnit &unit, bool useThreads);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_ROWS_ROWEMITTER_H
