//===- PlaneConvolutions.cpp - Convolutions with channels first -----------===//
//
// In an image (batch, channels, height, width) the elements that filters
// multiply by one number lie side by side: a convolution is a product whose
// rows are filters, and whose columns are positions. Its right-hand side does
// not exist: panels of it are copied out of the image, or read in place.
//
//===----------------------------------------------------------------------===//

#include "ContractionAnalysis.h"

#include "DepthwiseEmitter.h"
#include "DotProductAnalysis.h"

using namespace mlir;
using namespace quantc;

/// Whether the last loops that go through a buffer are these.
static bool endsWith(const Access &access, ArrayRef<unsigned> tail) {
  if (access.loops.size() < tail.size())
    return false;
  auto loops = ArrayRef(access.loops).take_back(tail.size());
  return llvm::equal(loops, tail,
                     [](int64_t x, unsigned y) { return x == int64_t(y); });
}

namespace {
class PlaneConvolution {
public:
  PlaneConvolution(KernelEmitter &e, linalg::LinalgOp root,
                   const VectorUnit &unit)
      : e(e), root(root), unit(unit) {
    match.root = root;
  }

  FailureOr<MatchedProduct> run();

private:
  LogicalResult matchOperands();
  LogicalResult matchLayout();
  LogicalResult matchWindows();
  void describeSizes();
  LogicalResult chooseKernel();
  void describePixels();
  void describeWindows();
  /// The loop over input channels, if there is one.
  std::optional<unsigned> getChannelLoop() const {
    if (dims->inputChannel.empty())
      return std::nullopt;
    return dims->inputChannel[0];
  }
  int64_t toStatic(Value size) {
    return e.asConstant(size).value_or(ShapedType::kDynamic);
  }

  KernelEmitter &e;
  linalg::LinalgOp root;
  const VectorUnit &unit;
  MatchedProduct match;
  GemmProblem &p = match.problem;
  FailureOr<linalg::ConvolutionDimensions> dims = failure();
  OpOperand *image = nullptr, *filter = nullptr;
  AffineMap imageMap;
  LoopGroups groups;
  /// How the result, the filter and the image without padding are gone through.
  Access c, a, x;
  PaddedInput input;
  SmallVector<Windows::Dim> windows;
  /// Whether each window is one element.
  bool isPointwise = true;
  SmallVector<Value> outerStrides;
  DotProduct dot;
};
} // namespace

LogicalResult PlaneConvolution::matchOperands() {
  dims = linalg::inferConvolutionDims(root);
  if (failed(dims) || failed(matchBody(e, root, p.factorB, p.factorA)))
    return failure();
  if (getOperand(root, p.factorB)->getOperandNumber() != 0)
    std::swap(p.factorA, p.factorB);
  image = getOperand(root, p.factorB);
  filter = getOperand(root, p.factorA);
  match.rowsOperand = filter;
  imageMap = root.getMatchingIndexingMap(image);
  return success(dims->inputChannel.size() <= 1 &&
                 dims->outputChannel.size() <= 1 &&
                 dims->filterLoop.size() == dims->outputImage.size());
}

/// The layout: [outer..., channel, image...] everywhere.
LogicalResult PlaneConvolution::matchLayout() {
  OpOperand *out = root.getDpsInitOperand(0);
  AffineMap filterMap = root.getMatchingIndexingMap(filter);
  AffineMap outMap = root.getMatchingIndexingMap(out);
  if (!filterMap.isProjectedPermutation() || !outMap.isProjectedPermutation())
    return failure();
  c = Access::get(e, out->get(), outMap);
  a = Access::get(e, filter->get(), filterMap);
  llvm::append_range(groups.outer, dims->batch);
  llvm::append_range(groups.outer, dims->depth);
  llvm::append_range(groups.m, dims->outputChannel);
  llvm::append_range(groups.n, dims->outputImage);
  llvm::append_range(groups.k, dims->inputChannel);
  llvm::append_range(groups.k, dims->filterLoop);
  SmallVector<unsigned> outTail(groups.m);
  llvm::append_range(outTail, groups.n);
  return success(endsWith(c, outTail) && endsWith(a, groups.k));
}

/// The image's map ends with the input channel and the window positions.
LogicalResult PlaneConvolution::matchWindows() {
  MLIRContext *context = root.getContext();
  ArrayRef<AffineExpr> exprs = imageMap.getResults();
  unsigned numImageDims = dims->outputImage.size();
  unsigned rank = exprs.size();
  std::optional<unsigned> channel = getChannelLoop();
  unsigned numTail = numImageDims + (channel ? 1 : 0);
  if (rank < numTail ||
      (channel && exprs[rank - numTail] != getAffineDimExpr(*channel, context)))
    return failure();

  input = matchPadding(e, image->get(), rank - numImageDims, numImageDims);
  for (unsigned i = 0; i < numImageDims; ++i) {
    unsigned position = rank - numImageDims + i;
    AffineExpr expected =
        getAffineDimExpr(dims->outputImage[i], context) * dims->strides[i] +
        getAffineDimExpr(dims->filterLoop[i], context) * dims->dilations[i];
    AffineExpr difference =
        simplifyAffineExpr(exprs[position] - expected, imageMap.getNumDims(),
                           imageMap.getNumSymbols());
    if (difference != getAffineConstantExpr(0, context))
      return failure();
    std::optional<int64_t> window =
        e.asConstant(a.sizes[*a.positionOf(dims->filterLoop[i])]);
    if (!window)
      return failure();
    windows.push_back({e.size(input.source, position),
                       c.sizes[*c.positionOf(dims->outputImage[i])],
                       input.low[position], *window, dims->strides[i],
                       dims->dilations[i]});
    isPointwise &= *window == 1 && dims->strides[i] == 1 && !input.value;
  }
  return success();
}

void PlaneConvolution::describeSizes() {
  describeOperands(e, groups, a, c, p);

  x = Access::get(e, input.source, imageMap);
  for (unsigned loop : groups.outer)
    outerStrides.push_back(x.strideOf(e, loop));
  std::optional<unsigned> channel = getChannelLoop();
  match.numChannels = channel ? toStatic(a.sizes[*a.positionOf(*channel)]) : 1;
}

LogicalResult PlaneConvolution::chooseKernel() {
  // A filter of one channel is left to the vector loops over planes
  // (IntegerDepthwise).
  VectorUnit dotUnit = unit;
  if (match.hasPlanes(e)) {
    dotUnit.hasFloatPairs = dotUnit.hasFloatTiles = false;
    if (unit.hasWordPairs)
      dotUnit.hasVNNI = dotUnit.hasTiles = false;
  }
  dot = matchDotProduct(e, root, groups, dotUnit, p);
  if (!dot && hasParameters(p))
    return failure();
  match.kernel = MicroKernel::choose(unit, getAccumulator(root), toStatic(p.m),
                                     toStatic(p.n), dot);
  return success();
}

/// The image is the right-hand matrix.
void PlaneConvolution::describePixels() {
  unsigned position = imageMap.getNumResults() - dims->outputImage.size();
  Value channelStride = getChannelLoop() ? x.strides[position - 1] : e.index(0);
  match.b = {x.flat, outerStrides, channelStride, e.index(1)};
  match.columns = std::make_unique<StridedSource>(match.b, p.factorB, p.n,
                                                  match.kernel.lanes);
  Windows::Dim pixels{p.n, p.n, e.index(0), 1, 1, 1};
  if (dot)
    match.words = {x.flat, outerStrides, {pixels}, nullptr};
}

void PlaneConvolution::describeWindows() {
  Type element = cast<MemRefType>(x.flat.getType()).getElementType();
  Value padding = input.value ? input.value : e.zero(element);
  if (!dot)
    padding = emitFactor(e, match.kernel, p.factorB, padding, 0);
  Windows described{x.flat, outerStrides, windows, padding};
  if (!dot && e.isConstant(p.m, 1) && !getChannelLoop() &&
      canEmitDepthwise(described))
    match.depthwise = described;
  if (dot || (element.isF32() && p.factorB.result == p.factorB.element))
    match.words = described;
  match.columns =
      std::make_unique<WindowSource>(described, p.factorB, match.kernel.lanes);
}

FailureOr<MatchedProduct> PlaneConvolution::run() {
  if (failed(matchOperands()) || failed(matchLayout()) ||
      failed(matchWindows()))
    return failure();
  describeSizes();
  if (failed(chooseKernel()))
    return failure();
  if (isPointwise)
    describePixels();
  else
    describeWindows();
  matchNeighbours(e, match, groups);
  match.absorbed.push_back(root);
  llvm::append_range(match.absorbed, input.ops);
  return std::move(match);
}

FailureOr<MatchedProduct>
quantc::matchPlaneConvolution(KernelEmitter &e, linalg::LinalgOp root,
                              const VectorUnit &unit) {
  return PlaneConvolution(e, root, unit).run();
}
