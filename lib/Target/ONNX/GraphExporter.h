//===- GraphExporter.h - One function of qnn ops as nodes -------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_GRAPHEXPORTER_H
#define QUANTC_LIB_TARGET_ONNX_GRAPHEXPORTER_H

#include "quantc/Dialect/QNN/IR/QNN.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "onnx/onnx_pb.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"

namespace quantc::onnx_export {

/// Writes the nodes of a graph in order. Each `write` gives the nodes of one
/// op, and fails if ONNX has none for it.
class GraphExporter {
public:
  explicit GraphExporter(onnx::GraphProto &graph) : graph(graph) {}
  mlir::LogicalResult run(mlir::func::FuncOp func);

private:
  /// A node whose attributes are still to be set.
  class Node {
  public:
    Node(onnx::NodeProto &proto) : proto(proto) {}
    Node &set(llvm::StringRef name, int64_t value);
    Node &set(llvm::StringRef name, int value) {
      return set(name, int64_t(value));
    }
    Node &set(llvm::StringRef name, double value);
    Node &set(llvm::StringRef name, llvm::StringRef value);
    Node &set(llvm::StringRef name, llvm::ArrayRef<int64_t> values);

  private:
    onnx::AttributeProto &add(llvm::StringRef name);
    onnx::NodeProto &proto;
  };

  /// A node for `op` whose outputs are the op's results. Null inputs are left
  /// out.
  Node node(mlir::Operation *op, llvm::StringRef type,
            llvm::ArrayRef<mlir::Value> inputs);
  /// The same with names for inputs and outputs.
  Node namedNode(mlir::Operation *op, llvm::StringRef type,
                 llvm::ArrayRef<std::string> inputs,
                 llvm::ArrayRef<std::string> outputs);

  std::string nameOf(mlir::Value value);
  std::string freshName(llvm::StringRef base);
  /// The name of an initializer with these elements.
  std::string initializer(llvm::ArrayRef<int64_t> values);
  std::string scalar(mlir::Type type, double value);
  /// The name of a list as int64, which most ops ask for.
  std::string asInt64(mlir::Operation *op, mlir::Value list);
  std::string zeroPointOf(mlir::Operation *op, mlir::Value zeroPoint,
                          mlir::Value scale, mlir::Type storage);
  void addInitializer(llvm::StringRef name, mlir::ElementsAttr value);
  void addValueInfo(onnx::ValueInfoProto &info, llvm::StringRef name,
                    mlir::RankedTensorType type, mlir::ArrayAttr dims);

  mlir::LogicalResult write(mlir::Operation *op);
  mlir::LogicalResult writeElementwise(mlir::Operation *op);
  mlir::LogicalResult writeUnary(qnn::UnaryOp op);
  mlir::LogicalResult writeBinary(qnn::BinaryOp op);
  mlir::LogicalResult writeMovement(mlir::Operation *op);
  mlir::LogicalResult writeWindows(mlir::Operation *op);
  mlir::LogicalResult writeReduction(mlir::Operation *op);
  mlir::LogicalResult writeNormalize(qnn::NormalizeOp op);
  mlir::LogicalResult writeQuantization(mlir::Operation *op);

  onnx::GraphProto &graph;
  llvm::DenseMap<mlir::Value, std::string> names;
  llvm::StringSet<> usedNames, nodeNames;
};

} // namespace quantc::onnx_export

#endif // QUANTC_LIB_TARGET_ONNX_GRAPHEXPORTER_H
