//===- LowBitDigitRows.cpp - Rows of floats and bytes as digits -----------===//

#include "LowBitDigits.h"
#include "LowBitEmitter.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace quantc;

/// Bits of the largest element in fixed point, without its sign.
static constexpr int kFixedBits = 22;
/// So many of them have a sum in 32 bits.
static constexpr int64_t kFixedRun = 256;
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
    if (!weights.hasOffsets()) {
      forEachBlock(e, [&](Value block, bool isShort) {
        Elements elements = findBlock(e, input, row, block, isShort);
        writeScale(e, elements, row, block);
        writeBlock(e, elements, row, block);
      });
      return;
    }
    forEachBlock(e, [&](Value block, bool isShort) {
      writeScale(e, findBlock(e, input, row, block, isShort), row, block);
    });
    shareScales(e, row);
    forEachBlock(e, [&](Value block, bool isShort) {
      writeBlock(e, findBlock(e, input, row, block, isShort), row, block);
    });
  });
}

/// The scale with which the elements of a block have as many bits as fixed
/// point has.
void DigitProduct::writeScale(KernelEmitter &e, Elements elements, Value row,
                              Value block) {
  Value input = elements.buffer, start = elements.start;
  const LowBitLayout &layout = weights.layout;
  int64_t size = layout.blockSize, lanes = layout.lanes;
  auto type = VectorType::get(lanes, e.b.getF32Type());
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
  e.store(scale, scales, e.add(e.mul(row, e.index(layout.blocks)), block));
}

/// The blocks of a super-block get the largest of their scales.
void DigitProduct::shareScales(KernelEmitter &e, Value row) {
  const LowBitLayout &layout = weights.layout;
  int64_t sharing = getBlocksOfFactor(weights.scaleStorage, layout);
  Value first = e.mul(row, e.index(layout.blocks));
  e.forLoop(e.index(0), e.index(layout.blocks), sharing, [&](Value from) {
    Value end = e.min(e.add(from, e.index(sharing)), e.index(layout.blocks));
    Value largest =
        e.forLoop(from, end, 1, ValueRange{constantFloat(e, 0)},
                  [&](Value block, ValueRange in) {
                    Value own = e.load(scales, e.add(first, block));
                    return SmallVector<Value>{
                        arith::MaxNumFOp::create(e.b, e.loc, in[0], own)};
                  })[0];
    e.forLoop(from, end, 1, [&](Value block) {
      e.store(largest, scales, e.add(first, block));
    });
  });
}

void DigitProduct::writeBlock(KernelEmitter &e, Elements elements, Value row,
                              Value block) {
  Value input = elements.buffer, start = elements.start;
  const LowBitLayout &layout = weights.layout;
  int64_t size = layout.blockSize;
  Type i32 = e.b.getI32Type(), f32 = e.b.getF32Type();
  Value at = e.add(e.mul(row, e.index(layout.blocks)), block);
  Value inverse = arith::DivFOp::create(e.b, e.loc, constantFloat(e, 1),
                                        e.load(scales, at));
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
