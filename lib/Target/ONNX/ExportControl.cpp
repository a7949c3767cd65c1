//===- ExportControl.cpp - Loops, branches and scalars as nodes -----------===//
//
// A scalar is a tensor without dimensions, an index an int64. Bodies of loops
// and branches are graphs in attributes, and see the names around them.
//
//===----------------------------------------------------------------------===//

#include "GraphExporter.h"

#include "TensorData.h"

#include "quantc/Dialect/QNN/IR/ValueNames.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

static Type getElement(Type scalar) {
  return scalar.isIndex() ? IntegerType::get(scalar.getContext(), 64) : scalar;
}

static RankedTensorType toTensorType(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return tensor;
  return RankedTensorType::get({}, getElement(type));
}

//===- scalars ------------------------------------------------------------===//

static StringRef getOpType(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<arith::AddIOp, arith::AddFOp>([](auto) { return "Add"; })
      .Case<arith::SubIOp, arith::SubFOp>([](auto) { return "Sub"; })
      .Case<arith::MulIOp, arith::MulFOp>([](auto) { return "Mul"; })
      .Case<arith::DivSIOp, arith::DivFOp>([](auto) { return "Div"; })
      .Case<arith::MinSIOp>([](auto) { return "Min"; })
      .Case<arith::MaxSIOp>([](auto) { return "Max"; })
      .Case<arith::SelectOp>([](auto) { return "Where"; })
      .Default([](Operation *) { return ""; });
}

/// Of booleans.
static StringRef getLogicalOpType(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<arith::AndIOp>([](auto) { return "And"; })
      .Case<arith::OrIOp>([](auto) { return "Or"; })
      .Case<arith::XOrIOp>([](auto) { return "Xor"; })
      .Default([](Operation *) { return ""; });
}

static StringRef getOpType(arith::CmpIPredicate predicate) {
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return "Equal";
  case arith::CmpIPredicate::slt:
    return "Less";
  case arith::CmpIPredicate::sle:
    return "LessOrEqual";
  case arith::CmpIPredicate::sgt:
    return "Greater";
  case arith::CmpIPredicate::sge:
    return "GreaterOrEqual";
  default:
    return "";
  }
}

LogicalResult GraphExporter::writeScalar(Operation *op) {
  if (op->getNumResults() != 1)
    return failure();
  Value result = op->getResult(0);
  SmallVector<std::string> inputs;
  for (Value operand : op->getOperands())
    inputs.push_back(nameOf(operand));
  auto write = [&](StringRef type) {
    if (type.empty())
      return failure();
    namedNode(op, type, inputs, {nameOf(result)});
    return success();
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](arith::ConstantOp c) {
        auto elements = dyn_cast<ElementsAttr>(c.getValue());
        if (auto number = dyn_cast<IntegerAttr>(c.getValue())) {
          RankedTensorType type = toTensorType(number.getType());
          elements = DenseElementsAttr::get(
              type,
              number.getValue().sextOrTrunc(type.getElementTypeBitWidth()));
        } else if (auto number = dyn_cast<FloatAttr>(c.getValue())) {
          elements = DenseElementsAttr::get(toTensorType(number.getType()),
                                            number.getValue());
        }
        if (!elements)
          return failure();
        addInitializer(nameOf(result), elements);
        return success();
      })
      .Case([&](arith::CmpIOp c) {
        if (c.getPredicate() != arith::CmpIPredicate::ne)
          return write(getOpType(c.getPredicate()));
        namedNode(op, "Not", {compute(op, "Equal", inputs)}, {nameOf(result)});
        return success();
      })
      .Case<arith::IndexCastOp, arith::ExtUIOp, arith::ExtSIOp, arith::TruncIOp,
            arith::SIToFPOp, arith::FPToSIOp>([&](auto c) {
        Type from = getElement(getElementTypeOrSelf(c.getIn().getType()));
        Type to = getElement(getElementTypeOrSelf(c.getType()));
        // True is 1, whatever widens it.
        if (from.isInteger(1) && isa<arith::ExtSIOp>(op))
          return failure();
        if (from == to)
          alias(op, result, inputs[0]);
        else
          namedNode(op, "Cast", inputs, {nameOf(result)})
              .set("to", int64_t(onnx_import::elementTypeToONNX(to)));
        return success();
      })
      .Case<arith::AndIOp, arith::OrIOp, arith::XOrIOp>([&](auto) {
        bool isLogical = getElementTypeOrSelf(result.getType()).isInteger(1);
        return isLogical ? write(getLogicalOpType(op)) : failure();
      })
      .Default([&](Operation *) { return write(getOpType(op)); });
}

//===- between scalars and tensors ----------------------------------------===//

LogicalResult GraphExporter::writeControl(Operation *op) {
  auto list = [&](ValueRange scalars) {
    SmallVector<std::string> parts;
    std::string zero = initializer({0});
    for (Value scalar : scalars)
      parts.push_back(compute(op, "Unsqueeze", {nameOf(scalar), zero}));
    std::string name = freshName("list");
    namedNode(op, "Concat", parts, {name}).set("axis", 0);
    return name;
  };
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](tensor::ExtractOp e) {
        if (e.getIndices().empty())
          alias(op, e, nameOf(e.getTensor()));
        else
          namedNode(op, "GatherND",
                    {nameOf(e.getTensor()), list(e.getIndices())}, {nameOf(e)});
        return success();
      })
      .Case([&](tensor::FromElementsOp f) {
        ArrayRef<int64_t> shape = f.getType().getShape();
        if (shape.empty())
          alias(op, f, nameOf(f.getElements().front()));
        else
          namedNode(op, "Reshape", {list(f.getElements()), initializer(shape)},
                    {nameOf(f)});
        return success();
      })
      .Case([&](tensor::InsertOp i) {
        if (i.getIndices().empty()) {
          alias(op, i, nameOf(i.getScalar()));
          return success();
        }
        std::string zero = initializer({0});
        namedNode(op, "ScatterND",
                  {nameOf(i.getDest()),
                   compute(op, "Unsqueeze", {list(i.getIndices()), zero}),
                   compute(op, "Unsqueeze", {nameOf(i.getScalar()), zero})},
                  {nameOf(i)});
        return success();
      })
      .Case([&](tensor::CastOp c) {
        alias(op, c, nameOf(c.getSource()));
        return success();
      })
      .Case([&](tensor::DimOp d) {
        namedNode(op, "Gather",
                  {compute(op, "Shape", {nameOf(d.getSource())}),
                   nameOf(d.getIndex())},
                  {nameOf(d)});
        return success();
      })
      .Case([&](tensor::EmptyOp e) {
        // Whatever it holds is not read.
        SmallVector<std::string> sizes;
        std::string zero = initializer({0});
        unsigned dynamic = 0;
        for (int64_t size : e.getType().getShape())
          sizes.push_back(
              ShapedType::isDynamic(size)
                  ? compute(op, "Unsqueeze",
                            {nameOf(e.getDynamicSizes()[dynamic++]), zero})
                  : initializer({size}));
        std::string shape =
            sizes.empty() ? initializer({}) : freshName("shape");
        if (!sizes.empty())
          namedNode(op, "Concat", sizes, {shape}).set("axis", 0);
        namedNode(op, "Expand",
                  {scalar(e.getType().getElementType(), 0), shape},
                  {nameOf(e)});
        return success();
      })
      // What must hold of the inputs; ONNX cannot say it.
      .Case([&](cf::AssertOp) { return success(); })
      .Case([&](scf::IfOp i) {
        writeIf(i);
        return success();
      })
      .Case([&](scf::ForOp f) {
        writeFor(f);
        return success();
      })
      .Case([&](scf::WhileOp w) {
        writeWhile(w);
        return success();
      })
      .Default([&](Operation *) { return writeScalar(op); });
}

//===- bodies -------------------------------------------------------------===//

/// A dimension that may change from turn to turn has neither size nor name.
static void setType(onnx::ValueInfoProto &info, Type type) {
  RankedTensorType tensor = toTensorType(type);
  onnx::TypeProto::Tensor &proto = *info.mutable_type()->mutable_tensor_type();
  proto.set_elem_type(onnx_import::elementTypeToONNX(tensor.getElementType()));
  onnx::TensorShapeProto &shape = *proto.mutable_shape();
  for (int64_t size : tensor.getShape()) {
    auto &dim = *shape.add_dim();
    if (!ShapedType::isDynamic(size))
      dim.set_dim_value(size);
  }
}

void GraphExporter::addInput(StringRef name, Type type) {
  onnx::ValueInfoProto &info = *graph->add_input();
  info.set_name(name.str());
  setType(info, type);
}

/// A body's outputs are made by its own nodes.
void GraphExporter::addOutputs(Operation *op, ArrayRef<std::string> values,
                               TypeRange types) {
  for (auto [value, type] : llvm::zip_equal(values, types)) {
    onnx::ValueInfoProto &info = *graph->add_output();
    info.set_name(compute(op, "Identity", {value}));
    setType(info, type);
  }
}

static std::string getGraphName(Operation *op) {
  StringRef name = qnn::getNodeName(op->getLoc());
  return name.empty() ? "body" : name.str();
}

void GraphExporter::writeIf(scf::IfOp op) {
  auto writeBranch = [&](Region &region) {
    onnx::GraphProto branch;
    branch.set_name(getGraphName(op));
    llvm::SaveAndRestore inBranch(graph, &branch);
    writeBlock(region.front());
    Operation *yield = region.front().getTerminator();
    SmallVector<std::string> values;
    for (Value value : yield->getOperands())
      values.push_back(nameOf(value));
    addOutputs(op, values, op.getResultTypes());
    return branch;
  };
  // Only asserts have no results.
  if (op.getNumResults() == 0)
    return;
  onnx::GraphProto thenBranch = writeBranch(op.getThenRegion());
  onnx::GraphProto elseBranch = writeBranch(op.getElseRegion());
  node(op, "If", {op.getCondition()})
      .set("then_branch", std::move(thenBranch))
      .set("else_branch", std::move(elseBranch));
}

void GraphExporter::writeLoop(
    Operation *op, const std::string &count, const std::string &condition,
    ArrayRef<std::string> carried, ValueRange bodyCarried,
    llvm::function_ref<SmallVector<std::string>(std::string, std::string)>
        writeBody) {
  onnx::GraphProto body;
  body.set_name(getGraphName(op));
  Builder b(op->getContext());
  {
    llvm::SaveAndRestore inBody(graph, &body);
    std::string iteration = freshName("iteration"), goesOn = freshName("go_on");
    addInput(iteration, b.getI64Type());
    addInput(goesOn, b.getI1Type());
    for (Value value : bodyCarried) {
      names[value] = freshName("state");
      addInput(names[value], value.getType());
    }
    SmallVector<std::string> outputs = writeBody(iteration, goesOn);
    SmallVector<Type> types{b.getI1Type()};
    llvm::append_range(types, bodyCarried.getTypes());
    addOutputs(op, outputs, types);
  }
  SmallVector<std::string> inputs{count, condition}, results;
  llvm::append_range(inputs, carried);
  for (Value result : op->getResults())
    results.push_back(nameOf(result));
  namedNode(op, "Loop", inputs, results).set("body", std::move(body));
}

void GraphExporter::writeFor(scf::ForOp op) {
  std::string first = nameOf(op.getLowerBound());
  std::string step = nameOf(op.getStep());
  // ceil((last - first) / step) turns.
  std::string one = scalar(IntegerType::get(op.getContext(), 64), 1);
  std::string distance =
      compute(op, "Sub", {nameOf(op.getUpperBound()), first});
  std::string count = compute(
      op, "Div",
      {compute(op, "Add", {distance, compute(op, "Sub", {step, one})}), step});
  SmallVector<std::string> carried;
  for (Value value : op.getInitArgs())
    carried.push_back(nameOf(value));
  writeLoop(op, count, "", carried, op.getRegionIterArgs(),
            [&](std::string iteration, std::string goesOn) {
              names[op.getInductionVar()] = compute(
                  op, "Add", {first, compute(op, "Mul", {iteration, step})});
              writeBlock(*op.getBody());
              SmallVector<std::string> outputs{goesOn};
              for (Value value : op.getYieldedValues())
                outputs.push_back(nameOf(value));
              return outputs;
            });
}

SmallVector<std::string>
GraphExporter::writeCondition(scf::WhileOp op, ArrayRef<std::string> carried) {
  // It is written twice: before the loop, and at the end of each turn.
  op.getBefore().walk([&](Operation *inner) {
    for (Value result : inner->getResults())
      names.erase(result);
  });
  for (auto [argument, name] :
       llvm::zip_equal(op.getBeforeArguments(), carried))
    names[argument] = name;
  writeBlock(*op.getBeforeBody());
  SmallVector<std::string> values;
  for (Value value : op.getConditionOp()->getOperands())
    values.push_back(nameOf(value));
  return values;
}

void GraphExporter::writeWhile(scf::WhileOp op) {
  SmallVector<std::string> inits;
  for (Value value : op.getInits())
    inits.push_back(nameOf(value));
  SmallVector<std::string> first = writeCondition(op, inits);
  writeLoop(op, "", first.front(), ArrayRef(first).drop_front(),
            op.getAfterArguments(), [&](std::string, std::string) {
              writeBlock(*op.getAfterBody());
              SmallVector<std::string> carried;
              for (Value value : op.getYieldOp()->getOperands())
                carried.push_back(nameOf(value));
              return writeCondition(op, carried);
            });
}
