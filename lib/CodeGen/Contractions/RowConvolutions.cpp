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

FailureOr<MatchedProduct> quantc::matchRowConvolution(KernelEmitter &e,
                                                      linalg::LinalgOp root,
                                                      const VectorUnit &unit) {
  FailureOr<linalg::ConvolutionDimensions> dims =
      linalg::inferConvolutionDims(root);
  if (failed(dims) || dims->batch.size() != 1 || !dims->depth.empty() ||
      dims->inputChannel.size() != 1 || dims->outputChannel.size() != 1 ||
      dims->outputImage.size() != kNumImageDims ||
      dims->filterLoop.size() != kNumImageDims)
    return failure();
  MatchedProduct match;
  match.root = root;
  GemmProblem &p = match.problem;
  if (failed(matchBody(e, root, p.factorA, p.factorB)))
    return failure();
  if (getOperand(root, p.factorA)->getOperandNumber() != 0)
    std::swap(p.factorA, p.factorB);
  OpOperand *image = getOperand(root, p.factorA);
  OpOperand *filter = getOperand(root, p.factorB);
  OpOperand *out = root.getDpsInitOperand(0);
  MLIRContext *context = root.getContext();
  auto getMap = [&](ArrayRef<unsigned> loops) {
    SmallVector<AffineExpr> exprs;
    for (unsigned loop : loops)
      exprs.push_back(getAffineDimExpr(loop, context));
    return AffineMap::get(root.getNumLoops(), 0, exprs, context);
  };
  unsigned batch = dims->batch[0], channel = dims->inputChannel[0];
  ArrayRef<unsigned> positions = dims->outputImage, taps = dims->filterLoop;
  unsigned column = dims->outputChannel[0];
  AffineMap imageMap = root.getMatchingIndexingMap(image);
  if (root.getMatchingIndexingMap(out) !=
          getMap({batch, positions[0], positions[1], column}) ||
      !root.getMatchingIndexingMap(filter).isProjectedPermutation() ||
      imageMap.getResult(0) != getAffineDimExpr(batch, context) ||
      imageMap.getResult(3) != getAffineDimExpr(channel, context))
    return failure();

  Access c = Access::get(e, out->get(), root.getMatchingIndexingMap(out));
  Access b = Access::get(e, filter->get(), root.getMatchingIndexingMap(filter));
  PaddedInput input = matchPadding(e, image->get(), 1, kNumImageDims);
  Access x = Access::get(e, input.source, imageMap);
  // The sizes of the image as the product reads it: of a copy with its padding,
  // there is no buffer yet.
  auto type = cast<MemRefType>(image->get().getType());
  auto alloc = image->get().getDefiningOp<memref::AllocOp>();
  auto getSize = [&](unsigned dim) -> Value {
    if (type.isDynamicDim(dim) && alloc)
      return alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)];
    return e.size(image->get(), dim);
  };
  Value width = c.sizes[2];
  SmallVector<unsigned> depth(taps);
  depth.push_back(channel);
  for (unsigned loop : depth) {
    std::optional<unsigned> position = b.positionOf(loop);
    if (!position)
      return failure();
    auto size = e.asConstant(b.sizes[*position]);
    auto stride = e.asConstant(b.strides[*position]);
    if (!size || !stride)
      return failure();
    match.filterDims.push_back({*size, *stride});
  }
  int64_t window = match.filterDims[1].size;
  // Segments are contiguous: the elements of a window's line.
  if (type.isDynamicDim(3) || e.isConstant(width, 0) || !b.positionOf(column) ||
      (window > 1 && dims->dilations[1] != 1))
    return failure();
  int64_t position = type.getDimSize(3);
  Value line = e.mul(getSize(2), e.index(position));

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
  if (input.value)
    match.paddedRows.emplace(
        x.flat, x.sizes[0],
        PaddedRows::Dim{x.sizes[1], input.low[1], getSize(1)},
        PaddedRows::Dim{x.sizes[2], input.low[2], getSize(2)}, x.sizes[3],
        input.value);

  match.matrixOperand = filter;
  match.rowsOperand = image;
  match.numChannels = position;
  LoopGroups groups;
  groups.outer = {batch};
  llvm::append_range(groups.m, positions);
  groups.n = {column};
  llvm::append_range(groups.k, taps);
  groups.k.push_back(channel);
  DotProduct dot = matchDotProduct(e, root, groups, unit, p);
  if (!dot && hasParameters(p))
    return failure();
  // Segments are whole words.
  int64_t elements = window * position;
  int64_t segment = llvm::alignTo(elements, dot.group);
  int64_t numSegments = match.filterDims[0].size;
  p.k = e.index(numSegments * segment);
  // Positions that follow each other from line to line: those of an image that
  // is read as it is, or what constants say.
  Value lineStride = e.mul(line, e.index(dims->strides[0]));
  bool isWhole = window == 1 && dims->strides[0] == 1 &&
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
  match.kernel = MicroKernel::choose(
      unit, getAccumulator(root),
      e.asConstant(p.m).value_or(ShapedType::kDynamic),
      e.asConstant(p.n).value_or(ShapedType::kDynamic), dot);
  matchNeighbours(e, match, groups);
  match.absorbed.push_back(root);
  llvm::append_range(match.absorbed, input.ops);
  return match;
}
