//===- WindowMath.cpp - Sizes and pads of sliding windows -----------------===//

#include "WindowMath.h"

#include "DimensionAlgebra.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantc;

//===- arithmetic ---------------------------------------------------------===//

/// Computes now if both operands are known, else builds `OpTy`.
template <typename OpTy>
static OpFoldResult fold(const SizeMath &m, OpFoldResult x, OpFoldResult y,
                         function_ref<int64_t(int64_t, int64_t)> compute) {
  auto xc = getConstantIntValue(x), yc = getConstantIntValue(y);
  if (xc && yc)
    return m.cst(compute(*xc, *yc));
  return m.b.createOrFold<OpTy>(m.loc, m.value(x), m.value(y));
}

static bool isConstant(OpFoldResult x, int64_t v) {
  return isConstantIntValue(x, v);
}

OpFoldResult SizeMath::add(OpFoldResult x, OpFoldResult y) const {
  if (isConstant(x, 0))
    return y;
  if (isConstant(y, 0))
    return x;
  return fold<arith::AddIOp>(*this, x, y,
                             [](int64_t a, int64_t b) { return a + b; });
}

OpFoldResult SizeMath::sub(OpFoldResult x, OpFoldResult y) const {
  if (isConstant(y, 0))
    return x;
  // So that chains of additions of constants fold.
  if (auto yc = getConstantIntValue(y))
    return add(x, cst(-*yc));
  return fold<arith::SubIOp>(*this, x, y,
                             [](int64_t a, int64_t b) { return a - b; });
}

OpFoldResult SizeMath::mul(OpFoldResult x, OpFoldResult y) const {
  if (isConstant(x, 1))
    return y;
  if (isConstant(y, 1))
    return x;
  return fold<arith::MulIOp>(*this, x, y,
                             [](int64_t a, int64_t b) { return a * b; });
}

OpFoldResult SizeMath::floorDiv(OpFoldResult x, OpFoldResult y) const {
  if (isConstant(y, 1))
    return x;
  return fold<arith::FloorDivSIOp>(*this, x, y, [](int64_t a, int64_t b) {
    return llvm::divideFloorSigned(a, b);
  });
}

OpFoldResult SizeMath::ceilDiv(OpFoldResult x, OpFoldResult y) const {
  if (isConstant(y, 1))
    return x;
  return fold<arith::CeilDivSIOp>(*this, x, y, [](int64_t a, int64_t b) {
    return llvm::divideCeilSigned(a, b);
  });
}

/// x - y, if nothing more needs to be known of either.
static std::optional<int64_t> getDifference(OpFoldResult x, OpFoldResult y) {
  DimensionSum difference = DimensionSum(x).plus(DimensionSum(y), -1);
  if (!difference.terms.empty())
    return std::nullopt;
  return difference.constant;
}

OpFoldResult SizeMath::max(OpFoldResult x, OpFoldResult y) const {
  if (std::optional<int64_t> difference = getDifference(x, y))
    return *difference >= 0 ? x : y;
  return fold<arith::MaxSIOp>(
      *this, x, y, [](int64_t a, int64_t b) { return std::max(a, b); });
}

OpFoldResult SizeMath::min(OpFoldResult x, OpFoldResult y) const {
  if (std::optional<int64_t> difference = getDifference(x, y))
    return *difference <= 0 ? x : y;
  return fold<arith::MinSIOp>(
      *this, x, y, [](int64_t a, int64_t b) { return std::min(a, b); });
}

Value SizeMath::isLess(OpFoldResult x, OpFoldResult y) const {
  return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, value(x),
                                       value(y));
}

Value SizeMath::isLessOrEqual(OpFoldResult x, OpFoldResult y) const {
  return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::sle, value(x),
                                       value(y));
}

RankedTensorType quantc::getTypeOf(ArrayRef<OpFoldResult> dims, Type element) {
  SmallVector<int64_t> shape;
  for (OpFoldResult dim : dims)
    shape.push_back(getConstantIntValue(dim).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(shape, element);
}

//===- windows ------------------------------------------------------------===//

/// How often `stride` fits into `size`, rounded down or up, plus `more`.
static OpFoldResult countSteps(const SizeMath &m, OpFoldResult size,
                               int64_t stride, bool roundsUp, int64_t more) {
  DimensionSum sum(size), rest;
  rest.constant = roundsUp ? stride - 1 : 0;
  sum = sum.plus(rest).floorDividedBy(m.b, m.loc, stride);
  rest.constant = more;
  return sum.plus(rest).build(m.b, m.loc);
}

OpFoldResult quantc::addSizes(OpBuilder &b, Location loc,
                              ArrayRef<OpFoldResult> sizes) {
  DimensionSum sum;
  for (OpFoldResult size : sizes)
    sum = sum.plus(DimensionSum(size));
  return sum.build(b, loc);
}

bool WindowGeometry::hasPads(size_t i) const {
  return !isConstant(padBegin[i], 0) || !isConstant(padEnd[i], 0);
}

WindowGeometry
quantc::computeWindows(OpBuilder &b, Location loc, Value input,
                       ArrayRef<OpFoldResult> kernel, ArrayRef<int64_t> strides,
                       ArrayRef<int64_t> dilations, ArrayRef<int64_t> pads,
                       qnn::AutoPad autoPad, bool ceilMode, bool takesPartial) {
  SizeMath m{b, loc};
  WindowGeometry g;
  g.kernel.assign(kernel.begin(), kernel.end());
  g.strides.assign(strides.begin(), strides.end());
  g.dilations.assign(dilations.begin(), dilations.end());
  for (size_t i = 0; i < kernel.size(); ++i) {
    OpFoldResult size = getDim(b, loc, input, i + 2);
    OpFoldResult stride = m.cst(strides[i]), one = m.cst(1);
    OpFoldResult extent =
        m.add(m.mul(m.sub(kernel[i], one), m.cst(dilations[i])), one);
    g.input.push_back(size);
    g.mayBePartial.push_back(false);
    if (autoPad != qnn::AutoPad::none) {
      OpFoldResult count =
          countSteps(m, size, strides[i], /*roundsUp=*/true, /*more=*/0);
      OpFoldResult total =
          m.max(m.cst(0), addSizes(b, loc,
                                   {m.mul(m.sub(count, one), stride), extent,
                                    m.mul(size, m.cst(-1))}));
      OpFoldResult half = m.floorDiv(total, m.cst(2));
      OpFoldResult rest = m.sub(total, half);
      bool isUpper = autoPad == qnn::AutoPad::same_upper;
      g.padBegin.push_back(isUpper ? half : rest);
      g.padEnd.push_back(isUpper ? rest : half);
      g.count.push_back(count);
      continue;
    }
    g.padBegin.push_back(m.cst(pads[i]));
    g.padEnd.push_back(m.cst(pads[i + kernel.size()]));
    OpFoldResult room = addSizes(
        b, loc, {size, g.padBegin[i], g.padEnd[i], m.sub(m.cst(0), extent)});
    // Padding alone may hold all of a window but its last element.
    auto known = getConstantIntValue(extent);
    bool isPartial = takesPartial &&
                     getConstantIntValue(room).value_or(-1) < 0 &&
                     (!known || *known > pads[i] + pads[i + kernel.size()] + 1);
    g.mayBePartial.back() = isPartial;
    if (!getConstantIntValue(room))
      createCheck(b, loc,
                  m.isLess(m.cst(isPartial ? -strides[i] : int64_t(-1)), room),
                  describeNode(loc) +
                      ": the kernel does not fit into the padded input");
    if (!ceilMode) {
      if (isPartial)
        room = m.max(room, m.cst(0));
      g.count.push_back(
          countSteps(m, room, strides[i], /*roundsUp=*/false, /*more=*/1));
      continue;
    }
    // A last window has to start before the padding at the end.
    OpFoldResult started =
        countSteps(m, addSizes(b, loc, {size, g.padBegin[i]}), strides[i],
                   /*roundsUp=*/true,
                   /*more=*/0);
    OpFoldResult fitting =
        countSteps(m, room, strides[i], /*roundsUp=*/true, /*more=*/1);
    g.count.push_back(m.min(fitting, started));
  }
  return g;
}

Value quantc::padSpatial(OpBuilder &b, Location loc, Value input,
                         ArrayRef<OpFoldResult> begin,
                         ArrayRef<OpFoldResult> end, Value scalar,
                         bool mayCrop) {
  auto isZero = [](OpFoldResult x) { return isConstant(x, 0); };
  if (llvm::all_of(begin, isZero) && llvm::all_of(end, isZero))
    return input;
  SizeMath m{b, loc};
  SmallVector<OpFoldResult> low(2, m.cst(0)), high(2, m.cst(0));
  SmallVector<OpFoldResult> dims = getDims(b, loc, input);
  // ONNX's pads may be negative: they crop.
  auto isCrop = [&](OpFoldResult x) {
    std::optional<int64_t> known = getConstantIntValue(x);
    return known ? *known < 0 : mayCrop;
  };
  if (llvm::any_of(begin, isCrop) || llvm::any_of(end, isCrop)) {
    SmallVector<OpFoldResult> offsets(dims.size(), m.cst(0));
    SmallVector<OpFoldResult> ones(dims.size(), m.cst(1));
    SmallVector<OpFoldResult> newBegin(begin), newEnd(end);
    // How much a side loses; what it gets instead remains. If it loses more
    // than there is, the other side gets that much less: no result is smaller
    // than nothing.
    auto takeCrop = [&](OpFoldResult &side, OpFoldResult &other,
                        OpFoldResult &size) {
      OpFoldResult crop = m.max(m.sub(m.cst(0), side), m.cst(0));
      bool mayExceed = getConstantIntValue(other).value_or(1) > 0;
      OpFoldResult taken = mayExceed ? m.min(crop, size) : crop;
      side = m.max(side, m.cst(0));
      if (mayExceed)
        other = m.sub(other, m.sub(crop, taken));
      size = m.sub(size, taken);
      return taken;
    };
    for (size_t i = 0; i < begin.size(); ++i) {
      if (isCrop(begin[i]))
        offsets[i + 2] = takeCrop(newBegin[i], newEnd[i], dims[i + 2]);
      if (isCrop(end[i]))
        takeCrop(newEnd[i], newBegin[i], dims[i + 2]);
    }
    Type element = cast<RankedTensorType>(input.getType()).getElementType();
    // What is empty starts nowhere.
    Value cropped =
        llvm::any_of(dims, isZeroInteger)
            ? createEmpty(b, loc, getTypeOf(dims, element), dims)
            : tensor::ExtractSliceOp::create(b, loc, input, offsets, dims, ones)
                  .getResult();
    return padSpatial(b, loc, cropped, newBegin, newEnd, scalar);
  }
  for (size_t i = 0; i < begin.size(); ++i) {
    low.push_back(begin[i]);
    high.push_back(end[i]);
    dims[i + 2] = addSizes(b, loc, {dims[i + 2], begin[i], end[i]});
  }
  Type element = cast<RankedTensorType>(input.getType()).getElementType();
  return tensor::PadOp::create(b, loc, getTypeOf(dims, element), input, low,
                               high, scalar);
}
