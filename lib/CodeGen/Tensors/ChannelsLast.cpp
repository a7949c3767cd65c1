//===- ChannelsLast.cpp - Images with their channels innermost ------------===//
//
// A convolution of an image (batch, height, width, channels) is a matrix
// product: what a position needs lies in a few long segments, all filters of a
// position are whole vectors, and nothing is copied. ONNX's images are (batch,
// channels, height, width), so this pays where several convolutions, and what
// lies between them, keep the other order: images are transposed at the borders
// of such a part of the graph only.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/EquivalenceClasses.h"

namespace quantc {
#define GEN_PASS_DEF_CHANNELSLASTPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// Where each dimension of an image comes from in the other order, and back.
static constexpr int64_t kToLast[] = {0, 2, 3, 1};
static constexpr int64_t kToFirst[] = {0, 3, 1, 2};
static constexpr unsigned kRank = 4;
static constexpr unsigned kChannel = 1;

/// The share of a convolution's multiplications that the other order is worth,
/// where filters are whole vectors of so many: windows are not gathered, and no
/// vector of positions is left half empty (measured with AVX-512).
static constexpr double kGain = 0.2;
/// The same of windows of one position, which are in order as they are.
static constexpr double kPointGain = 0.1;
/// The same of windows of many channels whose lines have an unknown width:
/// channels first, each vector ends with its line (measured with AVX2).
static constexpr double kUnknownWidthGain = 0.5;
static constexpr int64_t kLanes = 16;
/// What it takes to transpose an element, in multiplications (AVX2).
static constexpr double kTransposeCost = 40;
/// As many bytes are multiplied in the time of a float.
static constexpr double kByteProducts = 4;

/// From so many positions on, filters of bytes on the left-hand side are the
/// faster ones where few rows share their words: fewer are not worth an image
/// that is interleaved.
static constexpr int64_t kManyPositions = 64;

/// Height and width of an image of which nothing is known.
static constexpr int64_t kUsualSize = 224;

/// Positions of a window up to which their reduction is one elementwise op.
static constexpr int64_t kMaxUnrolledWindow = 16;

static bool isImage(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() != kRank || type.isDynamicDim(kChannel))
    return false;
  // Sums of bytes become bytes where they are made.
  Type element = type.getElementType();
  return element.isF32() || element.isInteger(8) || element.isInteger(32);
}

namespace {
/// Sizes of images as they may be: of those that only the call knows, what
/// follows from arguments of a usual size.
class UsualSizes {
public:
  /// Elements of one image of a batch.
  double countElements(Value image);
  /// What it takes to transpose it, in multiplications of its elements.
  double getTransposeCost(Value image);

private:
  int64_t getDim(Value tensor, int64_t dim);
  int64_t evaluate(OpFoldResult size);
  std::optional<int64_t> evaluateOp(Operation *op);

  llvm::DenseMap<Value, int64_t> known;
};
} // namespace

double UsualSizes::countElements(Value image) {
  double count = 1;
  for (unsigned dim = 1; dim < kRank; ++dim)
    count *= getDim(image, dim);
  return count;
}

double UsualSizes::getTransposeCost(Value image) {
  bool isByte = getElementTypeOrSelf(image).isInteger(8);
  return kTransposeCost * countElements(image) * (isByte ? kByteProducts : 1);
}

int64_t UsualSizes::getDim(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return type.getDimSize(dim);
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return kUsualSize;
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return evaluate(empty.getMixedSizes()[dim]);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return evaluate(expand.getMixedOutputShape()[dim]);
  if (auto dps = dyn_cast<DestinationStyleOpInterface>(op))
    return getDim(dps.getTiedOpOperand(cast<OpResult>(tensor))->get(), dim);
  // Padding that only some sizes need: both results are as large but for that.
  if (auto choice = dyn_cast<scf::IfOp>(op))
    return getDim(
        choice.elseYield().getOperand(cast<OpResult>(tensor).getResultNumber()),
        dim);
  // Most others change sizes by little; a wrong guess costs time alone.
  auto from = op->getNumOperands()
                  ? dyn_cast<RankedTensorType>(op->getOperand(0).getType())
                  : RankedTensorType();
  if (from && from.getRank() == type.getRank())
    return getDim(op->getOperand(0), dim);
  return kUsualSize;
}

int64_t UsualSizes::evaluate(OpFoldResult size) {
  if (std::optional<int64_t> constant = getConstantIntValue(size))
    return *constant;
  auto value = cast<Value>(size);
  if (auto it = known.find(value); it != known.end())
    return it->second;
  int64_t result = kUsualSize;
  Operation *op = value.getDefiningOp();
  if (auto dim = dyn_cast_or_null<tensor::DimOp>(op)) {
    if (auto index = dim.getConstantIndex())
      result = getDim(dim.getSource(), *index);
  } else if (op) {
    result = evaluateOp(op).value_or(result);
  }
  return known[value] = result;
}

/// What arithmetic on sizes folds to.
std::optional<int64_t> UsualSizes::evaluateOp(Operation *op) {
  SmallVector<Attribute> operands;
  for (Value operand : op->getOperands()) {
    if (!operand.getType().isIntOrIndex())
      return std::nullopt;
    operands.push_back(IntegerAttr::get(operand.getType(), evaluate(operand)));
  }
  SmallVector<OpFoldResult> results;
  if (operands.empty() || op->getNumResults() != 1 ||
      failed(op->fold(operands, results)) || results.size() != 1)
    return std::nullopt;
  return getConstantIntValue(results[0]);
}

namespace {
/// An op that can work on images in either order.
struct ImageOp {
  Operation *op;
  /// Its images; other operands stay as they are.
  SmallVector<OpOperand *> images;
  /// Of a linalg op: its loops as they are in the other order.
  SmallVector<unsigned> loops;
  /// Of a convolution, what the other order gains, in multiplications.
  double gain = 0;

  static std::optional<ImageOp> get(Operation *op, const VectorUnit &unit,
                                    UsualSizes &sizes);

private:
  bool matchConvolution(linalg::LinalgOp conv, const VectorUnit &unit,
                        UsualSizes &sizes);
  bool matchOther(linalg::LinalgOp op);
};
} // namespace

/// A convolution of all channels by constant filters, whose windows are lines.
bool ImageOp::matchConvolution(linalg::LinalgOp conv, const VectorUnit &unit,
                               UsualSizes &sizes) {
  if (!linalg::isaConvolutionOpInterface(conv))
    return false;
  FailureOr<linalg::ConvolutionDimensions> dims =
      linalg::inferConvolutionDims(conv);
  if (failed(dims) || dims->batch.size() != 1 || !dims->depth.empty() ||
      dims->inputChannel.size() != 1 || dims->outputChannel.size() != 1 ||
      dims->outputImage.size() != 2 || conv.getNumDpsInputs() < 2)
    return false;
  OpOperand *image = conv.getDpsInputOperand(0);
  Value filter = conv.getDpsInputOperand(1)->get();
  auto filterType = cast<RankedTensorType>(filter.getType());
  // What is one number throughout is not packed.
  ElementsAttr weights;
  if (!isImage(image->get()) || !filterType.hasStaticShape() ||
      !matchPattern(filter, m_Constant(&weights)) || weights.isSplat() ||
      (filterType.getShape().back() > 1 && dims->dilations[1] != 1))
    return false;
  // The image is (batch, channels, height, width).
  AffineMap map = conv.getMatchingIndexingMap(image);
  if (map.getResult(kChannel) !=
      getAffineDimExpr(dims->inputChannel[0], conv.getContext()))
    return false;
  images = {image};
  loops = {dims->batch[0], dims->outputImage[0], dims->outputImage[1],
           dims->outputChannel[0]};
  llvm::append_range(loops, dims->filterLoop);
  loops.push_back(dims->inputChannel[0]);
  if (loops.size() != conv.getNumLoops())
    return false;
  int64_t filters = filterType.getDimSize(0);
  double waste = double(llvm::alignTo(filters, kLanes)) / filters - 1;
  double positions = sizes.countElements(conv->getResult(0)) / filters;
  bool isByte = filterType.getElementType().isInteger(8);
  if (isByte && unit.sharesFewWeights() && positions >= kManyPositions)
    return false;
  bool hasWindows = computeProduct(filterType.getShape().drop_front(2)) > 1;
  auto result = cast<RankedTensorType>(conv->getResult(0).getType());
  double share = kPointGain;
  if (hasWindows)
    share = !isByte && result.isDynamicDim(kRank - 1) &&
                    filterType.getDimSize(1) >= kLanes
                ? kUnknownWidthGain
                : kGain;
  gain = positions * filterType.getNumElements() * (share - waste);
  return gain > 0;
}

/// Whether a reduction is no sum or product: those of floats depend on their
/// order, and those of integers may be convolutions with kernels of their own.
static bool isAnyOrder(linalg::GenericOp op) {
  Operation *combiner =
      op.getBody()->getTerminator()->getOperand(0).getDefiningOp();
  std::optional<vector::CombiningKind> kind =
      combiner ? linalg::getCombinerOpKind(combiner) : std::nullopt;
  return kind && *kind != vector::CombiningKind::ADD &&
         *kind != vector::CombiningKind::MUL;
}

/// An elementwise op, or a reduction over windows, such as their maximum.
bool ImageOp::matchOther(linalg::LinalgOp linalgOp) {
  auto generic = dyn_cast<linalg::GenericOp>(linalgOp.getOperation());
  if (!generic || generic.hasIndexSemantics())
    return false;
  AffineMap out = generic.getIndexingMapsArray().back();
  SmallVector<unsigned> result;
  for (unsigned i = 0; i < kRank; ++i)
    result.push_back(out.getDimPosition(i));
  if (generic.getNumReductionLoops() && !isAnyOrder(generic))
    return false;
  for (OpOperand *operand : generic.getDpsInputOperands()) {
    AffineMap map = generic.getMatchingIndexingMap(operand);
    if (!isImage(operand->get()) ||
        map.getResult(kChannel) != out.getResult(kChannel))
      continue;
    // What is the same for all positions is no image.
    if (map.isFunctionOfDim(result[2]) || map.isFunctionOfDim(result[3]))
      images.push_back(operand);
  }
  loops = {result[0], result[2], result[3]};
  for (unsigned loop = 0; loop < generic.getNumLoops(); ++loop)
    if (!llvm::is_contained(result, loop))
      loops.push_back(loop);
  loops.push_back(result[kChannel]);
  return !images.empty();
}

std::optional<ImageOp> ImageOp::get(Operation *op, const VectorUnit &unit,
                                    UsualSizes &sizes) {
  ImageOp result;
  result.op = op;
  if (op->getNumResults() != 1 || !isImage(op->getResult(0)))
    return std::nullopt;
  if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    auto isZero = [](OpFoldResult size) { return isConstantIntValue(size, 0); };
    if (!isImage(pad.getSource()) || !pad.getConstantPaddingValue() ||
        !llvm::all_of(ArrayRef(pad.getMixedLowPad()).take_front(2), isZero) ||
        !llvm::all_of(ArrayRef(pad.getMixedHighPad()).take_front(2), isZero))
      return std::nullopt;
    result.images = {&pad.getSourceMutable()};
    return result;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    if (!llvm::all_of(concat.getInputs(), isImage))
      return std::nullopt;
    for (OpOperand &input : concat.getInputsMutable())
      result.images.push_back(&input);
    return result;
  }
  auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
  if (!linalgOp || !linalgOp.hasPureTensorSemantics() ||
      linalgOp.getNumDpsInits() != 1)
    return std::nullopt;
  AffineMap out = linalgOp.getIndexingMapsArray().back();
  if (out.getNumResults() != kRank || !out.isProjectedPermutation())
    return std::nullopt;
  if (!result.matchConvolution(linalgOp, unit, sizes) &&
      !result.matchOther(linalgOp))
    return std::nullopt;
  return result;
}

namespace {
/// Makes ops on images whose channels are innermost.
class Converter {
public:
  explicit Converter(func::FuncOp func) : rewriter(func.getContext()) {}

  void convert(const ImageOp &image);
  /// Lets all others read the images in the order that they know, and erases
  /// what is not needed any more.
  void finish();

  int64_t numTransposes = 0;

private:
  Value getLast(Value image);
  Value getLastInit(Value init);
  Value transpose(Value image, ArrayRef<int64_t> order);
  Value makeEmpty(Value image, ArrayRef<int64_t> order);
  Value convertPad(tensor::PadOp pad);
  Value convertConcat(tensor::ConcatOp concat);
  Value convertLinalg(const ImageOp &image);
  Value convertWindows(const ImageOp &image);
  AffineMap getLastMap(const ImageOp &image, OpOperand *operand, bool isImage);

  IRRewriter rewriter;
  llvm::MapVector<Value, Value> last;
  SmallVector<Operation *> converted;
};
} // namespace

/// An empty tensor for `image` in the order of dimensions `order`.
Value Converter::makeEmpty(Value image, ArrayRef<int64_t> order) {
  Location loc = image.getLoc();
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, image);
  return tensor::EmptyOp::create(
      rewriter, loc, applyPermutation(sizes, order),
      cast<RankedTensorType>(image.getType()).getElementType());
}

Value Converter::transpose(Value image, ArrayRef<int64_t> order) {
  ++numTransposes;
  return linalg::TransposeOp::create(rewriter, image.getLoc(), image,
                                     makeEmpty(image, order), order)
      ->getResult(0);
}

/// `image` with its channels innermost.
Value Converter::getLast(Value image) {
  Value &result = last[image];
  if (!result) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointAfterValue(image);
    result = transpose(image, kToLast);
  }
  return result;
}

/// The same for what an op starts from.
Value Converter::getLastInit(Value init) {
  Location loc = init.getLoc();
  if (init.getDefiningOp<tensor::EmptyOp>())
    return makeEmpty(init, kToLast);
  if (auto fill = init.getDefiningOp<linalg::FillOp>())
    return linalg::FillOp::create(rewriter, loc, fill.getInputs(),
                                  makeEmpty(init, kToLast))
        .getResult(0);
  auto broadcast = init.getDefiningOp<linalg::BroadcastOp>();
  if (broadcast && broadcast.getDimensions() == ArrayRef<int64_t>{0, 2, 3})
    return linalg::BroadcastOp::create(rewriter, loc, broadcast.getInput(),
                                       makeEmpty(init, kToLast),
                                       ArrayRef<int64_t>{0, 1, 2})
        ->getResult(0);
  return transpose(init, kToLast);
}

Value Converter::convertPad(tensor::PadOp pad) {
  auto type = cast<RankedTensorType>(pad.getType());
  return tensor::PadOp::create(
      rewriter, pad.getLoc(),
      type.clone(applyPermutation(type.getShape(), kToLast)),
      getLast(pad.getSource()), applyPermutation(pad.getMixedLowPad(), kToLast),
      applyPermutation(pad.getMixedHighPad(), kToLast),
      pad.getConstantPaddingValue(), pad.getNofold());
}

Value Converter::convertConcat(tensor::ConcatOp concat) {
  SmallVector<Value> inputs = llvm::map_to_vector(
      concat.getInputs(), [&](Value input) { return getLast(input); });
  auto type = concat.getResultType();
  return tensor::ConcatOp::create(
      rewriter, concat.getLoc(),
      type.clone(applyPermutation(type.getShape(), kToLast)),
      kToFirst[concat.getDim()], inputs);
}

/// What loops over images with channels innermost read of `operand`.
AffineMap Converter::getLastMap(const ImageOp &image, OpOperand *operand,
                                bool isImage) {
  auto op = cast<linalg::LinalgOp>(image.op);
  // The loop that each of the old ones becomes.
  SmallVector<AffineExpr> loops(image.loops.size());
  for (auto [i, loop] : llvm::enumerate(image.loops))
    loops[loop] = rewriter.getAffineDimExpr(i);
  SmallVector<AffineExpr> exprs;
  for (AffineExpr expr : op.getMatchingIndexingMap(operand).getResults())
    exprs.push_back(expr.replaceDims(loops));
  if (isImage)
    exprs = applyPermutation(exprs, kToLast);
  return AffineMap::get(loops.size(), 0, exprs, rewriter.getContext());
}

Value Converter::convertLinalg(const ImageOp &image) {
  auto op = cast<linalg::LinalgOp>(image.op);
  SmallVector<AffineMap> maps;
  SmallVector<Value> inputs;
  for (OpOperand *operand : op.getDpsInputOperands()) {
    bool isImage = llvm::is_contained(image.images, operand);
    inputs.push_back(isImage ? getLast(operand->get()) : operand->get());
    maps.push_back(getLastMap(image, operand, isImage));
  }
  OpOperand *init = op.getDpsInitOperand(0);
  Value output = getLastInit(init->get());
  maps.push_back(getLastMap(image, init, /*isImage=*/true));
  SmallVector<utils::IteratorType> iterators;
  for (unsigned loop : image.loops)
    iterators.push_back(op.getIteratorTypesArray()[loop]);
  auto created = linalg::GenericOp::create(
      rewriter, op.getLoc(), output.getType(), inputs, output, maps, iterators);
  rewriter.cloneRegionBefore(op->getRegion(0), created.getRegion(),
                             created.getRegion().begin());
  return created.getResult(0);
}

/// A reduction over windows as one of an operand for each of their positions,
/// so that channels become vectors; null where that is not possible.
Value Converter::convertWindows(const ImageOp &image) {
  auto op = dyn_cast<linalg::GenericOp>(image.op);
  if (!op || op.getNumReductionLoops() == 0 || image.images.size() != 1)
    return nullptr;
  OpOperand *init = op.getDpsInitOperand(0);
  auto fill = init->get().getDefiningOp<linalg::FillOp>();
  Operation *combiner =
      op.getBody()->getTerminator()->getOperand(0).getDefiningOp();
  if (!fill || !llvm::hasSingleElement(op.getBody()->without_terminator()))
    return nullptr;
  // The positions as loops (height, width, ..., channels) follow one another.
  SmallVector<int64_t> ranges = op.getStaticLoopRanges(), sizes;
  for (unsigned loop : ArrayRef(image.loops).drop_front(3).drop_back())
    sizes.push_back(ranges[loop]);
  if (llvm::is_contained(sizes, ShapedType::kDynamic) ||
      computeProduct(sizes) > kMaxUnrolledWindow)
    return nullptr;
  AffineMap map = getLastMap(image, image.images[0], /*isImage=*/true);
  Value input = getLast(image.images[0]->get());
  auto inputType = cast<RankedTensorType>(input.getType());
  Value output = makeEmpty(init->get(), kToLast);
  auto outputType = cast<RankedTensorType>(output.getType());
  SmallVector<AffineMap> maps;
  for (int64_t i = 0, e = computeProduct(sizes); i < e; ++i) {
    SmallVector<AffineExpr> loops;
    for (unsigned dim = 0; dim < 3; ++dim)
      loops.push_back(rewriter.getAffineDimExpr(dim));
    for (int64_t position : delinearize(i, computeStrides(sizes)))
      loops.push_back(rewriter.getAffineConstantExpr(position));
    loops.push_back(rewriter.getAffineDimExpr(3));
    maps.push_back(map.replaceDimsAndSymbols(loops, {}, kRank, 0));
    // An operand's dimension that is a loop gives it its size: that of the
    // result only where a window is no longer than a step.
    for (unsigned dim = 0; dim < kRank; ++dim) {
      int64_t size = inputType.getDimSize(dim);
      bool isLonger = size != outputType.getDimSize(dim);
      if (ShapedType::isDynamic(size) && (dim == 1 || dim == 2))
        isLonger |= sizes[dim - 1] > 1;
      if (isa<AffineDimExpr>(maps.back().getResult(dim)) && isLonger)
        return nullptr;
    }
  }
  SmallVector<Value> inputs(maps.size(), input);
  maps.push_back(rewriter.getMultiDimIdentityMap(kRank));
  SmallVector<utils::IteratorType> iterators(kRank,
                                             utils::IteratorType::parallel);
  auto emitBody = [&](OpBuilder &b, Location loc, ValueRange args) {
    IRMapping values;
    Value result = fill.getInputs()[0];
    for (Value element : args.drop_back()) {
      values.map(op.getMatchingBlockArgument(image.images[0]), element);
      values.map(op.getMatchingBlockArgument(init), result);
      result = b.clone(*combiner, values)->getResult(0);
    }
    linalg::YieldOp::create(b, loc, result);
  };
  return linalg::GenericOp::create(rewriter, op.getLoc(), output.getType(),
                                   inputs, output, maps, iterators, emitBody)
      .getResult(0);
}

void Converter::convert(const ImageOp &image) {
  rewriter.setInsertionPoint(image.op);
  Value result;
  if (auto pad = dyn_cast<tensor::PadOp>(image.op))
    result = convertPad(pad);
  else if (auto concat = dyn_cast<tensor::ConcatOp>(image.op))
    result = convertConcat(concat);
  else
    result = convertWindows(image);
  last[image.op->getResult(0)] = result ? result : convertLinalg(image);
  converted.push_back(image.op);
}

void Converter::finish() {
  for (Operation *op : converted) {
    Value result = op->getResult(0), first;
    for (OpOperand &use : llvm::make_early_inc_range(result.getUses())) {
      if (llvm::is_contained(converted, use.getOwner()))
        continue;
      if (!first) {
        Value image = last[result];
        rewriter.setInsertionPointAfterValue(image);
        first = transpose(image, kToFirst);
      }
      use.set(first);
    }
  }
  for (Operation *op : llvm::reverse(converted))
    rewriter.eraseOp(op);
}

namespace {
struct ChannelsLastPass
    : public quantc::impl::ChannelsLastPassBase<ChannelsLastPass> {
  using ChannelsLastPassBase::ChannelsLastPassBase;

  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (!func.isExternal())
        convert(func);
  }

  void convert(func::FuncOp func) {
    // Images that ops take or give in the same order.
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    UsualSizes sizes;
    llvm::EquivalenceClasses<const void *> parts;
    llvm::MapVector<Operation *, ImageOp> ops;
    auto getKey = [](Value value) { return value.getAsOpaquePointer(); };
    for (Operation &op : func.getBody().front())
      if (std::optional<ImageOp> image = ImageOp::get(&op, unit, sizes))
        ops.insert({&op, *image});
    // What others read padded is smaller before, and perhaps the same for all.
    ops.remove_if([&](const auto &entry) {
      return isa<tensor::PadOp>(entry.first) &&
             llvm::none_of(entry.first->getUsers(),
                           [&](Operation *user) { return ops.contains(user); });
    });
    for (auto &[op, image] : ops)
      for (OpOperand *operand : image.images)
        parts.unionSets(getKey(op->getResult(0)), getKey(operand->get()));
    // What each part gains, less its transposes.
    llvm::DenseMap<const void *, double> gains;
    llvm::DenseSet<Value> seen;
    auto addCost = [&](Value value, double cost) {
      gains[parts.getLeaderValue(getKey(value))] -= cost;
    };
    for (auto &[op, image] : ops) {
      Value result = op->getResult(0);
      addCost(result, -image.gain);
      for (OpOperand *operand : image.images)
        if (!ops.contains(operand->get().getDefiningOp()) &&
            seen.insert(operand->get()).second)
          addCost(operand->get(), sizes.getTransposeCost(operand->get()));
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !ops.contains(user) && !isa<tensor::DimOp>(user);
          }))
        addCost(result, sizes.getTransposeCost(result));
    }
    Converter converter(func);
    for (auto &[op, image] : ops) {
      if (gains[parts.getLeaderValue(getKey(op->getResult(0)))] <= 0)
        continue;
      converter.convert(image);
      numConvolutions += image.gain > 0;
    }
    converter.finish();
    numTransposes += converter.numTransposes;
  }
};
} // namespace
