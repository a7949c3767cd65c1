//===- ModelPreparation.h - Checks and infers before the import -*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_MODELPREPARATION_H
#define QUANTC_LIB_TARGET_ONNX_MODELPREPARATION_H

#include "quantc/Target/ONNX/Import.h"

#include "onnx/onnx_pb.h"

namespace quantc::onnx_import {

/// Reads a model from a file, or from bytes. May throw.
mlir::LogicalResult parseModel(llvm::StringRef path, onnx::ModelProto &model,
                               mlir::Location loc);
mlir::LogicalResult parseModelBytes(llvm::StringRef bytes,
                                    onnx::ModelProto &model,
                                    mlir::Location loc);

/// Sorts the nodes, checks the model, pins input shapes and infers types, all
/// in place. May throw.
mlir::LogicalResult prepareModel(onnx::ModelProto &model,
                                 const ImportOptions &options,
                                 mlir::Location loc);

/// The ops without a rule and without a function body, in subgraphs and
/// functions too.
std::vector<UnsupportedOp> findUnsupportedOps(const onnx::ModelProto &model);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_MODELPREPARATION_H
