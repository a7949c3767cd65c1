//===- ByteTable.cpp - Entries of a table for a vector of bytes -----------===//

#include "ByteTable.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

static constexpr int64_t kRegisterBits = 512;
/// Bytes that `pshufb` permutes.
static constexpr int64_t kShuffledRow = 16;

Value ByteTable::matchIndex(Value source, ValueRange indices) {
  auto type = cast<ShapedType>(source.getType());
  auto buffer = dyn_cast<MemRefType>(type);
  if (!type.getElementType().isIntOrFloat() || !type.hasRank() ||
      type.getShape() != ArrayRef<int64_t>{kEntries} ||
      (buffer && !buffer.getLayout().isIdentity()))
    return nullptr;
  auto index = indices.front().getDefiningOp<arith::IndexCastUIOp>();
  return index && index.getIn().getType().isInteger(8) ? index.getIn()
                                                       : Value();
}

bool ByteTable::isLookup(Operation &op) {
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return bool(matchIndex(extract.getTensor(), extract.getIndices()));
  auto load = dyn_cast<memref::LoadOp>(op);
  return load && matchIndex(load.getMemref(), load.getIndices());
}

Type ByteTable::getEntryType() const {
  return cast<MemRefType>(table.getType()).getElementType();
}

ByteTable::ByteTable(KernelEmitter &e, Value table, TablePermutes permutes)
    : table(table), permutes(permutes) {
  Type entry = getEntryType();
  int64_t lanes = 0;
  if (entry.isInteger(8) ? permutes.bytes : entry.isF32() && permutes.words)
    lanes = kRegisterBits / entry.getIntOrFloatBitWidth();
  else if (entry.isInteger(8) && permutes.shuffledBytes)
    lanes = kShuffledRow;
  for (int64_t i = 0; lanes && i < kEntries; i += lanes)
    rows.push_back(e.loadVector(table, e.index(i), lanes));
}

/// The elements at `positions`, of which the lowest bits count, of the register
/// `low` and then `high`.
static Value permute(KernelEmitter &e, StringRef intrinsic, Value low,
                     Value positions, Value high) {
  return e.callIntrinsic(intrinsic, low.getType(), {low, positions, high});
}

/// A permutation takes seven bits of an index; the eighth selects.
Value ByteTable::permuteBytes(KernelEmitter &e, Value bytes) const {
  StringRef intrinsic = "llvm.x86.avx512.vpermi2var.qi.512";
  Value isHigh = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt,
                                       bytes, e.zero(bytes.getType()));
  return arith::SelectOp::create(
      e.b, e.loc, isHigh, permute(e, intrinsic, rows[2], bytes, rows[3]),
      permute(e, intrinsic, rows[0], bytes, rows[1]));
}

/// The entries that the bits of `indices` from `firstBit` on select of those
/// that `getEntries` makes for each value of these bits. Of two halves each is
/// done before the other begins, so that few of them are in registers.
static Value selectByBits(KernelEmitter &e, Value indices, int64_t firstBit,
                          int64_t count,
                          llvm::function_ref<Value(int64_t)> getEntries) {
  auto type = cast<VectorType>(indices.getType());
  int64_t sign = type.getElementTypeBitWidth() - 1;
  SmallVector<Value> isSet;
  for (int64_t i = 0; int64_t(1) << i < count; ++i) {
    // As the sign, which is what blends look at.
    Attribute shift =
        e.b.getIntegerAttr(type.getElementType(), sign - firstBit - i);
    Value shifted = arith::ShLIOp::create(
        e.b, e.loc, indices,
        arith::ConstantOp::create(e.b, e.loc,
                                  DenseElementsAttr::get(type, shift)));
    isSet.push_back(arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt,
                                          shifted, e.zero(type)));
  }
  auto select = [&](auto &self, int64_t first, int64_t bits) -> Value {
    if (bits == 0)
      return getEntries(first);
    Value low = self(self, first, bits - 1);
    Value high = self(self, first + (int64_t(1) << (bits - 1)), bits - 1);
    return arith::SelectOp::create(e.b, e.loc, isSet[bits - 1], high, low);
  };
  return select(select, 0, isSet.size());
}

Value quantc::shuffleBytes(KernelEmitter &e, Value bytes, Value positions) {
  int64_t lanes = cast<VectorType>(bytes.getType()).getNumElements();
  StringRef intrinsic = lanes == 64   ? "llvm.x86.avx512.pshuf.b.512"
                        : lanes == 32 ? "llvm.x86.avx2.pshuf.b"
                                      : "llvm.x86.ssse3.pshuf.b.128";
  return e.callIntrinsic(intrinsic, bytes.getType(), {bytes, positions});
}

/// Each row of 16 entries by the four lowest bits; the others select.
Value ByteTable::shuffleBytes(KernelEmitter &e, Value bytes) const {
  auto type = cast<VectorType>(bytes.getType());
  int64_t lanes = type.getNumElements();
  Value positions = arith::AndIOp::create(
      e.b, e.loc, bytes,
      arith::ConstantOp::create(
          e.b, e.loc,
          DenseElementsAttr::get(type,
                                 e.b.getI8IntegerAttr(kShuffledRow - 1))));
  SmallVector<int64_t> repeated;
  for (int64_t i = 0; i < lanes; ++i)
    repeated.push_back(i % kShuffledRow);
  return selectByBits(e, bytes, /*firstBit=*/4, rows.size(), [&](int64_t i) {
    Value row = rows[i];
    if (lanes > kShuffledRow)
      row = vector::ShuffleOp::create(e.b, e.loc, row, row, repeated);
    return quantc::shuffleBytes(e, row, positions);
  });
}

/// The same with five bits, so that three of them select.
Value ByteTable::permuteWords(KernelEmitter &e, Value bytes) const {
  auto type = cast<VectorType>(bytes.getType()).clone(e.b.getI32Type());
  Value positions = arith::ExtUIOp::create(e.b, e.loc, type, bytes);
  return selectByBits(e, positions, /*firstBit=*/5, rows.size() / 2,
                      [&](int64_t i) {
                        return permute(e, "llvm.x86.avx512.vpermi2var.ps.512",
                                       rows[2 * i], positions, rows[2 * i + 1]);
                      });
}

/// Entry by entry where the target has no gathers.
Value ByteTable::gather(KernelEmitter &e, Value bytes) const {
  auto type = cast<VectorType>(bytes.getType());
  auto entries = type.clone(getEntryType());
  Value mask = arith::ConstantOp::create(
      e.b, e.loc, DenseElementsAttr::get(type.clone(e.b.getI1Type()), true));
  Value positions =
      arith::ExtUIOp::create(e.b, e.loc, type.clone(e.b.getI32Type()), bytes);
  return vector::GatherOp::create(e.b, e.loc, entries, table, e.index(0),
                                  positions, mask, e.zero(entries));
}

int64_t ByteTable::getLanes(int64_t count) const {
  if (rows.empty())
    return 0;
  int64_t lanes = kRegisterBits / getEntryType().getIntOrFloatBitWidth();
  if (!getEntryType().isInteger(8) || permutes.bytes)
    return count <= lanes ? lanes : 0;
  // One by one takes no longer if half of a register is empty.
  lanes = permutes.shuffledBytes;
  return 2 * count > lanes && count <= lanes ? lanes : 0;
}

Value ByteTable::lookUp(KernelEmitter &e, Value bytes) const {
  auto loadEntry = [&](Value byte) {
    return e.load(table, arith::IndexCastUIOp::create(
                             e.b, e.loc, e.b.getIndexType(), byte));
  };
  auto type = dyn_cast<VectorType>(bytes.getType());
  if (!type)
    return loadEntry(bytes);
  int64_t count = type.getNumElements(), lanes = getLanes(count);
  if (lanes) {
    auto own = llvm::to_vector(llvm::seq<int64_t>(0, count));
    if (count < lanes) {
      SmallVector<int64_t> widened(own);
      widened.resize(lanes, vector::ShuffleOp::kPoisonIndex);
      bytes = vector::ShuffleOp::create(e.b, e.loc, bytes, bytes, widened);
    }
    Value found = !getEntryType().isInteger(8) ? permuteWords(e, bytes)
                  : permutes.bytes             ? permuteBytes(e, bytes)
                                               : shuffleBytes(e, bytes);
    return count == lanes
               ? found
               : vector::ShuffleOp::create(e.b, e.loc, found, found, own);
  }
  if (getEntryType().getIntOrFloatBitWidth() >= 32)
    return gather(e, bytes);
  Value result = e.zero(type.clone(getEntryType()));
  for (int64_t i = 0; i < count; ++i)
    result = vector::InsertOp::create(
        e.b, e.loc, loadEntry(vector::ExtractOp::create(e.b, e.loc, bytes, i)),
        result, i);
  return result;
}
