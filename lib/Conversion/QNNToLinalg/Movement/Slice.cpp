//===- Slice.cpp - Lowers slice and pad -----------------------------------===//

#include "Conversion/QNNToLinalg/Shapes/DimensionAlgebra.h"
#include "Conversion/QNNToLinalg/Shapes/IndexMath.h"
#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using qnn::typeOf;

/// For each dimension the position of its entry in constant `axes`, or -1.
static std::optional<SmallVector<int64_t>> findEntries(Value axes,
                                                       int64_t rank) {
  auto ints = qnn::getConstantInts(axes);
  if (!ints)
    return std::nullopt;
  SmallVector<int64_t> entries(rank, -1);
  for (auto [i, axis] : llvm::enumerate(*ints))
    entries[*qnn::normalizeAxis(axis, rank)] = i;
  return entries;
}

/// The elements of list operand `values` by dimension: entry `k` where
/// `axes[k]` is the dimension, `otherwise` where no axis names it. `offset` is
/// added to `k`.
static SmallVector<Value> spreadOverDims(IndexMath m, Value axes, Value qnnAxes,
                                         Value values, Value qnnValues,
                                         int64_t rank, Value otherwise,
                                         int64_t offset = 0) {
  SmallVector<Value> result(rank, otherwise);
  auto known = qnn::getConstantInts(qnnValues);
  auto valueAt = [&](int64_t k) {
    return known ? m.constant((*known)[k])
                 : extractIndex(m.b, m.loc, values, k);
  };
  if (auto entries = findEntries(qnnAxes, rank)) {
    for (auto [d, k] : llvm::enumerate(*entries))
      if (k >= 0)
        result[d] = valueAt(k + offset);
    return result;
  }
  for (auto [k, axis] : llvm::enumerate(m.extractAll(axes))) {
    axis = m.fromFront(axis, m.constant(rank));
    Value value = valueAt(k + offset);
    for (int64_t d = 0; d < rank; ++d)
      result[d] = m.select(m.equal(axis, m.constant(d)), value, result[d]);
  }
  return result;
}

static void checkAxes(OpBuilder &b, Location loc, Value axes, Value qnnAxes,
                      int64_t rank) {
  IndexMath m{b, loc};
  if (!qnn::getConstantInts(qnnAxes))
    checkRange(b, loc, axes, m.constant(-rank), m.constant(rank),
               describeNode(loc) + ": an axis is out of range");
}

namespace {

/// What is taken along one dimension.
struct RunTimeRange {
  Value start, size, step;
};

} // namespace

/// ONNX's counting from the back and clamping; see qnn::normalizeSlice.
static RunTimeRange computeRange(IndexMath m, Value start, Value end,
                                 Value step, Value extent) {
  auto s = getConstantIndex(start), e = getConstantIndex(end),
       k = getConstantIndex(step), n = getConstantIndex(extent);
  if (s && e && k && n) {
    qnn::SliceRange range = qnn::normalizeSlice(*s, *e, *k, *n);
    return {m.constant(range.start), m.constant(range.size), step};
  }
  Value zero = m.constant(0), one = m.constant(1);
  // Empty wherever it ends; an offset there would be out of bounds.
  if (s && n && k && *k > 0 && (*s >= *n || *n == 0))
    return {zero, zero, step};
  if (k == 1 && s == 0 && e && *e >= std::numeric_limits<int32_t>::max())
    return {zero, extent, one};
  // Far ends are near enough, and sums stay in range.
  Value minusExtent = m.sub(zero, extent);
  auto fromFront = [&](Value i) {
    if (auto c = getConstantIndex(i); c && *c >= 0)
      return i;
    return m.fromFront(m.max(i, m.sub(minusExtent, one)), extent);
  };
  start = fromFront(start);
  end = fromFront(end);
  auto clamp = [&](Value v, Value low, Value high) {
    return m.min(m.max(v, low), high);
  };
  Value distance, magnitude;
  if (k && *k > 0) {
    start = clamp(start, zero, extent);
    end = clamp(end, zero, extent);
    distance = m.sub(end, start);
    magnitude = step;
  } else {
    Value backwards = m.less(step, zero);
    Value last = m.sub(extent, one);
    Value high = m.select(backwards, last, extent);
    start = clamp(start, m.min(zero, high), high);
    end = clamp(end, m.select(backwards, m.constant(-1), zero), high);
    distance = m.select(backwards, m.sub(start, end), m.sub(end, start));
    Value least = m.constant(-std::numeric_limits<int64_t>::max());
    magnitude = m.select(backwards, m.sub(zero, m.max(step, least)), step);
    // A step of 0 is reported elsewhere; do not divide by it.
    magnitude = m.max(magnitude, one);
  }
  Value size = distance;
  if (k != 1) {
    size = m.add(m.div(m.sub(distance, one), magnitude), one);
    size = m.select(m.less(zero, distance), size, zero);
  } else {
    size = m.max(distance, zero);
  }
  return {start, size, step};
}

static SmallVector<OpFoldResult> fold(ArrayRef<Value> values) {
  SmallVector<OpFoldResult> result;
  for (Value v : values)
    result.push_back(getAsOpFoldResult(v));
  return result;
}

/// `tensor[offsets, ...]` as a tensor of `type`, whose static sizes hold.
static Value createSlice(OpBuilder &b, Location loc, Value input,
                         RankedTensorType type, ArrayRef<Value> offsets,
                         ArrayRef<Value> sizes, ArrayRef<Value> strides) {
  SmallVector<OpFoldResult> foldedSizes = fold(sizes);
  for (auto [size, dim] : llvm::zip(foldedSizes, type.getShape()))
    if (!ShapedType::isDynamic(dim))
      size = b.getIndexAttr(dim);
  // What is empty starts nowhere: its offset may be the input's end, which is
  // out of bounds for a slice.
  if (llvm::any_of(foldedSizes, isZeroInteger))
    return createEmpty(b, loc, type, foldedSizes);
  Value slice = tensor::ExtractSliceOp::create(b, loc, input, fold(offsets),
                                               foldedSizes, fold(strides));
  return castTo(b, loc, slice, type);
}

namespace {

struct ConvertSlice : QNNPattern<qnn::SliceOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::SliceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput();
    RankedTensorType to = getResultType(op);
    int64_t rank = to.getRank();
    checkAxes(rewriter, loc, adaptor.getAxes(), op.getAxes(), rank);
    auto spread = [&](Value values, Value qnnValues, int64_t otherwise) {
      return spreadOverDims(m, adaptor.getAxes(), op.getAxes(), values,
                            qnnValues, rank, m.constant(otherwise));
    };
    SmallVector<Value> starts = spread(adaptor.getStarts(), op.getStarts(), 0);
    SmallVector<Value> ends = spread(adaptor.getEnds(), op.getEnds(),
                                     std::numeric_limits<int64_t>::max());
    SmallVector<Value> steps = spread(adaptor.getSteps(), op.getSteps(), 1);

    SmallVector<Value> sizes;
    bool mayGoBack = false;
    for (int64_t d = 0; d < rank; ++d) {
      auto step = getConstantIndex(steps[d]);
      mayGoBack |= !step || *step < 0;
      if (!step)
        createCheck(
            rewriter, loc,
            m.compare(arith::CmpIPredicate::ne, steps[d], m.constant(0)),
            describeNode(loc) + " (Slice): a step is 0");
      Value extent =
          materialize(rewriter, loc, getDim(rewriter, loc, input, d));
      RunTimeRange range =
          computeRange(m, starts[d], ends[d], steps[d], extent);
      starts[d] = range.start;
      sizes.push_back(range.size);
    }
    checkDims(rewriter, loc, to, fold(sizes));
    if (!mayGoBack) {
      rewriter.replaceOp(
          op, createSlice(rewriter, loc, input, to, starts, sizes, steps));
      return success();
    }
    rewriter.replaceOp(
        op, createRemapped(rewriter, loc, to, fold(sizes), input,
                           [&](const IndexMath &n, ValueRange indices) {
                             SmallVector<Value> at;
                             for (auto [i, start, step] :
                                  llvm::zip(indices, starts, steps))
                               at.push_back(n.add(start, n.mul(i, step)));
                             return at;
                           }));
    return success();
  }
};

struct ConvertPad : QNNPattern<qnn::PadOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::PadOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = adaptor.getInput();
    RankedTensorType to = getResultType(op);
    int64_t rank = to.getRank();
    checkAxes(rewriter, loc, adaptor.getAxes(), op.getAxes(), rank);
    auto spread = [&](int64_t offset) {
      return spreadOverDims(m, adaptor.getAxes(), op.getAxes(),
                            adaptor.getPads(), op.getPads(), rank,
                            m.constant(0), offset);
    };
    int64_t numAxes = typeOf(op.getPads()).getNumElements() / 2;
    SmallVector<Value> low = spread(0), high = spread(numAxes);
    limit(m, low);
    limit(m, high);

    input = crop(rewriter, loc, input, low, high);
    RankedTensorType from = typeOf(input);
    SmallVector<OpFoldResult> dims;
    SmallVector<Value> extents;
    for (int64_t d = 0; d < rank; ++d) {
      Value extent =
          materialize(rewriter, loc, getDim(rewriter, loc, input, d));
      extents.push_back(extent);
      dims.push_back(getAsOpFoldResult(m.add(m.add(extent, low[d]), high[d])));
    }
    checkDims(rewriter, loc, to, dims);

    if (op.getMode() == qnn::PadMode::constant) {
      SmallVector<Value> at(typeOf(adaptor.getValue()).getRank(),
                            m.constant(0));
      Value value =
          tensor::ExtractOp::create(rewriter, loc, adaptor.getValue(), at);
      SmallVector<OpFoldResult> lows = fold(low), highs = fold(high);
      RankedTensorType inferred =
          tensor::PadOp::inferResultType(from, staticOf(lows), staticOf(highs));
      Value padded = tensor::PadOp::create(rewriter, loc, inferred, input, lows,
                                           highs, value);
      rewriter.replaceOp(op, castTo(rewriter, loc, padded, to));
      return success();
    }
    // The other modes repeat what is there.
    for (int64_t d = 0; d < rank; ++d) {
      Value isEmpty = m.equal(extents[d], m.constant(0));
      Value padding = m.add(low[d], high[d]);
      Value ok = m.logicalOr(
          m.equal(padding, m.constant(0)),
          m.compare(arith::CmpIPredicate::ne, extents[d], m.constant(0)));
      if (getConstantIndex(isEmpty) != 0)
        createCheck(rewriter, loc, ok,
                    describeNode(loc) + " (Pad): there is nothing to repeat");
    }
    // Where sizes are known, LLVM makes vectors of the positions that elements
    // show, but for those that wrap around.
    bool isVector = to.hasStaticShape() && op.getMode() != qnn::PadMode::wrap &&
                    llvm::all_of(low, getConstantIndex) &&
                    llvm::all_of(extents, getConstantIndex);
    rewriter.replaceOp(op, isVector ? repeatInPlace(rewriter, loc, op.getMode(),
                                                    input, to, dims, low)
                                    : repeatAtEnds(rewriter, loc, op.getMode(),
                                                   input, to, dims, low, high));
    return success();
  }

  /// Keeps sums with what a run pads in range: no memory holds more than this.
  static void limit(IndexMath m, MutableArrayRef<Value> pads) {
    Value most = m.constant(int64_t(1) << 61);
    Value least = m.constant(-(int64_t(1) << 61));
    for (Value &pad : pads)
      if (!getConstantIndex(pad))
        pad = m.max(m.min(pad, most), least);
  }

  /// Finds for each element of the result the one that it shows.
  static Value repeatInPlace(OpBuilder &b, Location loc, qnn::PadMode mode,
                             Value input, RankedTensorType to,
                             ArrayRef<OpFoldResult> dims, ArrayRef<Value> low) {
    SmallVector<OpFoldResult> extents = getDims(b, loc, input);
    auto body = [&](const IndexMath &n, ValueRange indices) {
      SmallVector<Value> at(indices);
      for (auto [d, pad] : llvm::enumerate(low))
        if (extents[d] != dims[d])
          at[d] = mapIndex(n, mode, n.sub(at[d], pad),
                           materialize(n.b, n.loc, extents[d]));
      return at;
    };
    return createRemapped(b, loc, to, dims, input, body);
  }

  /// Copies the input into the middle of the result, and then, dimension by
  /// dimension, what is there to both ends: few elements ask for the position
  /// that they show.
  static Value repeatAtEnds(OpBuilder &b, Location loc, qnn::PadMode mode,
                            Value input, RankedTensorType to,
                            ArrayRef<OpFoldResult> dims, ArrayRef<Value> low,
                            ArrayRef<Value> high) {
    input = refineType(b, loc, input);
    SmallVector<OpFoldResult> offsets = fold(low),
                              sizes = getDims(b, loc, input),
                              strides(dims.size(), b.getIndexAttr(1));
    Value result = tensor::InsertSliceOp::create(
        b, loc, input, createEmpty(b, loc, to, dims), offsets, sizes, strides);
    for (int64_t d = to.getRank() - 1; d >= 0; --d) {
      Value extent = materialize(b, loc, sizes[d]);
      Value end = IndexMath{b, loc}.add(low[d], extent);
      for (auto [start, size] : {std::pair(constantIndex(b, loc, 0), low[d]),
                                 std::pair(end, high[d])}) {
        if (getConstantIndex(size) == 0)
          continue;
        SmallVector<OpFoldResult> bandOffsets(offsets), bandSizes(sizes);
        bandOffsets[d] = getAsOpFoldResult(start);
        bandSizes[d] = getAsOpFoldResult(size);
        auto at = [&](const IndexMath &n, ValueRange indices) {
          SmallVector<Value> from;
          for (auto [i, offset] : llvm::zip(indices, bandOffsets))
            from.push_back(n.add(i, materialize(n.b, n.loc, offset)));
          from[d] =
              n.add(low[d], mapIndex(n, mode, n.sub(from[d], low[d]), extent));
          return from;
        };
        Value band =
            createRemapped(b, loc, getTypeOf(bandSizes, to.getElementType()),
                           bandSizes, result, at);
        result = tensor::InsertSliceOp::create(b, loc, band, result,
                                               bandOffsets, bandSizes, strides);
      }
      // The dimensions before take all of this one along.
      offsets[d] = b.getIndexAttr(0);
      sizes[d] = dims[d];
    }
    return result;
  }

  static SmallVector<int64_t> staticOf(ArrayRef<OpFoldResult> values) {
    SmallVector<int64_t> result;
    for (OpFoldResult v : values)
      result.push_back(getConstantIntValue(v).value_or(ShapedType::kDynamic));
    return result;
  }

  /// Negative pads remove elements; then they are 0.
  static Value crop(OpBuilder &b, Location loc, Value input,
                    MutableArrayRef<Value> low, MutableArrayRef<Value> high) {
    IndexMath m{b, loc};
    Value zero = m.constant(0), one = m.constant(1);
    SmallVector<Value> offsets, sizes;
    SmallVector<int64_t> shape;
    bool isWhole = true;
    for (auto [d, pads] : llvm::enumerate(llvm::zip(low, high))) {
      auto &[before, after] = pads;
      Value extent = materialize(b, loc, getDim(b, loc, input, d));
      Value offset = m.max(m.sub(zero, before), zero);
      Value size =
          m.sub(m.sub(extent, offset), m.max(m.sub(zero, after), zero));
      before = m.max(before, zero);
      after = m.max(after, zero);
      auto knownSize = getConstantIndex(size);
      if (!knownSize && size != extent)
        createCheck(b, loc, m.compare(arith::CmpIPredicate::sge, size, zero),
                    describeNode(loc) + " (Pad): it removes more elements "
                                        "than there are");
      isWhole &= size == extent ||
                 (knownSize && knownSize == getConstantIndex(extent));
      offsets.push_back(offset);
      sizes.push_back(size);
      shape.push_back(knownSize.value_or(ShapedType::kDynamic));
    }
    if (isWhole)
      return input;
    return createSlice(b, loc, input, typeOf(input).clone(shape), offsets,
                       sizes, SmallVector<Value>(low.size(), one));
  }

  /// The index of the input that padded position `i` shows.
  static Value mapIndex(IndexMath m, qnn::PadMode mode, Value i, Value extent) {
    Value zero = m.constant(0), one = m.constant(1);
    Value last = m.sub(extent, one);
    if (mode == qnn::PadMode::edge)
      return m.max(m.min(i, last), zero);
    // Both others are periodic: mirrored ones with the ends not repeated.
    Value period = mode == qnn::PadMode::wrap
                       ? extent
                       : m.max(m.mul(last, m.constant(2)), one);
    Value r = m.rem(i, period);
    r = m.select(m.less(r, zero), m.add(r, period), r);
    if (mode == qnn::PadMode::wrap)
      return r;
    return m.min(r, m.sub(period, r));
  }
};

} // namespace

//===- append -------------------------------------------------------------===//

static void checkLength(OpBuilder &b, qnn::AppendOp op, Value length) {
  Location loc = op.getLoc();
  IndexMath m{b, loc};
  createCheck(b, loc,
              m.compare(arith::CmpIPredicate::sge, length, m.constant(0)),
              describeNode(loc) + ": the length of the cache is negative");
}

void quantc::checkLengthsFirst(func::FuncOp func) {
  llvm::DenseMap<Value, Value> indices;
  llvm::DenseSet<Value> compared;
  func.walk([&](qnn::AppendOp op) {
    auto length = dyn_cast<BlockArgument>(op.getLength());
    if (!length || length.getOwner() != &func.front())
      return;
    Location loc = op.getLoc();
    OpBuilder b = OpBuilder::atBlockBegin(&func.front());
    Value &index = indices[length];
    if (!index) {
      index = extractIndex(b, loc, length, 0);
      b.setInsertionPointAfterValue(index);
      checkLength(b, op, index);
    }
    // A sum with a length near the largest integer would overflow. (Sizes of
    // tensors that are about to change their type are not asked for.)
    auto buffer = dyn_cast<BlockArgument>(op.getBuffer());
    Type element = getElementTypeOrSelf(op.getBuffer());
    if (!buffer || getStorageType(element) != element ||
        !compared.insert(length).second)
      return;
    b.setInsertionPointAfterValue(index);
    Value capacity = tensor::DimOp::create(b, loc, buffer, op.getAxis());
    createCheck(
        b, loc,
        IndexMath{b, loc}.compare(arith::CmpIPredicate::sle, index, capacity),
        describeNode(loc) + ": the cache is full");
  });
}

namespace {
struct ConvertAppend : QNNPattern<qnn::AppendOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(qnn::AppendOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    IndexMath m{rewriter, loc};
    Value input = refineType(rewriter, loc, adaptor.getInput());
    Value buffer = refineType(rewriter, loc, adaptor.getBuffer());
    int64_t axis = op.getAxis(), rank = typeOf(buffer).getRank();
    Value length = extractIndex(rewriter, loc, adaptor.getLength(), 0);
    Value count =
        materialize(rewriter, loc, getDim(rewriter, loc, input, axis));
    Value capacity =
        materialize(rewriter, loc, getDim(rewriter, loc, buffer, axis));
    if (!DimensionSum(length).isNeverNegative(rewriter))
      checkLength(rewriter, op, length);
    Value total = materialize(
        rewriter, loc,
        DimensionSum(length).plus(DimensionSum(count)).build(rewriter, loc));
    createCheck(
        rewriter, loc,
        m.compare(arith::CmpIPredicate::sle, length, m.sub(capacity, count)),
        describeNode(loc) + ": the cache is full");
    SmallVector<OpFoldResult> offsets(rank, rewriter.getIndexAttr(0)),
        strides(rank, rewriter.getIndexAttr(1)),
        sizes = getDims(rewriter, loc, input);
    offsets[axis] = length;
    Value updated = tensor::InsertSliceOp::create(rewriter, loc, input, buffer,
                                                  offsets, sizes, strides);
    offsets[axis] = rewriter.getIndexAttr(0);
    sizes[axis] = total;
    RankedTensorType to = getResultType(op);
    Value held = tensor::ExtractSliceOp::create(rewriter, loc, to, updated,
                                                offsets, sizes, strides);
    rewriter.replaceOp(op, {updated, held});
    return success();
  }
};
} // namespace

void quantc::populateSlicePatterns(const TypeConverter &converter,
                                   RewritePatternSet &patterns) {
  patterns.add<ConvertAppend, ConvertSlice, ConvertPad>(converter,
                                                        patterns.getContext());
}
