//===- PaddedRows.cpp - An image with channels innermost, padded ----------===//

#include "PaddedRows.h"

using namespace mlir;
using namespace quantc;

/// Elements [from, from + count) of `source` (or `value`, if it is null) to
/// `target`, `lanes` at once.
static void copyElements(KernelEmitter &e, Value source, Value from,
                         Value value, Value target, Value to, Value count,
                         int64_t lanes) {
  Value main = e.mul(e.floorDiv(count, lanes), e.index(lanes));
  e.forLoop(e.index(0), main, lanes, [&](Value i) {
    Value vector = source ? e.loadVector(source, e.add(from, i), lanes)
                          : e.splat(value, lanes);
    e.storeVector(vector, target, e.add(to, i));
  });
  e.forLoop(main, count, 1, [&](Value i) {
    Value element = source ? e.load(source, e.add(from, i)) : value;
    e.store(element, target, e.add(to, i));
  });
}

void PaddedRows::prepare(KernelEmitter &e, GemmProblem &problem,
                         int64_t vectorBits, bool useThreads) {
  Value line = e.mul(width.padded, channels);
  Value lines = e.mul(batch, height.padded);
  Value size = e.mul(lines, line);
  Type element = cast<MemRefType>(image.getType()).getElementType();
  int64_t lanes = vectorBits / element.getIntOrFloatBitWidth();
  copy = e.allocate(size, element);
  Value imageLine = e.mul(width.size, channels);
  Value before = e.mul(width.low, channels);
  Value after = e.sub(e.sub(line, imageLine), before);
  e.parallelFor(lines, size, useThreads, [&](Value, ArrayRef<Value> indices) {
    SmallVector<Value> split =
        e.delinearize(indices[0], {e.index(0), height.padded});
    Value to = e.mul(indices[0], line);
    Value y = e.sub(split[1], height.low);
    auto fill = [&](Value at, Value count) {
      copyElements(e, nullptr, nullptr, padding, copy, at, count, lanes);
    };
    Value exists = e.compare(arith::CmpIPredicate::ult, y, height.size);
    e.ifThen(
        exists,
        [&] {
          Value from = e.mul(e.add(e.mul(split[0], height.size), y), imageLine);
          fill(to, before);
          copyElements(e, image, from, nullptr, copy, e.add(to, before),
                       imageLine, lanes);
          fill(e.add(to, e.add(before, imageLine)), after);
        },
        [&] { fill(to, line); });
  });
  problem.a.buffer = copy;
}
