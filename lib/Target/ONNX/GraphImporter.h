//===- GraphImporter.h - Imports graphs, node by node -----------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_GRAPHIMPORTER_H
#define QUANTC_LIB_TARGET_ONNX_GRAPHIMPORTER_H

#include "NodeContext.h"
#include "TensorData.h"

#include "quantc/Target/ONNX/Import.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

namespace quantc::onnx_import {

using OpsetMap = llvm::StringMap<int64_t>;

/// The names that are visible in one graph: its own, then those around it.
struct GraphScope {
  /// The graph around, or null; a function body sees no names outside.
  GraphScope *parent = nullptr;
  const OpsetMap *opsets = nullptr;
  /// Put before node names: the call that a function body stands for.
  std::string prefix;
  llvm::StringMap<mlir::Value> values;
  /// Sequences are lists of values; an optional without value is in `none`.
  llvm::StringMap<llvm::SmallVector<mlir::Value>> sequences;
  /// Sequences of elements of one shape whose number a run decides: tensors of
  /// all elements, along a new first dimension.
  llvm::StringMap<mlir::Value> stacks;
  llvm::StringSet<> none;
  /// Initializers become constants when first used.
  llvm::StringMap<onnx::TensorProto *> initializers;
  llvm::StringMap<onnx::SparseTensorProto *> sparseInitializers;
  /// What ONNX's inference and the model itself say about types.
  llvm::StringMap<const onnx::TypeProto *> types;

  void addTypes(const onnx::GraphProto &graph);
};

class GraphImporter {
public:
  GraphImporter(mlir::ModuleOp module, onnx::ModelProto &model,
                MappedFile modelFile, const ImportOptions &options);

  /// Builds @main.
  mlir::LogicalResult run();

  /// The value of a name; null if there is none, failure (with an error) if it
  /// is an initializer that cannot be read.
  mlir::FailureOr<mlir::Value> lookup(GraphScope &scope, llvm::StringRef name);
  /// The elements of a sequence; null if the name stands for none.
  const llvm::SmallVector<mlir::Value> *lookupSequence(GraphScope &scope,
                                                       llvm::StringRef name);
  /// The elements of a sequence whose length a run decides, or null.
  mlir::Value lookupStack(GraphScope &scope, llvm::StringRef name);
  /// Whether the name stands for an optional that holds nothing.
  bool isNone(GraphScope &scope, llvm::StringRef name);
  const onnx::TypeProto *lookupType(GraphScope &scope, llvm::StringRef name);

  mlir::LogicalResult importGraph(onnx::GraphProto &graph, GraphScope *parent,
                                  const OpsetMap &opsets, mlir::Block *block,
                                  mlir::ValueRange args, llvm::StringRef prefix,
                                  llvm::SmallVectorImpl<mlir::Value> &results);
  /// Imports the body of the node's function: the model's or the schema's.
  mlir::LogicalResult expandFunction(NodeContext &ctx, GraphScope &scope);
  mlir::LogicalResult expandFunction(NodeContext &ctx, GraphScope &scope,
                                     const onnx::FunctionProto &function);

  /// Keeps a graph that a rule made: `tensors` knows its tensors by address.
  onnx::GraphProto &keepGraph(onnx::GraphProto graph);

  mlir::OpBuilder builder;
  TensorLoader tensors;
  /// The values that are tensors of strings.
  llvm::DenseSet<mlir::Value> strings;
  /// Whether the sizes that the model declares, and those that ONNX infers from
  /// them, have agreed with what nodes give so far.
  bool trustsDeclaredTypes = true;

private:
  mlir::LogicalResult importNode(onnx::NodeProto &node, size_t index,
                                 GraphScope &scope);
  mlir::Value addConstant(llvm::StringRef name,
                          llvm::Expected<mlir::ElementsAttr> value);

  mlir::ModuleOp module;
  onnx::ModelProto &model;
  const ImportOptions &options;
  OpsetMap modelOpsets;
  mlir::func::FuncOp function;
  /// Initializers go to the front of the function, to dominate every region.
  mlir::Operation *lastConstant = nullptr;
  unsigned functionDepth = 0;
  unsigned expandedNodes = 0;
  /// Bodies of expanded functions, and what `keepGraph` keeps.
  std::vector<std::unique_ptr<onnx::GraphProto>> expandedBodies;
};

/// The function of the model that `node` calls, or null.
const onnx::FunctionProto *findLocalFunction(const onnx::ModelProto &model,
                                             const onnx::NodeProto &node);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_GRAPHIMPORTER_H
