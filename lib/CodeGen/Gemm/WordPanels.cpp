//===- WordPanels.cpp - Operands as words ---------------------------------===//

#include "WordPanels.h"

#include "CodeGen/Target/TileUnit.h"

using namespace mlir;
using namespace quantc;

/// `vector` of integers in another width.
static Value convert(KernelEmitter &e, Value value, unsigned bits,
                     bool isSigned) {
  Type type = value.getType();
  Type target = e.b.getIntegerType(bits);
  unsigned from = getElementTypeOrSelf(type).getIntOrFloatBitWidth();
  if (auto vector = dyn_cast<VectorType>(type))
    target = vector.clone(target);
  if (bits == from)
    return value;
  if (bits < from)
    return arith::TruncIOp::create(e.b, e.loc, target, value);
  if (isSigned)
    return arith::ExtSIOp::create(e.b, e.loc, target, value);
  return arith::ExtUIOp::create(e.b, e.loc, target, value);
}

static Value constantLike(KernelEmitter &e, Type type, int64_t value) {
  Attribute attr = e.b.getIntegerAttr(getElementTypeOrSelf(type), value);
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, attr);
  return arith::ConstantOp::create(e.b, e.loc, cast<TypedAttr>(attr));
}

//===----------------------------------------------------------------------===//
// Zero points
//===----------------------------------------------------------------------===//

/// A zero point from memory as i32, for the elements as the product sees them.
Value WordPanels::zeroOf(const QuantizedFactor &factor, Value loaded) {
  Value zero = convert(e, loaded, 32, factor.areZeroPointsSigned);
  if (factor.isFlipped)
    zero = arith::AddIOp::create(
        e.b, e.loc, zero,
        constantLike(e, zero.getType(), factor.getFlipOffset()));
  return zero;
}

Value WordPanels::rowZero(ValueRange outer, Value row) {
  const StridedMatrix &zeros = p.quantizedA.zeroPoints;
  if (!zeros.buffer)
    return p.quantizedA.zeroPoint;
  Value at = e.mul(row, zeros.rowStride);
  for (auto [i, stride] : llvm::zip(outer, zeros.outerStrides))
    at = e.add(at, e.mul(i, stride));
  return zeroOf(p.quantizedA, e.load(zeros.buffer, at));
}

Value WordPanels::getColumnZeros(ValueRange outer, const ColumnSlot &slot,
                                 bool isFull) {
  const StridedMatrix &zeros = p.quantizedB.zeroPoints;
  if (!zeros.buffer) {
    Value zero = p.quantizedB.zeroPoint;
    return zero ? e.splat(zero, kernel.lanes) : zero;
  }
  Value at = slot.offset;
  for (auto [i, stride] : llvm::zip(outer, zeros.outerStrides))
    at = e.add(at, e.mul(i, stride));
  Value mask;
  if (!isFull)
    mask = vector::CreateMaskOp::create(
        e.b, e.loc, VectorType::get(kernel.lanes, e.b.getI1Type()), slot.valid);
  return zeroOf(p.quantizedB,
                e.loadVector(zeros.buffer, at, kernel.lanes, mask));
}

/// One i32 a column as one element a column and member of its group.
Value WordPanels::repeatColumns(Value zeros) {
  if (!zeros || !dot.takesDifferences())
    return nullptr;
  zeros = convert(e, zeros, dot.elementBits, true);
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < elementsPerVector(); ++i)
    mask.push_back(i / dot.group);
  return vector::ShuffleOp::create(e.b, e.loc, zeros, zeros, mask);
}

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

/// Floats as bf16.
Value WordPanels::roundFloats(Value loaded) {
  if (getElementTypeOrSelf(loaded).isBF16())
    return loaded;
  int64_t half = cast<VectorType>(loaded.getType()).getNumElements() / 2;
  SmallVector<int64_t> low(llvm::to_vector(llvm::seq<int64_t>(0, half)));
  SmallVector<int64_t> high(llvm::to_vector(llvm::seq(half, 2 * half)));
  return DotProduct::round(
      e, vector::ShuffleOp::create(e.b, e.loc, loaded, loaded, low),
      vector::ShuffleOp::create(e.b, e.loc, loaded, loaded, high));
}

/// What was loaded as elements of words, less `zeros` if those are differences.
Value WordPanels::toElements(const QuantizedFactor &factor, Value loaded,
                             Value zeros) {
  if (dot.takesFloats)
    return roundFloats(loaded);
  if (!dot.takesDifferences()) {
    if (!factor.isFlipped)
      return loaded;
    return arith::XOrIOp::create(e.b, e.loc, loaded,
                                 constantLike(e, loaded.getType(), -128));
  }
  Value elements = convert(e, loaded, dot.elementBits, factor.isSigned);
  if (!zeros)
    return elements;
  return arith::SubIOp::create(e.b, e.loc, elements, zeros);
}

Value WordPanels::toWords(Value elements) {
  auto type = cast<VectorType>(elements.getType());
  auto words =
      VectorType::get(type.getNumElements() / dot.group, e.b.getI32Type());
  return vector::BitCastOp::create(e.b, e.loc, words, elements);
}

Value WordPanels::loadWide(Value packed, Value at) {
  int64_t lanes = kernel.lanes;
  Value stored = e.loadVector(packed, at, lanes / 2);
  auto bytes = VectorType::get(2 * lanes, e.b.getI8Type());
  Value elements = vector::BitCastOp::create(e.b, e.loc, bytes, stored);
  elements = convert(e, elements, 16, dot.isRhsSigned);
  return vector::BitCastOp::create(
      e.b, e.loc, VectorType::get(lanes, e.b.getI32Type()), elements);
}

Value WordPanels::unpack(Value groups, Value zeros) {
  if (dot.takesFloats)
    return groups;
  auto bytes = VectorType::get(elementsPerVector(), e.b.getI8Type());
  Value elements = vector::BitCastOp::create(e.b, e.loc, bytes, groups);
  // Flipped when it was packed.
  if (dot.takesDifferences())
    elements = toElements(p.quantizedB, elements, repeatColumns(zeros));
  return toWords(elements);
}

/// `value` (an i32, or a vector of them) into `sums`, or added to what is
/// there.
void WordPanels::storeSums(Value value, Value sums, Value at, Value isFirst) {
  auto vector = dyn_cast<VectorType>(value.getType());
  if (isFirst) {
    Value old = vector ? e.loadVector(sums, at, vector.getNumElements())
                       : e.load(sums, at);
    old = arith::SelectOp::create(e.b, e.loc, isFirst, e.zero(value.getType()),
                                  old);
    value = arith::AddIOp::create(e.b, e.loc, value, old);
  }
  if (vector)
    e.storeVector(value, sums, at);
  else
    e.store(value, sums, at);
}

//===----------------------------------------------------------------------===//
// Rows of A
//===----------------------------------------------------------------------===//

/// The elements of one vector of words, zero from `count` on (if it is given).
Value WordPanels::loadElements(Value at, Value stride, Value count) {
  int64_t size = elementsPerVector();
  auto type = VectorType::get(size, p.factorA.element.getType());
  if (e.isConstant(stride, 1)) {
    Value mask;
    if (count)
      mask = vector::CreateMaskOp::create(e.b, e.loc,
                                          type.clone(e.b.getI1Type()), count);
    return e.loadVector(p.a.buffer, at, size, mask);
  }
  Value elements = e.zero(type);
  Value end = count ? e.min(count, e.index(size)) : e.index(size);
  return e
      .forLoop(e.index(0), end, 1, elements,
               [&](Value i, ValueRange in) -> SmallVector<Value> {
                 Value one = e.load(p.a.buffer, e.add(at, e.mul(i, stride)));
                 return {vector::InsertOp::create(e.b, e.loc, one, in[0],
                                                  OpFoldResult(i))};
               })
      .front();
}

/// The other forms of a vector of words, the first of which is `word` of the
/// row that is at `row`.
void WordPanels::storeForms(Value elements, const WordForms &forms, Value words,
                            Value row, Value word) {
  auto store = [&](Value value, Value place) {
    int64_t size = cast<VectorType>(value.getType()).getNumElements();
    int64_t bits = getElementTypeOrSelf(value).getIntOrFloatBitWidth();
    auto type = VectorType::get(size * bits / 32, e.b.getI32Type());
    e.storeVector(vector::BitCastOp::create(e.b, e.loc, type, value), words,
                  e.add(row, place));
  };
  int64_t group = dot.group;
  for (int64_t turn = 1; turn < WordForms::kNumTurns; ++turn) {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < elementsPerVector(); ++i)
      mask.push_back(i / group * group + WordForms::kTurns[turn][i % group]);
    Value turned =
        vector::ShuffleOp::create(e.b, e.loc, elements, elements, mask);
    store(turned, e.add(word, e.index(forms.getTurned(turn, 0))));
  }
  store(convert(e, elements, 16, dot.isLhsSigned),
        e.add(e.mul(word, e.index(2)), e.index(forms.getWide(0))));
}

/// `depth` elements to the words from `first` on of the row at `row`.
void WordPanels::packRow(Value from, Value depth, Value zeros, Value words,
                         Value row, Value first, Value sums, Value sumsAt,
                         Value isFirst, std::optional<WordForms> forms) {
  int64_t size = elementsPerVector();
  Value stride = p.a.columnStride;
  auto type = VectorType::get(kernel.lanes, e.b.getI32Type());
  auto step = [&](Value k, Value count, ValueRange in) -> SmallVector<Value> {
    Value loaded = loadElements(e.add(from, e.mul(k, stride)), stride, count);
    Value elements = toElements(p.quantizedA, loaded, zeros);
    // What stands for no element must be 0 as the product sees it.
    if (count && (zeros || p.quantizedA.isFlipped)) {
      auto elementsType = cast<VectorType>(elements.getType());
      Value mask = vector::CreateMaskOp::create(
          e.b, e.loc, elementsType.clone(e.b.getI1Type()), count);
      elements = arith::SelectOp::create(e.b, e.loc, mask, elements,
                                         e.zero(elementsType));
    }
    Value result = toWords(elements);
    Value word = e.add(first, e.floorDiv(k, dot.group));
    e.storeVector(result, words, e.add(row, word));
    if (forms)
      storeForms(elements, *forms, words, row, word);
    if (!sums)
      return {};
    return {dot.emitSum(e, result, dot.isLhsSigned, in[0])};
  };
  SmallVector<Value> state;
  if (sums)
    state.push_back(e.zero(type));
  Value main = e.mul(e.floorDiv(depth, size), e.index(size));
  state = e.forLoop(e.index(0), main, size, state, [&](Value k, ValueRange in) {
    return step(k, nullptr, in);
  });
  state = e.forLoop(main, depth, size, state, [&](Value k, ValueRange in) {
    return step(k, e.sub(depth, k), in);
  });
  if (!sums)
    return;
  Value sum = vector::ReductionOp::create(e.b, e.loc,
                                          vector::CombiningKind::ADD, state[0]);
  storeSums(sum, sums, sumsAt, isFirst);
}

void WordPanels::packRows(ValueRange outer, Value first, Value end, Value k,
                          Value depth, Value words, int64_t stride, Value sums,
                          Value isFirst, std::optional<WordForms> forms) {
  Value base = e.add(getOffset(e, outer, p.a), p.getStepOffset(e, k));
  e.forLoop(first, end, 1, [&](Value row) {
    Value zeros;
    if (dot.takesDifferences() && p.quantizedA.hasZeroPoint())
      zeros = e.splat(convert(e, rowZero(outer, row), dot.elementBits, true),
                      elementsPerVector());
    Value local = e.sub(row, first);
    Value from = e.add(base, p.getRowOffset(e, row));
    Value to = e.mul(local, e.index(stride));
    if (!p.lines)
      return packRow(from, depth, zeros, words, to, e.index(0), sums, local,
                     isFirst, forms);
    // Segment by segment, or a part of one.
    int64_t size = p.lines->segment;
    Value inside = e.delinearize(k, {e.index(0), e.index(size)})[1];
    Value count = e.min(depth, e.sub(e.index(p.lines->elements), inside));
    e.forLoop(e.index(0), e.ceilDiv(depth, size), 1, [&](Value i) {
      Value isStart = e.compare(arith::CmpIPredicate::eq, i, e.index(0));
      if (isFirst)
        isStart = e.b.createOrFold<arith::AndIOp>(e.loc, isStart, isFirst);
      packRow(e.add(from, e.mul(i, p.lines->segmentStride)), count, zeros,
              words, to, e.mul(i, e.index(size / dot.group)), sums, local,
              isStart, forms);
    });
  });
}

//===----------------------------------------------------------------------===//
// Panels of B
//===----------------------------------------------------------------------===//

void WordPanels::packPanel(ColumnSource &columns, ValueRange outer, Value slot,
                           Value k, Value depth, Value raw, Value panel,
                           Value offset, ArrayRef<Value> zeros, Value sums,
                           Value sumsOffset, Value isFirst) {
  // Rows of elements first, which the source knows how to read.
  MicroKernel rows = kernel;
  rows.accumulator = p.factorB.element.getType();
  columns.pack(e, rows, outer, slot, k, depth, raw, e.index(0));
  packColumns(raw, depth, panel, offset, zeros, sums, sumsOffset, isFirst);
}

/// A panel of elements to words.
void WordPanels::packColumns(Value raw, Value depth, Value panel, Value offset,
                             ArrayRef<Value> zeros, Value sums,
                             Value sumsOffset, Value isFirst) {
  int64_t lanes = kernel.lanes, width = kernel.columns(), group = dot.group;
  Value numWords = e.ceilDiv(depth, group);
  // Tiles are multiplied whole: 0 times what lies behind is 0 for integers.
  if (dot.takesFloats && dot.usesTiles)
    numWords = e.mul(e.ceilDiv(numWords, kTileSize), e.index(kTileSize));
  // The rows that the last group lacks.
  auto type = VectorType::get(lanes, p.factorB.element.getType());
  Value missing =
      p.quantizedB.isFlipped ? constantLike(e, type, -128) : e.zero(type);
  e.forLoop(depth, e.mul(numWords, e.index(group)), 1, [&](Value row) {
    for (int64_t v = 0; v < kernel.vectors; ++v)
      e.storeVector(missing, raw,
                    e.add(e.mul(row, e.index(width)), e.index(v * lanes)));
  });

  auto interleave = [&](Value x, Value y) -> Value {
    int64_t size = cast<VectorType>(x.getType()).getNumElements();
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < size; ++i) {
      mask.push_back(i);
      mask.push_back(size + i);
    }
    return vector::ShuffleOp::create(e.b, e.loc, x, y, mask);
  };
  SmallVector<Value> repeated;
  for (Value zero : zeros)
    repeated.push_back(repeatColumns(zero));
  auto words = VectorType::get(lanes, e.b.getI32Type());
  SmallVector<Value> state(sums ? kernel.vectors : 0, e.zero(words));
  state =
      e.forLoop(e.index(0), numWords, 1, state, [&](Value word, ValueRange in) {
        SmallVector<Value> next;
        for (int64_t v = 0; v < kernel.vectors; ++v) {
          SmallVector<Value> rows;
          for (int64_t g = 0; g < group; ++g) {
            Value row = e.add(e.mul(word, e.index(group)), e.index(g));
            rows.push_back(e.loadVector(
                raw, e.add(e.mul(row, e.index(width)), e.index(v * lanes)),
                lanes));
          }
          // Members of a group side by side: first those two apart.
          for (; rows.size() > 1; rows.resize(rows.size() / 2))
            for (size_t i = 0; i < rows.size() / 2; ++i)
              rows[i] = interleave(rows[i], rows[i + rows.size() / 2]);
          Value result = toWords(toElements(
              p.quantizedB, rows[0], zeros.empty() ? Value() : repeated[v]));
          e.storeVector(result, panel,
                        e.add(e.add(offset, e.mul(word, e.index(width))),
                              e.index(v * lanes)));
          if (sums)
            next.push_back(dot.emitSum(e, result, dot.isRhsSigned, in[v]));
        }
        return next;
      });
  for (auto [v, sum] : llvm::enumerate(state))
    storeSums(sum, sums, e.add(sumsOffset, e.index(v * lanes)), isFirst);
}

void WordPanels::widenPanel(Value packed, Value offset, Value numWords,
                            Value panel, ArrayRef<Value> zeros) {
  int64_t lanes = kernel.lanes, width = kernel.columns();
  e.forLoop(e.index(0), numWords, 1, [&](Value word) {
    Value at = e.mul(word, e.index(width));
    for (int64_t v = 0; v < kernel.vectors; ++v) {
      Value column = e.add(at, e.index(v * lanes));
      Value groups = e.loadVector(packed, e.add(offset, column), lanes);
      e.storeVector(unpack(groups, zeros.empty() ? Value() : zeros[v]), panel,
                    column);
    }
  });
}

//===----------------------------------------------------------------------===//
// The result
//===----------------------------------------------------------------------===//

Value WordPanels::correct(ValueRange outer, Value sum, Value row,
                          Value columnZeros, Value rowSum, Value columnSums) {
  if (dot.takesDifferences())
    return sum;
  Value zero = p.quantizedA.hasZeroPoint() ? rowZero(outer, row) : Value();
  auto subtract = [&](Value x, Value y, Value from) -> Value {
    return arith::SubIOp::create(e.b, e.loc, from,
                                 arith::MulIOp::create(e.b, e.loc, x, y));
  };
  if (zero)
    sum = subtract(e.splat(zero, kernel.lanes), columnSums, sum);
  if (columnZeros) {
    if (zero) {
      Value k = arith::IndexCastOp::create(e.b, e.loc, e.b.getI32Type(),
                                           p.getNumProducts(e));
      rowSum = subtract(zero, k, rowSum);
    }
    sum = subtract(columnZeros, e.splat(rowSum, kernel.lanes), sum);
  }
  return sum;
}
