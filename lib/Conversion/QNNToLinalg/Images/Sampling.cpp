//===- Sampling.cpp - Reads images between their elements -----------------===//

#include "Sampling.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

/// More planes would meet in few sets of the first cache, where these have a
/// size that is a power of two.
static constexpr int64_t kMaxChannelBlock = 4;

Value quantc::toFloat(OpBuilder &b, Location loc, Value x, bool isUnsigned) {
  Type f32 = b.getF32Type();
  if (isa<IntegerType>(x.getType())) {
    if (isUnsigned)
      return arith::UIToFPOp::create(b, loc, f32, x);
    return arith::SIToFPOp::create(b, loc, f32, x);
  }
  if (x.getType().getIntOrFloatBitWidth() < 32)
    return arith::ExtFOp::create(b, loc, f32, x);
  return x;
}

Value quantc::fromFloat(OpBuilder &b, Location loc, Value x, Type to) {
  if (x.getType() == to)
    return x;
  if (isa<IntegerType>(to))
    return arith::FPToSIOp::create(b, loc, to, x);
  if (to.getIntOrFloatBitWidth() > x.getType().getIntOrFloatBitWidth())
    return arith::ExtFOp::create(b, loc, to, x);
  return arith::TruncFOp::create(b, loc, to, x);
}

Value quantc::indexToFloat(OpBuilder &b, Location loc, Value x, Type type) {
  Value integer = arith::IndexCastOp::create(b, loc, b.getI64Type(), x);
  return arith::SIToFPOp::create(b, loc, type, integer);
}

Value quantc::floatToIndex(OpBuilder &b, Location loc, Value x) {
  Value integer = arith::FPToSIOp::create(b, loc, b.getI64Type(), x);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), integer);
}

Value quantc::readOrZero(OpBuilder &b, Location loc, Value image,
                         ValueRange prefix, ValueRange indices,
                         ArrayRef<OpFoldResult> sizes) {
  SizeMath m{b, loc};
  Value inside;
  SmallVector<Value> at(prefix);
  for (auto [index, size] : llvm::zip(indices, sizes)) {
    Value last = m.value(m.sub(size, m.cst(1)));
    Value zero = m.value(m.cst(0));
    Value clamped = arith::MaxSIOp::create(
        b, loc, arith::MinSIOp::create(b, loc, index, last), zero);
    Value same =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, clamped, index);
    inside = inside ? Value(arith::AndIOp::create(b, loc, inside, same)) : same;
    at.push_back(clamped);
  }
  Value element = toFloat(b, loc, tensor::ExtractOp::create(b, loc, image, at));
  return arith::SelectOp::create(b, loc, inside, element,
                                 constantScalar(b, loc, element.getType(), 0));
}

Value quantc::sampleLinear(OpBuilder &b, Location loc, Value image,
                           ValueRange prefix, ValueRange place,
                           ArrayRef<OpFoldResult> sizes) {
  SizeMath m{b, loc};
  SmallVector<Value> low, high, lowWeight, highWeight;
  Type f = place.front().getType();
  for (auto [p, size] : llvm::zip(place, sizes)) {
    // What is far outside is all zero; clamped, so that it fits an index.
    Value limit = indexToFloat(b, loc, m.value(m.add(size, m.cst(1))), f);
    Value x = arith::MaximumFOp::create(
        b, loc, arith::MinimumFOp::create(b, loc, p, limit),
        constantScalar(b, loc, f, -2));
    Value floor = math::FloorOp::create(b, loc, x);
    Value fraction = arith::SubFOp::create(b, loc, x, floor);
    Value index = floatToIndex(b, loc, floor);
    low.push_back(index);
    high.push_back(m.value(m.add(index, m.cst(1))));
    highWeight.push_back(fraction);
    lowWeight.push_back(
        arith::SubFOp::create(b, loc, constantScalar(b, loc, f, 1), fraction));
  }
  Value sum;
  size_t rank = low.size();
  for (unsigned corner = 0; corner < (1u << rank); ++corner) {
    SmallVector<Value> indices;
    Value weight;
    for (size_t i = 0; i < rank; ++i) {
      bool isHigh = corner >> i & 1;
      indices.push_back(isHigh ? high[i] : low[i]);
      Value w = isHigh ? highWeight[i] : lowWeight[i];
      weight = weight ? Value(arith::MulFOp::create(b, loc, weight, w)) : w;
    }
    Value element = readOrZero(b, loc, image, prefix, indices, sizes);
    if (element.getType() != weight.getType())
      weight = fromFloat(b, loc, weight, element.getType());
    Value term = arith::MulFOp::create(b, loc, element, weight);
    sum = sum ? Value(arith::AddFOp::create(b, loc, sum, term)) : term;
  }
  return sum;
}

int64_t quantc::getChannelBlock(int64_t channels) {
  if (ShapedType::isDynamic(channels) || channels == 0)
    return 1;
  int64_t block = kMaxChannelBlock;
  while (channels % block != 0)
    --block;
  return block;
}

SmallVector<OpFoldResult> quantc::splitChannelDim(OpBuilder &b,
                                                  ArrayRef<OpFoldResult> dims,
                                                  int64_t block) {
  SmallVector<OpFoldResult> split(dims);
  if (std::optional<int64_t> channels = getConstantIntValue(dims[1]))
    split[1] = b.getIndexAttr(*channels / block);
  split.insert(split.begin() + 2, b.getIndexAttr(block));
  return split;
}

SmallVector<ReassociationIndices> quantc::getBlockGroups(int64_t rank) {
  SmallVector<ReassociationIndices> groups{{0}, {1, 2}};
  for (int64_t i = 2; i < rank; ++i)
    groups.push_back({i + 1});
  return groups;
}

Value quantc::splitChannels(OpBuilder &b, Location loc, Value image,
                            int64_t block) {
  SmallVector<OpFoldResult> dims =
      splitChannelDim(b, getDims(b, loc, image), block);
  auto type = cast<RankedTensorType>(image.getType());
  return tensor::ExpandShapeOp::create(
      b, loc, getTypeOf(dims, type.getElementType()), image,
      getBlockGroups(type.getRank()), dims);
}
