//===- KernelDialect.h - Calls of kernels from tensor code ------*- C++ -*-===//

#ifndef QUANTC_DIALECT_KERNEL_IR_KERNELDIALECT_H
#define QUANTC_DIALECT_KERNEL_IR_KERNELDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "quantc/Dialect/Kernel/IR/KernelDialect.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/Kernel/IR/KernelOps.h.inc"

namespace quantc::kernel {

/// LLVM's attribute for arguments of certain classes that never occur, which a
/// kernel's numbers have for NaN.
inline constexpr llvm::StringLiteral kNoFPClassAttr = "llvm.nofpclass";

/// The type in which a kernel takes a part of a buffer: strides behind the last
/// dynamic dimension are those of a contiguous one.
mlir::MemRefType getViewType(mlir::RankedTensorType type);

} // namespace quantc::kernel

#endif // QUANTC_DIALECT_KERNEL_IR_KERNELDIALECT_H
