//===- OrderedPanel.cpp - Products with panels of narrow and wide words ---===//

#include "OrderedPanel.h"

using namespace mlir;
using namespace quantc;

SmallVector<Value>
quantc::emitOrderedPanel(KernelEmitter &e, const MicroKernel &kernel,
                         WordPanels &wordPanels, const OrderedPanel &panel,
                         const RowsOfWords &rows, Value depth,
                         SmallVector<Value> sums) {
  auto loadIndex = [&](Value at) -> Value {
    return arith::IndexCastUIOp::create(
        e.b, e.loc, e.b.getIndexType(),
        e.load(panel.order, e.add(panel.orderOffset, at)));
  };
  auto columnAt = [&](Value word, int64_t v) {
    return e.add(panel.offset, e.add(e.mul(word, e.index(kernel.columns())),
                                     e.index(v * kernel.lanes)));
  };
  auto splatWord = [&](Value words, Value at) {
    return e.splat(e.load(words, at), kernel.lanes);
  };
  int64_t numRows = rows.offsets.size();
  Value one = e.index(1);
  Value numPairs = loadIndex(e.index(0));
  auto addPairs = [&](Value word, ValueRange in) {
    SmallVector<Value> out(in), columns;
    Value k = loadIndex(e.add(word, one));
    for (int64_t v = 0; v < kernel.vectors; ++v)
      columns.push_back(
          e.loadVector(panel.words, columnAt(word, v), kernel.lanes));
    for (int64_t r = 0; r < numRows; ++r) {
      Value factor = splatWord(rows.words, e.add(rows.offsets[r], k));
      for (int64_t v = 0; v < kernel.vectors; ++v) {
        Value &sum = out[r * kernel.vectors + v];
        sum = kernel.dot.emit(e, factor, columns[v], sum);
      }
    }
    return out;
  };
  DotProduct wide = DotProduct::getWide();
  // One half after the other, so that few vectors of weights are live.
  auto addWide = [&](Value word, ValueRange in) {
    SmallVector<Value> out(in);
    Value at = loadIndex(e.add(word, one));
    for (int64_t half = 0; half < 2; ++half) {
      SmallVector<Value> columns;
      for (int64_t v = 0; v < kernel.vectors; ++v)
        columns.push_back(wordPanels.loadWide(
            panel.words,
            e.add(columnAt(word, v), e.index(half * kernel.lanes / 2))));
      for (int64_t r = 0; r < numRows; ++r) {
        Value place = e.add(rows.offsets[r], e.add(at, e.index(half)));
        Value factor = splatWord(rows.words, place);
        for (int64_t v = 0; v < kernel.vectors; ++v) {
          Value &sum = out[r * kernel.vectors + v];
          sum = wide.emit(e, factor, columns[v], sum);
        }
      }
    }
    return out;
  };
  sums = e.forLoop(e.index(0), numPairs, 1, sums, addPairs);
  return e.forLoop(numPairs, e.ceilDiv(depth, kernel.dot.group), 1, sums,
                   addWide);
}
