//===- LowBitColumns.cpp - Weights unpacked in registers ------------------===//

#include "LowBitColumns.h"
#include "LowBitEmitter.h"

using namespace mlir;
using namespace quantc;

/// A depth that a first-level cache has room for.
static constexpr int64_t kLargestDepth = 512;

static Value fma(KernelEmitter &e, const MicroKernel &kernel, Value a, Value b,
                 Value sum) {
  if (kernel.useFMA)
    return vector::FMAOp::create(e.b, e.loc, a, b, sum);
  return arith::AddFOp::create(e.b, e.loc, sum,
                               arith::MulFOp::create(e.b, e.loc, a, b));
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

Value LowBitSource::getNumSlots(KernelEmitter &e) {
  return e.ceilDiv(n, weights.layout.lanes);
}

ColumnSlot LowBitSource::getSlot(KernelEmitter &e, Value slot) {
  Value offset = e.mul(slot, e.index(weights.layout.lanes));
  return {offset, e.sub(n, offset)};
}

bool LowBitSource::hasOnlyFullSlots() const {
  std::optional<int64_t> size = KernelEmitter::asConstant(n);
  return size && *size % weights.layout.lanes == 0;
}

int64_t LowBitSource::getBlockDepth(int64_t wanted) const {
  int64_t size = weights.layout.blockSize, step = weights.layout.step();
  if (size <= wanted)
    return wanted / size * size;
  // Whole words, and a part of a block that divides it.
  for (int64_t depth = kLargestDepth / step * step; depth > 0; depth -= step)
    if (size % depth == 0)
      return depth;
  return size;
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

Value LowBitSource::getPanelOffset(KernelEmitter &e, Value slot, Value block,
                                   int64_t rows, int64_t panelRows) {
  const LowBitLayout &layout = weights.layout;
  Value panel = e.floorDiv(slot, LowBitLayout::slots);
  Value first = e.sub(slot, e.mul(panel, e.index(LowBitLayout::slots)));
  Value row = e.add(e.mul(panel, e.index(panelRows * layout.columns())),
                    e.mul(block, e.index(rows * layout.columns())));
  return e.add(row, e.mul(first, e.index(layout.lanes)));
}

Value LowBitSource::getWordOffset(KernelEmitter &e, Value slot, Value block) {
  return getPanelOffset(e, slot, block, weights.layout.wordsPerBlock,
                        weights.layout.wordsPerPanel);
}

LowBitSource::BlockParameters LowBitSource::loadOffsets(KernelEmitter &e,
                                                        int64_t vectors,
                                                        Value slot, Value block,
                                                        OffsetLoader *load) {
  BlockParameters parameters;
  Value panel = e.floorDiv(slot, LowBitLayout::slots);
  Value first = e.sub(slot, e.mul(panel, e.index(LowBitLayout::slots)));
  for (int64_t v = 0; v < vectors; ++v) {
    Value column =
        e.mul(e.add(first, e.index(v)), e.index(weights.layout.lanes));
    auto [scale, offset] = load(e, weights.scales, weights.zeroPoints,
                                weights.layout, panel, column, block);
    parameters.scales.push_back(scale);
    parameters.offsets.push_back(offset);
  }
  return parameters;
}

LowBitSource::BlockParameters LowBitSource::loadParameters(KernelEmitter &e,
                                                           int64_t vectors,
                                                           Value slot,
                                                           Value block) {
  if (weights.hasOffsets()) {
    BlockParameters parameters =
        loadOffsets(e, vectors, slot, block, loadScaleAndOffset);
    parameters.zeroPoints.resize(vectors);
    return parameters;
  }
  BlockParameters parameters;
  int64_t lanes = weights.layout.lanes;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value at = getPanelOffset(e, slot, block, 1, weights.layout.blocks);
  Value panel = e.floorDiv(slot, LowBitLayout::slots);
  Value column = e.mul(e.sub(slot, e.mul(panel, e.index(LowBitLayout::slots))),
                       e.index(lanes));
  for (int64_t v = 0; v < vectors; ++v) {
    Value position = e.add(at, e.index(v * lanes));
    Value scale;
    if (!weights.scales)
      scale = e.splat(constantFloat(e, weights.constantScale), lanes);
    else if (weights.scaleStorage == ScaleStorage::Float32)
      scale = e.loadVector(weights.scales, position, lanes);
    else
      scale =
          loadScales(e, weights.scales, weights.scaleStorage, weights.layout,
                     panel, e.add(column, e.index(v * lanes)), block);
    parameters.scales.push_back(scale);
    Value zero;
    if (weights.zeroPoints) {
      zero = e.loadVector(weights.zeroPoints, position, lanes);
      if (zero.getType() != type)
        zero = arith::UIToFPOp::create(e.b, e.loc, type, zero);
    } else if (weights.constantZeroPoint != 0) {
      zero = e.splat(constantFloat(e, weights.constantZeroPoint), lanes);
    }
    parameters.zeroPoints.push_back(zero);
  }
  return parameters;
}

/// Code number `index` of each word, as integers from 0 on.
Value LowBitSource::emitCodes(KernelEmitter &e, Value words, int64_t index,
                              const LowBitLayout::Plane &plane) {
  int64_t shift = index * plane.bits;
  if (shift)
    words = withConstant<arith::ShRUIOp>(e, words, shift);
  if (shift + plane.bits < 32)
    words =
        withConstant<arith::AndIOp>(e, words, (int64_t(1) << plane.bits) - 1);
  return words;
}

/// The table's numbers for a vector of codes. Small floats of 8 bits are floats
/// but for their bias. A table of 16 fits registers; x86
/// permutes them, other targets gather from memory.
Value LowBitSource::lookUp(KernelEmitter &e, Value codes) {
  int64_t lanes = weights.layout.lanes;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  if (weights.mantissaBits) {
    Value magnitude = withConstant<arith::ShLIOp>(
        e, withConstant<arith::AndIOp>(e, codes, 0x7f),
        23 - weights.mantissaBits);
    Value sign = withConstant<arith::ShLIOp>(
        e, withConstant<arith::AndIOp>(e, codes, 0x80), 24);
    Value number = arith::BitcastOp::create(
        e.b, e.loc, type, arith::OrIOp::create(e.b, e.loc, magnitude, sign));
    Value factor = e.splat(constantFloat(e, weights.getBiasFactor()), lanes);
    return arith::MulFOp::create(e.b, e.loc, number, factor);
  }
  Value zero = e.index(0);
  auto call = [&](StringRef name, ValueRange operands) -> Value {
    return e.callIntrinsic(name, type, operands);
  };
  if (weights.bits == 4 && unit.bits == 512)
    return call("llvm.x86.avx512.permvar.sf.512",
                {e.loadVector(weights.table, zero, 16), codes});
  if (weights.bits == 4 && unit.bits == 256) {
    // Eight numbers a register: bit 3 chooses between two.
    Value low = call("llvm.x86.avx2.permps",
                     {e.loadVector(weights.table, zero, 8), codes});
    Value high = call("llvm.x86.avx2.permps",
                      {e.loadVector(weights.table, e.index(8), 8), codes});
    Value sign = withConstant<arith::ShLIOp>(e, codes, 28);
    Value isHigh = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt,
                                         sign, e.zero(sign.getType()));
    return arith::SelectOp::create(e.b, e.loc, isHigh, high, low);
  }
  auto maskType = VectorType::get(lanes, e.b.getI1Type());
  Value all = arith::ConstantOp::create(e.b, e.loc,
                                        DenseElementsAttr::get(maskType, true));
  return vector::GatherOp::create(e.b, e.loc, type, weights.table,
                                  ValueRange{zero}, codes, all, e.zero(type));
}

/// Calls with the first k and the number of them, for runs of whole words in a
/// block of `size`, in a loop, and for what remains.
void LowBitSource::forEachStep(KernelEmitter &e, int64_t size,
                               llvm::function_ref<void(Value, int64_t)> body) {
  int64_t step = weights.layout.step(), main = size / step * step;
  e.forLoop(e.index(0), e.index(main), step, [&](Value k) { body(k, step); });
  if (main < size)
    body(e.index(main), size - main);
}

//===----------------------------------------------------------------------===//
// Panels
//===----------------------------------------------------------------------===//

void LowBitSource::pack(KernelEmitter &e, const MicroKernel &kernel,
                        ValueRange outer, Value slot, Value k, Value depth,
                        Value panel, Value offset) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes, size = layout.blockSize;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  // The block's rows from `first` on, `count` of them, go to `target`.
  auto unpackRows = [&](Value block, Value first, int64_t count, Value target) {
    BlockParameters parameters = loadParameters(e, kernel.vectors, slot, block);
    Value base = getWordOffset(e, slot, block);
    forEachStep(e, count, [&](Value row, int64_t number) {
      Value from = e.add(first, row);
      for (int64_t v = 0; v < kernel.vectors; ++v) {
        SmallVector<Value> words;
        for (int64_t i = 0; i < number; ++i) {
          Value code;
          for (auto [p, plane] : llvm::enumerate(layout.planes)) {
            int64_t index = i % plane.codesPerWord();
            if (words.size() <= p)
              words.emplace_back();
            if (index == 0) {
              Value word =
                  e.add(e.floorDiv(from, plane.codesPerWord()),
                        e.index(plane.firstWord + i / plane.codesPerWord()));
              words[p] = e.loadVector(
                  weights.words,
                  e.add(base, e.add(e.mul(word, e.index(layout.columns())),
                                    e.index(v * lanes))),
                  lanes);
            }
            Value part = emitCodes(e, words[p], index, plane);
            if (plane.shift)
              part = withConstant<arith::ShLIOp>(e, part, plane.shift);
            code = code ? Value(arith::OrIOp::create(e.b, e.loc, code, part))
                        : part;
          }
          Value real =
              weights.table
                  ? lookUp(e, code)
                  : Value(arith::SIToFPOp::create(e.b, e.loc, type, code));
          if (Value zero = parameters.zeroPoints[v])
            real = arith::SubFOp::create(e.b, e.loc, real, zero);
          real = arith::MulFOp::create(e.b, e.loc, real, parameters.scales[v]);
          if (!parameters.offsets.empty())
            real =
                arith::SubFOp::create(e.b, e.loc, real, parameters.offsets[v]);
          Value to = e.add(
              target, e.mul(e.add(row, e.index(i)), e.index(kernel.columns())));
          e.storeVector(real, panel, e.add(to, e.index(v * lanes)));
        }
      }
    });
  };
  // Blocks, or equal parts of them; what does not fill one comes last.
  int64_t part = getBlockDepth(1), rest = layout.depth % part;
  auto unpackPart = [&](Value i, int64_t count) {
    Value at = e.add(k, e.mul(i, e.index(part)));
    Value block = e.floorDiv(at, size);
    Value first =
        part == size ? e.index(0) : e.sub(at, e.mul(block, e.index(size)));
    unpackRows(block, first, count,
               e.add(offset, e.mul(i, e.index(part * kernel.columns()))));
  };
  Value whole = e.floorDiv(depth, part);
  e.forLoop(e.index(0), whole, 1, [&](Value i) { unpackPart(i, part); });
  if (rest == 0)
    return;
  Value hasRest =
      e.compare(arith::CmpIPredicate::ne, e.mul(whole, e.index(part)), depth);
  e.ifThen(hasRest, [&] { unpackPart(whole, rest); });
}

//===----------------------------------------------------------------------===//
// Few rows
//===----------------------------------------------------------------------===//

/// The sum of a block's elements of the input.
Value LowBitSource::sumInput(KernelEmitter &e, Value input, Value start,
                             int64_t size) {
  int64_t lanes = weights.layout.lanes;
  int64_t main = size / lanes * lanes;
  Value sum = constantFloat(e, 0);
  if (main) {
    auto type = VectorType::get(lanes, e.b.getF32Type());
    Value partial =
        e.forLoop(e.index(0), e.index(main), lanes, ValueRange{e.zero(type)},
                  [&](Value k, ValueRange in) {
                    Value x = e.loadVector(input, e.add(start, k), lanes);
                    return SmallVector<Value>{
                        arith::AddFOp::create(e.b, e.loc, in[0], x)};
                  })[0];
    sum = vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                      partial, arith::FastMathFlags::reassoc);
  }
  for (int64_t k = main; k < size; ++k)
    sum = arith::AddFOp::create(e.b, e.loc, sum,
                                e.load(input, e.add(start, e.index(k))));
  return sum;
}

SmallVector<Value>
LowBitSource::multiply(KernelEmitter &e, const MicroKernel &kernel, Value input,
                       ArrayRef<Value> rowOffsets, Value slot) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes, vectors = kernel.vectors;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value zero = e.zero(type);
  SmallVector<Value> sums(rowOffsets.size() * vectors, zero);

  // The products of a block's codes, as they lie in the words: not shifted
  // down, which a power of two in the input makes up for.
  auto multiplyRun = [&](Value base, Value block, Value row, int64_t number,
                         ValueRange in) {
    SmallVector<Value> out(in);
    Value firstInput = e.add(e.mul(block, e.index(layout.blockSize)), row);
    for (const LowBitLayout::Plane &plane : layout.planes) {
      SmallVector<Value> words;
      for (int64_t i = 0; i < number; ++i) {
        int64_t index = i % plane.codesPerWord();
        if (index == 0) {
          words.clear();
          Value word =
              e.add(e.floorDiv(row, plane.codesPerWord()),
                    e.index(plane.firstWord + i / plane.codesPerWord()));
          Value at = e.add(base, e.mul(word, e.index(layout.columns())));
          for (int64_t v = 0; v < vectors; ++v)
            words.push_back(e.loadVector(weights.words,
                                         e.add(at, e.index(v * lanes)), lanes));
        }
        int64_t shift = index * plane.bits;
        bool isLast = shift + plane.bits == 32;
        float factor = std::ldexp(1.0f, plane.shift);
        if (!isLast)
          factor = std::ldexp(1.0f, int(plane.shift) - int(shift));
        SmallVector<Value> reals;
        for (int64_t v = 0; v < vectors; ++v) {
          Value part = words[v];
          if (weights.table)
            part = lookUp(e, emitCodes(e, part, index, plane));
          else if (isLast)
            part = emitCodes(e, part, index, plane);
          else
            part = withConstant<arith::AndIOp>(
                e, part, ((int64_t(1) << plane.bits) - 1) << shift);
          if (!weights.table)
            part = arith::SIToFPOp::create(e.b, e.loc, type, part);
          reals.push_back(part);
        }
        for (auto [r, offset] : llvm::enumerate(rowOffsets)) {
          Value x = e.load(input, e.add(offset, e.add(firstInput, e.index(i))));
          if (!weights.table && factor != 1)
            x = arith::MulFOp::create(e.b, e.loc, x, constantFloat(e, factor));
          x = e.splat(x, lanes);
          for (int64_t v = 0; v < vectors; ++v) {
            Value &sum = out[r * vectors + v];
            sum = fma(e, kernel, x, reals[v], sum);
          }
        }
      }
    }
    return out;
  };

  auto multiplyBlock = [&](Value block, int64_t size, ValueRange total) {
    Value base = getWordOffset(e, slot, block);
    int64_t step = layout.step(), main = size / step * step;
    SmallVector<Value> products(total.size(), zero);
    products = e.forLoop(e.index(0), e.index(main), step, products,
                         [&](Value row, ValueRange in) {
                           return multiplyRun(base, block, row, step, in);
                         });
    if (main < size)
      products = multiplyRun(base, block, e.index(main), size - main, products);
    BlockParameters parameters = loadParameters(e, vectors, slot, block);
    SmallVector<Value> out;
    for (auto [r, offset] : llvm::enumerate(rowOffsets)) {
      Value inputSum;
      bool hasOffsets = !parameters.offsets.empty();
      if (hasOffsets || parameters.zeroPoints[0]) {
        Value start = e.add(offset, e.mul(block, e.index(layout.blockSize)));
        inputSum = e.splat(
            arith::NegFOp::create(e.b, e.loc, sumInput(e, input, start, size)),
            lanes);
      }
      for (int64_t v = 0; v < vectors; ++v) {
        Value product = products[r * vectors + v];
        if (inputSum && !hasOffsets)
          product = fma(e, kernel, parameters.zeroPoints[v], inputSum, product);
        Value sum = fma(e, kernel, parameters.scales[v], product,
                        total[r * vectors + v]);
        if (hasOffsets)
          sum = fma(e, kernel, parameters.offsets[v], inputSum, sum);
        out.push_back(sum);
      }
    }
    return out;
  };
  sums = e.forLoop(e.index(0), e.index(layout.fullBlocks()), 1, sums,
                   [&](Value block, ValueRange total) {
                     return multiplyBlock(block, layout.blockSize, total);
                   });
  if (int64_t size = layout.shortBlock())
    sums = multiplyBlock(e.index(layout.fullBlocks()), size, sums);
  return sums;
}
