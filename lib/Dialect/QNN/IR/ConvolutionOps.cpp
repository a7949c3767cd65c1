//===- ConvolutionOps.cpp - Convolutions ----------------------------------===//

#include "quantc/Dialect/QNN/IR/ConvolutionOps.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/Windows.h"

#include "mlir/IR/PatternMatch.h"

#include <numeric>

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

#define GET_OP_CLASSES
#include "quantc/Dialect/QNN/IR/ConvolutionOps.cpp.inc"

/// What all convolutions ask of their ranks and attributes, before any of those
/// is used.
template <typename OpOrAdaptor>
static LogicalResult
verifyShapes(OpOrAdaptor op, function_ref<InFlightDiagnostic()> emitError) {
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto weights = cast<RankedTensorType>(op.getWeights().getType());
  if (input.getRank() < 3)
    return emitError() << "the input must have a spatial dimension at least: "
                          "(N, C, spatial...), got "
                       << input;
  if (weights.getRank() != input.getRank())
    return emitError() << "input and weights must have the same rank, got "
                       << input << " and " << weights;
  if (op.getGroup() < 1)
    return emitError() << "group must be positive, got " << op.getGroup();
  return verifyWindow(emitError, input.getRank() - 2, op.getStrides(),
                      op.getDilations(), op.getPads());
}

/// Whether a static `dim` differs from `expected`.
static bool differs(int64_t dim, int64_t expected) {
  return !ShapedType::isDynamic(dim) && !ShapedType::isDynamic(expected) &&
         dim != expected;
}

static int64_t multiply(int64_t dim, int64_t factor) {
  return ShapedType::isDynamic(dim) ? dim : dim * factor;
}

static LogicalResult verifyBias(std::optional<Location> loc, Value bias,
                                int64_t channels) {
  if (!bias)
    return success();
  auto type = cast<RankedTensorType>(bias.getType());
  if (type.getRank() != 1 || differs(type.getDimSize(0), channels))
    return emitOptionalError(loc, "bias must hold one element for each of the ",
                             channels, " channels of the result, got ", type);
  return success();
}

/// The shape of the result of `conv` and `deform_conv`.
template <typename Adaptor>
static FailureOr<SmallVector<int64_t>>
inferConvShape(std::optional<Location> loc, Adaptor op, AutoPad autoPad) {
  auto fail = [&] {
    return mlir::emitError(
        loc.value_or(UnknownLoc::get(op.getInput().getContext())));
  };
  if (failed(verifyShapes(op, fail)))
    return failure();
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto weights = cast<RankedTensorType>(op.getWeights().getType());
  int64_t group = op.getGroup();
  int64_t channels = multiply(weights.getDimSize(1), group);
  if (differs(input.getDimSize(1), channels))
    return emitOptionalError(loc, "the input has ", input.getDimSize(1),
                             " channels, but the weights are for ", channels,
                             " (", weights.getDimSize(1), " in each of ", group,
                             " groups)");
  int64_t outChannels = weights.getDimSize(0);
  if (!ShapedType::isDynamic(outChannels) && outChannels % group)
    return emitOptionalError(loc, outChannels,
                             " channels of the result cannot "
                             "be divided into ",
                             group, " groups");
  if (failed(verifyBias(loc, op.getBias(), outChannels)))
    return failure();
  SmallVector<int64_t> shape{input.getDimSize(0), outChannels};
  int64_t spatial = input.getRank() - 2;
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t size = input.getDimSize(i + 2), kernel = weights.getDimSize(i + 2);
    if (autoPad != AutoPad::none) {
      shape.push_back(countSameWindows(size, op.getStrides()[i]));
      continue;
    }
    auto count =
        countWindows(size, kernel, op.getStrides()[i], op.getDilations()[i],
                     op.getPads()[i], op.getPads()[i + spatial]);
    if (!count)
      return emitOptionalError(loc,
                               "the kernel does not fit into the padded "
                               "input along dimension ",
                               i + 2, ": ", input, " and ", weights);
    shape.push_back(*count);
  }
  return shape;
}

/// Element types, bias and zero points of `conv` and `conv_transpose`.
/// `channels` is how many zero points the weights may have, besides one.
template <typename OpTy>
static LogicalResult verifyElements(OpTy op, int64_t channels) {
  Type input = op.getInput().getType().getElementType();
  Type weights = op.getWeights().getType().getElementType();
  if (isa<FloatType>(input)) {
    if (input != weights)
      return op.emitOpError(
                 "input and weights must have one element type, got ")
             << input << " and " << weights;
    if (op.getInputZeroPoint() || op.getWeightsZeroPoint())
      return op.emitOpError("zero points belong to integers, the input is ")
             << input;
  } else if (!isa<IntegerType>(weights) || input.getIntOrFloatBitWidth() > 8 ||
             weights.getIntOrFloatBitWidth() > 8) {
    return op.emitOpError("expects floats, or integers of 8 bits at most, got ")
           << input << " and " << weights;
  }
  if (op.getBias() && op.getBias().getType().getElementType() !=
                          op.getOutput().getType().getElementType())
    return op.emitOpError("bias must have the result's element type, got ")
           << op.getBias().getType();
  auto isScalar = [](RankedTensorType type) {
    return type.getRank() == 0 ||
           (type.getRank() == 1 && type.getDimSize(0) == 1);
  };
  if (op.getInputZeroPoint() && !isScalar(op.getInputZeroPoint().getType()))
    return op.emitOpError("the input's zero point must be a scalar, got ")
           << op.getInputZeroPoint().getType();
  if (Value zero = op.getWeightsZeroPoint()) {
    auto type = cast<RankedTensorType>(zero.getType());
    if (!isScalar(type) &&
        (type.getRank() != 1 || differs(type.getDimSize(0), channels)))
      return op.emitOpError("the weights' zero point must be a scalar or hold "
                            "one element for each channel of the result, got ")
             << type;
  }
  return success();
}

/// What a convolution sums: some channels, under the kernel.
static int64_t countKernel(RankedTensorType weights, int64_t channels) {
  for (int64_t size : weights.getShape().drop_front(2)) {
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(channels))
      return ShapedType::kDynamic;
    channels *= size;
  }
  return channels;
}

template <typename OpTy>
static LogicalResult dropZeroPoints(OpTy op, PatternRewriter &rewriter) {
  bool dropped = false;
  rewriter.startOpModification(op);
  dropped |= dropZeros(op.getInputZeroPointMutable());
  dropped |= dropZeros(op.getWeightsZeroPointMutable());
  dropped |= makeSigned(rewriter, op.getWeightsMutable(),
                        op.getWeightsZeroPointMutable());
  if (!dropped) {
    rewriter.cancelOpModification(op);
    return failure();
  }
  rewriter.finalizeOpModification(op);
  return success();
}

//===- conv ---------------------------------------------------------------===//

LogicalResult ConvOp::inferReturnTypes(MLIRContext *ctx,
                                       std::optional<Location> loc,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  auto shape = inferConvShape(loc, adaptor, adaptor.getAutoPad());
  if (failed(shape))
    return failure();
  Type element =
      cast<RankedTensorType>(adaptor.getInput().getType()).getElementType();
  if (isa<IntegerType>(element))
    element = IntegerType::get(ctx, 32);
  types.push_back(RankedTensorType::get(*shape, element));
  return success();
}

LogicalResult ConvOp::verify() {
  if (failed(verifyShapes(*this, [&] { return emitOpError(); })))
    return failure();
  return verifyElements(*this,
                        /*channels=*/getWeights().getType().getDimSize(0));
}

/// The elements of a kernel [M, C, sizes...] from `begins` to before `ends`.
static std::vector<float> cutKernel(ArrayRef<float> values,
                                    ArrayRef<int64_t> sizes,
                                    ArrayRef<int64_t> begins,
                                    ArrayRef<int64_t> ends) {
  std::vector<float> kept;
  for (size_t i = 0; i < values.size(); ++i) {
    bool isInside = true;
    int64_t rest = i;
    for (size_t d = sizes.size(); d-- > 0; rest /= sizes[d]) {
      int64_t at = rest % sizes[d];
      isInside &= at >= begins[d] && at < ends[d];
    }
    if (isInside)
      kept.push_back(values[i]);
  }
  return kept;
}

/// Drops elements of a constant kernel that meet padding only, wherever the
/// window is: the outer ones of a dilation beyond the image's size (atrous
/// pyramids have such on small images). Weights stay a constant, since only
/// such are quantized as weights.
static LogicalResult dropPaddedElements(ConvOp op, PatternRewriter &rewriter) {
  auto constant = op.getWeights().getDefiningOp<ConstantOp>();
  if (op.getAutoPad() != AutoPad::none || !constant ||
      !constant.getType().getElementType().isF32())
    return rewriter.notifyMatchFailure(
        op, "the pads are not known, or the weights are no f32 constant");
  ArrayRef<int64_t> image = op.getInput().getType().getShape().drop_front(2),
                    result = op.getOutput().getType().getShape().drop_front(2);
  SmallVector<int64_t> shape(constant.getType().getShape());
  ArrayRef<int64_t> kernel = constant.getType().getShape().drop_front(2);
  if (ShapedType::isDynamicShape(image) || ShapedType::isDynamicShape(result))
    return rewriter.notifyMatchFailure(op, "the image's size is not known");
  SmallVector<int64_t> begins(kernel.size(), 0), ends(kernel),
      pads(op.getPads());
  for (size_t i = 0; i < image.size(); ++i) {
    int64_t size = image[i], dilation = op.getDilations()[i],
            last = kernel[i] - 1;
    int64_t walk = (result[i] - 1) * op.getStrides()[i];
    auto meetsImage = [&](int64_t element) {
      int64_t first = element * dilation - pads[i];
      return first < size && first + walk >= 0;
    };
    int64_t begin = 0, end = last;
    while (begin < end && !meetsImage(begin))
      ++begin;
    while (end > begin && !meetsImage(end))
      --end;
    int64_t before = pads[i] - begin * dilation,
            behind = pads[image.size() + i] - (last - end) * dilation;
    // What is left would start or end within the image.
    if (before < 0 || behind < 0)
      continue;
    pads[i] = before;
    pads[image.size() + i] = behind;
    begins[i] = begin;
    ends[i] = end + 1;
    shape[i + 2] = end + 1 - begin;
  }
  if (ArrayRef(shape).drop_front(2) == kernel)
    return rewriter.notifyMatchFailure(op, "all elements meet the image");
  std::vector<float> copy;
  std::optional<ArrayRef<float>> values = viewFloats(constant.getValue(), copy);
  if (!values)
    return rewriter.notifyMatchFailure(op, "the weights cannot be read");
  Value weights = ConstantOp::create(
      rewriter, constant.getLoc(),
      makeFloatConstant(op.getContext(), shape,
                        cutKernel(*values, kernel, begins, ends)));
  rewriter.modifyOpInPlace(op, [&] {
    op.getWeightsMutable().assign(weights);
    op.setPads(pads);
  });
  return success();
}

LogicalResult ConvOp::canonicalize(ConvOp op, PatternRewriter &rewriter) {
  if (succeeded(dropPaddedElements(op, rewriter)))
    return success();
  return dropZeroPoints(op, rewriter);
}

SmallVector<unsigned> ConvOp::getQuantizableOperands() { return {0, 1}; }

std::optional<int64_t> ConvOp::getChannelAxis(unsigned index) {
  if (index == 1)
    return 0;
  return std::nullopt;
}

std::optional<int64_t> ConvOp::getResultChannelAxis() { return 1; }

bool ConvOp::takesBias() { return true; }

void ConvOp::setBias(Value bias) { getBiasMutable().assign(bias); }

std::optional<unsigned> ConvOp::getBiasOperand() {
  return getBias() ? std::optional(2u) : std::nullopt;
}

/// (N, C, ...) and (M, C / group, ...).
std::optional<int64_t> ConvOp::getInputAxis(unsigned) { return 1; }

int64_t ConvOp::getNumGroups() { return getGroup(); }

int64_t ConvOp::getNumSummed() {
  RankedTensorType weights = getWeights().getType();
  return countKernel(weights, weights.getDimSize(1));
}

Value ConvOp::buildQuantized(OpBuilder &builder, ArrayRef<Value> operands,
                             ArrayRef<Value> zeroPoints, Value bias) {
  return ConvOp::create(builder, getLoc(), operands[0], operands[1], bias,
                        zeroPoints[0], zeroPoints[1], getStridesAttr(),
                        getDilationsAttr(), getPadsAttr(), getGroupAttr(),
                        getAutoPadAttr());
}

//===- conv_transpose -----------------------------------------------------===//

LogicalResult ConvTransposeOp::inferReturnTypes(MLIRContext *ctx,
                                                std::optional<Location> loc,
                                                Adaptor op,
                                                SmallVectorImpl<Type> &types) {
  auto fail = [&] {
    return mlir::emitError(loc.value_or(UnknownLoc::get(ctx)));
  };
  if (failed(verifyShapes(op, fail)))
    return failure();
  auto input = cast<RankedTensorType>(op.getInput().getType());
  auto weights = cast<RankedTensorType>(op.getWeights().getType());
  int64_t spatial = input.getRank() - 2;
  if (int64_t(op.getOutputPadding().size()) != spatial ||
      (!op.getOutputShape().empty() &&
       int64_t(op.getOutputShape().size()) != spatial))
    return emitOptionalError(loc, "output_padding and output_shape must hold ",
                             spatial, " numbers");
  if (differs(input.getDimSize(1), weights.getDimSize(0)))
    return emitOptionalError(loc, "the input has ", input.getDimSize(1),
                             " channels, but the weights are for ",
                             weights.getDimSize(0));
  if (!weights.isDynamicDim(0) && weights.getDimSize(0) % op.getGroup())
    return emitOptionalError(loc, weights.getDimSize(0),
                             " channels cannot be divided into ", op.getGroup(),
                             " groups");
  int64_t channels = multiply(weights.getDimSize(1), op.getGroup());
  if (failed(verifyBias(loc, op.getBias(), channels)))
    return failure();
  SmallVector<int64_t> shape{input.getDimSize(0), channels};
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t size = input.getDimSize(i + 2), kernel = weights.getDimSize(i + 2);
    if (!op.getOutputShape().empty()) {
      shape.push_back(op.getOutputShape()[i]);
    } else if (ShapedType::isDynamic(size) || ShapedType::isDynamic(kernel)) {
      shape.push_back(ShapedType::kDynamic);
    } else {
      int64_t full = op.getStrides()[i] * (size - 1) +
                     op.getOutputPadding()[i] +
                     (kernel - 1) * op.getDilations()[i] + 1;
      shape.push_back(op.getAutoPad() == AutoPad::none
                          ? full - op.getPads()[i] - op.getPads()[i + spatial]
                          : std::min(full, size * op.getStrides()[i]));
    }
    if (!ShapedType::isDynamic(shape.back()) && shape.back() < 0)
      return emitOptionalError(loc, "the result has the negative size ",
                               shape.back(), " along dimension ", i + 2);
  }
  Type element = input.getElementType();
  if (isa<IntegerType>(element))
    element = IntegerType::get(ctx, 32);
  types.push_back(RankedTensorType::get(shape, element));
  return success();
}

LogicalResult ConvTransposeOp::verify() {
  if (failed(verifyShapes(*this, [&] { return emitOpError(); })) ||
      failed(verifyElements(
          *this, multiply(getWeights().getType().getDimSize(1), getGroup()))))
    return failure();
  for (auto [padding, stride, dilation] :
       llvm::zip(getOutputPadding(), getStrides(), getDilations()))
    if (padding < 0 || padding >= std::max(stride, dilation))
      return emitOpError("output_padding must be below stride or dilation, "
                         "got ")
             << padding;
  return success();
}

LogicalResult ConvTransposeOp::canonicalize(ConvTransposeOp op,
                                            PatternRewriter &rewriter) {
  return dropZeroPoints(op, rewriter);
}

SmallVector<unsigned> ConvTransposeOp::getQuantizableOperands() {
  return {0, 1};
}

std::optional<int64_t> ConvTransposeOp::getChannelAxis(unsigned index) {
  // Channels of several groups share the dimension.
  if (index == 1 && getGroup() == 1)
    return 1;
  return std::nullopt;
}

std::optional<int64_t> ConvTransposeOp::getResultChannelAxis() { return 1; }

bool ConvTransposeOp::takesBias() { return true; }

void ConvTransposeOp::setBias(Value bias) { getBiasMutable().assign(bias); }

std::optional<unsigned> ConvTransposeOp::getBiasOperand() {
  return getBias() ? std::optional(2u) : std::nullopt;
}

/// (N, C, ...) and (C, M, ...).
std::optional<int64_t> ConvTransposeOp::getInputAxis(unsigned index) {
  if (getGroup() != 1)
    return std::nullopt;
  return index == 0 ? 1 : 0;
}

/// Of the kernel's elements along a dimension, each element of the result meets
/// those whose distance is a multiple of the stride.
int64_t ConvTransposeOp::getNumSummed() {
  RankedTensorType weights = getWeights().getType();
  int64_t count = weights.getDimSize(0);
  for (auto [size, stride, dilation] : llvm::zip(
           weights.getShape().drop_front(2), getStrides(), getDilations())) {
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(count))
      return ShapedType::kDynamic;
    count *= llvm::divideCeil(size, stride / std::gcd(stride, dilation));
  }
  return count;
}

Value ConvTransposeOp::buildQuantized(OpBuilder &builder,
                                      ArrayRef<Value> operands,
                                      ArrayRef<Value> zeroPoints, Value bias) {
  return ConvTransposeOp::create(
      builder, getLoc(), operands[0], operands[1], bias, zeroPoints[0],
      zeroPoints[1], getStridesAttr(), getDilationsAttr(), getPadsAttr(),
      getOutputPaddingAttr(), getOutputShapeAttr(), getGroupAttr(),
      getAutoPadAttr());
}

//===- deform_conv --------------------------------------------------------===//

LogicalResult DeformConvOp::inferReturnTypes(MLIRContext *,
                                             std::optional<Location> loc,
                                             Adaptor adaptor,
                                             SmallVectorImpl<Type> &types) {
  auto shape = inferConvShape(loc, adaptor, AutoPad::none);
  if (failed(shape))
    return failure();
  auto input = cast<RankedTensorType>(adaptor.getInput().getType());
  types.push_back(RankedTensorType::get(*shape, input.getElementType()));
  return success();
}

LogicalResult DeformConvOp::verify() {
  if (failed(verifyShapes(*this, [&] { return emitOpError(); })))
    return failure();
  if (getInput().getType().getRank() != 4)
    return emitOpError("supports two spatial dimensions, got ")
           << getInput().getType();
  if (getOffset().getType().getRank() != 4 ||
      (getMask() && getMask().getType().getRank() != 4))
    return emitOpError("offset and mask must have rank 4");
  int64_t channels = getInput().getType().getDimSize(1);
  if (getOffsetGroup() < 1 || differs(channels % getOffsetGroup(), 0))
    return emitOpError("offset_group must divide the ")
           << channels << " channels of the input, got " << getOffsetGroup();
  return success();
}
