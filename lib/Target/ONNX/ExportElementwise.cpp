//===- ExportElementwise.cpp - Scalar functions and movement as nodes -----===//

#include "GraphExporter.h"

#include "TensorData.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;
using qnn::BinaryKind;
using qnn::UnaryKind;

/// ONNX's name of a function that has no attributes; empty if it is no such.
static StringRef getOpType(UnaryKind kind) {
  switch (kind) {
  case UnaryKind::abs:
    return "Abs";
  case UnaryKind::neg:
    return "Neg";
  case UnaryKind::sign:
    return "Sign";
  case UnaryKind::reciprocal:
    return "Reciprocal";
  case UnaryKind::sqrt:
    return "Sqrt";
  case UnaryKind::exp:
    return "Exp";
  case UnaryKind::log:
    return "Log";
  case UnaryKind::floor:
    return "Floor";
  case UnaryKind::ceil:
    return "Ceil";
  case UnaryKind::round:
    return "Round";
  case UnaryKind::sin:
    return "Sin";
  case UnaryKind::cos:
    return "Cos";
  case UnaryKind::tan:
    return "Tan";
  case UnaryKind::asin:
    return "Asin";
  case UnaryKind::acos:
    return "Acos";
  case UnaryKind::atan:
    return "Atan";
  case UnaryKind::sinh:
    return "Sinh";
  case UnaryKind::cosh:
    return "Cosh";
  case UnaryKind::tanh:
    return "Tanh";
  case UnaryKind::asinh:
    return "Asinh";
  case UnaryKind::acosh:
    return "Acosh";
  case UnaryKind::atanh:
    return "Atanh";
  case UnaryKind::erf:
    return "Erf";
  case UnaryKind::sigmoid:
    return "Sigmoid";
  case UnaryKind::relu:
    return "Relu";
  case UnaryKind::softplus:
    return "Softplus";
  case UnaryKind::softsign:
    return "Softsign";
  case UnaryKind::mish:
    return "Mish";
  case UnaryKind::hard_swish:
    return "HardSwish";
  case UnaryKind::logical_not:
    return "Not";
  case UnaryKind::bitwise_not:
    return "BitwiseNot";
  case UnaryKind::is_nan:
    return "IsNaN";
  default:
    return "";
  }
}

LogicalResult GraphExporter::writeUnary(qnn::UnaryOp op) {
  Value x = op.getInput();
  double alpha = op.getAlpha().convertToDouble();
  double beta = op.getBeta().convertToDouble();
  switch (op.getKind()) {
  case UnaryKind::leaky_relu:
    node(op, "LeakyRelu", {x}).set("alpha", alpha);
    return success();
  case UnaryKind::elu:
    node(op, "Elu", {x}).set("alpha", alpha);
    return success();
  case UnaryKind::celu:
    node(op, "Celu", {x}).set("alpha", alpha);
    return success();
  case UnaryKind::thresholded_relu:
    node(op, "ThresholdedRelu", {x}).set("alpha", alpha);
    return success();
  case UnaryKind::hard_sigmoid:
    node(op, "HardSigmoid", {x}).set("alpha", alpha).set("beta", beta);
    return success();
  case UnaryKind::selu:
    node(op, "Selu", {x}).set("alpha", alpha).set("gamma", beta);
    return success();
  case UnaryKind::shrink:
    node(op, "Shrink", {x}).set("lambd", alpha).set("bias", beta);
    return success();
  case UnaryKind::gelu:
    node(op, "Gelu", {x}).set("approximate", StringRef("none"));
    return success();
  case UnaryKind::gelu_tanh:
    node(op, "Gelu", {x}).set("approximate", StringRef("tanh"));
    return success();
  case UnaryKind::is_inf:
    node(op, "IsInf", {x});
    return success();
  case UnaryKind::is_pos_inf:
    node(op, "IsInf", {x}).set("detect_negative", 0);
    return success();
  case UnaryKind::is_neg_inf:
    node(op, "IsInf", {x}).set("detect_positive", 0);
    return success();
  case UnaryKind::sigmoid:
    if (options.keepRoundings && succeeded(writeSigmoid(op)))
      return success();
    break;
  case UnaryKind::swish: {
    if (options.keepRoundings && succeeded(writeSigmoid(op)))
      return success();
    // x · sigmoid(alpha · x): an op of its own only from opset 24 on.
    std::string inner = nameOf(x), gate = freshName("gate");
    if (alpha != 1) {
      std::string scaled = freshName("scaled");
      namedNode(op, "Mul",
                {inner, scalar(op.getType().getElementType(), alpha)},
                {scaled});
      inner = scaled;
    }
    namedNode(op, "Sigmoid", {inner}, {gate});
    namedNode(op, "Mul", {nameOf(x), gate}, {nameOf(op)});
    return success();
  }
  default:
    break;
  }
  StringRef type = getOpType(op.getKind());
  if (type.empty())
    return failure();
  node(op, type, {x});
  return success();
}

/// ONNX Runtime has no Min and Max of bytes: of i32, they are the same.
LogicalResult GraphExporter::writeByteExtremum(qnn::BinaryOp op) {
  Type element = op.getType().getElementType();
  Type wide = IntegerType::get(op->getContext(), 32);
  std::string extremum =
      compute(op, op.getKind() == BinaryKind::min ? "Min" : "Max",
              {castTo(op, nameOf(op.getLhs()), wide),
               castTo(op, nameOf(op.getRhs()), wide)});
  namedNode(op, "Cast", {extremum}, {nameOf(op)})
      .set("to", int64_t(onnx_import::elementTypeToONNX(element)));
  return success();
}

/// Doubles hold the product of two f32, and round the sum once more at most.
LogicalResult GraphExporter::writeFusedMultiplyAdd(qnn::FusedMultiplyAddOp op) {
  Type element = op.getType().getElementType();
  Type wide = Float64Type::get(op->getContext());
  if (!element.isF32())
    return failure();
  auto asDouble = [&](Value v) { return castTo(op, nameOf(v), wide); };
  std::string product =
      compute(op, "Mul", {asDouble(op.getLhs()), asDouble(op.getRhs())});
  std::string sum = compute(op, "Add", {product, asDouble(op.getAddend())});
  namedNode(op, "Cast", {sum}, {nameOf(op)})
      .set("to", int64_t(onnx_import::elementTypeToONNX(element)));
  return success();
}

LogicalResult GraphExporter::writeBinary(qnn::BinaryOp op) {
  Value a = op.getLhs(), b = op.getRhs();
  auto simple = [&](StringRef type) {
    if (std::optional<std::string> scale =
            options.keepRoundings ? spreadScale(op) : std::nullopt)
      namedNode(op, type, {nameOf(a), *scale}, {nameOf(op)});
    else
      node(op, type, {a, b});
    return success();
  };
  switch (op.getKind()) {
  case BinaryKind::add:
    return simple(options.keepRoundings && isFusedSum(op) ? "Sum" : "Add");
  case BinaryKind::sub:
    return simple("Sub");
  case BinaryKind::mul:
    return simple("Mul");
  case BinaryKind::div:
    return simple("Div");
  case BinaryKind::pow:
    return simple("Pow");
  case BinaryKind::min:
  case BinaryKind::max:
    if (op.getType().getElementType().isInteger(8))
      return writeByteExtremum(op);
    return simple(op.getKind() == BinaryKind::min ? "Min" : "Max");
  case BinaryKind::prelu:
    return simple("PRelu");
  case BinaryKind::logical_and:
    return simple("And");
  case BinaryKind::logical_or:
    return simple("Or");
  case BinaryKind::logical_xor:
    return simple("Xor");
  case BinaryKind::bitwise_and:
    return simple("BitwiseAnd");
  case BinaryKind::bitwise_or:
    return simple("BitwiseOr");
  case BinaryKind::bitwise_xor:
    return simple("BitwiseXor");
  case BinaryKind::mod:
    return simple("Mod");
  case BinaryKind::fmod:
    node(op, "Mod", {a, b}).set("fmod", 1);
    return success();
  case BinaryKind::shift_left:
    node(op, "BitShift", {a, b}).set("direction", StringRef("LEFT"));
    return success();
  case BinaryKind::shift_right:
    node(op, "BitShift", {a, b}).set("direction", StringRef("RIGHT"));
    return success();
  }
  llvm_unreachable("all kinds return");
}

static StringRef getOpType(qnn::CompareKind kind) {
  switch (kind) {
  case qnn::CompareKind::equal:
    return "Equal";
  case qnn::CompareKind::less:
    return "Less";
  case qnn::CompareKind::less_or_equal:
    return "LessOrEqual";
  case qnn::CompareKind::greater:
    return "Greater";
  case qnn::CompareKind::greater_or_equal:
    return "GreaterOrEqual";
  }
  llvm_unreachable("all kinds return");
}

LogicalResult GraphExporter::writeElementwise(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](qnn::UnaryOp op) { return writeUnary(op); })
      .Case([&](qnn::BinaryOp op) { return writeBinary(op); })
      .Case(
          [&](qnn::FusedMultiplyAddOp op) { return writeFusedMultiplyAdd(op); })
      .Case([&](qnn::CompareOp op) {
        node(op, getOpType(op.getKind()), {op.getLhs(), op.getRhs()});
        return success();
      })
      .Case([&](qnn::SelectOp op) {
        node(op, "Where", {op.getCondition(), op.getLhs(), op.getRhs()});
        return success();
      })
      .Case([&](qnn::CastOp op) {
        Type type = op.getType().getElementType();
        Node cast = node(op, "Cast", {op.getInput()});
        cast.set("to", int64_t(onnx_import::elementTypeToONNX(type)));
        if (isa<FloatType>(type) && type.getIntOrFloatBitWidth() == 8)
          cast.set("saturate", int64_t(op.getSaturate()));
        return success();
      })
      .Default([](Operation *) { return failure(); });
}

static StringRef getReduction(qnn::ScatterReduction kind) {
  return qnn::stringifyScatterReduction(kind);
}

LogicalResult GraphExporter::writeMovement(Operation *op) {
  auto data = [&] { return nameOf(op->getOperand(0)); };
  SmallVector<std::string> results;
  for (Value result : op->getResults())
    results.push_back(nameOf(result));
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](qnn::ReshapeOp r) {
        namedNode(op, "Reshape", {data(), asInt64(op, r.getShape())}, results)
            .set("allowzero", int64_t(r.getAllowzero()));
        return success();
      })
      .Case([&](qnn::TransposeOp t) {
        if (options.keepRoundings && succeeded(writeKeptTranspose(t)))
          return success();
        node(op, "Transpose", {t.getInput()}).set("perm", t.getPermutation());
        return success();
      })
      .Case([&](qnn::ShapeOp s) {
        node(op, "Shape", {s.getInput()})
            .set("start", int64_t(s.getStart()))
            .set("end", int64_t(s.getEnd()));
        return success();
      })
      .Case([&](qnn::SqueezeOp s) {
        namedNode(op, "Squeeze", {data(), asInt64(op, s.getAxes())}, results);
        return success();
      })
      .Case([&](qnn::UnsqueezeOp s) {
        namedNode(op, "Unsqueeze", {data(), asInt64(op, s.getAxes())}, results);
        return success();
      })
      .Case([&](qnn::ExpandOp e) {
        namedNode(op, "Expand", {data(), asInt64(op, e.getShape())}, results);
        return success();
      })
      .Case([&](qnn::TileOp t) {
        namedNode(op, "Tile", {data(), asInt64(op, t.getRepeats())}, results);
        return success();
      })
      .Case([&](qnn::ConcatOp c) {
        SmallVector<Value> inputs(c.getInputs());
        node(op, "Concat", inputs).set("axis", int64_t(c.getAxis()));
        return success();
      })
      .Case([&](qnn::SliceOp s) {
        namedNode(op, "Slice",
                  {data(), asInt64(op, s.getStarts()), asInt64(op, s.getEnds()),
                   asInt64(op, s.getAxes()), asInt64(op, s.getSteps())},
                  results);
        return success();
      })
      .Case([&](qnn::PadOp p) {
        namedNode(op, "Pad",
                  {data(), asInt64(op, p.getPads()), nameOf(p.getValue()),
                   asInt64(op, p.getAxes())},
                  results)
            .set("mode", qnn::stringifyPadMode(p.getMode()));
        return success();
      })
      .Case([&](qnn::RangeOp r) {
        // ONNX asks for scalars.
        SmallVector<std::string> inputs;
        for (Value operand : r->getOperands()) {
          inputs.push_back(nameOf(operand));
          if (cast<RankedTensorType>(operand.getType()).getRank() == 0)
            continue;
          std::string name = freshName("scalar");
          namedNode(op, "Reshape", {inputs.back(), initializer({})}, {name});
          inputs.back() = name;
        }
        namedNode(op, "Range", inputs, results);
        return success();
      })
      .Case([&](qnn::GatherOp g) {
        node(op, "Gather", {g.getInput(), g.getIndices()})
            .set("axis", int64_t(g.getAxis()));
        return success();
      })
      .Case([&](qnn::GatherElementsOp g) {
        node(op, "GatherElements", {g.getInput(), g.getIndices()})
            .set("axis", int64_t(g.getAxis()));
        return success();
      })
      .Case([&](qnn::GatherNDOp g) {
        namedNode(op, "GatherND", {data(), asInt64(op, g.getIndices())},
                  results)
            .set("batch_dims", int64_t(g.getBatchDims()));
        return success();
      })
      .Case([&](qnn::ScatterElementsOp s) {
        node(op, "ScatterElements",
             {s.getInput(), s.getIndices(), s.getUpdates()})
            .set("axis", int64_t(s.getAxis()))
            .set("reduction", getReduction(s.getReduction()));
        return success();
      })
      .Case([&](qnn::ScatterNDOp s) {
        namedNode(op, "ScatterND",
                  {nameOf(s.getInput()), asInt64(op, s.getIndices()),
                   nameOf(s.getUpdates())},
                  results)
            .set("reduction", getReduction(s.getReduction()));
        return success();
      })
      .Case([&](qnn::NonZeroOp n) {
        node(op, "NonZero", {n.getInput()});
        return success();
      })
      .Default([](Operation *) { return failure(); });
}
