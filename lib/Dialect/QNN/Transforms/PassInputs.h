//===- PassInputs.h - What the options of a pass name -----------*- C++ -*-===//

#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_PASSINPUTS_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_PASSINPUTS_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/Support/LLVM.h"
#include "llvm/Support/Error.h"

namespace quantc::qnn {

/// The recipe or the statistics that an option of a pass names; a diagnostic if
/// they cannot be read.
template <typename T>
mlir::FailureOr<T> valueOrDiagnostic(mlir::MLIRContext *context,
                                     llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  return mlir::emitError(mlir::UnknownLoc::get(context))
         << llvm::toString(value.takeError());
}

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_PASSINPUTS_H
