//===- BoundAllocations.cpp - Sizes of buffers that do not wrap -----------===//
//
// Runs last before buffers become pointers: all allocations are there, and the
// conversion to LLVM multiplies sizes without a look at what is lost.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace quantc {
#define GEN_PASS_DEF_BOUNDALLOCATIONSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// More bytes than any processor can address, with room for an alignment.
static constexpr int64_t kTooMany = std::numeric_limits<int64_t>::max();

/// The bytes of what is static in a type: of one element, and how many there
/// are of the dimensions that are known.
static std::optional<int64_t> getStaticBytes(MemRefType type) {
  Type element = type.getElementType();
  int64_t bytes = element.isIndex() ? 8
                                    : llvm::PowerOf2Ceil(llvm::divideCeil(
                                          element.getIntOrFloatBitWidth(), 8));
  for (int64_t size : type.getShape())
    if (!ShapedType::isDynamic(size) &&
        llvm::MulOverflow(bytes, std::max<int64_t>(size, 1), bytes))
      return std::nullopt;
  return bytes;
}

/// The bytes of a buffer; `kTooMany` if 63 bits cannot hold them, or if a size
/// is negative, which counts as one that is beyond 63 bits. For this, a size of
/// 0 counts as 1: loops run over the other sizes of an empty buffer, too, so
/// that they must have an end.
static Value computeBytes(OpBuilder &b, Location loc, int64_t staticBytes,
                          ValueRange sizes) {
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value bytes = one, lost = zero, isEmpty;
  auto multiply = [&](Value factor) {
    auto product = arith::MulUIExtendedOp::create(b, loc, bytes, factor);
    bytes = product.getLow();
    lost = arith::OrIOp::create(b, loc, lost, product.getHigh());
  };
  for (auto [i, size] : llvm::enumerate(sizes)) {
    Value extent = arith::MaxUIOp::create(b, loc, size, one);
    Value isZero =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, size, zero);
    isEmpty = isEmpty ? arith::OrIOp::create(b, loc, isEmpty, isZero) : isZero;
    if (i == 0)
      bytes = extent;
    else
      multiply(extent);
  }
  if (staticBytes != 1)
    multiply(arith::ConstantIndexOp::create(b, loc, staticBytes));
  Value most = arith::ConstantIndexOp::create(b, loc, kTooMany);
  Value isLost =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, lost, zero);
  if (isEmpty)
    bytes = arith::SelectOp::create(b, loc, isEmpty, zero, bytes);
  bytes = arith::SelectOp::create(b, loc, isLost, most, bytes);
  return arith::MinUIOp::create(b, loc, bytes, most);
}

/// Allocates bytes, and makes the buffer a view of them.
static void rewrite(memref::AllocOp alloc, std::optional<int64_t> staticBytes) {
  OpBuilder b(alloc);
  Location loc = alloc.getLoc();
  Value bytes =
      staticBytes ? computeBytes(b, loc, *staticBytes, alloc.getDynamicSizes())
                  : arith::ConstantIndexOp::create(b, loc, kTooMany);
  auto type = MemRefType::get({ShapedType::kDynamic}, b.getI8Type());
  Value buffer = memref::AllocOp::create(b, loc, type, ValueRange(bytes),
                                         alloc.getAlignmentAttr());
  Value begin = arith::ConstantIndexOp::create(b, loc, 0);
  Value view = memref::ViewOp::create(b, loc, alloc.getType(), buffer, begin,
                                      alloc.getDynamicSizes());
  alloc.replaceAllUsesWith(view);
  alloc.erase();
}

namespace {
struct BoundAllocationsPass
    : public quantc::impl::BoundAllocationsPassBase<BoundAllocationsPass> {
  void runOnOperation() override {
    getOperation()->walk([&](memref::AllocOp alloc) {
      MemRefType type = alloc.getType();
      if (!type.getElementType().isIntOrIndexOrFloat() ||
          !type.getLayout().isIdentity() || type.getMemorySpace())
        return;
      std::optional<int64_t> staticBytes = getStaticBytes(type);
      if (staticBytes && type.hasStaticShape())
        return;
      rewrite(alloc, staticBytes);
      ++numBounded;
    });
  }
};
} // namespace
