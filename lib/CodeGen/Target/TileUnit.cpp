//===- TileUnit.cpp - Sums in AMX tiles -----------------------------------===//

#include "TileUnit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace quantc;

namespace {
class TileEmitter {
public:
  TileEmitter(KernelEmitter &e, const DotProduct &dot)
      : e(e), dot(dot), tile(LLVM::LLVMX86AMXType::get(e.b.getContext())) {}

  Value load(Value pointer, Value stride) {
    return e.callIntrinsic("llvm.x86.tileloadd64.internal", tile,
                           {size(kTileSize), size(kBytes), pointer, stride});
  }
  void store(Value value, Value pointer, Value stride) {
    LLVM::CallIntrinsicOp::create(
        e.b, e.loc, e.b.getStringAttr("llvm.x86.tilestored64.internal"),
        ValueRange{size(kTileSize), size(kBytes), pointer, stride, value});
  }
  Value multiply(Value sum, Value a, Value b) {
    StringRef name = dot.takesFloats ? "llvm.x86.tdpbf16ps.internal"
                     : dot.isLhsSigned
                         ? (dot.isRhsSigned ? "llvm.x86.tdpbssd.internal"
                                            : "llvm.x86.tdpbsud.internal")
                         : (dot.isRhsSigned ? "llvm.x86.tdpbusd.internal"
                                            : "llvm.x86.tdpbuud.internal");
    return e.callIntrinsic(
        name, tile, {size(kTileSize), size(kBytes), size(kBytes), sum, a, b});
  }
  /// The address of an element of a buffer of 32-bit values.
  Value pointer(Value buffer, Value at) {
    Value base =
        memref::ExtractAlignedPointerAsIndexOp::create(e.b, e.loc, buffer);
    Value address = e.add(base, e.mul(at, e.index(4)));
    Value integer =
        arith::IndexCastOp::create(e.b, e.loc, e.b.getI64Type(), address);
    return LLVM::IntToPtrOp::create(
        e.b, e.loc, LLVM::LLVMPointerType::get(e.b.getContext()), integer);
  }
  /// The distance between rows, in bytes.
  Value stride(int64_t elements) {
    return arith::ConstantOp::create(e.b, e.loc,
                                     e.b.getI64IntegerAttr(4 * elements));
  }

private:
  static constexpr int64_t kBytes = 4 * kTileSize;

  Value size(int64_t value) {
    return arith::ConstantOp::create(e.b, e.loc, e.b.getI16IntegerAttr(value));
  }

  KernelEmitter &e;
  const DotProduct &dot;
  Type tile;
};
} // namespace

Value quantc::allocateZeros(KernelEmitter &e, const MicroKernel &kernel) {
  int64_t count = kernel.rows / kTileSize * kernel.vectors;
  Value zeros = e.allocateOnStack(count * kTileSize, e.b.getI32Type());
  Value row = e.zero(VectorType::get(kTileSize, e.b.getI32Type()));
  for (int64_t i = 0; i < count; ++i)
    e.storeVector(row, zeros, e.index(i * kTileSize));
  return zeros;
}

void quantc::emitTiles(KernelEmitter &e, const MicroKernel &kernel,
                       const TileOperand &a, const TileOperand &b,
                       const TileOperand &sums, Value numWords, Value isFirst,
                       Value zeros) {
  TileEmitter tiles(e, kernel.dot);
  int64_t numRows = kernel.rows / kTileSize, numColumns = kernel.vectors;
  int64_t count = numRows * numColumns;
  // Zeroed tiles would be merged and spilled, so zeros are loaded as well, for
  // each tile from an address of its own.
  SmallVector<Value> places, state;
  for (int64_t i = 0; i < count; ++i) {
    int64_t row = i / numColumns * kTileSize, column = i % numColumns;
    places.push_back(tiles.pointer(
        sums.buffer, e.add(sums.offset, e.index(row * sums.rowStride +
                                                column * kTileSize))));
    // All rows of zeros are one row.
    Value from = tiles.pointer(zeros, e.index(i * kTileSize));
    Value stride = tiles.stride(0);
    if (isFirst) {
      from = arith::SelectOp::create(e.b, e.loc, isFirst, from, places[i]);
      stride = arith::SelectOp::create(e.b, e.loc, isFirst, stride,
                                       tiles.stride(sums.rowStride));
    }
    state.push_back(tiles.load(from, stride));
  }
  state = e.forLoop(
      e.index(0), numWords, kTileSize, state, [&](Value k, ValueRange in) {
        SmallVector<Value> rows, columns, out;
        for (int64_t i = 0; i < numRows; ++i)
          rows.push_back(tiles.load(
              tiles.pointer(a.buffer,
                            e.add(e.add(a.offset, k),
                                  e.index(i * kTileSize * a.rowStride))),
              tiles.stride(a.rowStride)));
        for (int64_t j = 0; j < numColumns; ++j)
          columns.push_back(tiles.load(
              tiles.pointer(
                  b.buffer,
                  e.add(e.add(b.offset, e.mul(k, e.index(b.rowStride))),
                        e.index(j * kTileSize))),
              tiles.stride(b.rowStride)));
        for (int64_t i = 0; i < count; ++i)
          out.push_back(tiles.multiply(in[i], rows[i / numColumns],
                                       columns[i % numColumns]));
        return out;
      });
  for (int64_t i = 0; i < count; ++i)
    tiles.store(state[i], places[i], tiles.stride(sums.rowStride));
}
