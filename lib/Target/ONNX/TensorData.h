//===- TensorData.h - ONNX types and tensors as MLIR ones -------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_TENSORDATA_H
#define QUANTC_LIB_TARGET_ONNX_TENSORDATA_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "onnx/onnx_pb.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace quantc::onnx_import {

/// The MLIR type of an ONNX element type, or null (string, complex, ...).
mlir::Type convertElementType(mlir::MLIRContext *context, int32_t onnxType);
/// The reverse: TensorProto::UNDEFINED if there is none.
int32_t elementTypeToONNX(mlir::Type type);
/// ONNX's name of an element type.
std::string elementTypeName(int32_t onnxType);
/// How many bytes `count` elements take in a model.
int64_t elementTypeBytes(int32_t onnxType, int64_t count);

/// The type of a tensor of strings: of bytes, with a dynamic dimension more.
mlir::RankedTensorType convertStringType(mlir::MLIRContext *context,
                                         const onnx::TypeProto &type);

/// A tensor type with a known rank; null for anything else.
mlir::RankedTensorType convertType(mlir::MLIRContext *context,
                                   const onnx::TypeProto &type);
onnx::TypeProto typeToONNX(mlir::RankedTensorType type);

/// A file that is kept as it was when it was opened, unless somebody writes
/// into it.
using MappedFile = std::shared_ptr<llvm::MemoryBuffer>;

/// Makes attributes of TensorProtos. The bytes of large tensors are not
/// copied: the attribute takes them out of the proto, or keeps the file mapped
/// that holds them.
class TensorLoader {
public:
  /// External data is in `directory`, but that of the model's own file in
  /// `modelFile`, which may be null.
  TensorLoader(mlir::MLIRContext *context, std::string directory,
               MappedFile modelFile);

  /// `tensor` loses its bytes, but may be asked for again.
  llvm::Expected<mlir::ElementsAttr> load(onnx::TensorProto &tensor);
  llvm::Expected<mlir::ElementsAttr> load(onnx::SparseTensorProto &tensor);
  /// The bytes of strings, filled up with zeros: one dimension more.
  llvm::Expected<mlir::ElementsAttr>
  loadStrings(const onnx::TensorProto &tensor);

private:
  struct MappedPart;
  llvm::Expected<mlir::ElementsAttr> loadUncached(onnx::TensorProto &tensor,
                                                  mlir::RankedTensorType type,
                                                  int64_t count);
  llvm::Expected<mlir::ElementsAttr> loadExternal(onnx::TensorProto &tensor,
                                                  mlir::RankedTensorType type,
                                                  int64_t count);
  llvm::Expected<MappedFile> mapFile(llvm::StringRef location);

  mlir::MLIRContext *context;
  std::string directory;
  llvm::DenseMap<const void *, mlir::ElementsAttr> loaded;
  MappedFile modelFile;
  /// By location.
  llvm::StringMap<MappedFile> files;
};

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_TENSORDATA_H
