//===- MlScores.h - What the models of ai.onnx.ml share ---------*- C++ -*-===//
//
// Classifiers and regressors of ai.onnx.ml end alike: a function named by
// post_transform is applied to scores, and a class becomes a label.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_MLSCORES_H
#define QUANTC_LIB_TARGET_ONNX_RULES_MLSCORES_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

enum class PostTransform { none, softmax, logistic, softmax_zero, probit };

/// By its name in the attribute post_transform; nothing with an error.
std::optional<PostTransform> readPostTransform(NodeContext &ctx);

/// The scores (rows, classes) after the transform. Of a single class, only
/// `probit` is applied, as in ONNX Runtime.
mlir::Value applyPostTransform(NodeContext &ctx, PostTransform transform,
                               mlir::Value scores);

/// Two columns from one score, which is the second class's. The other is what
/// is missing to one if it is a probability (by LOGISTIC it becomes one), else
/// the negative.
mlir::Value addSecondClass(NodeContext &ctx, PostTransform transform,
                           mlir::Value score, bool isProbability);

/// Input 0 as rows of floats; a vector is one row.
mlir::Value readRows(NodeContext &ctx, mlir::Type elementType);

/// A constant (rows, columns) of f32 or f64; null with an error if `values`
/// have another number of elements.
mlir::Value matrix(NodeContext &ctx, mlir::Type elementType, int64_t rows,
                   int64_t columns, llvm::ArrayRef<double> values);

/// Column `i`, as (rows, 1).
mlir::Value column(NodeContext &ctx, mlir::Value x, int64_t i);
/// Columns side by side.
mlir::Value joinColumns(NodeContext &ctx, mlir::ValueRange columns);

/// The labels of the classes, which one of two attributes holds.
class ClassLabels {
public:
  ClassLabels(NodeContext &ctx, llvm::StringRef intsName,
              llvm::StringRef stringsName);
  int64_t size() const {
    return strings.empty() ? ints.size() : strings.size();
  }
  bool areStrings() const { return !strings.empty(); }
  /// Defines output 0 by the numbers (rows) of the classes.
  mlir::LogicalResult setOutput(mlir::Value classes) const;
  /// Defines output 0 by whether the second of two classes wins (rows, 1).
  mlir::LogicalResult setBinaryOutput(mlir::Value isSecond) const;

private:
  NodeContext &ctx;
  llvm::SmallVector<int64_t> ints;
  llvm::SmallVector<std::string> strings;
};

/// The number (rows) of the column with the largest score, the first of equals.
mlir::Value findWinner(NodeContext &ctx, mlir::Value scores);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_MLSCORES_H
