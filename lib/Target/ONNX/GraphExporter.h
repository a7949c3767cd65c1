//===- GraphExporter.h - One function of qnn ops as nodes -------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_GRAPHEXPORTER_H
#define QUANTC_LIB_TARGET_ONNX_GRAPHEXPORTER_H

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Target/ONNX/Export.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "onnx/onnx_pb.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"

namespace quantc::onnx_export {

/// What exported models have in place of a type: integers of 2 bits, and of
/// widths between, are stored in the next that opset 21 knows.
mlir::Type getExportType(mlir::Type element);

bool isFloat(mlir::Value value);

/// ONNX's name of a way to pad a window.
llvm::StringRef getAutoPad(qnn::AutoPad autoPad);

/// Writes the nodes of a graph in order. Each `write` gives the nodes of one
/// op, and fails if ONNX has none for it.
class GraphExporter {
public:
  GraphExporter(onnx::GraphProto &graph, const ExportOptions &options)
      : graph(&graph), options(options) {}
  mlir::LogicalResult run(mlir::func::FuncOp func);
  /// Whether a node is one of com.microsoft's.
  bool usesContribOps() const { return hasContribOps; }

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
    Node &set(llvm::StringRef name, onnx::GraphProto &&body);
    Node &setDomain(llvm::StringRef domain);

  private:
    onnx::AttributeProto &add(llvm::StringRef name);
    onnx::NodeProto &proto;
  };

  /// What convolutions and pools have in common.
  template <typename Op> static Node &setWindow(Node &node, Op op) {
    node.set("strides", op.getStrides()).set("dilations", op.getDilations());
    if (op.getAutoPad() == qnn::AutoPad::none)
      return node.set("pads", op.getPads());
    return node.set("auto_pad", getAutoPad(op.getAutoPad()));
  }

  /// A node for `op` whose outputs are the op's results. Null inputs are left
  /// out.
  Node node(mlir::Operation *op, llvm::StringRef type,
            llvm::ArrayRef<mlir::Value> inputs);
  /// The same with names for inputs and outputs.
  Node namedNode(mlir::Operation *op, llvm::StringRef type,
                 llvm::ArrayRef<std::string> inputs,
                 llvm::ArrayRef<std::string> outputs);

  /// The same with one output, whose new name it gives.
  std::string compute(mlir::Operation *op, llvm::StringRef type,
                      llvm::ArrayRef<std::string> inputs);
  std::string castTo(mlir::Operation *op, const std::string &input,
                     mlir::Type to);
  std::string reshape(mlir::Operation *op, const std::string &input,
                      llvm::ArrayRef<int64_t> shape);
  /// A node of com.microsoft.
  Node contribNode(mlir::Operation *op, llvm::StringRef type,
                   llvm::ArrayRef<std::string> inputs);
  /// Lets `result` be the value with the name `source`.
  void alias(mlir::Operation *op, mlir::Value result,
             const std::string &source);
  /// Says why an op cannot be written.
  mlir::LogicalResult fail(const llvm::Twine &why);

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
  std::string initializer(llvm::StringRef base, mlir::ElementsAttr value);
  void addValueInfo(onnx::ValueInfoProto &info, llvm::StringRef name,
                    mlir::RankedTensorType type, mlir::ArrayAttr dims);

  /// All ops but the last. Those that cannot be written are reported.
  void writeBlock(mlir::Block &block);
  mlir::LogicalResult write(mlir::Operation *op);
  mlir::LogicalResult writeElementwise(mlir::Operation *op);
  mlir::LogicalResult writeUnary(qnn::UnaryOp op);
  mlir::LogicalResult writeBinary(qnn::BinaryOp op);
  mlir::LogicalResult writeByteExtremum(qnn::BinaryOp op);
  mlir::LogicalResult writeFusedMultiplyAdd(qnn::FusedMultiplyAddOp op);
  mlir::LogicalResult writeMovement(mlir::Operation *op);
  mlir::LogicalResult writeWindows(mlir::Operation *op);
  mlir::LogicalResult writeReduction(mlir::Operation *op);
  void writeEinsum(mlir::Operation *op, const std::string &input,
                   llvm::ArrayRef<int64_t> permutation,
                   const std::string &output);
  mlir::LogicalResult writeOrderedSum(qnn::ReduceOp op);
  mlir::LogicalResult writeKeptTranspose(qnn::TransposeOp op);
  mlir::LogicalResult writeSigmoid(qnn::UnaryOp op);
  std::optional<std::string> spreadScale(qnn::BinaryOp op);
  static bool isFusedSum(qnn::BinaryOp op);
  mlir::LogicalResult writeNormalize(qnn::NormalizeOp op);
  mlir::LogicalResult writeQuantization(mlir::Operation *op);
  mlir::LogicalResult writeDequantize(mlir::Operation *op, mlir::Value codes,
                                      mlir::Value scale, mlir::Value zeroPoint,
                                      std::optional<int64_t> axis,
                                      int64_t blockSize,
                                      const std::string &result);
  mlir::LogicalResult writeMovedSums(mlir::Operation *op, mlir::Value codes,
                                     mlir::Value scale,
                                     const std::string &result);
  mlir::LogicalResult writeLookup(mlir::Operation *op, mlir::Value codes,
                                  mlir::Value table, const std::string &result);
  mlir::LogicalResult writeIntegerProduct(mlir::Operation *op);
  mlir::LogicalResult writeRequantize(qnn::RequantizeOp op);
  mlir::LogicalResult writeWeightOnly(qnn::WeightOnlyMatMulOp op);
  mlir::LogicalResult writeMatMulNBits(qnn::WeightOnlyMatMulOp op,
                                       const std::string &input);
  mlir::LogicalResult writeMatMulBnb4(qnn::WeightOnlyMatMulOp op);

  mlir::LogicalResult writeControl(mlir::Operation *op);
  mlir::LogicalResult writeScalar(mlir::Operation *op);
  void writeIf(mlir::scf::IfOp op);
  void writeFor(mlir::scf::ForOp op);
  void writeWhile(mlir::scf::WhileOp op);
  /// A condition and what it passes on, given what the loop carries.
  llvm::SmallVector<std::string>
  writeCondition(mlir::scf::WhileOp op, llvm::ArrayRef<std::string> carried);
  void writeLoop(mlir::Operation *op, const std::string &count,
                 const std::string &condition,
                 llvm::ArrayRef<std::string> carried,
                 mlir::ValueRange bodyCarried,
                 llvm::function_ref<llvm::SmallVector<std::string>(
                     std::string iteration, std::string condition)>
                     writeBody);
  void addInput(llvm::StringRef name, mlir::Type type);
  void addOutputs(mlir::Operation *op, llvm::ArrayRef<std::string> values,
                  mlir::TypeRange types);

  /// Where nodes go: the model's graph, or the body of a loop or a branch.
  onnx::GraphProto *graph;
  const ExportOptions &options;
  llvm::DenseMap<mlir::Value, std::string> names;
  llvm::StringSet<> usedNames, nodeNames, reported;
  std::string reason;
  bool hasContribOps = false, hasErrors = false;
};

} // namespace quantc::onnx_export

#endif // QUANTC_LIB_TARGET_ONNX_GRAPHEXPORTER_H
