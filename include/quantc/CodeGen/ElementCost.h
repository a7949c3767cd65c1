//===- ElementCost.h - What scalar ops cost ---------------------*- C++ -*-===//
//
// Passes ask `getElementCost`; an op of a dialect to come joins by implementing
// ElementCostOpInterface, or by a model that is attached to it.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_CODEGEN_ELEMENTCOST_H
#define QUANTC_CODEGEN_ELEMENTCOST_H

#include "mlir/IR/OpDefinition.h"

#include "quantc/CodeGen/ElementCost.h.inc"

namespace quantc {

/// In additions: nothing for constants, and much for an op with regions.
int64_t getElementCost(mlir::Operation *op);

/// Attaches the interface to ops of upstream's dialects.
void registerElementCosts(mlir::DialectRegistry &registry);

} // namespace quantc

#endif // QUANTC_CODEGEN_ELEMENTCOST_H
