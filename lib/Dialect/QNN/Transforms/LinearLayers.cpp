//===- LinearLayers.cpp - Ops with one constant weight tensor -------------===//

#include "LinearLayers.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

std::optional<LinearLayer> LinearLayer::get(Operation *op) {
  auto quantizable = dyn_cast_or_null<QuantizableOpInterface>(op);
  if (!quantizable || op->getNumResults() != 1 ||
      !quantizable.getResultChannelAxis())
    return std::nullopt;
  SmallVector<unsigned> constants, others;
  for (unsigned index : quantizable.getQuantizableOperands()) {
    auto type = cast<RankedTensorType>(op->getOperand(index).getType());
    if (!type.getElementType().isF32())
      return std::nullopt;
    bool isConstant =
        op->getOperand(index).getDefiningOp<ConstantOp>() != nullptr;
    (isConstant ? constants : others).push_back(index);
  }
  if (constants.size() != 1 || others.size() != 1)
    return std::nullopt;
  unsigned weights = constants.front(), activation = others.front();
  std::optional<int64_t> output = quantizable.getChannelAxis(weights),
                         input = quantizable.getInputAxis(weights),
                         channels = quantizable.getInputAxis(activation);
  auto type = cast<RankedTensorType>(op->getOperand(weights).getType());
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  if (!output || !input || !channels || *output == *input ||
      result.getDimSize(*quantizable.getResultChannelAxis()) !=
          type.getDimSize(*output))
    return std::nullopt;
  return LinearLayer{quantizable, weights, activation,
                     *output,     *input,  *channels};
}

Value LinearLayer::spreadOverInputs(OpBuilder &b, Location loc,
                                    ArrayRef<float> perInput) const {
  int64_t groups = getOp().getNumGroups(), inputs = getNumInputs();
  int64_t outputs = groups == 1 ? 1 : getNumOutputs();
  SmallVector<int64_t> shape(getType().getRank(), 1);
  shape[outputAxis] = outputs;
  shape[inputAxis] = inputs;
  std::vector<float> table(outputs * inputs);
  for (int64_t o = 0; o < outputs; ++o)
    for (int64_t i = 0; i < inputs; ++i)
      table[outputAxis < inputAxis ? o * inputs + i : i * outputs + o] =
          perInput[o * groups / outputs * inputs + i];
  return ConstantOp::create(b, loc,
                            makeFloatConstant(b.getContext(), shape, table));
}

std::optional<int64_t>
qnn::getPerChannelSize(Value value, RankedTensorType type, int64_t axis) {
  auto own = cast<RankedTensorType>(value.getType());
  int64_t channels = type.getDimSize(axis);
  if (own.getRank() > type.getRank() || !own.hasStaticShape() ||
      ShapedType::isDynamic(channels))
    return std::nullopt;
  int64_t offset = type.getRank() - own.getRank(), size = 1;
  for (int64_t i = 0; i < own.getRank(); ++i) {
    int64_t extent = own.getDimSize(i);
    if (extent == 1)
      continue;
    if (i + offset != axis || extent != channels)
      return std::nullopt;
    size = extent;
  }
  return size;
}
