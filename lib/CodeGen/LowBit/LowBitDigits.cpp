//===- LowBitDigits.cpp - Float times low-bit weights, in integers --------===//

#include "LowBitDigits.h"
#include "LowBitEmitter.h"

#include "CodeGen/Target/ByteTable.h"

using namespace mlir;
using namespace quantc;

/// In 16 bits there is room for the sums of 32 / 4 words of four products of at
/// most 15 · 128, two in each sum; of half as many for multiples up to 31.
int64_t DigitProduct::getRun(const LowBitWeights &weights) {
  return weights.multiples.empty() ? 32 : 16;
}

bool DigitProduct::isSupported(const LowBitWeights &weights,
                               const VectorUnit &unit) {
  if (unit.bits < 256 || !unit.hasWordPairs ||
      weights.layout.blockSize % getRun(weights) != 0)
    return false;
  if (weights.layout.planes.front().bits <= 4)
    return !weights.table || !weights.multiples.empty();
  // Products of 8 bits by 8 have no sums in 16 bits.
  return unit.hasVNNI && !weights.table && !weights.mantissaBits;
}

/// The multiples that bytes of codes stand for.
Value DigitProduct::lookUp(KernelEmitter &e, Value codes) {
  int64_t lanes = weights.layout.lanes;
  auto bytes = VectorType::get(lanes * 4, e.b.getI8Type());
  SmallVector<uint8_t> table;
  for (int64_t i = 0; i < lanes * 4; ++i)
    table.push_back(weights.multiples[i % 16]);
  Value constant = arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(bytes, ArrayRef<uint8_t>(table)));
  Value found = shuffleBytes(
      e, constant, vector::BitCastOp::create(e.b, e.loc, bytes, codes));
  return vector::BitCastOp::create(e.b, e.loc, codes.getType(), found);
}

/// Those of a block, as they are for integers.
LowBitSource::BlockParameters
DigitProduct::loadParameters(KernelEmitter &e, LowBitSource &source,
                             int64_t vectors, Value slot, Value block) {
  LowBitSource::BlockParameters parameters =
      source.loadParameters(e, vectors, slot, block);
  if (weights.multiples.empty())
    return parameters;
  int64_t lanes = weights.layout.lanes;
  Value step = e.splat(constantFloat(e, weights.step), lanes);
  Value zero =
      e.splat(constantFloat(e, float(-weights.smallestMultiple)), lanes);
  for (Value &scale : parameters.scales)
    scale = arith::MulFOp::create(e.b, e.loc, scale, step);
  for (Value &value : parameters.zeroPoints)
    value = zero;
  return parameters;
}

/// `sum` (16 bits) plus the sums of two neighbouring products.
Value DigitProduct::addProducts(KernelEmitter &e, Value codes, Value digit,
                                Value sum) {
  int64_t lanes = weights.layout.lanes;
  auto bytes = VectorType::get(lanes * 4, e.b.getI8Type());
  auto pairs = VectorType::get(lanes * 2, e.b.getI16Type());
  Value a = vector::BitCastOp::create(e.b, e.loc, bytes, codes);
  Value b = vector::BitCastOp::create(e.b, e.loc, bytes, digit);
  Value product = e.callIntrinsic(lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512"
                                              : "llvm.x86.avx2.pmadd.ub.sw",
                                  pairs, {a, b});
  return sum ? Value(arith::AddIOp::create(e.b, e.loc, sum, product)) : product;
}

/// `sum` (32 bits) plus the sums of four neighbouring products.
Value DigitProduct::addFour(KernelEmitter &e, Value codes, Value digit,
                            Value sum) {
  DotProduct dot;
  dot.group = 4;
  dot.elementBits = 8;
  dot.isLhsSigned = false;
  return dot.emit(e, codes, digit, sum ? sum : e.zero(codes.getType()));
}

/// `sum` (32 bits) plus `factors` times the sums of neighbours.
Value DigitProduct::widen(KernelEmitter &e, Value pairs, Value factors,
                          Value sum) {
  int64_t lanes = weights.layout.lanes;
  auto wide = VectorType::get(lanes, e.b.getI32Type());
  Value added = e.callIntrinsic(lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512"
                                            : "llvm.x86.avx2.pmadd.wd",
                                wide, {pairs, factors});
  return arith::AddIOp::create(e.b, e.loc, sum, added);
}

/// What sums of a plane are multiplied by: codes of scales for each column, or
/// nothing. Where pairs become wide, both of a pair have the factor.
Value DigitProduct::getPlaneFactors(KernelEmitter &e, Value scale,
                                    const LowBitLayout::Plane &plane) {
  int64_t lanes = weights.layout.lanes;
  auto words = VectorType::get(lanes, e.b.getI32Type());
  auto pairs = VectorType::get(lanes * 2, e.b.getI16Type());
  if (!scale)
    return splatInt(e, unit.hasVNNI ? words : pairs, int64_t(1) << plane.shift);
  Value factors = scale;
  if (plane.shift)
    factors = withConstant<arith::ShLIOp>(e, factors, plane.shift);
  if (unit.hasVNNI)
    return factors;
  factors = arith::OrIOp::create(e.b, e.loc, factors,
                                 withConstant<arith::ShLIOp>(e, factors, 16));
  return vector::BitCastOp::create(e.b, e.loc, pairs, factors);
}

/// `sums` plus the digits' sums of a block: [vector][digit]. The block's are
/// multiplied by `scales`, integers for each vector, unless there are none.
DigitProduct::BlockSums
DigitProduct::multiplyBlock(KernelEmitter &e, LowBitSource &source,
                            int64_t vectors, Value row, Value slot, Value block,
                            int64_t size, ValueRange sums, ValueRange scales) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes;
  auto wordType = VectorType::get(lanes, e.b.getI32Type());
  Value base = source.getWordOffset(e, slot, block);
  int64_t run = getRun(weights);
  return e.forLoop(
      e.index(0), e.index(size), run, sums, [&](Value k, ValueRange in) {
        SmallVector<Value> out(in);
        for (auto [p, plane] : llvm::enumerate(layout.planes)) {
          int64_t perWord = plane.codesPerWord(), phases = 8 / plane.bits;
          Value firstWord = e.floorDiv(k, perWord);
          Value inRow = e.floorDiv(
              e.add(e.mul(block, e.index(layout.blockSize)), k), perWord);
          int64_t mask = ((int64_t(1) << plane.bits) - 1) * 0x01010101;
          // Of the plane at the lowest bits, four products go into the sums.
          bool isDirect = unit.hasVNNI && plane.shift == 0 && scales.empty();
          SmallVector<Value> pairs(vectors * digits);
          if (isDirect)
            pairs = out;
          for (int64_t w = 0; w < run / perWord; ++w) {
            Value word = e.add(firstWord, e.index(plane.firstWord + w));
            Value at = e.add(base, e.mul(word, e.index(layout.columns())));
            SmallVector<Value> codes;
            for (int64_t v = 0; v < vectors; ++v)
              codes.push_back(e.loadVector(
                  weights.words, e.add(at, e.index(v * lanes)), lanes));
            for (int64_t phase = 0; phase < phases; ++phase) {
              SmallVector<Value> factors;
              for (int64_t d = 0; d < digits; ++d)
                factors.push_back(
                    e.splat(e.load(words, digitOffset(e, row, p,
                                                      e.add(inRow, e.index(w)),
                                                      phase, d)),
                            lanes));
              for (int64_t v = 0; v < vectors; ++v) {
                Value part = codes[v];
                if (phase)
                  part = arith::ShRUIOp::create(
                      e.b, e.loc, part,
                      splatInt(e, wordType, phase * plane.bits));
                part = arith::AndIOp::create(e.b, e.loc, part,
                                             splatInt(e, wordType, mask));
                if (!weights.multiples.empty())
                  part = lookUp(e, part);
                for (int64_t d = 0; d < digits; ++d) {
                  Value &sum = pairs[v * digits + d];
                  sum = unit.hasVNNI ? addFour(e, part, factors[d], sum)
                                     : addProducts(e, part, factors[d], sum);
                }
              }
            }
          }
          for (int64_t v = 0; v < vectors; ++v) {
            Value factors =
                getPlaneFactors(e, scales.empty() ? Value() : scales[v], plane);
            for (int64_t i = v * digits; i < (v + 1) * digits; ++i) {
              if (isDirect)
                out[i] = pairs[i];
              else if (unit.hasVNNI)
                out[i] = arith::AddIOp::create(
                    e.b, e.loc, out[i],
                    arith::MulIOp::create(e.b, e.loc, pairs[i], factors));
              else
                out[i] = widen(e, pairs[i], factors, out[i]);
            }
          }
        }
        return out;
      });
}

/// `total`, row by row, plus what a block adds.
SmallVector<Value> DigitProduct::combineBytes(
    KernelEmitter &e, LowBitSource::BlockParameters &parameters,
    BlockSums &parts, Value group, Value block, ValueRange total) {
  const LowBitLayout &layout = weights.layout;
  auto type = VectorType::get(layout.lanes, e.b.getF32Type());
  int64_t vectors = int64_t(parts.size()) / byteRows;
  Value at = e.mul(e.add(e.mul(group, e.index(layout.blocks)), block),
                   e.index(byteRows));
  SmallVector<Value> out;
  for (int64_t r = 0; r < byteRows; ++r) {
    Value inputSum = e.splat(e.load(sums, e.add(at, e.index(r))), layout.lanes);
    for (int64_t v = 0; v < vectors; ++v) {
      Value number =
          arith::SIToFPOp::create(e.b, e.loc, type, parts[v * byteRows + r]);
      if (Value zero = parameters.zeroPoints[v])
        number = arith::SubFOp::create(
            e.b, e.loc, number,
            arith::MulFOp::create(e.b, e.loc, zero, inputSum));
      out.push_back(arith::AddFOp::create(
          e.b, e.loc, total[r * vectors + v],
          arith::MulFOp::create(e.b, e.loc, number, parameters.scales[v])));
    }
  }
  return out;
}

/// The number that sums of digits stand for.
Value DigitProduct::joinDigits(KernelEmitter &e, ArrayRef<Value> parts) {
  int64_t lanes = weights.layout.lanes;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value base = e.splat(constantFloat(e, 256), lanes), number;
  for (Value part : llvm::reverse(parts)) {
    Value digit = arith::SIToFPOp::create(e.b, e.loc, type, part);
    number = number ? Value(arith::AddFOp::create(
                          e.b, e.loc, digit,
                          arith::MulFOp::create(e.b, e.loc, number, base)))
                    : digit;
  }
  return number;
}

SmallVector<Value> DigitProduct::combineDigits(
    KernelEmitter &e, LowBitSource::BlockParameters &parameters,
    BlockSums &parts, Value row, Value block, ValueRange total) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes, vectors = int64_t(parts.size()) / digits;
  Value at = e.add(e.mul(row, e.index(layout.blocks)), block);
  Value scale = e.splat(e.load(scales, at), lanes);
  Value inputSum = e.splat(e.load(sums, at), lanes);
  SmallVector<Value> out;
  for (int64_t v = 0; v < vectors; ++v) {
    Value number = joinDigits(e, ArrayRef(parts).slice(v * digits, digits));
    if (Value zero = parameters.zeroPoints[v])
      number = arith::SubFOp::create(
          e.b, e.loc, number,
          arith::MulFOp::create(e.b, e.loc, zero, inputSum));
    Value factor =
        arith::MulFOp::create(e.b, e.loc, parameters.scales[v], scale);
    out.push_back(arith::AddFOp::create(
        e.b, e.loc, total[v],
        arith::MulFOp::create(e.b, e.loc, number, factor)));
  }
  return out;
}

/// `total`, row by row, plus what the blocks from `begin` to `end` of one
/// super-block add: F · Σ s · (Σ x·q) - G · Σ o · (Σ x), where s and o are
/// integers. So are the sums but the last one.
SmallVector<Value>
DigitProduct::addSuperBlock(KernelEmitter &e, LowBitSource &source,
                            int64_t vectors, Value row, Value slot, Value begin,
                            Value end, int64_t size, ValueRange total) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes, rows = std::max<int64_t>(1, byteRows);
  auto words = VectorType::get(lanes, e.b.getI32Type());
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value firstBlock = e.mul(row, e.index(layout.blocks));
  int64_t numParts = vectors * digits;
  SmallVector<Value> zeros(numParts, e.zero(words));
  zeros.append(rows * vectors, e.zero(type));
  SmallVector<Value> sums =
      e.forLoop(begin, end, 1, zeros, [&](Value block, ValueRange in) {
        LowBitSource::BlockParameters codes = source.loadOffsets(
            e, vectors, slot, block, loadScaleAndOffsetCodes);
        SmallVector<Value> out =
            multiplyBlock(e, source, vectors, row, slot, block, size,
                          in.take_front(numParts), codes.scales);
        Value at = e.mul(e.add(firstBlock, block), e.index(rows));
        for (int64_t r = 0; r < rows; ++r) {
          Value x = e.splat(e.load(this->sums, e.add(at, e.index(r))), lanes);
          for (int64_t v = 0; v < vectors; ++v) {
            Value offset =
                arith::SIToFPOp::create(e.b, e.loc, type, codes.offsets[v]);
            out.push_back(arith::AddFOp::create(
                e.b, e.loc, in[numParts + r * vectors + v],
                arith::MulFOp::create(e.b, e.loc, offset, x)));
          }
        }
        return out;
      });
  LowBitSource::BlockParameters factors =
      source.loadOffsets(e, vectors, slot, begin, loadScaleAndOffsetFactors);
  Value scale;
  if (!byteRows)
    scale = e.splat(e.load(scales, e.add(firstBlock, begin)), lanes);
  SmallVector<Value> out;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < vectors; ++v) {
      ArrayRef<Value> parts = ArrayRef(sums).slice(v * digits, digits);
      Value number = joinDigits(e, byteRows ? parts.slice(r, 1) : parts);
      Value offset = sums[numParts + r * vectors + v];
      number = arith::SubFOp::create(
          e.b, e.loc,
          arith::MulFOp::create(e.b, e.loc, number, factors.scales[v]),
          arith::MulFOp::create(e.b, e.loc, offset, factors.offsets[v]));
      if (scale)
        number = arith::MulFOp::create(e.b, e.loc, number, scale);
      out.push_back(
          arith::AddFOp::create(e.b, e.loc, total[r * vectors + v], number));
    }
  return out;
}

SmallVector<Value> DigitProduct::multiply(KernelEmitter &e,
                                          LowBitSource &source, int64_t vectors,
                                          Value row, Value slot) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  SmallVector<Value> zeros(vectors * std::max<int64_t>(1, byteRows),
                           e.zero(type));
  if (weights.hasOffsets()) {
    int64_t sharing = getBlocksOfFactor(weights.scaleStorage, layout);
    Value full = e.index(layout.fullBlocks());
    SmallVector<Value> total = e.forLoop(
        e.index(0), full, sharing, zeros, [&](Value begin, ValueRange in) {
          Value end = e.add(begin, e.index(sharing));
          if (layout.fullBlocks() % sharing)
            end = e.min(end, full);
          return addSuperBlock(e, source, vectors, row, slot, begin, end,
                               layout.blockSize, in);
        });
    if (layout.shortBlock())
      total = addSuperBlock(e, source, vectors, row, slot, full,
                            e.index(layout.blocks), layout.shortBlockInMemory(),
                            total);
    return total;
  }
  auto addBlock = [&](Value block, int64_t size, ValueRange total) {
    SmallVector<Value> none(vectors * digits,
                            e.zero(VectorType::get(lanes, e.b.getI32Type())));
    BlockSums parts = multiplyBlock(e, source, vectors, row, slot, block, size,
                                    none, ValueRange());
    LowBitSource::BlockParameters parameters =
        loadParameters(e, source, vectors, slot, block);
    if (byteRows)
      return combineBytes(e, parameters, parts, row, block, total);
    return combineDigits(e, parameters, parts, row, block, total);
  };
  SmallVector<Value> total =
      e.forLoop(e.index(0), e.index(layout.fullBlocks()), 1, zeros,
                [&](Value block, ValueRange in) {
                  return addBlock(block, layout.blockSize, in);
                });
  if (layout.shortBlock())
    total = addBlock(e.index(layout.fullBlocks()), layout.shortBlockInMemory(),
                     total);
  return total;
}
