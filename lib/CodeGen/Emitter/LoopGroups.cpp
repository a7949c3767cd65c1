//===- LoopGroups.cpp - Buffers by the loops of a product -----------------===//

#include "LoopGroups.h"

using namespace mlir;
using namespace quantc;

Value quantc::getOffset(KernelEmitter &e, ValueRange outer,
                        const StridedMatrix &matrix) {
  Value offset = e.index(0);
  for (auto [i, stride] : llvm::zip(outer, matrix.outerStrides))
    offset = e.add(offset, e.mul(i, stride));
  return offset;
}

/// Flat memory and strides of a buffer with gaps.
static void getView(KernelEmitter &e, Value buffer, Access &access) {
  auto type = cast<MemRefType>(buffer.getType());
  auto [strides, offset] = type.getStridesAndOffset();
  auto metadata = memref::ExtractStridedMetadataOp::create(e.b, e.loc, buffer);
  Value length = e.index(1);
  for (int64_t i = type.getRank(); i-- > 0;) {
    bool isKnown = !ShapedType::isDynamic(strides[i]);
    access.strides[i] =
        isKnown ? e.index(strides[i]) : Value(metadata.getStrides()[i]);
    access.nests[i] = isKnown && i + 1 < type.getRank() &&
                      !type.isDynamicDim(i + 1) &&
                      strides[i] == strides[i + 1] * type.getDimSize(i + 1);
    length = e.add(length, e.mul(access.strides[i], e.size(buffer, i)));
  }
  auto flat = MemRefType::get(
      {ShapedType::kDynamic}, type.getElementType(),
      StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, {1}));
  access.flat = memref::ReinterpretCastOp::create(
      e.b, e.loc, flat, buffer, OpFoldResult(metadata.getOffset()),
      ArrayRef<OpFoldResult>{OpFoldResult(length)},
      ArrayRef<OpFoldResult>{e.b.getIndexAttr(1)});
}

Access Access::get(KernelEmitter &e, Value buffer, AffineMap map) {
  Access access;
  auto type = cast<MemRefType>(buffer.getType());
  int64_t rank = type.getRank();
  access.strides.resize(rank);
  access.nests.assign(rank, true);
  if (type.getLayout().isIdentity()) {
    access.flat = e.flatten(buffer);
    Value stride = e.index(1);
    for (int64_t i = rank; i-- > 0;) {
      access.strides[i] = stride;
      stride = e.mul(stride, e.size(buffer, i));
    }
  } else {
    getView(e, buffer, access);
  }
  for (auto [i, expr] : llvm::enumerate(map.getResults())) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    access.loops.push_back(dim ? dim.getPosition() : -1);
    access.sizes.push_back(e.size(buffer, i));
  }
  return access;
}

std::optional<unsigned> Access::positionOf(unsigned loop) const {
  auto it = llvm::find(loops, int64_t(loop));
  if (it == loops.end())
    return std::nullopt;
  return it - loops.begin();
}

Value Access::strideOf(KernelEmitter &e, unsigned loop) const {
  if (std::optional<unsigned> position = positionOf(loop))
    return strides[*position];
  return e.index(0);
}

std::optional<Value> Access::strideOfGroup(KernelEmitter &e,
                                           ArrayRef<unsigned> group) const {
  std::optional<unsigned> last;
  unsigned numPresent = 0;
  for (unsigned loop : group) {
    std::optional<unsigned> position = positionOf(loop);
    if (!position)
      continue;
    if (last && (*position != *last + 1 || !nests[*last]))
      return std::nullopt;
    last = position;
    ++numPresent;
  }
  if (numPresent == 0)
    return e.index(0);
  if (numPresent != group.size())
    return std::nullopt;
  return strides[*last];
}

Value Access::sizeOfGroup(KernelEmitter &e, ArrayRef<unsigned> group) const {
  Value size = e.index(1);
  for (unsigned loop : group)
    size = e.mul(size, sizes[*positionOf(loop)]);
  return size;
}

StridedMatrix Access::getMatrix(KernelEmitter &e, const LoopGroups &groups,
                                ArrayRef<unsigned> rows,
                                ArrayRef<unsigned> columns) const {
  StridedMatrix matrix;
  matrix.buffer = flat;
  for (unsigned loop : groups.outer)
    matrix.outerStrides.push_back(strideOf(e, loop));
  matrix.rowStride = *strideOfGroup(e, rows);
  matrix.columnStride = *strideOfGroup(e, columns);
  return matrix;
}

void quantc::makeFlat(KernelEmitter &e, SmallVector<unsigned> &group,
                      SmallVector<unsigned> &outer, const Access &x,
                      const Access &y) {
  while (group.size() > 1 &&
         (!x.strideOfGroup(e, group) || !y.strideOfGroup(e, group))) {
    outer.push_back(group.front());
    group.erase(group.begin());
  }
}
