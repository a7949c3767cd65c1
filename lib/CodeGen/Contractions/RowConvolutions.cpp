//===- RowConvolutions.cpp - Convolutions with channels innermost ---------===//
//
// In an image (batch, height, width, channels) a window is a few segments, each
// of them contiguous: its lines. A convolution is then a product whose rows are
// positions, at constant distances along a line, and whose columns are filters,
// packed at compile time as any matrix of weights. Floats are copied for their
// padding only; bytes become words, each line of a window whole ones.
//
//===----------------------------------------------------------------------===//

#include "ContractionAnalysis.h"

#include "DotProductAnalysis.h"

using namespace mlir;
using namespace quantc;

/// Dimensions of an image, and of the window.
static constexpr unsigned kNumImageDims = 2;

bool quantc::hasChannelsInnermost(linalg::LinalgOp root) {
  FailureOr<linalg::ConvolutionDimensions> dims =
      linalg::inferConvolutionDims(root);
  if (failed(dims) || dims->outputChannel.size() != 1)
    return false;
  AffineMap map = root.getMatchingIndexingMap(root.getDpsInitOperand(0));
  return map.getResults().back() ==
         getAffineDimExpr(dims->outputChannel[0], root.getContext());
}

namespace {
class RowConvolution {
public:
  RowConvolution(KernelEmitter &e, linalg::LinalgOp root,
                 const VectorUnit &unit)
      : e(e), root(root), unit(unit) {
    match.root = root;
  }

  FailureOr<MatchedProduct> run();

private:
  LogicalResult matchOperands();
  LogicalResult matchLayout();
  LogicalResult matchFilter();
  LogicalResult matchLines();
  void describeMatrices();
  void describeSegments();
  AffineMap getMap(ArrayRef<unsigned> loops);
  Value getSize(unsigned dim) const;
  int64_t getNumTaps() const { return match.filterDims[1].size; }

  KernelEmitter &e;
  linalg::LinalgOp root;
  const VectorUnit &unit;
  MatchedProduct match;
  GemmProblem &p = match.problem;
  FailureOr<linalg::ConvolutionDimensions> dims = failure();
  unsigned batch = 0, channel = 0, column = 0;
  OpOperand *image = nullptr, *filter = nullptr;
  MemRefType imageType;
  AffineMap imageMap;
  /// How the result, the filter and the image without padding are gone through.
  Access c, b, x;
  PaddedInput input;
  /// Elements of a position, and of a line of the image with its padding.
  int64_t position = 0;
  Value line;
  DotProduct dot;
};
} // namespace

AffineMap RowConvolution::getMap(ArrayRef<unsigned> loops) {
  MLIRContext *context = root.getContext();
  SmallVector<AffineExpr> exprs;
  for (unsigned loop : loops)
    exprs.push_back(getAffineDimExpr(loop, context));
  return AffineMap::get(root.getNumLoops(), 0, exprs, context);
}

/// A size of the image as the product reads it: of a copy with its padding,
/// there is no buffer yet.
Value RowConvolution::getSize(unsigned dim) const {
  auto alloc = image->get().getDefiningOp<memref::AllocOp>();
  if (imageType.isDynamicDim(dim) && alloc)
    return alloc.getDynamicSizes()[imageType.getDynamicDimIndex(dim)];
  return e.size(image->get(), dim);
}

LogicalResult RowConvolution::matchOperands() {
  dims = linalg::inferConvolutionDims(root);
  if (failed(dims) || dims->batch.size() != 1 || !dims->depth.empty() ||
      dims->inputChannel.size() != 1 || dims->outputChannel.size() != 1 ||
      dims->outputImage.size() != kNumImageDims ||
      dims->filterLoop.size() != kNumImageDims)
    return failure();
  if (failed(matchBody(e, root, p.factorA, p.factorB)))
    return failure();
  if (getOperand(root, p.factorA)->getOperandNumber() != 0)
    std::swap(p.factorA, p.factorB);
  match.rowsOperand = image = getOperand(root, p.factorA);
  match.matrixOperand = filter = getOperand(root, p.factorB);
  imageType = cast<MemRefType>(image->get().getType());
  imageMap = root.getMatchingIndexingMap(image);
  batch = dims->batch[0];
  channel = dims->inputChannel[0];
  column = dims->outputChannel[0];
  return success();
}

/// The layout: [batch, image..., channel], but for the filter.
LogicalResult RowConvolution::matchLayout() {
  OpOperand *out = root.getDpsInitOperand(0);
  ArrayRef<unsigned> positions = dims->outputImage;
  MLIRContext *context = root.getContext();
  AffineMap outMap = root.getMatchingIndexingMap(out);
  AffineMap filterMap = root.getMatchingIndexingMap(filter);
  if (outMap != getMap({batch, positions[0], positions[1], column}) ||
      !filterMap.isProjectedPermutation() ||
      imageMap.getResult(0) != getAffineDimExpr(batch, context) ||
      imageMap.getResult(3) != getAffineDimExpr(channel, context))
    return failure();
  c = Access::get(e, out->get(), outMap);
  b = Access::get(e, filter->get(), filterMap);
  input = matchPadding(e, image->get(), 1, kNumImageDims);
  x = Access::get(e, input.source, imageMap);
  return success();
}

/// Sizes and strides of what makes up k: they must be known to pack it.
LogicalResult RowConvolution::matchFilter() {
  SmallVector<unsigned> depth(dims->filterLoop.begin(), dims->filterLoop.end());
  depth.push_back(channel);
  for (unsigned loop : depth) {
    std::optional<unsigned> place = b.positionOf(loop);
    if (!place)
      return failure();
    auto size = e.asConstant(b.sizes[*place]);
    auto stride = e.asConstant(b.strides[*place]);
    if (!size || !stride)
      return failure();
    match.filterDims.push_back({*size, *stride});
  }
  return success(b.positionOf(column).has_value());
}

/// Segments are contiguous: the elements of a window's line.
LogicalResult RowConvolution::matchLines() {
  if (imageType.isDynamicDim(3) || e.isConstant(c.sizes[2], 0) ||
      (getNumTaps() > 1 && dims->dilations[1] != 1))
    return failure();
  position = imageType.getDimSize(3);
  line = e.mul(getSize(2), e.index(position));
  return success();
}

void RowConvolution::describeMatrices() {
  p.oftenHasOneRow = false;
  p.outerSizes = {c.sizes[0]};
  p.m = e.mul(c.sizes[1], c.sizes[2]);
  p.n = c.sizes[3];
  p.a = {x.flat,
         {e.mul(getSize(1), line)},
         e.index(position * dims->strides[1]),
         e.index(1)};
  p.c = {c.flat, {c.strides[0]}, c.strides[2], e.index(1)};
  match.b = {b.flat, {e.index(0)}, {}, b.strideOf(e, column)};
  match.numChannels = position;
  if (input.value)
    match.paddedRows.emplace(
        x.flat, x.sizes[0],
        PaddedRows::Dim{x.sizes[1], input.low[1], getSize(1)},
        PaddedRows::Dim{x.sizes[2], input.low[2], getSize(2)}, x.sizes[3],
        input.value);
}

/// What a row is made of, and how far rows are apart.
void RowConvolution::describeSegments() {
  // Segments are whole words.
  int64_t elements = getNumTaps() * position;
  int64_t segment = llvm::alignTo(elements, dot.group);
  int64_t numSegments = match.filterDims[0].size;
  p.k = e.index(numSegments * segment);
  // Positions that follow each other from line to line: those of an image that
  // is read as it is, or what constants say.
  Value width = c.sizes[2];
  Value lineStride = e.mul(line, e.index(dims->strides[0]));
  bool isWhole = getNumTaps() == 1 && dims->strides[0] == 1 &&
                 dims->strides[1] == 1 && !input.value;
  auto lineElements = e.asConstant(lineStride), outputs = e.asConstant(width);
  bool isOneLine = lineElements && outputs
                       ? *lineElements == position * dims->strides[1] * *outputs
                       : isWhole;
  if (!isOneLine || numSegments > 1)
    p.lines = {width, lineStride, segment, elements,
               e.mul(line, e.index(dims->dilations[0]))};
  else
    p.k = e.index(elements);
}

FailureOr<MatchedProduct> RowConvolution::run() {
  if (failed(matchOperands()) || failed(matchLayout()) ||
      failed(matchFilter()) || failed(matchLines()))
    return failure();
  describeMatrices();
  LoopGroups groups;
  groups.outer = {batch};
  llvm::append_range(groups.m, dims->outputImage);
  groups.n = {column};
  llvm::append_range(groups.k, dims->filterLoop);
  groups.k.push_back(channel);
  dot = matchDotProduct(e, root, groups, unit, p);
  if (!dot && hasParameters(p))
    return failure();
  describeSegments();
  match.kernel = MicroKernel::choose(
      unit, getAccumulator(root),
      e.asConstant(p.m).value_or(ShapedType::kDynamic),
      e.asConstant(p.n).value_or(ShapedType::kDynamic), dot);
  matchNeighbours(e, match, groups);
  match.absorbed.push_back(root);
  llvm::append_range(match.absorbed, input.ops);
  return std::move(match);
}

FailureOr<MatchedProduct> quantc::matchRowConvolution(KernelEmitter &e,
                                                      linalg::LinalgOp root,
                                                      const VectorUnit &unit) {
  return RowConvolution(e, root, unit).run();
}
