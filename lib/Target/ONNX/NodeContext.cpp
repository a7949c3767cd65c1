//===- NodeContext.cpp - What a rule sees of the node it imports ----------===//

#include "NodeContext.h"

#include "GraphImporter.h"
#include "TensorData.h"

#include "quantc/Dialect/QNN/IR/ValueNames.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "onnx/defs/parser.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

NodeContext::NodeContext(GraphImporter &importer, GraphScope &scope,
                         onnx::NodeProto &node, Location loc, int64_t opset)
    : builder(importer.builder), loc(loc), node(node), opset(opset),
      importer(importer), scope(scope) {
  for (const std::string &name : node.input()) {
    Value value;
    if (!name.empty()) {
      FailureOr<Value> found = importer.lookup(scope, name);
      if (failed(found))
        errorEmitted = true;
      else if (!(value = *found) && !errorEmitted &&
               !importer.lookupSequence(scope, name) &&
               !importer.lookupStack(scope, name) &&
               !importer.isNone(scope, name))
        (void)emitError("its input '" + name + "' is not defined");
    }
    inputValues.push_back(value);
  }
}

//===- Inputs and outputs -------------------------------------------------===//

bool NodeContext::hasInput(size_t i) const {
  return i < inputValues.size() && inputValues[i];
}

bool NodeContext::hasOutput(size_t i) const {
  return i < numOutputs() && !node.output(i).empty();
}

Value NodeContext::input(size_t i) const {
  return i < inputValues.size() ? inputValues[i] : Value();
}

const SmallVector<Value> *NodeContext::sequence(size_t i) const {
  return i < numInputs() && !inputValues[i]
             ? importer.lookupSequence(scope, node.input(i))
             : nullptr;
}

Value NodeContext::stack(size_t i) const {
  return i < numInputs() && !inputValues[i]
             ? importer.lookupStack(scope, node.input(i))
             : Value();
}

bool NodeContext::isNone(size_t i) const {
  return i < numInputs() && !inputValues[i] &&
         importer.isNone(scope, node.input(i));
}

bool NodeContext::isString(size_t i) const {
  Value value = input(i);
  return value && importer.strings.contains(value);
}

RankedTensorType NodeContext::inputType(size_t i) const {
  Value value = input(i);
  return value ? cast<RankedTensorType>(value.getType()) : RankedTensorType();
}

Type NodeContext::inputElementType(size_t i) const {
  RankedTensorType type = inputType(i);
  return type ? type.getElementType() : Type();
}

Value NodeContext::lookup(StringRef name) {
  FailureOr<Value> found = importer.lookup(scope, name);
  if (succeeded(found))
    return *found;
  errorEmitted = true;
  return {};
}

StringRef NodeContext::inputName(size_t i) const {
  return i < numInputs() ? StringRef(node.input(i)) : StringRef();
}

std::optional<SmallVector<int64_t>> NodeContext::constantInts(size_t i) const {
  return qnn::getConstantInts(input(i));
}

RankedTensorType NodeContext::outputType(size_t i) const {
  if (!hasOutput(i))
    return {};
  const onnx::TypeProto *type = importer.lookupType(scope, node.output(i));
  return type ? convertType(getContext(), *type) : RankedTensorType();
}

LogicalResult NodeContext::setOutput(size_t i, Value value) {
  if (hasFailed() || !value)
    return failure();
  if (!hasOutput(i))
    return success();
  const std::string &name = node.output(i);
  auto type = cast<RankedTensorType>(value.getType());
  if (RankedTensorType known = outputType(i);
      known && importer.trustsDeclaredTypes) {
    FailureOr<RankedTensorType> met = qnn::meetTypes(type, known);
    if (failed(met)) {
      std::string message;
      llvm::raw_string_ostream(message)
          << "its output '" << name << "' has type " << type
          << ", but the model says " << known;
      if (type.getElementType() != known.getElementType())
        return emitError(message);
      // What was inferred from a false size is false, too.
      emitWarning(message + "; from here on, such sizes are ignored");
      importer.trustsDeclaredTypes = false;
      met = type;
    }
    // A block argument's type is part of its parent's signature.
    // A qnn op may give a more static type; others have rules of their own.
    if (*met != type && isa<OpResult>(value)) {
      if (isa<qnn::QNNDialect>(value.getDefiningOp()->getDialect()))
        value.setType(*met);
      else
        value = tensor::CastOp::create(builder, loc, *met, value);
    }
  }
  // A value that is there already keeps its name (an Identity gives it a
  // second one), but what a function's body calls it is known to nobody.
  StringRef valueName = qnn::getValueName(value);
  if (isa<OpResult>(value) &&
      (valueName.empty() ||
       valueName.starts_with(
           (cast<NameLoc>(loc).getName().strref() + "/").str())))
    qnn::setValueName(value, scope.prefix + name);
  scope.values[name] = value;
  return success();
}

LogicalResult NodeContext::setSequence(size_t i, ArrayRef<Value> values) {
  if (hasFailed() || llvm::is_contained(values, Value()))
    return failure();
  if (hasOutput(i))
    scope.sequences[node.output(i)].assign(values.begin(), values.end());
  return success();
}

LogicalResult NodeContext::setStack(size_t i, Value elements) {
  if (hasFailed() || !elements)
    return failure();
  if (hasOutput(i))
    scope.stacks[node.output(i)] = elements;
  return success();
}

LogicalResult NodeContext::setNone(size_t i) {
  if (hasFailed())
    return failure();
  if (hasOutput(i))
    scope.none.insert(node.output(i));
  return success();
}

LogicalResult NodeContext::setStrings(size_t i, Value value) {
  if (value)
    importer.strings.insert(value);
  return setOutput(i, value);
}

LogicalResult NodeContext::setOutputs(ValueRange values) {
  if (hasFailed() || values.empty())
    return failure();
  for (auto [i, value] : llvm::enumerate(values))
    if (failed(setOutput(i, value)))
      return failure();
  return success();
}

//===- Attributes ---------------------------------------------------------===//

const onnx::AttributeProto *NodeContext::findAttr(StringRef name) const {
  for (const onnx::AttributeProto &attr : node.attribute())
    if (StringRef(attr.name()) == name)
      return &attr;
  return nullptr;
}

/// The attribute if it has the wanted type. Before IR version 2, attributes
/// carried no type.
template <typename Context>
static const onnx::AttributeProto *
findTyped(Context &ctx, StringRef name,
          onnx::AttributeProto::AttributeType type) {
  const onnx::AttributeProto *attr = ctx.findAttr(name);
  if (!attr || attr->type() == type ||
      attr->type() == onnx::AttributeProto::UNDEFINED)
    return attr;
  (void)ctx.emitError("its attribute '" + name + "' should be " +
                      onnx::AttributeProto::AttributeType_Name(type) +
                      ", but is " +
                      onnx::AttributeProto::AttributeType_Name(attr->type()));
  return nullptr;
}

int64_t NodeContext::getInt(StringRef name, int64_t defaultValue) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::INT);
  return attr ? attr->i() : defaultValue;
}

double NodeContext::getFloat(StringRef name, double defaultValue) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::FLOAT);
  return attr ? attr->f() : defaultValue;
}

/// Zeros fill up strings of tensors.
static void checkString(NodeContext &ctx, StringRef name, StringRef text) {
  if (text.contains('\0'))
    (void)ctx.emitError("its attribute '" + name +
                        "': strings with zero bytes are not supported");
}

std::string NodeContext::getString(StringRef name, StringRef defaultValue) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::STRING);
  if (!attr)
    return defaultValue.str();
  checkString(*this, name, attr->s());
  return attr->s();
}

SmallVector<int64_t> NodeContext::getInts(StringRef name,
                                          ArrayRef<int64_t> defaults) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::INTS);
  if (!attr)
    return SmallVector<int64_t>(defaults);
  return SmallVector<int64_t>(attr->ints().begin(), attr->ints().end());
}

SmallVector<double> NodeContext::getFloats(StringRef name,
                                           ArrayRef<double> defaults) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::FLOATS);
  if (!attr)
    return SmallVector<double>(defaults);
  return SmallVector<double>(attr->floats().begin(), attr->floats().end());
}

SmallVector<std::string> NodeContext::getStrings(StringRef name) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::STRINGS);
  if (!attr)
    return {};
  for (const std::string &text : attr->strings())
    checkString(*this, name, text);
  return SmallVector<std::string>(attr->strings().begin(),
                                  attr->strings().end());
}

ElementsAttr NodeContext::checkTensor(StringRef name,
                                      llvm::Expected<ElementsAttr> value) {
  if (value)
    return *value;
  (void)emitError("its attribute '" + name +
                  "': " + llvm::toString(value.takeError()));
  return {};
}

// Loading takes the bytes out of the proto, which is the importer's own.

ElementsAttr NodeContext::getTensor(StringRef name) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::TENSOR);
  if (!attr)
    return {};
  auto *tensor = const_cast<onnx::AttributeProto *>(attr)->mutable_t();
  return checkTensor(name, importer.tensors.load(*tensor));
}

ElementsAttr NodeContext::getSparseTensor(StringRef name) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::SPARSE_TENSOR);
  if (!attr)
    return {};
  auto *tensor =
      const_cast<onnx::AttributeProto *>(attr)->mutable_sparse_tensor();
  return checkTensor(name, importer.tensors.load(*tensor));
}

onnx::GraphProto *NodeContext::getGraph(StringRef name) {
  auto *attr = findTyped(*this, name, onnx::AttributeProto::GRAPH);
  if (!attr) {
    if (!hasFailed())
      (void)emitError("its attribute '" + name + "' is missing");
    return nullptr;
  }
  return const_cast<onnx::AttributeProto *>(attr)->mutable_g();
}

Type NodeContext::getElementType(StringRef name) {
  int64_t code = getInt(name);
  Type type = convertElementType(getContext(), code);
  if (!type)
    (void)emitError("element type " + elementTypeName(code) +
                    " (its attribute '" + name + "') is not supported");
  return type;
}

//===- Constants ----------------------------------------------------------===//

Value NodeContext::constant(ElementsAttr value) {
  if (!value || hasFailed())
    return {};
  return qnn::ConstantOp::create(builder, loc, value);
}

Value NodeContext::i64List(ArrayRef<int64_t> values) {
  auto type =
      RankedTensorType::get({int64_t(values.size())}, builder.getI64Type());
  return constant(DenseElementsAttr::get(type, values));
}

Value NodeContext::i64Scalar(int64_t value) {
  return constant(DenseElementsAttr::get(
      RankedTensorType::get({}, builder.getI64Type()), value));
}

Value NodeContext::scalar(Type elementType, double value) {
  return splat(RankedTensorType::get({}, elementType), value);
}

Value NodeContext::splat(RankedTensorType type, double value) {
  Type elementType = type.getElementType();
  if (auto floatType = dyn_cast<FloatType>(elementType)) {
    APFloat v(value);
    bool losesInfo;
    v.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
              &losesInfo);
    return constant(DenseElementsAttr::get(type, v));
  }
  APInt v(elementType.getIntOrFloatBitWidth(),
          static_cast<uint64_t>(static_cast<int64_t>(value)),
          /*isSigned=*/true, /*implicitTrunc=*/true);
  return constant(DenseElementsAttr::get(type, v));
}

//===- Building -----------------------------------------------------------===//

namespace {
/// Collects what inference and verifiers report, for the node's own message.
class MessageCollector {
public:
  explicit MessageCollector(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
            return failure();
          if (!message.empty())
            message += "; ";
          message += diagnostic.str();
          return success();
        }) {}
  std::string message;

private:
  ScopedDiagnosticHandler handler;
};
} // namespace

bool NodeContext::inferTypes(
    OperationState &state,
    llvm::function_ref<LogicalResult(OperationState &, SmallVectorImpl<Type> &)>
        infer) {
  SmallVector<Type> types;
  std::string message;
  {
    MessageCollector collector(getContext());
    // A null operand stands for a value that could not be built.
    if (!llvm::is_contained(state.operands, Value()) &&
        succeeded(infer(state, types))) {
      state.addTypes(types);
      return true;
    }
    message = collector.message;
  }
  if (!hasFailed())
    (void)emitError(!message.empty() ? message
                    : llvm::is_contained(state.operands, Value())
                        ? "an input that it needs is missing"
                        : "cannot infer the type of its result");
  return false;
}

/// A result that no processor can address, whose elements cannot be counted in
/// 64 bits, perhaps; null if there is none.
static Type findTooLarge(TypeRange types) {
  constexpr int64_t kMaxBytes = int64_t(1) << 48;
  for (Type type : types) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape() ||
        llvm::is_contained(tensor.getShape(), 0))
      continue;
    Type element = tensor.getElementType();
    int64_t bytes = element.isIntOrFloat()
                        ? llvm::divideCeil(element.getIntOrFloatBitWidth(), 8)
                        : 1;
    for (int64_t size : tensor.getShape())
      if (llvm::MulOverflow(bytes, size, bytes))
        return type;
    if (bytes > kMaxBytes)
      return type;
  }
  return {};
}

Operation *NodeContext::finish(OperationState &state) {
  if (Type type = findTooLarge(state.types)) {
    std::string message = "out of memory: its result would be ";
    llvm::raw_string_ostream(message) << type;
    (void)emitError(message);
    return nullptr;
  }
  Operation *op = builder.create(state);
  std::string message;
  {
    MessageCollector collector(getContext());
    if (succeeded(op->getName().verifyInvariants(op)))
      return op;
    message = collector.message;
  }
  op->erase();
  (void)emitError(message);
  return nullptr;
}

Value NodeContext::foldOrResult(Operation *op) {
  Value result = op->getResult(0);
  SmallVector<OpFoldResult, 1> folded;
  if (failed(op->fold(folded)) || folded.size() != 1)
    return result;
  Value replacement = dyn_cast<Value>(folded[0]);
  if (!replacement)
    if (auto elements = dyn_cast<ElementsAttr>(cast<Attribute>(folded[0])))
      if (elements.getType() == result.getType())
        replacement = constant(elements);
  if (!replacement || replacement == result)
    return result;
  op->erase();
  return replacement;
}

Value NodeContext::unary(qnn::UnaryKind kind, Value x, double alpha,
                         double beta) {
  return create<qnn::UnaryOp>(kind, x, APFloat(alpha), APFloat(beta));
}

Value NodeContext::binary(qnn::BinaryKind kind, Value a, Value b) {
  return create<qnn::BinaryOp>(kind, a, b);
}

Value NodeContext::castTo(Value value, Type elementType) {
  if (!value)
    return {};
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getElementType() == elementType)
    return value;
  return createTyped<qnn::CastOp>(type.clone(elementType), value);
}

Value NodeContext::reshape(Value value, ArrayRef<int64_t> shape) {
  return create<qnn::ReshapeOp>(value, i64List(shape));
}

Value NodeContext::transpose(Value value, ArrayRef<int64_t> permutation) {
  return create<qnn::TransposeOp>(value, permutation);
}

//===- Subgraphs and functions --------------------------------------------===//

LogicalResult NodeContext::importGraph(onnx::GraphProto &graph, Block *block,
                                       ValueRange args,
                                       SmallVectorImpl<Value> &results) {
  if (failed(importer.importGraph(graph, &scope, *scope.opsets, block, args,
                                  scope.prefix, results))) {
    errorEmitted = true;
    return failure();
  }
  return success();
}

LogicalResult NodeContext::passSequence() {
  if (Value elements = stack(0))
    return setStack(0, elements);
  return setSequence(0, *sequence(0));
}

onnx::GraphProto &NodeContext::keepGraph(onnx::GraphProto graph) {
  return importer.keepGraph(std::move(graph));
}

LogicalResult NodeContext::expandFunction() {
  if (hasFailed())
    return failure();
  return importer.expandFunction(*this, scope);
}

LogicalResult NodeContext::expandFunction(const std::string &text) {
  if (hasFailed())
    return failure();
  onnx::FunctionProto function;
  onnx::OnnxParser parser(text.c_str());
  if (auto status = parser.Parse(function); !status.IsOK())
    return emitError("the function that stands for this op: " +
                     status.ErrorMessage());
  return importer.expandFunction(*this, scope, function);
}

RankedTensorType NodeContext::graphOutputType(onnx::GraphProto &graph,
                                              size_t i) {
  return int(i) < graph.output_size()
             ? convertType(getContext(), graph.output(i).type())
             : RankedTensorType();
}

//===- Errors -------------------------------------------------------------===//

std::string quantc::onnx_import::describeNode(const onnx::NodeProto &node,
                                              StringRef name, int64_t opset) {
  std::string text = "node '" + name.str() + "' (op " + node.op_type();
  text += ", domain ";
  text += normalizeDomain(node.domain()).empty() ? "ai.onnx" : node.domain();
  return text + ", opset " + std::to_string(opset) + ")";
}

LogicalResult NodeContext::emitError(const Twine &message) {
  errorEmitted = true;
  StringRef name = cast<NameLoc>(loc).getName();
  return mlir::emitError(loc)
         << describeNode(node, name, opset) << ": " << message;
}

void NodeContext::emitWarning(const Twine &message) {
  StringRef name = cast<NameLoc>(loc).getName();
  mlir::emitWarning(loc) << describeNode(node, name, opset) << ": " << message;
}
