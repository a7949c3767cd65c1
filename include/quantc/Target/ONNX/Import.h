//===- Import.h - From an ONNX model to a module of qnn ops -----*- C++ -*-===//
// The border of the importer: nothing of ONNX or protobuf, and no exception,
// crosses it. Whatever is wrong with a model becomes an MLIR diagnostic.

#ifndef QUANTC_TARGET_ONNX_IMPORT_H
#define QUANTC_TARGET_ONNX_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <string>
#include <vector>

namespace quantc::onnx_import {

struct ImportOptions {
  /// Sizes for the dimensions of inputs, by the input's name. -1 leaves a
  /// dimension as the model has it.
  llvm::StringMap<llvm::SmallVector<int64_t>> shapes;
  /// Where external data may lie; `importONNX(path)` sets it to the model's
  /// folder. Empty: a model with external data is an error.
  std::string externalDataDirectory;
  /// Called with what is being done, and how much of it is done.
  std::function<void(llvm::StringRef stage, size_t done, size_t total)>
      progress;
};

/// The model in file `path`, as a module with one function @main. On failure,
/// errors went to the context's diagnostics, and the result is null.
mlir::OwningOpRef<mlir::ModuleOp> importONNX(llvm::StringRef path,
                                             const ImportOptions &options,
                                             mlir::MLIRContext &context);

/// The same from the bytes of a model, which are not needed afterwards.
mlir::OwningOpRef<mlir::ModuleOp>
importONNXFromBytes(llvm::StringRef bytes, const ImportOptions &options,
                    mlir::MLIRContext &context);

/// An op that can be neither imported nor expanded.
struct UnsupportedOp {
  std::string opType, node, domain;
  int64_t opset;
};

/// What `quantc info` tells about a model.
struct ModelInfo {
  struct Tensor {
    std::string name, elementType;
    /// A number, a symbolic name, or "?", for each dimension.
    std::vector<std::string> dims;
    bool hasRank = false;
  };
  std::string producer, graphName;
  int64_t irVersion = 0;
  std::vector<std::pair<std::string, int64_t>> opsets;
  std::vector<Tensor> inputs, outputs;
  /// Number of nodes by op ("Domain.Op" outside the default domain), with
  /// those of subgraphs.
  llvm::MapVector<std::string, int64_t, llvm::StringMap<unsigned>> opCounts;
  int64_t numParameters = 0, parameterBytes = 0;
  std::vector<UnsupportedOp> unsupported;
};

mlir::FailureOr<ModelInfo> inspectONNX(llvm::StringRef path,
                                       mlir::MLIRContext &context);

/// An op with a rule of its own, for the list of supported ops.
struct SupportedOp {
  std::string domain, opType;
  int sinceVersion;
};
std::vector<SupportedOp> listSupportedOps();

} // namespace quantc::onnx_import

#endif // QUANTC_TARGET_ONNX_IMPORT_H
