//===- Expressions.cpp - Scalar code as vector code -----------------------===//

#include "Expressions.h"

#include "ByteTable.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

Value quantc::emitExpression(KernelEmitter &e, Value value, int64_t lanes,
                             llvm::DenseMap<Value, Value> &known,
                             TablePermutes permutes) {
  if (Value found = known.lookup(value))
    return found;
  auto toVector = [&](Type type) -> Type {
    return lanes ? VectorType::get(lanes, type) : type;
  };
  Operation *op = value.getDefiningOp();
  Value result;
  Attribute constant;
  if (matchPattern(value, m_Constant(&constant))) {
    auto typed = cast<TypedAttr>(constant);
    if (lanes)
      typed = DenseElementsAttr::get(
          cast<VectorType>(toVector(value.getType())), constant);
    result = arith::ConstantOp::create(e.b, e.loc, typed);
  } else if (auto load = dyn_cast_or_null<memref::LoadOp>(op);
             load &&
             ByteTable::matchIndex(load.getMemref(), load.getIndices())) {
    Value byte = ByteTable::matchIndex(load.getMemref(), load.getIndices());
    result = ByteTable(e, load.getMemref(), lanes ? permutes : TablePermutes())
                 .lookUp(e, emitExpression(e, byte, lanes, known, permutes));
  } else if (!op || !op->hasTrait<OpTrait::Elementwise>()) {
    // A scalar from outside of the expression.
    result = lanes ? e.splat(value, lanes) : value;
  } else {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(emitExpression(e, operand, lanes, known, permutes));
    OperationState state(e.loc, op->getName());
    state.addOperands(operands);
    state.addTypes(toVector(value.getType()));
    state.addAttributes(op->getAttrs());
    result = e.b.create(state)->getResult(0);
  }
  known[value] = result;
  return result;
}
