//===- ModelPreparation.h - Checks and infers before the import -*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_MODELPREPARATION_H
#define QUANTC_LIB_TARGET_ONNX_MODELPREPARATION_H

#include "TensorData.h"

#include "quantc/Target/ONNX/Import.h"

namespace quantc::onnx_import {

/// The oldest opset of ONNX's own domain that rules know.
inline constexpr int kMinOpset = 7;

/// Converts a model of an older opset to kMinOpset with ONNX's own converter.
/// May throw.
void upgradeOldModel(onnx::ModelProto &model);

/// Reads a model from a file. Large weights in it become external data of the
/// file itself, which is returned mapped: whoever opens it by its name again
/// may find another one. Null if weights in it stay part of `model`. May throw.
mlir::FailureOr<MappedFile>
parseModel(llvm::StringRef path, onnx::ModelProto &model, mlir::Location loc);
/// Reads a model from bytes, which are not needed afterwards. May throw.
mlir::LogicalResult parseModelBytes(llvm::StringRef bytes,
                                    onnx::ModelProto &model,
                                    mlir::Location loc);

/// Sorts the nodes, checks the model, pins input shapes and infers types, all
/// in place. May throw.
mlir::LogicalResult prepareModel(onnx::ModelProto &model,
                                 const ImportOptions &options,
                                 mlir::Location loc);

/// Writes the attributes that `node` leaves to their defaults into it, if its
/// op is a function: bodies refer to attributes, and know no defaults.
void addDefaultAttributes(onnx::NodeProto &node, int64_t opset);

/// The ops without a rule and without a function body, in subgraphs and
/// functions too.
std::vector<UnsupportedOp> findUnsupportedOps(const onnx::ModelProto &model);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_MODELPREPARATION_H
