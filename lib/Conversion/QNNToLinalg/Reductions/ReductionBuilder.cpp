//===- ReductionBuilder.cpp - What lowerings that reduce share ------------===//

#include "ReductionBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

Type quantc::getAccumulatorType(Type stored) {
  if (isa<FloatType>(stored) && stored.getIntOrFloatBitWidth() < 32)
    return Float32Type::get(stored.getContext());
  return stored;
}

Value quantc::addForReduction(OpBuilder &b, Location loc, Value x, Value y) {
  if (!isa<FloatType>(x.getType()))
    return arith::AddIOp::create(b, loc, x, y);
  return arith::AddFOp::create(b, loc, x, y,
                               arith::FastMathFlags::reassoc |
                                   arith::FastMathFlags::contract);
}

Value quantc::expForSum(OpBuilder &b, Location loc, Value x) {
  // Of f64, LLVM is not asked to approximate what libm computes.
  return math::ExpOp::create(b, loc, x,
                             x.getType().isF32() ? arith::FastMathFlags::afn
                                                 : arith::FastMathFlags::none);
}

Value quantc::convertFloat(OpBuilder &b, Location loc, Value x, Type type) {
  unsigned from = x.getType().getIntOrFloatBitWidth();
  unsigned to = type.getIntOrFloatBitWidth();
  if (x.getType() == type)
    return x;
  if (from < to)
    return arith::ExtFOp::create(b, loc, type, x);
  if (from > to)
    return arith::TruncFOp::create(b, loc, type, x);
  // f16 and bf16: by way of f32, which holds both.
  return arith::TruncFOp::create(
      b, loc, type, arith::ExtFOp::create(b, loc, b.getF32Type(), x));
}

Value quantc::indexToScalar(OpBuilder &b, Location loc, Value index,
                            Type type) {
  if (isa<IntegerType>(type))
    return arith::IndexCastOp::create(b, loc, type, index);
  Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
  return arith::SIToFPOp::create(b, loc, type, wide);
}

Value quantc::productOf(OpBuilder &b, Location loc,
                        ArrayRef<OpFoldResult> dims) {
  int64_t known = 1;
  Value product;
  for (OpFoldResult dim : dims) {
    if (auto constant = getConstantIntValue(dim)) {
      known *= *constant;
      continue;
    }
    Value v = materialize(b, loc, dim);
    product = product ? arith::MulIOp::create(b, loc, product, v) : v;
  }
  Value constant = constantIndex(b, loc, known);
  if (!product)
    return constant;
  return known == 1 ? product
                    : arith::MulIOp::create(b, loc, product, constant);
}

/// The identity over all dimensions, and over those that are not reduced.
static std::pair<AffineMap, AffineMap> mapsOf(OpBuilder &b,
                                              ArrayRef<bool> reduced) {
  SmallVector<AffineExpr> kept;
  for (auto [d, r] : llvm::enumerate(reduced))
    if (!r)
      kept.push_back(b.getAffineDimExpr(d));
  return {b.getMultiDimIdentityMap(reduced.size()),
          AffineMap::get(reduced.size(), 0, kept, b.getContext())};
}

Value quantc::createReduction(OpBuilder &b, Location loc, ValueRange inputs,
                              ArrayRef<bool> reduced, Value init,
                              CombineBody combine) {
  auto type = cast<RankedTensorType>(inputs.front().getType());
  auto [full, kept] = mapsOf(b, reduced);
  SmallVector<int64_t> shape;
  SmallVector<OpFoldResult> dims;
  SmallVector<utils::IteratorType> iterators;
  for (auto [d, r] : llvm::enumerate(reduced)) {
    iterators.push_back(r ? utils::IteratorType::reduction
                          : utils::IteratorType::parallel);
    if (r)
      continue;
    shape.push_back(type.getDimSize(d));
    dims.push_back(getDim(b, loc, inputs.front(), d));
  }
  SmallVector<AffineMap> maps(inputs.size() + 1, kept);
  maps.front() = full;
  auto resultType = RankedTensorType::get(shape, init.getType());
  Value acc = createFilled(b, loc, resultType, dims, init);
  return linalg::GenericOp::create(
             b, loc, TypeRange(resultType), inputs, ValueRange(acc), maps,
             iterators,
             [&](OpBuilder &nested, Location l, ValueRange args) {
               linalg::YieldOp::create(nested, l, combine(nested, l, args));
             })
      .getResult(0);
}

Value quantc::createMapAlong(OpBuilder &b, Location loc, Type elementType,
                             ValueRange inputs, ArrayRef<bool> reduced,
                             ScalarBody body) {
  auto [full, kept] = mapsOf(b, reduced);
  SmallVector<AffineMap> maps;
  for (Value input : inputs)
    maps.push_back(cast<RankedTensorType>(input.getType()).getRank() ==
                           int64_t(reduced.size())
                       ? full
                       : kept);
  maps.push_back(full);
  auto type =
      cast<RankedTensorType>(inputs.front().getType()).clone(elementType);
  Value empty = createEmpty(b, loc, type, getDims(b, loc, inputs.front()));
  return linalg::GenericOp::create(
             b, loc, TypeRange(type), inputs, ValueRange(empty), maps,
             SmallVector<utils::IteratorType>(reduced.size(),
                                              utils::IteratorType::parallel),
             [&](OpBuilder &nested, Location l, ValueRange args) {
               linalg::YieldOp::create(nested, l,
                                       body(nested, l, args.drop_back()));
             })
      .getResult(0);
}
