//===- ConvolutionBuilder.cpp - Convolutions as linalg ops ----------------===//

#include "ConvolutionBuilder.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

Value quantc::extractScalar(OpBuilder &b, Location loc, Value tensor) {
  SmallVector<Value> at;
  if (cast<RankedTensorType>(tensor.getType()).getRank() == 1)
    at.push_back(constantIndex(b, loc, 0));
  return b.createOrFold<tensor::ExtractOp>(loc, tensor, at);
}

Value quantc::createBias(OpBuilder &b, Location loc, RankedTensorType type,
                         ArrayRef<OpFoldResult> dims, Value bias) {
  Type element = type.getElementType();
  if (!bias)
    return createFilled(b, loc, type, dims, constantScalar(b, loc, element, 0));
  // Half precision accumulates in f32.
  auto biasType = cast<RankedTensorType>(bias.getType());
  if (biasType.getElementType() != element)
    bias = createElementwise(
        b, loc, biasType.clone(element), bias,
        [&](OpBuilder &nb, Location l, ValueRange x) -> Value {
          return arith::ExtFOp::create(nb, l, element, x[0]);
        });
  bias = castTo(b, loc, bias,
                RankedTensorType::get({type.getDimSize(1)}, element));
  SmallVector<int64_t> broadcast{0};
  for (int64_t i = 2; i < type.getRank(); ++i)
    broadcast.push_back(i);
  return linalg::BroadcastOp::create(b, loc, bias,
                                     createEmpty(b, loc, type, dims), broadcast)
      ->getResult(0);
}

/// Adds one bias a channel to a convolution's result.
static Value addBias(OpBuilder &b, Location loc, Value result, Value bias) {
  auto type = cast<RankedTensorType>(result.getType());
  SmallVector<OpFoldResult> dims{getDim(b, loc, bias, 0)};
  ReassociationIndices group{0};
  for (int64_t i = 2; i < type.getRank(); ++i) {
    dims.push_back(b.getIndexAttr(1));
    group.push_back(i - 1);
  }
  if (dims.size() > 1)
    bias = tensor::ExpandShapeOp::create(
        b, loc, getTypeOf(dims, type.getElementType()), bias,
        ArrayRef<ReassociationIndices>{group}, dims);
  return createElementwise(
      b, loc, type, {result, bias},
      [](OpBuilder &nb, Location l, ValueRange x) -> Value {
        return arith::AddIOp::create(nb, l, x[0], x[1]);
      });
}

/// Splits the channels of what a convolution starts from: of a bias, which
/// stays a broadcast.
static Value expandBroadcast(OpBuilder &b, Location loc,
                             linalg::BroadcastOp broadcast,
                             ArrayRef<ReassociationIndices> groups,
                             ArrayRef<OpFoldResult> dims) {
  Value bias = broadcast.getInput();
  Type element = cast<RankedTensorType>(bias.getType()).getElementType();
  SmallVector<OpFoldResult> channels;
  SmallVector<int64_t> others;
  for (auto [i, group] : llvm::enumerate(groups))
    for (int64_t dim : group) {
      if (llvm::is_contained(broadcast.getDimensions(), int64_t(i)))
        others.push_back(dim);
      else
        channels.push_back(dims[dim]);
    }
  if (channels.size() > 1) {
    SmallVector<ReassociationIndices> all{
        llvm::to_vector<2>(llvm::seq<int64_t>(0, channels.size()))};
    bias = tensor::ExpandShapeOp::create(b, loc, getTypeOf(channels, element),
                                         bias, all, channels);
  }
  Value empty = createEmpty(b, loc, getTypeOf(dims, element), dims);
  return linalg::BroadcastOp::create(b, loc, bias, empty, others)->getResult(0);
}

/// Splits dimensions of `v`. Where these are not padded, what is padded is
/// split, so that nothing stands between the padding and a convolution.
static Value expand(OpBuilder &b, Location loc, Value v,
                    ArrayRef<ReassociationIndices> groups,
                    ArrayRef<OpFoldResult> dims) {
  Type element = cast<RankedTensorType>(v.getType()).getElementType();
  RankedTensorType type = getTypeOf(dims, element);
  auto broadcast = v.getDefiningOp<linalg::BroadcastOp>();
  if (broadcast &&
      cast<RankedTensorType>(broadcast.getInput().getType()).getRank() == 1)
    return expandBroadcast(b, loc, broadcast, groups, dims);
  auto pad = v.getDefiningOp<tensor::PadOp>();
  Value padding = pad ? pad.getConstantPaddingValue() : Value();
  auto isPadded = [&](int64_t i) {
    return !isConstantIntValue(pad.getMixedLowPad()[i], 0) ||
           !isConstantIntValue(pad.getMixedHighPad()[i], 0);
  };
  auto indices = llvm::seq<int64_t>(0, groups.size());
  if (!padding || llvm::any_of(indices, [&](int64_t i) {
        return groups[i].size() > 1 && isPadded(i);
      }))
    return tensor::ExpandShapeOp::create(b, loc, type, v, groups, dims);
  SmallVector<OpFoldResult> sizes(dims), low(dims.size(), b.getIndexAttr(0)),
      high(low), from = getDims(b, loc, pad.getSource());
  for (int64_t i : indices) {
    if (groups[i].size() > 1)
      continue;
    sizes[groups[i][0]] = from[i];
    low[groups[i][0]] = pad.getMixedLowPad()[i];
    high[groups[i][0]] = pad.getMixedHighPad()[i];
  }
  Value source = tensor::ExpandShapeOp::create(
      b, loc, getTypeOf(sizes, element), pad.getSource(), groups, sizes);
  return tensor::PadOp::create(b, loc, type, source, low, high, padding,
                               pad.getNofold());
}

/// Inserts a dimension of size 1 before dimension `at` (which is not 0).
static Value insertUnit(OpBuilder &b, Location loc, Value v, int64_t at) {
  SmallVector<OpFoldResult> dims = getDims(b, loc, v);
  SmallVector<ReassociationIndices> groups(dims.size());
  for (int64_t i = 0, e = dims.size(); i < e; ++i) {
    if (i + 1 == at)
      groups[i] = {i, i + 1};
    else
      groups[i] = {i < at ? i : i + 1};
  }
  dims.insert(dims.begin() + at, b.getIndexAttr(1));
  return expand(b, loc, v, groups, dims);
}

/// Joins dimension `at` with the one before.
static Value joinDimension(OpBuilder &b, Location loc, Value v, int64_t at) {
  int64_t rank = cast<RankedTensorType>(v.getType()).getRank();
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < rank; ++i) {
    if (i == at)
      groups.back().push_back(i);
    else
      groups.push_back({i});
  }
  return tensor::CollapseShapeOp::create(b, loc, v, groups);
}

/// Splits dimension `at` into (groups, rest).
static Value splitGroups(OpBuilder &b, Location loc, Value v, int64_t at,
                         int64_t group) {
  SizeMath m{b, loc};
  SmallVector<OpFoldResult> dims = getDims(b, loc, v);
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0, e = dims.size(); i < e; ++i) {
    if (i < at)
      groups.push_back({i});
    else if (i == at)
      groups.push_back({i, i + 1});
    else
      groups.push_back({i + 1});
  }
  dims[at] = m.floorDiv(dims[at], m.cst(group));
  dims.insert(dims.begin() + at, m.cst(group));
  return expand(b, loc, v, groups, dims);
}

static Value widen(OpBuilder &b, Location loc, Value x, Type qnnType, Type to) {
  if (x.getType() == to)
    return x;
  if (isa<FloatType>(to))
    return arith::ExtFOp::create(b, loc, to, x);
  if (isUnsigned(qnnType))
    return arith::ExtUIOp::create(b, loc, to, x);
  return arith::ExtSIOp::create(b, loc, to, x);
}

/// Whether each channel has one filter of its own.
static bool isDepthwise(const Convolution &conv) {
  auto type = cast<RankedTensorType>(conv.weights.getType());
  return conv.group != 1 && type.getDimSize(0) == conv.group &&
         type.getDimSize(1) == 1;
}

/// Any number of dimensions, groups and zero points, as one contraction with
/// the loops n, [g,] m, spatial..., c, kernel...; `acc` is (N, M, spatial...).
/// A depthwise convolution has the loops n, m, spatial..., kernel..., so that
/// no reshape stands between it and what is before or after it.
static Value buildGeneric(OpBuilder &b, Location loc, const Convolution &conv,
                          Value acc) {
  MLIRContext *ctx = b.getContext();
  bool depthwise = isDepthwise(conv);
  bool grouped = conv.group != 1 && !depthwise;
  Value input = conv.input, weights = conv.weights;
  Value zero = conv.weightsZeroPoint;
  if (depthwise)
    weights = joinDimension(b, loc, weights, 1);
  if (grouped) {
    input = splitGroups(b, loc, input, 1, conv.group);
    weights = splitGroups(b, loc, weights, 0, conv.group);
    acc = splitGroups(b, loc, acc, 1, conv.group);
  }
  int64_t spatial = conv.strides.size();
  int64_t head = 2 + grouped;                   // n, [g,] m
  int64_t window = head + spatial + !depthwise; // The first loop of the kernel.
  int64_t loops = window + spatial;
  auto dim = [&](int64_t i) { return getAffineDimExpr(i, ctx); };
  SmallVector<AffineExpr> in{dim(0)}, filter, out;
  if (grouped) {
    in.push_back(dim(1));
    filter.push_back(dim(1));
  }
  filter.push_back(dim(head - 1));
  in.push_back(depthwise ? dim(1) : dim(window - 1));
  if (!depthwise)
    filter.push_back(dim(window - 1));
  for (int64_t i = 0; i < head + spatial; ++i)
    out.push_back(dim(i));
  for (int64_t i = 0; i < spatial; ++i) {
    AffineExpr k = dim(window + i);
    in.push_back(dim(head + i) * conv.strides[i] + k * conv.dilations[i]);
    filter.push_back(k);
  }
  SmallVector<Value> operands{input, weights};
  SmallVector<AffineMap> maps{AffineMap::get(loops, 0, in, ctx),
                              AffineMap::get(loops, 0, filter, ctx)};
  if (zero) {
    auto type = cast<RankedTensorType>(zero.getType());
    if (type.getRank() == 1 && type.getDimSize(0) == 1) {
      zero = tensor::CollapseShapeOp::create(
          b, loc, RankedTensorType::get({}, type.getElementType()), zero,
          ArrayRef<ReassociationIndices>{});
    } else if (type.getRank() == 1 && grouped) {
      zero = splitGroups(b, loc, zero, 0, conv.group);
    }
    SmallVector<AffineExpr> channel;
    if (type.getRank() == 1 && type.getDimSize(0) != 1) {
      if (grouped)
        channel.push_back(dim(1));
      channel.push_back(dim(head - 1));
    }
    operands.push_back(zero);
    maps.push_back(AffineMap::get(loops, 0, channel, ctx));
  }
  maps.push_back(AffineMap::get(loops, 0, out, ctx));
  SmallVector<utils::IteratorType> iterators(loops,
                                             utils::IteratorType::parallel);
  for (int64_t i = head + spatial; i < loops; ++i)
    iterators[i] = utils::IteratorType::reduction;
  Type accElement = cast<RankedTensorType>(acc.getType()).getElementType();
  Value inputZero = conv.inputZeroPoint ? widen(b, loc, conv.inputZeroPoint,
                                                conv.inputType, accElement)
                                        : Value();
  auto body = [&](OpBuilder &nb, Location l, ValueRange args) {
    Value x = widen(nb, l, args[0], conv.inputType, accElement);
    Value w = widen(nb, l, args[1], conv.weightsType, accElement);
    if (inputZero)
      x = arith::SubIOp::create(nb, l, x, inputZero);
    if (zero)
      w = arith::SubIOp::create(
          nb, l, w, widen(nb, l, args[2], conv.weightsType, accElement));
    Value sum;
    if (isa<FloatType>(accElement))
      sum = arith::AddFOp::create(nb, l, args.back(),
                                  arith::MulFOp::create(nb, l, x, w));
    else
      sum = arith::AddIOp::create(nb, l, args.back(),
                                  arith::MulIOp::create(nb, l, x, w));
    linalg::YieldOp::create(nb, l, sum);
  };
  Value result =
      linalg::GenericOp::create(b, loc, TypeRange(acc.getType()), operands,
                                ValueRange(acc), maps, iterators, body)
          .getResult(0);
  return grouped ? joinDimension(b, loc, result, 2) : result;
}

/// Whether one of linalg's named ops computes `conv`: those extend integers as
/// signed ones.
static bool isNamed(const Convolution &conv) {
  if (conv.inputZeroPoint || conv.weightsZeroPoint ||
      (isa<IntegerType>(conv.inputType) &&
       (isUnsigned(conv.inputType) || isUnsigned(conv.weightsType))))
    return false;
  return conv.strides.size() <= (conv.group == 1 ? 3 : 2);
}

template <typename OpTy>
static Value buildNamed(OpBuilder &b, Location loc, Value input, Value weights,
                        Value acc, ArrayRef<int64_t> strides,
                        ArrayRef<int64_t> dilations) {
  return OpTy::create(b, loc, TypeRange(acc.getType()),
                      ValueRange{input, weights}, ValueRange(acc),
                      b.getI64VectorAttr(strides),
                      b.getI64VectorAttr(dilations))
      ->getResult(0);
}

static Value buildNamed(OpBuilder &b, Location loc, const Convolution &conv,
                        Value acc) {
  Value input = conv.input, weights = conv.weights;
  SmallVector<int64_t> strides(conv.strides), dilations(conv.dilations);
  if (conv.group == 1) {
    if (strides.size() == 1)
      return buildNamed<linalg::Conv1DNcwFcwOp>(b, loc, input, weights, acc,
                                                strides, dilations);
    if (strides.size() == 2)
      return buildNamed<linalg::Conv2DNchwFchwOp>(b, loc, input, weights, acc,
                                                  strides, dilations);
    return buildNamed<linalg::Conv3DNcdhwFcdhwOp>(b, loc, input, weights, acc,
                                                  strides, dilations);
  }
  bool oneDimensional = strides.size() == 1;
  if (oneDimensional) {
    input = insertUnit(b, loc, input, 2);
    weights = insertUnit(b, loc, weights, 2);
    acc = insertUnit(b, loc, acc, 2);
    strides.insert(strides.begin(), 1);
    dilations.insert(dilations.begin(), 1);
  }
  Value result;
  if (isDepthwise(conv)) {
    result = buildNamed<linalg::DepthwiseConv2DNchwChwOp>(
        b, loc, input, joinDimension(b, loc, weights, 1), acc, strides,
        dilations);
  } else {
    result = buildNamed<linalg::Conv2DNgchwGfchwOp>(
        b, loc, splitGroups(b, loc, input, 1, conv.group),
        splitGroups(b, loc, weights, 0, conv.group),
        splitGroups(b, loc, acc, 1, conv.group), strides, dilations);
    result = joinDimension(b, loc, result, 2);
  }
  return oneDimensional ? joinDimension(b, loc, result, 2) : result;
}

Value quantc::buildConvolution(OpBuilder &b, Location loc,
                               const Convolution &conv) {
  Type accElement = conv.resultElement;
  bool half =
      isa<FloatType>(accElement) && accElement.getIntOrFloatBitWidth() < 32;
  if (half)
    accElement = b.getF32Type();
  SmallVector<OpFoldResult> dims{getDim(b, loc, conv.input, 0),
                                 getDim(b, loc, conv.weights, 0)};
  llvm::append_range(dims, conv.counts);
  auto accType = getTypeOf(dims, accElement);
  // An integer bias is added afterwards, where it joins the requantization; the
  // sum is the same.
  bool addsBias = conv.bias && isa<IntegerType>(accElement);
  Value acc = createBias(b, loc, accType, dims, addsBias ? Value() : conv.bias);
  Value result = isNamed(conv) ? buildNamed(b, loc, conv, acc)
                               : buildGeneric(b, loc, conv, acc);
  if (addsBias)
    return addBias(b, loc, result, conv.bias);
  if (!half)
    return result;
  return createElementwise(
      b, loc, accType.clone(conv.resultElement), result,
      [&](OpBuilder &nb, Location l, ValueRange x) -> Value {
        return arith::TruncFOp::create(nb, l, conv.resultElement, x[0]);
      });
}
