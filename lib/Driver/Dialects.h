//===- Dialects.h - The dialects of all stages, registered once -*- C++ -*-===//
#ifndef QUANTC_LIB_DRIVER_DIALECTS_H
#define QUANTC_LIB_DRIVER_DIALECTS_H

#include "mlir/IR/DialectRegistry.h"

namespace quantc {

/// Shared by all compilations of a process: registering takes a while.
const mlir::DialectRegistry &getDriverDialects();

} // namespace quantc

#endif // QUANTC_LIB_DRIVER_DIALECTS_H
