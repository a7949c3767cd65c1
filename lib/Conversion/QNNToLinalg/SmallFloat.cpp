//===- SmallFloat.cpp - 8- and 4-bit floats as integer code ---------------===//

#include "SmallFloat.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quantc;

Value quantc::decodeSmallFloat(OpBuilder &b, Location loc, Value stored,
                               FloatType type) {
  Value code = arith::TruncIOp::create(
      b, loc, b.getIntegerType(type.getWidth()), stored);
  Value small = arith::BitcastOp::create(b, loc, type, code);
  return arith::ExtFOp::create(b, loc, b.getF32Type(), small);
}

Value quantc::encodeSmallFloat(OpBuilder &b, Location loc, Value value,
                               FloatType type, bool saturate,
                               StringRef roundMode) {
  Value small = arith::TruncFOp::create(b, loc, type, value);
  return arith::BitcastOp::create(b, loc, b.getI8Type(), small);
}
