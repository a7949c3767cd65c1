//===- TaskPanels.cpp - Panels that a task packs for several products -----===//

#include "TaskPanels.h"

#include "QuantizedPanels.h"

using namespace mlir;
using namespace quantc;

TaskPanels::TaskPanels(KernelEmitter &e, MatchedProduct &match)
    : StridedSource(match.b, match.problem.factorB, match.problem.n,
                    match.kernel.lanes),
      match(match) {
  const MicroKernel &kernel = match.kernel;
  numRows = e.ceilDiv(match.problem.k, kernel.dot.group);
  // Whole tiles are read.
  if (kernel.dot.usesTiles)
    numRows = e.mul(e.ceilDiv(numRows, kernel.lanes), e.index(kernel.lanes));
  hasSums =
      kernel.dot && QuantizedPanels(e, match.problem, kernel).needsColumnSums();
  panelSize =
      e.mul(e.add(numRows, e.index(hasSums)), e.index(kernel.columns()));
}

Value TaskPanels::getSize(KernelEmitter &e) const {
  return e.mul(e.ceilDiv(e.ceilDiv(n, lanes), match.kernel.vectors), panelSize);
}

Type TaskPanels::getElementType() const { return match.kernel.accumulator; }

Value TaskPanels::getNumRawBytes(KernelEmitter &e) const {
  const MicroKernel &kernel = match.kernel;
  if (!kernel.dot)
    return nullptr;
  return e.mul(numRows, e.index(kernel.dot.group * kernel.columns()));
}

Value TaskPanels::getStart(KernelEmitter &e, Value slot) const {
  return e.mul(e.floorDiv(slot, match.kernel.vectors), panelSize);
}

void TaskPanels::pack(KernelEmitter &e, ValueRange outer, Value target,
                      Value raw) {
  buffer = target;
  const MicroKernel &kernel = match.kernel;
  const GemmProblem &p = match.problem;
  QuantizedPanels quantized(e, p, kernel);
  Value zero = e.index(0);
  e.forLoop(zero, getNumSlots(e), kernel.vectors, [&](Value slot) {
    Value start = getStart(e, slot);
    if (!kernel.dot)
      return match.columns->pack(e, kernel, outer, slot, zero, p.k, buffer,
                                 start);
    SmallVector<Value> zeros;
    for (int64_t v = 0; v < kernel.vectors; ++v)
      if (Value some = quantized.getColumnZeros(
              outer, getSlot(e, e.add(slot, e.index(v))), hasOnlyFullSlots()))
        zeros.push_back(some);
    Value sums = hasSums ? buffer : Value();
    Value sumsAt = e.add(start, e.mul(numRows, e.index(kernel.columns())));
    quantized.packPanel(*match.columns, outer, slot, zero, p.k, raw, buffer,
                        start, zeros, sums, sumsAt, /*isFirst=*/nullptr);
  });
}

std::optional<std::pair<Value, Value>>
TaskPanels::getPanel(KernelEmitter &e, ValueRange outer, Value slot, Value k) {
  Value inside = e.mul(e.floorDiv(k, match.kernel.dot.group),
                       e.index(match.kernel.columns()));
  return std::make_pair(buffer, e.add(getStart(e, slot), inside));
}

std::optional<std::pair<Value, Value>>
TaskPanels::getColumnSums(KernelEmitter &e, ValueRange outer, Value slot) {
  if (!hasSums)
    return std::nullopt;
  Value inside = e.mul(numRows, e.index(match.kernel.columns()));
  return std::make_pair(buffer, e.add(getStart(e, slot), inside));
}
