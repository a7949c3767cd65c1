//===- GraphExporter.cpp - Names, tensors and nodes -----------------------===//

#include "GraphExporter.h"

#include "TensorData.h"

#include "quantc/Target/ONNX/Export.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;
using onnx_import::elementTypeToONNX;

//===- attributes ---------------------------------------------------------===//

onnx::AttributeProto &GraphExporter::Node::add(StringRef name) {
  onnx::AttributeProto &attribute = *proto.add_attribute();
  attribute.set_name(name.str());
  return attribute;
}

GraphExporter::Node &GraphExporter::Node::set(StringRef name, int64_t value) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
  return *this;
}

GraphExporter::Node &GraphExporter::Node::set(StringRef name, double value) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(float(value));
  return *this;
}

GraphExporter::Node &GraphExporter::Node::set(StringRef name, StringRef value) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(value.str());
  return *this;
}

GraphExporter::Node &GraphExporter::Node::set(StringRef name,
                                              ArrayRef<int64_t> values) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (int64_t value : values)
    attribute.add_ints(value);
  return *this;
}

GraphExporter::Node &GraphExporter::Node::set(StringRef name,
                                              onnx::GraphProto &&body) {
  onnx::AttributeProto &attribute = add(name);
  attribute.set_type(onnx::AttributeProto::GRAPH);
  *attribute.mutable_g() = std::move(body);
  return *this;
}

GraphExporter::Node &GraphExporter::Node::setDomain(StringRef domain) {
  proto.set_domain(domain.str());
  return *this;
}

//===- names --------------------------------------------------------------===//

std::string GraphExporter::freshName(StringRef base) {
  std::string name = base.empty() ? "value" : base.str();
  for (unsigned i = 0; !usedNames.insert(name).second; ++i)
    name = (base.empty() ? "value" : base).str() + "_" + std::to_string(i);
  return name;
}

std::string GraphExporter::nameOf(Value value) {
  if (!value)
    return "";
  auto [it, isNew] = names.try_emplace(value);
  if (isNew) {
    std::string name = freshName(qnn::getValueName(value));
    names[value] = name;
    return name;
  }
  return it->second;
}

GraphExporter::Node GraphExporter::namedNode(Operation *op, StringRef type,
                                             ArrayRef<std::string> inputs,
                                             ArrayRef<std::string> outputs) {
  onnx::NodeProto &proto = *graph->add_node();
  proto.set_op_type(type.str());
  // Names of nodes are unique, too.
  std::string name = qnn::getNodeName(op->getLoc()).str();
  if (name.empty())
    name = type.str();
  std::string unique = name;
  for (unsigned i = 0; !nodeNames.insert(unique).second; ++i)
    unique = name + "_" + std::to_string(i);
  proto.set_name(unique);
  for (const std::string &input : inputs)
    proto.add_input(input);
  while (proto.input_size() && proto.input(proto.input_size() - 1).empty())
    proto.mutable_input()->RemoveLast();
  for (const std::string &output : outputs)
    proto.add_output(output);
  return Node(proto);
}

GraphExporter::Node GraphExporter::node(Operation *op, StringRef type,
                                        ArrayRef<Value> inputs) {
  SmallVector<std::string> inputNames, outputNames;
  for (Value input : inputs)
    inputNames.push_back(nameOf(input));
  for (Value result : op->getResults())
    outputNames.push_back(nameOf(result));
  return namedNode(op, type, inputNames, outputNames);
}

std::string GraphExporter::compute(Operation *op, StringRef type,
                                   ArrayRef<std::string> inputs) {
  std::string name = freshName(type.lower());
  namedNode(op, type, inputs, {name});
  return name;
}

std::string GraphExporter::castTo(Operation *op, const std::string &input,
                                  Type to) {
  std::string name = freshName("cast");
  namedNode(op, "Cast", {input}, {name})
      .set("to", int64_t(elementTypeToONNX(to)));
  return name;
}

std::string GraphExporter::reshape(Operation *op, const std::string &input,
                                   ArrayRef<int64_t> shape) {
  return compute(op, "Reshape", {input, initializer(shape)});
}

GraphExporter::Node GraphExporter::contribNode(Operation *op, StringRef type,
                                               ArrayRef<std::string> inputs) {
  hasContribOps = true;
  Node result = namedNode(op, type, inputs, {nameOf(op->getResult(0))});
  return result.setDomain("com.microsoft");
}

void GraphExporter::alias(Operation *op, Value result,
                          const std::string &source) {
  auto [it, isNew] = names.try_emplace(result, source);
  if (!isNew && it->second != source)
    namedNode(op, "Identity", {source}, {it->second});
}

LogicalResult GraphExporter::fail(const Twine &why) {
  reason = why.str();
  return failure();
}

bool onnx_export::isFloat(Value value) {
  return isa<FloatType>(
      cast<RankedTensorType>(value.getType()).getElementType());
}

//===- tensors ------------------------------------------------------------===//

Type onnx_export::getExportType(Type element) {
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer || integer.getWidth() == 1 || integer.getWidth() >= 8)
    return element;
  return IntegerType::get(element.getContext(), integer.getWidth() <= 4 ? 4 : 8,
                          integer.getSignedness());
}

/// The bytes of any constant as ONNX has them: small integers packed.
static std::string getRawData(ElementsAttr value) {
  auto type = cast<RankedTensorType>(value.getShapedType());
  unsigned width = type.getElementTypeBitWidth();
  std::optional<ArrayRef<char>> bytes = qnn::getConstantBytes(value);
  if (bytes && width >= 8)
    return std::string(bytes->data(), bytes->size());
  // One by one: splats, bools and what is packed.
  int64_t count = type.getNumElements();
  Type element = getExportType(type.getElementType());
  unsigned stored = width == 1 ? 8 : element.getIntOrFloatBitWidth();
  std::string data(llvm::divideCeil(uint64_t(count) * stored, 8), '\0');
  auto put = [&](int64_t i, uint64_t bits) {
    uint64_t position = uint64_t(i) * stored;
    if (stored >= 8)
      std::memcpy(&data[position / 8], &bits, stored / 8);
    else
      data[position / 8] |=
          char((bits & ((1u << stored) - 1)) << (position % 8));
  };
  if (bytes) {
    for (auto [i, code] : llvm::enumerate(*bytes))
      put(i, uint64_t(int64_t(code)));
    return data;
  }
  auto dense = cast<DenseElementsAttr>(value);
  if (isa<FloatType>(type.getElementType())) {
    for (auto [i, number] : llvm::enumerate(dense.getValues<APFloat>()))
      put(i, number.bitcastToAPInt().getZExtValue());
  } else {
    bool isSigned = width > 1 && !type.getElementType().isUnsignedInteger();
    for (auto [i, number] : llvm::enumerate(dense.getValues<APInt>()))
      put(i,
          isSigned ? uint64_t(number.getSExtValue()) : number.getZExtValue());
  }
  return data;
}

void GraphExporter::addInitializer(StringRef name, ElementsAttr value) {
  auto type = cast<RankedTensorType>(value.getShapedType());
  onnx::TensorProto &tensor = *graph->add_initializer();
  tensor.set_name(name.str());
  tensor.set_data_type(elementTypeToONNX(getExportType(type.getElementType())));
  for (int64_t size : type.getShape())
    tensor.add_dims(size);
  tensor.set_raw_data(getRawData(value));
}

std::string GraphExporter::initializer(StringRef base, ElementsAttr value) {
  std::string name = freshName(base);
  addInitializer(name, value);
  return name;
}

std::string GraphExporter::initializer(ArrayRef<int64_t> values) {
  std::string name = freshName("constant");
  onnx::TensorProto &tensor = *graph->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(int64_t(values.size()));
  tensor.set_raw_data(std::string(reinterpret_cast<const char *>(values.data()),
                                  values.size() * sizeof(int64_t)));
  return name;
}

std::string GraphExporter::scalar(Type type, double value) {
  std::string name = freshName("constant");
  Attribute attribute =
      isa<FloatType>(type)
          ? Attribute(FloatAttr::get(type, value))
          : Attribute(IntegerAttr::get(
                type, APInt(type.getIntOrFloatBitWidth(), uint64_t(value),
                            /*isSigned=*/false, /*implicitTrunc=*/true)));
  addInitializer(
      name, DenseElementsAttr::get(RankedTensorType::get({}, type), attribute));
  return name;
}

std::string GraphExporter::asInt64(Operation *op, Value list) {
  if (!list)
    return "";
  if (cast<RankedTensorType>(list.getType()).getElementType().isInteger(64))
    return nameOf(list);
  std::string name = freshName("list");
  namedNode(op, "Cast", {nameOf(list)}, {name})
      .set("to", int64_t(onnx::TensorProto::INT64));
  return name;
}

void GraphExporter::addValueInfo(onnx::ValueInfoProto &info, StringRef name,
                                 RankedTensorType type, ArrayAttr dims) {
  info.set_name(name.str());
  *info.mutable_type() = onnx_import::typeToONNX(type);
  auto &shape = *info.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (!type.isDynamicDim(i) || !dims || i >= int64_t(dims.size()))
      continue;
    auto dim = dyn_cast<StringAttr>(dims[i]);
    if (dim && !dim.empty())
      shape.mutable_dim(int(i))->set_dim_param(dim.str());
  }
}

//===- the graph ----------------------------------------------------------===//

LogicalResult GraphExporter::run(func::FuncOp func) {
  for (BlockArgument argument : func.getArguments()) {
    unsigned i = argument.getArgNumber();
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      return func.emitError("argument ") << i << " is no tensor";
    addValueInfo(*graph->add_input(), nameOf(argument), type,
                 func.getArgAttrOfType<ArrayAttr>(i, "qnn.dims"));
  }
  // A result keeps its name. A value that is returned twice, or is an argument,
  // is copied.
  auto ret = cast<func::ReturnOp>(func.getBody().back().getTerminator());
  SmallVector<std::string> results;
  for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
    auto attr = func.getResultAttrOfType<StringAttr>(i, "qnn.name");
    StringRef wanted = attr ? attr.getValue() : qnn::getValueName(value);
    auto known = names.find(value);
    bool isSame = known != names.end() && known->second == wanted;
    results.push_back(isSame ? wanted.str() : freshName(wanted));
    if (value.getDefiningOp() && known == names.end())
      names[value] = results.back();
  }

  writeBlock(func.getBody().front());
  if (hasErrors)
    return failure();

  for (auto [value, name] : llvm::zip(ret.getOperands(), results)) {
    if (nameOf(value) != name)
      namedNode(ret, "Identity", {nameOf(value)}, {name});
    addValueInfo(*graph->add_output(), name,
                 cast<RankedTensorType>(value.getType()), {});
  }
  return success();
}

/// All that ONNX does not have is told at once.
void GraphExporter::writeBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (auto constant = dyn_cast<qnn::ConstantOp>(op)) {
      if (!constant->use_empty())
        addInitializer(nameOf(constant), constant.getValue());
      continue;
    }
    reason.clear();
    if (succeeded(write(&op)))
      continue;
    hasErrors = true;
    StringRef name = op.getName().getStringRef();
    if (!reason.empty())
      op.emitError("'") << name << "' cannot be written as ONNX: " << reason;
    else if (reported.insert(name).second)
      op.emitError("ONNX has no op for '") << name << "' at opset " << opset;
  }
}

LogicalResult GraphExporter::write(Operation *op) {
  return success(
      succeeded(writeElementwise(op)) || succeeded(writeMovement(op)) ||
      succeeded(writeWindows(op)) || succeeded(writeReduction(op)) ||
      succeeded(writeQuantization(op)) || succeeded(writeControl(op)));
}
