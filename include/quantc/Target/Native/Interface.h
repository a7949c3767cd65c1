//===- Interface.h - A model's inputs and outputs ---------------*- C++ -*-===//
#ifndef QUANTC_TARGET_NATIVE_INTERFACE_H
#define QUANTC_TARGET_NATIVE_INTERFACE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>

namespace quantc::native {

/// How the run-time interface calls an element type, and how DLPack does.
struct ElementTypeInfo {
  llvm::StringRef name;
  uint8_t code;
  uint8_t bits;
};

/// The element types that a model can take and return; none for others.
std::optional<ElementTypeInfo> getElementTypeInfo(mlir::Type type);

struct TensorInterface {
  std::string name;
  mlir::RankedTensorType type;
  llvm::SmallVector<std::string> dimNames;
  /// An input that the run updates in its own memory.
  bool isState = false;
};

struct ModelInterface {
  llvm::SmallVector<TensorInterface> inputs, outputs;
};

/// Reads what `quantc-record-interface` wrote. Emits an error if it is missing
/// or malformed.
mlir::FailureOr<ModelInterface> readInterface(mlir::ModuleOp module);

} // namespace quantc::native

#endif // QUANTC_TARGET_NATIVE_INTERFACE_H
