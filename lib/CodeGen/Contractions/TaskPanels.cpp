//===- TaskPanels.cpp - Panels that a task packs for several products -----===//

#include "TaskPanels.h"

#include "CodeGen/Gemm/WordPanels.h"

using namespace mlir;
using namespace quantc;

static bool needsColumnSums(KernelEmitter &e, const MatchedProduct &match) {
  return match.kernel.dot &&
         WordPanels(e, match.problem, match.kernel).needsColumnSums();
}

TaskPanels::TaskPanels(KernelEmitter &e, MatchedProduct &match)
    : PackedSource({}, match.problem.n,
                   e.ceilDiv(match.problem.k, match.kernel.dot.group),
                   /*panelSize=*/nullptr, needsColumnSums(e, match),
                   match.kernel),
      match(match) {
  // Whole tiles are read.
  if (kernel.dot.usesTiles)
    numRows = e.mul(e.ceilDiv(numRows, lanes), e.index(lanes));
  panelSize =
      e.mul(e.add(numRows, e.index(hasSums)), e.index(kernel.columns()));
}

Value TaskPanels::getSize(KernelEmitter &e) const {
  return e.mul(e.ceilDiv(e.ceilDiv(n, lanes), kernel.vectors), panelSize);
}

Value TaskPanels::getNumRawBytes(KernelEmitter &e) const {
  if (!kernel.dot)
    return nullptr;
  return e.mul(numRows, e.index(kernel.dot.group * kernel.columns()));
}

void TaskPanels::pack(KernelEmitter &e, ValueRange outer, Value buffer,
                      Value raw) {
  matrix.buffer = buffer;
  const GemmProblem &p = match.problem;
  WordPanels wordPanels(e, p, kernel);
  Value zero = e.index(0);
  e.forLoop(zero, getNumSlots(e), kernel.vectors, [&](Value slot) {
    Value start = getPanel(e, {}, slot, zero)->second;
    if (!kernel.dot)
      return match.columns->pack(e, kernel, outer, slot, zero, p.k, buffer,
                                 start);
    SmallVector<Value> zeros;
    for (int64_t v = 0; v < kernel.vectors; ++v)
      if (Value some = wordPanels.getColumnZeros(
              outer, getSlot(e, e.add(slot, e.index(v))), hasOnlyFullSlots()))
        zeros.push_back(some);
    Value sums, sumsAt;
    if (auto found = getColumnSums(e, {}, slot))
      std::tie(sums, sumsAt) = *found;
    wordPanels.packPanel(*match.columns, outer, slot, zero, p.k, raw, buffer,
                         start, zeros, sums, sumsAt, /*isFirst=*/nullptr);
  });
}
