//===- Splat.h - Constants that all lanes have ------------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_LOWERING_SPLAT_H
#define QUANTC_LIB_CODEGEN_LOWERING_SPLAT_H

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

namespace quantc {

/// The number that each element of `value` is, if it is a constant.
template <typename AttrTy> std::optional<AttrTy> getSplat(mlir::Value value) {
  if (auto broadcast = value.getDefiningOp<mlir::vector::BroadcastOp>())
    value = broadcast.getSource();
  mlir::Attribute constant;
  if (!matchPattern(value, mlir::m_Constant(&constant)))
    return std::nullopt;
  if (auto splat = llvm::dyn_cast<mlir::SplatElementsAttr>(constant))
    constant = splat.template getSplatValue<mlir::Attribute>();
  if (auto number = llvm::dyn_cast<AttrTy>(constant))
    return number;
  return std::nullopt;
}

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWERING_SPLAT_H
