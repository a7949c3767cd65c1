//===- ChannelScaling.cpp - Dividing a value's channels for nothing -------===//

#include "ChannelScaling.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ContractionOps.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/NormalizationOps.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// A constant of f32 with `channels` elements along its last dimension.
static bool isChannelConstant(Value value, int64_t channels) {
  RankedTensorType type = typeOf(value);
  return value.getDefiningOp<ConstantOp>() && type.getRank() >= 1 &&
         type.getShape().back() == channels && type.getElementType().isF32();
}

/// Finds what divides the channels of `value` when it is divided itself.
static bool findDivided(Value value, int64_t channels,
                        SmallVectorImpl<OpOperand *> &divided) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  auto addConstant = [&](OpOperand &operand) {
    if (!isChannelConstant(operand.get(), channels))
      return false;
    divided.push_back(&operand);
    return true;
  };
  // Only what has no other use may change.
  auto addValue = [&](OpOperand &operand) {
    return operand.get().hasOneUse() &&
           findDivided(operand.get(), channels, divided);
  };
  if (auto matmul = dyn_cast<MatMulOp>(op))
    return !matmul.getLhsZeroPoint() && !matmul.getRhsZeroPoint() &&
           typeOf(matmul.getRhs()).getRank() == 2 &&
           addConstant(matmul.getRhsMutable());
  if (auto normalize = dyn_cast<NormalizeOp>(op)) {
    if (!normalize.getScale() || !addConstant(normalize->getOpOperand(1)))
      return false;
    return !normalize.getBias() || addConstant(normalize->getOpOperand(2));
  }
  auto binary = dyn_cast<BinaryOp>(op);
  if (!binary)
    return false;
  OpOperand &lhs = binary.getLhsMutable(), &rhs = binary.getRhsMutable();
  switch (binary.getKind()) {
  case BinaryKind::mul:
    return addConstant(rhs) || addConstant(lhs) || addValue(rhs) ||
           addValue(lhs);
  case BinaryKind::add:
  case BinaryKind::sub: {
    size_t before = divided.size();
    if ((addConstant(lhs) || addValue(lhs)) &&
        (addConstant(rhs) || addValue(rhs)))
      return true;
    divided.resize(before);
    return false;
  }
  default:
    return false;
  }
}

SmallVector<ScalableValue> qnn::findScalableValues(func::FuncOp func) {
  SmallVector<ScalableValue> found;
  func.walk([&](Operation *op) {
    if (op->getNumResults() == 0 ||
        !llvm::all_of(op->getResults().drop_front(),
                      [](Value other) { return other.use_empty(); }))
      return;
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || type.getRank() == 0 || !type.getElementType().isF32() ||
        type.isDynamicDim(type.getRank() - 1) || op->getResult(0).use_empty())
      return;
    ScalableValue value;
    value.value = op->getResult(0);
    value.channels = type.getShape().back();
    for (OpOperand &use : op->getResult(0).getUses()) {
      auto matmul = dyn_cast<MatMulOp>(use.getOwner());
      if (!matmul || use.getOperandNumber() != 0 ||
          typeOf(matmul.getRhs()).getRank() != 2 ||
          !matmul.getRhs().getDefiningOp<ConstantOp>())
        return;
      value.matrices.push_back(&matmul.getRhsMutable());
    }
    if (findDivided(value.value, value.channels, value.divided))
      found.push_back(std::move(value));
  });
  return found;
}

LogicalResult qnn::readMatrices(const ScalableValue &value,
                                std::vector<std::vector<float>> &storage,
                                std::vector<WeightMatrix> &matrices) {
  for (OpOperand *operand : value.matrices) {
    auto constant = operand->get().getDefiningOp<ConstantOp>();
    std::optional<std::vector<float>> floats = readFloats(constant.getValue());
    if (!floats)
      return failure();
    storage.push_back(std::move(*floats));
    matrices.push_back({{}, value.channels, constant.getType().getDimSize(1)});
  }
  // Only now does the storage stay where it is.
  for (auto [matrix, floats] : llvm::zip(matrices, storage))
    matrix.values = floats;
  return success();
}

void qnn::divideChannels(const ScalableValue &value, ArrayRef<float> scales) {
  MLIRContext *context = value.value.getContext();
  auto combine = [&](OpOperand *operand, BinaryKind kind,
                     ArrayRef<int64_t> shape) {
    OpBuilder b(operand->getOwner());
    Location loc = getNodeLoc(operand->get().getLoc());
    Value factor =
        ConstantOp::create(b, loc, makeFloatConstant(context, shape, scales));
    Value old = operand->get();
    operand->set(BinaryOp::create(b, loc, typeOf(old), kind, old, factor));
  };
  for (OpOperand *operand : value.divided)
    combine(operand, BinaryKind::div, {value.channels});
  for (OpOperand *operand : value.matrices)
    combine(operand, BinaryKind::mul, {value.channels, 1});
}

LogicalResult qnn::checkNumbers(Operation *op, StringRef name,
                                const ValueStatistics &statistics) {
  std::string problem = statistics.getProblem();
  if (problem.empty())
    return success();
  return op->emitError("value '") << name << "' " << problem;
}
