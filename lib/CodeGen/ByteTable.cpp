//===- ByteTable.cpp - Entries of a table for a vector of bytes -----------===//

#include "ByteTable.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace quantc;

/// Bytes of a register.
static constexpr int64_t kLanes = 64;

Value ByteTable::matchIndex(Value source, ValueRange indices) {
  auto type = cast<ShapedType>(source.getType());
  auto buffer = dyn_cast<MemRefType>(type);
  if (!type.getElementType().isInteger(8) || !type.hasRank() ||
      type.getShape() != ArrayRef<int64_t>{kEntries} ||
      (buffer && !buffer.getLayout().isIdentity()))
    return nullptr;
  auto index = indices.front().getDefiningOp<arith::IndexCastUIOp>();
  return index && index.getIn().getType().isInteger(8) ? index.getIn()
                                                       : Value();
}

ByteTable::ByteTable(KernelEmitter &e, Value table, bool hasPermutes)
    : table(table) {
  for (int64_t i = 0; hasPermutes && i < kEntries; i += kLanes)
    rows.push_back(e.loadVector(table, e.index(i), kLanes));
}

/// A permutation takes seven bits of an index; the eighth selects.
Value ByteTable::permute(KernelEmitter &e, Value bytes) const {
  auto half = [&](Value low, Value high) -> Value {
    return LLVM::CallIntrinsicOp::create(
               e.b, e.loc, bytes.getType(),
               e.b.getStringAttr("llvm.x86.avx512.vpermi2var.qi.512"),
               ValueRange{low, bytes, high})
        .getResults();
  };
  Value isHigh = arith::CmpIOp::create(e.b, e.loc, arith::CmpIPredicate::slt,
                                       bytes, e.zero(bytes.getType()));
  return arith::SelectOp::create(e.b, e.loc, isHigh, half(rows[2], rows[3]),
                                 half(rows[0], rows[1]));
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
  if (!rows.empty() && count <= kLanes) {
    if (count == kLanes)
      return permute(e, bytes);
    auto own = llvm::to_vector(llvm::seq<int64_t>(0, count));
    SmallVector<int64_t> widened(own);
    widened.resize(kLanes, vector::ShuffleOp::kPoisonIndex);
    Value wide = vector::ShuffleOp::create(e.b, e.loc, bytes, bytes, widened);
    wide = permute(e, wide);
    return vector::ShuffleOp::create(e.b, e.loc, wide, wide, own);
  }
  Value result = e.zero(type);
  for (int64_t i = 0; i < count; ++i)
    result = vector::InsertOp::create(
        e.b, e.loc, loadEntry(vector::ExtractOp::create(e.b, e.loc, bytes, i)),
        result, i);
  return result;
}
