//===- LowBitDigits.cpp - Float times low-bit weights, in integers --------===//

#include "LowBitDigits.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantc;

/// Bits of the largest element in fixed point, without its sign.
static constexpr int kFixedBits = 22;
/// So many of them have a sum in 32 bits.
static constexpr int64_t kFixedRun = 256;
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

static Value constantFloat(KernelEmitter &e, float value) {
  return arith::ConstantOp::create(e.b, e.loc, e.b.getF32FloatAttr(value));
}

static Value splatInt(KernelEmitter &e, VectorType type, int64_t value) {
  return arith::ConstantOp::create(
      e.b, e.loc,
      DenseElementsAttr::get(type, APInt(type.getElementTypeBitWidth(), value,
                                         /*isSigned=*/false,
                                         /*implicitTrunc=*/true)));
}

Value DigitProduct::digitOffset(KernelEmitter &e, Value row, size_t plane,
                                Value word, int64_t phase, int64_t digit) {
  int64_t phases = 8 / weights.layout.planes[plane].bits;
  int64_t rowSize = planeSize() * weights.layout.planes.size();
  Value base = e.add(
      e.mul(row, e.index(rowSize)),
      e.index(plane * planeSize() + digit * (planeSize() / digits) + phase));
  return e.add(base, e.mul(word, e.index(phases)));
}

/// Elements that are written together: whole words of codes, and a vector.
int64_t DigitProduct::getChunk(const LowBitLayout::Plane &plane) const {
  return std::max<int64_t>(16, plane.codesPerWord());
}

/// Stores a chunk of bytes in the order in which masks leave codes in words:
/// four of each phase.
void DigitProduct::storeWords(KernelEmitter &e, Value bytes,
                              const LowBitLayout::Plane &plane, Value at) {
  int64_t size = getChunk(plane), phases = 8 / plane.bits;
  SmallVector<int64_t> order;
  for (int64_t word = 0; word < size; word += plane.codesPerWord())
    for (int64_t phase = 0; phase < phases; ++phase)
      for (int64_t b = 0; b < 4; ++b)
        order.push_back(word + b * phases + phase);
  Value ordered = vector::ShuffleOp::create(e.b, e.loc, bytes, bytes, order);
  auto type = VectorType::get(size / 4, e.b.getI32Type());
  e.storeVector(vector::BitCastOp::create(e.b, e.loc, type, ordered), words,
                at);
}

//===----------------------------------------------------------------------===//
// Digits
//===----------------------------------------------------------------------===//

void DigitProduct::allocateScratch(KernelEmitter &e, Type element) {
  const LowBitLayout &layout = weights.layout;
  if (layout.shortBlock() == 0)
    return;
  scratch = e.allocateOnStack(layout.blockSize, element);
  Value zero = arith::ConstantOp::create(e.b, e.loc, e.b.getZeroAttr(element));
  e.forLoop(e.index(layout.shortBlock()), e.index(layout.blockSize), 1,
            [&](Value k) { e.store(zero, scratch, k); });
}

void DigitProduct::forEachBlock(KernelEmitter &e,
                                llvm::function_ref<void(Value, bool)> body) {
  Value full = e.index(weights.layout.fullBlocks());
  e.forLoop(e.index(0), full, 1, [&](Value block) { body(block, false); });
  if (weights.layout.shortBlock())
    body(full, true);
}

DigitProduct::Elements DigitProduct::findBlock(KernelEmitter &e, Value input,
                                               Value row, Value block,
                                               bool isShort) {
  const LowBitLayout &layout = weights.layout;
  Value start = e.add(e.mul(row, e.index(layout.depth)),
                      e.mul(block, e.index(layout.blockSize)));
  if (!isShort)
    return {input, start};
  e.forLoop(e.index(0), e.index(layout.shortBlock()), 1, [&](Value k) {
    e.store(e.load(input, e.add(start, k)), scratch, k);
  });
  return {scratch, e.index(0)};
}

void DigitProduct::prepare(KernelEmitter &e, Value input, Value numRows,
                           int64_t maxRows) {
  const LowBitLayout &layout = weights.layout;
  int64_t planes = layout.planes.size();
  words = e.allocateOnStack(maxRows * planes * planeSize(), e.b.getI32Type());
  scales = e.allocateOnStack(maxRows * layout.blocks, e.b.getF32Type());
  sums = e.allocateOnStack(maxRows * layout.blocks, e.b.getF32Type());
  allocateScratch(e, e.b.getF32Type());
  e.forLoop(e.index(0), numRows, 1, [&](Value row) {
    forEachBlock(e, [&](Value block, bool isShort) {
      writeBlock(e, findBlock(e, input, row, block, isShort), row, block);
    });
  });
}

void DigitProduct::writeBlock(KernelEmitter &e, Elements elements, Value row,
                              Value block) {
  Value input = elements.buffer, start = elements.start;
  const LowBitLayout &layout = weights.layout;
  int64_t size = layout.blockSize, lanes = layout.lanes;
  Type i32 = e.b.getI32Type(), f32 = e.b.getF32Type();
  auto type = VectorType::get(lanes, f32);
  // Blocks are multiples of 32 elements, so of whole vectors, too.
  Value largest =
      e.forLoop(e.index(0), e.index(size), lanes, ValueRange{e.zero(type)},
                [&](Value k, ValueRange in) {
                  Value x = e.loadVector(input, e.add(start, k), lanes);
                  Value magnitude = math::AbsFOp::create(e.b, e.loc, x);
                  return SmallVector<Value>{
                      arith::MaxNumFOp::create(e.b, e.loc, in[0], magnitude)};
                })[0];
  largest = vector::ReductionOp::create(
      e.b, e.loc, vector::CombiningKind::MAXNUMF, largest);
  // A block of zeros, or of nearly such numbers, has the scale of a larger one.
  largest =
      arith::MaxNumFOp::create(e.b, e.loc, largest, constantFloat(e, 1e-30f));
  Value scale = arith::MulFOp::create(
      e.b, e.loc, largest, constantFloat(e, std::ldexp(1.0f, -kFixedBits)));
  Value inverse = arith::DivFOp::create(e.b, e.loc, constantFloat(e, 1), scale);
  Value at = e.add(e.mul(row, e.index(layout.blocks)), block);
  e.store(scale, scales, at);

  for (auto [p, plane] : llvm::enumerate(layout.planes)) {
    int64_t chunk = getChunk(plane);
    auto floats = VectorType::get(chunk, f32), ints = floats.clone(i32);
    auto bytes = floats.clone(e.b.getI8Type());
    Value factor = e.splat(inverse, chunk), byte = splatInt(e, ints, 8);
    // The elements in fixed point, as digits; and their sum, which 32 bits have
    // room for.
    auto writeRun = [&, p = p, &plane = plane](Value from, int64_t count) {
      Value sums = e.forLoop(
          e.index(0), e.index(count), chunk, ValueRange{e.zero(ints)},
          [&](Value k, ValueRange in) {
            Value at = e.add(e.add(start, from), k);
            Value fixed = math::RoundEvenOp::create(
                e.b, e.loc,
                arith::MulFOp::create(e.b, e.loc,
                                      e.loadVector(input, at, chunk), factor));
            Value rest = arith::FPToSIOp::create(e.b, e.loc, ints, fixed);
            Value sum = arith::AddIOp::create(e.b, e.loc, in[0], rest);
            Value word =
                e.floorDiv(e.add(e.add(e.mul(block, e.index(size)), from), k),
                           plane.codesPerWord());
            for (int64_t d = 0; d < digits; ++d) {
              Value digit = arith::TruncIOp::create(e.b, e.loc, bytes, rest);
              storeWords(e, digit, plane, digitOffset(e, row, p, word, 0, d));
              digit = arith::ExtSIOp::create(e.b, e.loc, ints, digit);
              rest = arith::ShRSIOp::create(
                  e.b, e.loc, arith::SubIOp::create(e.b, e.loc, rest, digit),
                  byte);
            }
            return SmallVector<Value>{sum};
          })[0];
      Value sum = vector::ReductionOp::create(e.b, e.loc,
                                              vector::CombiningKind::ADD, sums);
      return arith::SIToFPOp::create(e.b, e.loc, f32, sum).getResult();
    };
    int64_t main = size / kFixedRun * kFixedRun;
    Value sum = constantFloat(e, 0);
    if (main)
      sum = e.forLoop(e.index(0), e.index(main), kFixedRun, ValueRange{sum},
                      [&](Value from, ValueRange in) {
                        return SmallVector<Value>{arith::AddFOp::create(
                            e.b, e.loc, in[0], writeRun(from, kFixedRun))};
                      })[0];
    if (main < size)
      sum = arith::AddFOp::create(e.b, e.loc, sum,
                                  writeRun(e.index(main), size - main));
    if (p == 0)
      e.store(sum, sums, at);
  }
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

void DigitProduct::allocate(KernelEmitter &e, int64_t maxGroups) {
  const LowBitLayout &layout = weights.layout;
  int64_t planes = layout.planes.size();
  // More than stacks have room for.
  words = e.allocate(e.index(maxGroups * planes * planeSize()),
                     e.b.getI32Type(), /*mostOnStack=*/0);
  sums =
      e.allocateOnStack(maxGroups * layout.blocks * byteRows, e.b.getF32Type());
  allocateScratch(e, e.b.getI8Type());
}

void DigitProduct::release(KernelEmitter &e) { e.release(words); }

void DigitProduct::prepareBytes(KernelEmitter &e, Value input, Value first,
                                Value numRows) {
  Value last = e.sub(e.add(first, numRows), e.index(1));
  e.forLoop(e.index(0), e.ceilDiv(numRows, byteRows), 1, [&](Value group) {
    Value row = e.add(first, e.mul(group, e.index(byteRows)));
    forEachBlock(e, [&](Value block, bool isShort) {
      for (int64_t r = 0; r < byteRows; ++r) {
        Value from = e.min(e.add(row, e.index(r)), last);
        writeBytes(e, findBlock(e, input, from, block, isShort), group, block,
                   r);
      }
    });
  });
}

void DigitProduct::writeBytes(KernelEmitter &e, Elements from, Value group,
                              Value block, int64_t row) {
  const LowBitLayout &layout = weights.layout;
  int64_t size = layout.blockSize;
  for (auto [p, plane] : llvm::enumerate(layout.planes)) {
    int64_t chunk = getChunk(plane);
    auto ints = VectorType::get(chunk, e.b.getI32Type());
    Value total = e.forLoop(
        e.index(0), e.index(size), chunk, ValueRange{e.zero(ints)},
        [&, p = p, &plane = plane](Value k, ValueRange in) {
          Value x = e.loadVector(from.buffer, e.add(from.start, k), chunk);
          Value word = e.floorDiv(e.add(e.mul(block, e.index(size)), k),
                                  plane.codesPerWord());
          storeWords(e, x, plane, digitOffset(e, group, p, word, 0, row));
          return SmallVector<Value>{arith::AddIOp::create(
              e.b, e.loc, in[0], arith::ExtSIOp::create(e.b, e.loc, ints, x))};
        })[0];
    total = vector::ReductionOp::create(e.b, e.loc, vector::CombiningKind::ADD,
                                        total);
    if (p != 0)
      continue;
    Value at = e.mul(e.add(e.mul(group, e.index(layout.blocks)), block),
                     e.index(byteRows));
    e.store(arith::SIToFPOp::create(e.b, e.loc, e.b.getF32Type(), total), sums,
            e.add(at, e.index(row)));
  }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

static Value callIntrinsic(KernelEmitter &e, StringRef name, Type result,
                           ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(e.b, e.loc, result,
                                       e.b.getStringAttr(name), operands)
      .getResult(0);
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
  Value found = callIntrinsic(
      e, lanes == 16 ? "llvm.x86.avx512.pshuf.b.512" : "llvm.x86.avx2.pshuf.b",
      bytes, {constant, vector::BitCastOp::create(e.b, e.loc, bytes, codes)});
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
  Value product = callIntrinsic(e,
                                lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512"
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

/// `sum` (32 bits) plus `factor` times the sums of neighbours.
Value DigitProduct::widen(KernelEmitter &e, Value pairs, int64_t factor,
                          Value sum) {
  int64_t lanes = weights.layout.lanes;
  auto wide = VectorType::get(lanes, e.b.getI32Type());
  Value factors = splatInt(e, cast<VectorType>(pairs.getType()), factor);
  Value added = callIntrinsic(e,
                              lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512"
                                          : "llvm.x86.avx2.pmadd.wd",
                              wide, {pairs, factors});
  return arith::AddIOp::create(e.b, e.loc, sum, added);
}

/// The digits' sums of a block: [vector][digit].
DigitProduct::BlockSums DigitProduct::multiplyBlock(KernelEmitter &e,
                                                    LowBitSource &source,
                                                    int64_t vectors, Value row,
                                                    Value slot, Value block,
                                                    int64_t size) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes;
  auto wordType = VectorType::get(lanes, e.b.getI32Type());
  Value base = source.getWordOffset(e, slot, block);
  SmallVector<Value> zeros(vectors * digits, e.zero(wordType));
  int64_t run = getRun(weights);
  return e.forLoop(
      e.index(0), e.index(size), run, zeros, [&](Value k, ValueRange in) {
        SmallVector<Value> out(in);
        for (auto [p, plane] : llvm::enumerate(layout.planes)) {
          int64_t perWord = plane.codesPerWord(), phases = 8 / plane.bits;
          Value firstWord = e.floorDiv(k, perWord);
          Value inRow = e.floorDiv(
              e.add(e.mul(block, e.index(layout.blockSize)), k), perWord);
          int64_t mask = ((int64_t(1) << plane.bits) - 1) * 0x01010101;
          // Of the plane at the lowest bits, four products go into the sums.
          bool isDirect = unit.hasVNNI && plane.shift == 0;
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
          for (int64_t i = 0; i < vectors * digits; ++i) {
            if (isDirect)
              out[i] = pairs[i];
            else if (unit.hasVNNI)
              out[i] = arith::AddIOp::create(
                  e.b, e.loc, out[i],
                  arith::ShLIOp::create(e.b, e.loc, pairs[i],
                                        splatInt(e, wordType, plane.shift)));
            else
              out[i] = widen(e, pairs[i], int64_t(1) << plane.shift, out[i]);
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

SmallVector<Value> DigitProduct::combineDigits(
    KernelEmitter &e, LowBitSource::BlockParameters &parameters,
    BlockSums &parts, Value row, Value block, ValueRange total) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes, vectors = int64_t(parts.size()) / digits;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  Value at = e.add(e.mul(row, e.index(layout.blocks)), block);
  Value scale = e.splat(e.load(scales, at), lanes);
  Value inputSum = e.splat(e.load(sums, at), lanes);
  Value base = e.splat(constantFloat(e, 256), lanes);
  SmallVector<Value> out;
  for (int64_t v = 0; v < vectors; ++v) {
    Value number;
    for (int64_t d = digits; d-- > 0;) {
      Value digit =
          arith::SIToFPOp::create(e.b, e.loc, type, parts[v * digits + d]);
      number = number ? Value(arith::AddFOp::create(
                            e.b, e.loc, digit,
                            arith::MulFOp::create(e.b, e.loc, number, base)))
                      : digit;
    }
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

SmallVector<Value> DigitProduct::multiply(KernelEmitter &e,
                                          LowBitSource &source, int64_t vectors,
                                          Value row, Value slot) {
  const LowBitLayout &layout = weights.layout;
  int64_t lanes = layout.lanes;
  auto type = VectorType::get(lanes, e.b.getF32Type());
  SmallVector<Value> zeros(vectors * std::max<int64_t>(1, byteRows),
                           e.zero(type));
  auto addBlock = [&](Value block, int64_t size, ValueRange total) {
    BlockSums parts = multiplyBlock(e, source, vectors, row, slot, block, size);
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
