//===- Resources.h - Bytes of constants that the IR names -------*- C++ -*-===//

#ifndef QUANTC_SUPPORT_RESOURCES_H
#define QUANTC_SUPPORT_RESOURCES_H

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace quantc {

/// Frees the bytes of a resource, which keeps its name. No module of the
/// context may read them any more.
inline void freeResource(mlir::DenseResourceElementsHandle handle) {
  mlir::DenseResourceElementsHandle::getManagerInterface(
      handle.getDialect()->getContext())
      .getBlobManager()
      .update(handle.getKey(), mlir::AsmResourceBlob());
}

} // namespace quantc

#endif // QUANTC_SUPPORT_RESOURCES_H
