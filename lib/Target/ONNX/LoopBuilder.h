//===- LoopBuilder.h - Loops over tensors for rules -------------*- C++ -*-===//
//
// What Loop, Scan and the recurrent ops have in common: tensors are carried
// from one iteration to the next, and others are collected.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_TARGET_ONNX_LOOPBUILDER_H
#define QUANTC_LIB_TARGET_ONNX_LOOPBUILDER_H

#include "NodeContext.h"

namespace quantc::onnx_import {

/// What is static in both types; null if they differ in more.
mlir::RankedTensorType joinTypes(mlir::RankedTensorType a,
                                 mlir::RankedTensorType b);
mlir::LogicalResult failJoin(NodeContext &ctx, mlir::Type a, mlir::Type b);

/// `value` as `type`, which differs in what is static only.
mlir::Value castTensor(NodeContext &ctx, mlir::Value value, mlir::Type type);

/// The one element of an integer or bool tensor.
mlir::Value extractScalar(NodeContext &ctx, mlir::Value tensor);

/// Makes a run fail unless `condition` (i1) holds, with the node's name and
/// `problem`, which begins where the name ends: ": ..." or " (Op): ...".
void assertWhenRun(NodeContext &ctx, mlir::Value condition,
                   const llvm::Twine &problem);

/// Makes a run fail unless each of the integers `indices` is in [0, extent):
/// negative ones do not count from the back. `extent` is one integer.
mlir::LogicalResult checkIndicesWhenRun(NodeContext &ctx, mlir::Value indices,
                                        mlir::Value extent,
                                        const llvm::Twine &problem);

/// Builds an scf.for, or an scf.while if there is a condition.
class LoopBuilder {
public:
  /// Builds the body at the end of a block. Gives the condition to go on (null
  /// if there is none), what is carried on, then what is collected.
  using BodyFn = std::function<mlir::LogicalResult(
      mlir::Block *, mlir::Value iteration, mlir::Value condition,
      mlir::ValueRange carried, mlir::SmallVectorImpl<mlir::Value> &results)>;

  /// An output that collects one value of each iteration along a new axis.
  struct Collected {
    int64_t axis = 0;
    bool isReversed = false;
    /// The shape of one value, if it is known before the loop.
    mlir::Value itemShape;
  };

  explicit LoopBuilder(NodeContext &ctx) : ctx(ctx) {}

  /// A tensor with one integer, or null for no limit.
  mlir::Value tripCount;
  /// A tensor with one bool, or null for true.
  mlir::Value condition;
  llvm::SmallVector<mlir::Value> init;
  llvm::SmallVector<Collected> collected;
  BodyFn body;

  /// The last values of what is carried, then what was collected. The types of
  /// carried tensors are found by building the body until they no longer
  /// change: a dimension that differs between iterations is dynamic.
  mlir::FailureOr<llvm::SmallVector<mlir::Value>> build();

private:
  struct Attempt;
  mlir::LogicalResult buildBody(Attempt &loop,
                                llvm::ArrayRef<mlir::RankedTensorType> types);
  mlir::FailureOr<bool>
  isStable(const Attempt &loop,
           llvm::MutableArrayRef<mlir::RankedTensorType> types);
  static bool hasCondition(const Attempt &loop);
  mlir::LogicalResult yield(Attempt &loop,
                            llvm::ArrayRef<mlir::RankedTensorType> types);
  void addBounds(Attempt &loop, mlir::Value limit);
  mlir::FailureOr<mlir::Operation *>
  tryBuild(llvm::MutableArrayRef<mlir::RankedTensorType> types);
  mlir::Value createList(mlir::RankedTensorType type, const Collected &how);
  mlir::Value append(mlir::Value list, mlir::Value value, mlir::Value iteration,
                     const Collected &how);
  /// Whether a list has all its elements from the start.
  bool isPreallocated(mlir::RankedTensorType listType,
                      const Collected &how) const;

  NodeContext &ctx;
  /// Whether the trip count alone decides when it ends.
  bool runsToEnd = false;
  /// Whether it is an scf.for: it runs to its end, and nothing grows.
  bool isCounted = false;
};

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_LOOPBUILDER_H
