//===- ByteTable.cpp - Entries of a table for a vector of bytes -----------===//

#include "ByteTable.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

static constexpr int64_t kRegisterBits = 512;

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
    : table(table) {
  Type entry = getEntryType();
  bool isPermuted =
      entry.isInteger(8) ? permutes.bytes : entry.isF32() && permutes.words;
  int64_t lanes = kRegisterBits / entry.getIntOrFloatBitWidth();
  for (int64_t i = 0; isPermuted && i < kEntries; i += lanes)
    rows.push_back(e.loadVector(table, e.index(i), lanes));
}

/// The elements at `positions`, of which the lowest bits count, of the register
/// `low` and then `high`.
static Value permute(KernelEmitter &e, StringRef intrinsic, Value low,
                     Value positions, Value high) {
  return LLVM::CallIntrinsicOp::create(e.b, e.loc, low.getType(),
                                       e.b.getStringAttr(intrinsic),
                                       ValueRange{low, positions, high})
      .getResults();
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

/// The same with five bits, so that three of them select.
Value ByteTable::permuteWords(KernelEmitter &e, Value bytes) const {
  auto type = cast<VectorType>(bytes.getType()).clone(e.b.getI32Type());
  Value positions = arith::ExtUIOp::create(e.b, e.loc, type, bytes);
  SmallVector<Value> found;
  for (unsigned i = 0; i < rows.size(); i += 2)
    found.push_back(permute(e, "llvm.x86.avx512.vpermi2var.ps.512", rows[i],
                            positions, rows[i + 1]));
  for (int32_t bit = 32; found.size() > 1; bit *= 2) {
    auto mask = DenseElementsAttr::get(type, bit);
    Value isSet = arith::CmpIOp::create(
        e.b, e.loc, arith::CmpIPredicate::ne,
        arith::AndIOp::create(e.b, e.loc, positions,
                              arith::ConstantOp::create(e.b, e.loc, mask)),
        e.zero(type));
    for (unsigned i = 0; i < found.size() / 2; ++i)
      found[i] = arith::SelectOp::create(e.b, e.loc, isSet, found[2 * i + 1],
                                         found[2 * i]);
    found.resize(found.size() / 2);
  }
  return found.front();
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

Value ByteTable::lookUp(KernelEmitter &e, Value bytes) const {
  auto loadEntry = [&](Value byte) {
    return e.load(table, arith::IndexCastUIOp::create(
                             e.b, e.loc, e.b.getIndexType(), byte));
  };
  auto type = dyn_cast<VectorType>(bytes.getType());
  if (!type)
    return loadEntry(bytes);
  int64_t count = type.getNumElements();
  int64_t lanes = kRegisterBits / getEntryType().getIntOrFloatBitWidth();
  if (!rows.empty() && count <= lanes) {
    auto own = llvm::to_vector(llvm::seq<int64_t>(0, count));
    if (count < lanes) {
      SmallVector<int64_t> widened(own);
      widened.resize(lanes, vector::ShuffleOp::kPoisonIndex);
      bytes = vector::ShuffleOp::create(e.b, e.loc, bytes, bytes, widened);
    }
    Value found = getEntryType().isInteger(8) ? permuteBytes(e, bytes)
                                              : permuteWords(e, bytes);
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
