//===- BytePlanes.cpp - Planes of depthwise convolutions of bytes ---------===//

#include "BytePlanes.h"

using namespace mlir;
using namespace quantc;

bool BytePlanes::isDepthwise() {
  return kernel.dot.takesDifferences() && input.dims.size() == 2 &&
         e.isConstant(p.m, 1) && e.isConstant(p.a.columnStride, 1) &&
         e.isConstant(p.k, input.getNumTaps());
}

bool BytePlanes::findExtents() {
  for (auto [extent, dim] :
       llvm::zip(SmallVector<Extent *>{&rows, &columns}, input.dims)) {
    auto in = e.asConstant(dim.inputSize), out = e.asConstant(dim.outputSize),
         padding = e.asConstant(dim.padding);
    if (!in || !out || !padding || *out <= 0)
      return false;
    *extent = {*in, *out, *padding, dim.window, dim.stride, dim.dilation};
    if (extent->copied() <= 0)
      return false;
  }
  return rows.output * columns.output >= kernel.lanes;
}

Value BytePlanes::offsetOf(ValueRange outer, ArrayRef<Value> strides) {
  Value offset = e.index(0);
  for (auto [i, stride] : llvm::zip(outer, strides))
    offset = e.add(offset, e.mul(i, stride));
  return offset;
}

void BytePlanes::cover(int64_t count, int64_t size,
                       llvm::function_ref<void(Value)> body) {
  int64_t whole = count / size * size;
  e.forLoop(e.index(0), e.index(whole), size, body);
  if (whole != count)
    body(e.index(count - size));
}

void BytePlanes::fill(Value vector, Value plane, Value from, Value to) {
  int64_t size = cast<VectorType>(vector.getType()).getNumElements();
  e.forLoop(from, to, size,
            [&](Value at) { e.storeVector(vector, plane, at); });
}

Value BytePlanes::widen(Value bytes) {
  Type element = e.b.getI16Type(), type = element;
  auto vector = dyn_cast<VectorType>(bytes.getType());
  if (vector)
    type = vector.clone(element);
  Value value = p.quantizedB.isSigned
                    ? Value(arith::ExtSIOp::create(e.b, e.loc, type, bytes))
                    : Value(arith::ExtUIOp::create(e.b, e.loc, type, bytes));
  Value zero = p.quantizedB.zeroPoint;
  if (!zero)
    return value;
  zero = arith::TruncIOp::create(e.b, e.loc, element, zero);
  if (vector)
    zero = e.splat(zero, vector.getNumElements());
  return arith::SubIOp::create(e.b, e.loc, value, zero);
}

/// As i32, less the zero point.
Value BytePlanes::loadWeight(ValueRange outer, int64_t tap) {
  Type i32 = e.b.getI32Type();
  Value at = e.add(offsetOf(outer, p.a.outerStrides), e.index(tap));
  Value byte = e.load(p.a.buffer, at);
  Value weight = p.quantizedA.isSigned
                     ? Value(arith::ExtSIOp::create(e.b, e.loc, i32, byte))
                     : Value(arith::ExtUIOp::create(e.b, e.loc, i32, byte));
  if (Value zero = wordPanels.rowZero(outer, e.index(0)))
    weight = arith::SubIOp::create(e.b, e.loc, weight, zero);
  return weight;
}

Value BytePlanes::loadWeights(ValueRange outer, std::optional<int64_t> first,
                              std::optional<int64_t> second) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getI32IntegerAttr(value));
  };
  Value word;
  if (first)
    word = arith::AndIOp::create(e.b, e.loc, loadWeight(outer, *first),
                                 constant(0xffff));
  if (second) {
    Value high = arith::ShLIOp::create(e.b, e.loc, loadWeight(outer, *second),
                                       constant(16));
    word = word ? arith::OrIOp::create(e.b, e.loc, word, high) : high;
  }
  return e.splat(word, kernel.lanes);
}

Value BytePlanes::loadWords(Value plane, Value at) {
  return vector::BitCastOp::create(
      e.b, e.loc, VectorType::get(kernel.lanes, e.b.getI32Type()),
      e.loadVector(plane, at, width));
}

void BytePlanes::emitOutputsOf(const OutputBases &bases, Value sums, Value at,
                               int64_t numVectors, Value place, Value left) {
  int64_t lanes = kernel.lanes;
  auto store = [&](ArrayRef<Value> masks) {
    SmallVector<OutputVector> outputs;
    for (int64_t i = 0; i < numVectors; ++i) {
      Value offset = e.index(i * lanes);
      outputs.push_back({e.index(0), e.add(place, offset),
                         e.loadVector(sums, e.add(at, offset), lanes),
                         masks.empty() ? Value() : masks[i]});
    }
    emitOutputs(e, p, kernel, bases, outputs);
  };
  if (left)
    e.withMasks(left, numVectors, lanes, store);
  else
    store({});
}
