//===- LowBitEmitter.h - Constants in low-bit kernels -----------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_LOWBIT_LOWBITEMITTER_H
#define QUANTC_LIB_CODEGEN_LOWBIT_LOWBITEMITTER_H

#include "CodeGen/Emitter/KernelEmitter.h"

namespace quantc {

inline mlir::Value constantFloat(KernelEmitter &e, float value) {
  return mlir::arith::ConstantOp::create(e.b, e.loc,
                                         e.b.getF32FloatAttr(value));
}

/// The lower bits of `value` in each element of `type`.
inline mlir::Value splatInt(KernelEmitter &e, mlir::VectorType type,
                            int64_t value) {
  return mlir::arith::ConstantOp::create(
      e.b, e.loc,
      mlir::DenseElementsAttr::get(
          type, llvm::APInt(type.getElementTypeBitWidth(), value,
                            /*isSigned=*/false, /*implicitTrunc=*/true)));
}

/// `Op` of a vector of integers and a constant.
template <typename Op>
mlir::Value withConstant(KernelEmitter &e, mlir::Value words,
                         int64_t constant) {
  auto type = mlir::cast<mlir::VectorType>(words.getType());
  return Op::create(e.b, e.loc, words, splatInt(e, type, constant));
}

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWBIT_LOWBITEMITTER_H
