//===- NodeContext.h - What a rule sees of the node it imports --*- C++ -*-===//
// A rule reads inputs and attributes, builds qnn ops with `create`, and hands
// its results to `setOutput`. Errors are emitted once and then stick: `create`
// and `setOutput` do nothing more, so a rule may chain calls without a check
// after each one:
//
//   return ctx.setOutput(0, ctx.create<qnn::UnaryOp>(UnaryKind::relu,
//                                                    ctx.input(0)));

#ifndef QUANTC_LIB_TARGET_ONNX_NODECONTEXT_H
#define QUANTC_LIB_TARGET_ONNX_NODECONTEXT_H

#include "RuleRegistry.h"

#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "onnx/onnx_pb.h"

namespace quantc::onnx_import {

class GraphImporter;
struct GraphScope;

/// "node 'x' (op Conv, domain ai.onnx, opset 17)".
std::string describeNode(const onnx::NodeProto &node, llvm::StringRef name,
                         int64_t opset);

class NodeContext {
public:
  NodeContext(GraphImporter &importer, GraphScope &scope, onnx::NodeProto &node,
              mlir::Location loc, int64_t opset);

  mlir::OpBuilder &builder;
  /// Carries the node's name.
  const mlir::Location loc;
  onnx::NodeProto &node;
  /// The version of the node's domain that is in force.
  const int64_t opset;

  mlir::MLIRContext *getContext() const { return builder.getContext(); }

  //===- Inputs and outputs
  //------------------------------------------------===//

  size_t numInputs() const { return node.input_size(); }
  size_t numOutputs() const { return node.output_size(); }
  /// Whether the optional input `i` is given.
  bool hasInput(size_t i) const;
  /// Whether somebody may use output `i`.
  bool hasOutput(size_t i) const;
  /// Input `i`, or null if it is not given.
  mlir::Value input(size_t i) const;
  /// All inputs (null where one is left out).
  llvm::ArrayRef<mlir::Value> inputs() const { return inputValues; }
  /// Input `i` as a sequence; null if it is none. Only rules registered with
  /// `allowSequences` meet sequences.
  const llvm::SmallVector<mlir::Value> *sequence(size_t i) const;
  /// The elements of input `i`, along a new first dimension, if it is a
  /// sequence whose length a run decides; null if it is none.
  mlir::Value stack(size_t i) const;
  /// Whether input `i` is an optional that holds nothing.
  bool isNone(size_t i) const;
  /// Whether input `i` is a tensor of strings: of bytes, with one dimension
  /// more. Only rules registered with `allowSequences` meet them.
  bool isString(size_t i) const;
  mlir::RankedTensorType inputType(size_t i) const;
  mlir::Type inputElementType(size_t i) const;
  llvm::StringRef inputName(size_t i) const;
  /// The value that a name of the model stands for here; null if none does.
  mlir::Value lookup(llvm::StringRef name);
  /// The integers in constant input `i`; nothing if absent or not constant.
  std::optional<llvm::SmallVector<int64_t>> constantInts(size_t i) const;

  /// What ONNX's inference found for output `i`: null if it found nothing.
  mlir::RankedTensorType outputType(size_t i) const;

  /// Defines output `i`. The type of `value` gets the static dimensions that
  /// ONNX's inference knows; a contradiction is an error. A null value means
  /// that an error was emitted before. Outputs without a name are dropped.
  mlir::LogicalResult setOutput(size_t i, mlir::Value value);
  /// Defines output `i` as a sequence, or as an optional that holds nothing.
  mlir::LogicalResult setSequence(size_t i, llvm::ArrayRef<mlir::Value> values);
  mlir::LogicalResult setNone(size_t i);
  /// Defines output `i` as the sequence of what is along the first dimension.
  mlir::LogicalResult setStack(size_t i, mlir::Value elements);
  /// Whether input `i` is a sequence, of either form.
  bool isSequence(size_t i) const { return sequence(i) || stack(i); }
  /// Defines output 0 as the sequence that input 0 is.
  mlir::LogicalResult passSequence();
  /// Defines output `i` as a tensor of strings.
  mlir::LogicalResult setStrings(size_t i, mlir::Value value);
  mlir::LogicalResult setOutputs(mlir::ValueRange values);

  //===- Attributes
  //--------------------------------------------------------===//
  // With the default for an attribute that is not given. ONNX's checker has
  // verified that those of standard ops have the type of their schema; any
  // other mismatch is an error and gives the default.

  bool hasAttr(llvm::StringRef name) const { return findAttr(name); }
  int64_t getInt(llvm::StringRef name, int64_t defaultValue = 0);
  double getFloat(llvm::StringRef name, double defaultValue = 0);
  std::string getString(llvm::StringRef name,
                        llvm::StringRef defaultValue = "");
  /// A string of a closed set, whose words are those of the enum that EnumAttr
  /// holds; null (with an error) if it is none of them.
  template <typename EnumAttr>
  EnumAttr getWord(llvm::StringRef name, llvm::StringRef defaultValue) {
    using Enum = decltype(std::declval<EnumAttr>().getValue());
    std::string word = getString(name, defaultValue);
    if (std::optional<Enum> value = qnn::symbolizeEnum<Enum>(word))
      return EnumAttr::get(getContext(), *value);
    (void)emitError("its " + name + " '" + word + "' is unknown");
    return {};
  }
  llvm::SmallVector<int64_t> getInts(llvm::StringRef name,
                                     llvm::ArrayRef<int64_t> defaults = {});
  llvm::SmallVector<double> getFloats(llvm::StringRef name,
                                      llvm::ArrayRef<double> defaults = {});
  llvm::SmallVector<std::string> getStrings(llvm::StringRef name);
  /// A tensor; null if the attribute is missing or (with an error) malformed.
  mlir::ElementsAttr getTensor(llvm::StringRef name);
  /// A sparse tensor, made dense.
  mlir::ElementsAttr getSparseTensor(llvm::StringRef name);
  /// A subgraph; null (with an error) if the attribute is missing.
  onnx::GraphProto *getGraph(llvm::StringRef name);
  /// An ONNX element type such as the `to` of Cast; null with an error.
  mlir::Type getElementType(llvm::StringRef name);
  const onnx::AttributeProto *findAttr(llvm::StringRef name) const;

  //===- Constants
  //---------------------------------------------------------===//

  /// A constant tensor<Nxi64>.
  mlir::Value i64List(llvm::ArrayRef<int64_t> values);
  /// A constant tensor<i64>.
  mlir::Value i64Scalar(int64_t value);
  /// A constant tensor<elementType> (rounded to nearest for floats).
  mlir::Value scalar(mlir::Type elementType, double value);
  /// A constant tensor with the same value everywhere.
  mlir::Value splat(mlir::RankedTensorType type, double value);
  mlir::Value constant(mlir::ElementsAttr value);

  //===- Building
  //----------------------------------------------------------===//

  /// Builds an op that infers its one result type; gives the result, folded to
  /// a constant or another value where the op can. Null after an error.
  template <typename OpTy, typename... Args>
  mlir::Value create(Args &&...args) {
    mlir::Operation *op = createOp<OpTy>(1, std::forward<Args>(args)...);
    return op ? foldOrResult(op) : mlir::Value();
  }

  /// The same for an op with `numResults` results. Empty after an error.
  template <typename OpTy, typename... Args>
  llvm::SmallVector<mlir::Value> createMulti(size_t numResults,
                                             Args &&...args) {
    mlir::Operation *op =
        createOp<OpTy>(numResults, std::forward<Args>(args)...);
    return op ? llvm::SmallVector<mlir::Value>(op->getResults())
              : llvm::SmallVector<mlir::Value>();
  }

  /// Builds an op whose result type is given.
  template <typename OpTy, typename... Args>
  mlir::Value createTyped(mlir::Type type, Args &&...args) {
    if (hasFailed())
      return {};
    mlir::OperationState state(loc, OpTy::getOperationName());
    OpTy::build(builder, state, type, std::forward<Args>(args)...);
    mlir::Operation *op = finish(state);
    return op ? foldOrResult(op) : mlir::Value();
  }

  /// Shorthands.
  mlir::Value unary(qnn::UnaryKind kind, mlir::Value x, double alpha = 0,
                    double beta = 0);
  mlir::Value binary(qnn::BinaryKind kind, mlir::Value a, mlir::Value b);
  /// `value` converted to an element type; itself if it has it.
  mlir::Value castTo(mlir::Value value, mlir::Type elementType);
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> permutation);

  //===- Subgraphs and functions
  //-------------------------------------------===//

  /// Imports `graph` at the end of `block`, its inputs bound to `args`; values
  /// of the graphs around are visible. Gives the values of its outputs; a
  /// terminator is left to the caller. The insertion point is restored.
  mlir::LogicalResult importGraph(onnx::GraphProto &graph, mlir::Block *block,
                                  mlir::ValueRange args,
                                  llvm::SmallVectorImpl<mlir::Value> &results);
  /// Keeps a graph that the rule made until the import ends.
  onnx::GraphProto &keepGraph(onnx::GraphProto graph);
  /// Imports the function body that the node's schema has instead of using a
  /// rule: for rules that cover a part of an op's cases.
  mlir::LogicalResult expandFunction();
  /// Imports a function given in ONNX's textual form in place of the node: for
  /// ops of other domains that are combinations of ONNX's own.
  mlir::LogicalResult expandFunction(const std::string &text);
  /// The type that the model gives output `i` of a subgraph; null if unknown.
  mlir::RankedTensorType graphOutputType(onnx::GraphProto &graph, size_t i);

  //===- Errors
  //------------------------------------------------------------===//

  /// Emits an error that names the node, its op, domain and opset.
  mlir::LogicalResult emitError(const llvm::Twine &message);
  void emitWarning(const llvm::Twine &message);
  bool hasFailed() const { return errorEmitted; }

private:
  template <typename OpTy, typename... Args>
  mlir::Operation *createOp(size_t numResults, Args &&...args) {
    if (hasFailed())
      return nullptr;
    mlir::OperationState state(loc, OpTy::getOperationName());
    // The builders that infer types abort on failure: give them placeholders,
    // and infer here.
    llvm::SmallVector<mlir::Type> placeholders(numResults,
                                               builder.getNoneType());
    OpTy::build(builder, state, mlir::TypeRange(placeholders),
                std::forward<Args>(args)...);
    state.types.clear();
    if (!inferTypes(state, [](mlir::OperationState &s,
                              llvm::SmallVectorImpl<mlir::Type> &types) {
          return OpTy::inferReturnTypes(
              s.getContext(), s.location, s.operands,
              s.attributes.getDictionary(s.getContext()), s.getRawProperties(),
              s.regions, types);
        }))
      return nullptr;
    return finish(state);
  }
  mlir::ElementsAttr checkTensor(llvm::StringRef name,
                                 llvm::Expected<mlir::ElementsAttr> value);
  bool
  inferTypes(mlir::OperationState &state,
             llvm::function_ref<mlir::LogicalResult(
                 mlir::OperationState &, llvm::SmallVectorImpl<mlir::Type> &)>
                 infer);
  /// Creates and verifies the op.
  mlir::Operation *finish(mlir::OperationState &state);
  mlir::Value foldOrResult(mlir::Operation *op);

  GraphImporter &importer;
  GraphScope &scope;
  llvm::SmallVector<mlir::Value> inputValues;
  bool errorEmitted = false;
};

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_NODECONTEXT_H
