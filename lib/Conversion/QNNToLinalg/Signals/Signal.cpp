//===- Signal.cpp - Lowers Fourier transforms -----------------------------===//
//
// Where the length is known, not short, and has small factors, in steps; else
// sums over the signal, directly: Σl x[l] · e^(-2πi k l / n). A table holds the
// n different factors. Everything is accumulated in f64.
//
//===----------------------------------------------------------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/SpatialOps.h"

#include "Conversion/QNNToLinalg/Images/Sampling.h"
#include "Conversion/QNNToLinalg/Images/SpatialPatterns.h"
#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"
#include "Fourier.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {

/// cos and sin of 2π i / n for all i below n; sin negated of an inverse
/// transform.
struct Twiddles {
  Value cosines, sines;
  OpFoldResult n;

  Twiddles(OpBuilder &b, Location loc, OpFoldResult n, bool inverse) : n(n) {
    auto build = [&](bool isSine) {
      SmallVector<OpFoldResult> dims{n};
      return createIndexed(
          b, loc, getTypeOf(dims, b.getF64Type()), dims,
          [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
            Type f64 = nb.getF64Type();
            Value i = indexToFloat(nb, l, at[0], f64);
            Value count = indexToFloat(nb, l, materialize(nb, l, n), f64);
            double turn = 6.283185307179586476925;
            Value angle = arith::DivFOp::create(
                nb, l,
                arith::MulFOp::create(
                    nb, l, i,
                    constantScalar(nb, l, f64,
                                   isSine && inverse ? -turn : turn)),
                count);
            if (isSine)
              return math::SinOp::create(nb, l, angle);
            return math::CosOp::create(nb, l, angle);
          });
    };
    cosines = build(false);
    sines = build(true);
  }

  /// Σ over `length` elements of part `part` (an index: 0 real, 1 imaginary)
  /// of bin `k`.
  Value transform(OpBuilder &b, Location loc, Value length, Value k, Value part,
                  function_ref<Complex(OpBuilder &, Value)> read) const {
    Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
    Value size = materialize(b, loc, n);
    Value isReal =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, part, zero);
    Value start = constantScalar(b, loc, b.getF64Type(), 0);
    auto loop = scf::ForOp::create(
        b, loc, zero, length, one, ValueRange(start),
        [&](OpBuilder &nb, Location l, Value i, ValueRange acc) {
          Value turn = arith::RemUIOp::create(
              nb, l, arith::MulIOp::create(nb, l, k, i), size);
          Value c = tensor::ExtractOp::create(nb, l, cosines, turn);
          Value s = tensor::ExtractOp::create(nb, l, sines, turn);
          Complex x = read(nb, i);
          Value real = arith::MulFOp::create(nb, l, x.real, c);
          Value imaginary = arith::NegFOp::create(
              nb, l, arith::MulFOp::create(nb, l, x.real, s));
          if (x.imaginary) {
            real = arith::AddFOp::create(
                nb, l, real, arith::MulFOp::create(nb, l, x.imaginary, s));
            imaginary = arith::AddFOp::create(
                nb, l, imaginary, arith::MulFOp::create(nb, l, x.imaginary, c));
          }
          Value term = arith::SelectOp::create(nb, l, isReal, real, imaginary);
          scf::YieldOp::create(
              nb, l, arith::AddFOp::create(nb, l, acc[0], term).getResult());
        });
    return loop.getResult(0);
  }
};

Value readDouble(OpBuilder &b, Location loc, Value tensor, ValueRange at) {
  Value x = toFloat(b, loc, tensor::ExtractOp::create(b, loc, tensor, at));
  return fromFloat(b, loc, x, b.getF64Type());
}

/// Part `part` (an index: 0 real, 1 imaginary) of `x`.
Value choosePart(OpBuilder &b, Location loc, Complex x, Value part) {
  Value isReal = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, part,
                                       constantIndex(b, loc, 0));
  return arith::SelectOp::create(b, loc, isReal, x.real, x.imaginary);
}

/// Whether transforms of this length are done in steps.
bool isFast(OpFoldResult length) {
  std::optional<int64_t> known = getConstantIntValue(length);
  return known && hasFastTransform(*known);
}

/// Element (at..., real and imaginary part) of a signal.
Complex readComplex(OpBuilder &b, Location loc, Value signal,
                    SmallVector<Value> at) {
  Complex x;
  at.push_back(constantIndex(b, loc, 0));
  x.real = readDouble(b, loc, signal, at);
  if (cast<RankedTensorType>(signal.getType()).getShape().back() == 2) {
    at.back() = constantIndex(b, loc, 1);
    x.imaginary = readDouble(b, loc, signal, at);
  }
  return x;
}

//===- dft ----------------------------------------------------------------===//

/// One transform along an axis, which may be known at run time only.
class Dft {
public:
  Dft(OpBuilder &b, Location loc, qnn::DftOp op, qnn::DftOp::Adaptor adaptor,
      RankedTensorType type);

  Value lower(OpBuilder &b, Location loc) const;

private:
  void readAxis(OpBuilder &b, Location loc, Value list);
  void readLength(OpBuilder &b, Location loc, Value list);
  OpFoldResult choose(OpBuilder &b, Location loc, int64_t dim, OpFoldResult yes,
                      OpFoldResult no) const;
  Complex readSignal(OpBuilder &b, Location loc, ValueRange at, Value i,
                     bool mayExceed) const;
  Value transformInSteps(OpBuilder &b, Location loc, int64_t knownAxis) const;
  Value transformDirectly(OpBuilder &b, Location loc) const;
  Value finish(OpBuilder &b, Location loc, Value sum) const;
  /// Half a spectrum stands for its mirror image, too.
  bool isMirrored() const { return isHalf && isInverse; }

  Value input;
  RankedTensorType type;
  int64_t rank;
  bool isHalf, isInverse;
  /// The input's size along the axis, and the transform's length.
  OpFoldResult axis, size, length;
  SmallVector<OpFoldResult> inputDims, dims;
};

Dft::Dft(OpBuilder &b, Location loc, qnn::DftOp op, qnn::DftOp::Adaptor adaptor,
         RankedTensorType type)
    : input(adaptor.getInput()), type(type), rank(type.getRank()),
      isHalf(op.getOnesided()), isInverse(op.getInverse()) {
  SizeMath m{b, loc};
  readAxis(b, loc, adaptor.getAxis());
  inputDims = getDims(b, loc, input);
  size = m.cst(0);
  for (int64_t i = 0; i + 1 < rank; ++i)
    size = choose(b, loc, i, inputDims[i], size);
  readLength(b, loc, adaptor.getLength());
  OpFoldResult bins = length;
  if (isHalf && !isInverse)
    bins = m.add(m.floorDiv(length, m.cst(2)), m.cst(1));
  for (int64_t i = 0; i + 1 < rank; ++i)
    dims.push_back(type.isDynamicDim(i) ? choose(b, loc, i, bins, inputDims[i])
                                        : m.cst(type.getDimSize(i)));
  dims.push_back(m.cst(isMirrored() ? 1 : 2));
}

/// The axis counts from the end if it is negative; by default it is the last
/// one but for the parts of numbers.
void Dft::readAxis(OpBuilder &b, Location loc, Value list) {
  SizeMath m{b, loc};
  axis = m.cst(rank - 2);
  if (!list)
    return;
  Value given = extractIndex(b, loc, list, 0);
  axis = getAsOpFoldResult(given);
  if (auto known = getConstantIntValue(axis)) {
    axis = m.cst(*known < 0 ? *known + rank : *known);
    return;
  }
  Value wrapped = m.value(m.add(given, m.cst(rank)));
  Value isNegative = m.isLess(given, m.cst(0));
  given = arith::SelectOp::create(b, loc, isNegative, wrapped, given);
  Value ok = arith::AndIOp::create(b, loc, m.isLessOrEqual(m.cst(0), given),
                                   m.isLess(given, m.cst(rank - 1)));
  createCheck(b, loc, ok, describeNode(loc) + ": axis out of range");
  axis = given;
}

void Dft::readLength(OpBuilder &b, Location loc, Value list) {
  SizeMath m{b, loc};
  length = size;
  if (list) {
    length = getAsOpFoldResult(extractIndex(b, loc, list, 0));
    if (!getConstantIntValue(length))
      createCheck(b, loc, m.isLess(m.cst(0), length),
                  describeNode(loc) + ": the length must be positive");
  } else if (isMirrored()) {
    length = m.mul(m.sub(size, m.cst(1)), m.cst(2));
  }
}

/// `yes` if `dim` is the axis, else `no`.
OpFoldResult Dft::choose(OpBuilder &b, Location loc, int64_t dim,
                         OpFoldResult yes, OpFoldResult no) const {
  if (auto known = getConstantIntValue(axis))
    return *known == dim ? yes : no;
  Value isAxis = b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq,
                                               materialize(b, loc, axis),
                                               constantIndex(b, loc, dim));
  return arith::SelectOp::create(b, loc, isAxis, materialize(b, loc, yes),
                                 materialize(b, loc, no))
      .getResult();
}

/// Element `i` along the axis; `at` has the other indices. If it may exceed the
/// input, there are zeros beyond.
Complex Dft::readSignal(OpBuilder &b, Location loc, ValueRange at, Value i,
                        bool mayExceed) const {
  SizeMath m{b, loc};
  Value place = i, isMirror;
  if (isMirrored()) {
    Value mirror = m.value(m.sub(length, i));
    isMirror = m.isLess(m.floorDiv(length, m.cst(2)), i);
    place = arith::SelectOp::create(b, loc, isMirror, mirror, i);
  }
  auto placeAt = [&](Value position) {
    SmallVector<Value> from;
    for (int64_t d = 0; d + 1 < rank; ++d)
      from.push_back(m.value(choose(b, loc, d, position, at[d])));
    return from;
  };
  if (!isMirrored() && !mayExceed)
    return readComplex(b, loc, input, placeAt(place));
  Value inside = m.isLess(place, size);
  Value last = m.value(m.max(m.min(place, m.sub(size, m.cst(1))), m.cst(0)));
  Complex x = readComplex(b, loc, input, placeAt(last));
  Value zero = constantScalar(b, loc, b.getF64Type(), 0);
  x.real = arith::SelectOp::create(b, loc, inside, x.real, zero);
  if (!x.imaginary)
    return x;
  if (isMirror)
    x.imaginary = arith::SelectOp::create(
        b, loc, isMirror,
        arith::NegFOp::create(b, loc, x.imaginary).getResult(), x.imaginary);
  x.imaginary = arith::SelectOp::create(b, loc, inside, x.imaginary, zero);
  return x;
}

/// An inverse transform divides by the length.
Value Dft::finish(OpBuilder &b, Location loc, Value sum) const {
  if (isInverse)
    sum = arith::DivFOp::create(
        b, loc, sum,
        indexToFloat(b, loc, materialize(b, loc, length), b.getF64Type()));
  return fromFloat(b, loc, sum, type.getElementType());
}

Value Dft::transformInSteps(OpBuilder &b, Location loc,
                            int64_t knownAxis) const {
  SmallVector<OpFoldResult> others;
  for (int64_t i = 0; i + 1 < rank; ++i)
    if (i != knownAxis)
      others.push_back(inputDims[i]);
  int64_t knownLength = *getConstantIntValue(length);
  auto knownSize = getConstantIntValue(size);
  bool mayExceed = !knownSize || *knownSize < knownLength;
  bool isReal = cast<RankedTensorType>(input.getType()).getShape().back() != 2;
  FastTransform transform(
      b, loc, knownLength, others, isReal, isInverse,
      [&](OpBuilder &nb, Location l, Value i, ValueRange at) {
        SmallVector<Value> from(at);
        from.insert(from.begin() + knownAxis, i);
        return readSignal(nb, l, from, i, mayExceed);
      });
  return createIndexed(
      b, loc, getTypeOf(dims, type.getElementType()), dims,
      [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
        SmallVector<Value> from(at.drop_back());
        from.erase(from.begin() + knownAxis);
        Complex bin = transform.readBin(nb, l, at[knownAxis], from);
        return finish(nb, l, choosePart(nb, l, bin, at.back()));
      });
}

/// Each bin is a sum over the signal.
Value Dft::transformDirectly(OpBuilder &b, Location loc) const {
  Twiddles twiddles(b, loc, length, isInverse);
  return createIndexed(
      b, loc, getTypeOf(dims, type.getElementType()), dims,
      [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
        SizeMath n{nb, l};
        OpFoldResult k = n.cst(0);
        for (int64_t i = 0; i + 1 < rank; ++i)
          k = choose(nb, l, i, at[i], k);
        OpFoldResult count = isMirrored() ? length : n.min(length, size);
        auto read = [&](OpBuilder &rb, Value i) {
          return readSignal(rb, l, at, i, /*mayExceed=*/false);
        };
        return finish(nb, l,
                      twiddles.transform(nb, l, n.value(count), n.value(k),
                                         at.back(), read));
      });
}

Value Dft::lower(OpBuilder &b, Location loc) const {
  auto knownAxis = getConstantIntValue(axis);
  return knownAxis && isFast(length) ? transformInSteps(b, loc, *knownAxis)
                                     : transformDirectly(b, loc);
}

struct ConvertDft : QNNPattern<qnn::DftOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::DftOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    RankedTensorType type = getResultType(op);
    Location loc = op.getLoc();
    Value result = Dft(b, loc, op, adaptor, type).lower(b, loc);
    b.replaceOp(op, castTo(b, loc, result, type));
    return success();
  }
};

//===- stft ---------------------------------------------------------------===//

struct ConvertStft : QNNPattern<qnn::StftOp> {
  using QNNPattern::QNNPattern;

  LogicalResult matchAndRewrite(qnn::StftOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    SizeMath m{b, loc};
    RankedTensorType type = getResultType(op);
    Value signal = adaptor.getSignal(), window = adaptor.getWindow();
    OpFoldResult step =
        getAsOpFoldResult(extractIndex(b, loc, adaptor.getFrameStep(), 0));
    OpFoldResult length = op.getFrameLength()
                              ? getAsOpFoldResult(extractIndex(
                                    b, loc, adaptor.getFrameLength(), 0))
                              : getDim(b, loc, window, 0);
    OpFoldResult size = getDim(b, loc, signal, 1);
    std::string node = describeNode(loc);
    if (!getConstantIntValue(step))
      createCheck(b, loc, m.isLess(m.cst(0), step),
                  node + ": the frame step must be positive");
    if (!getConstantIntValue(length) || !getConstantIntValue(size)) {
      Value ok = arith::AndIOp::create(b, loc, m.isLess(m.cst(0), length),
                                       m.isLessOrEqual(length, size));
      createCheck(b, loc, ok, node + ": a frame does not fit into the signal");
    }
    if (window && op.getFrameLength()) {
      OpFoldResult own = getDim(b, loc, window, 0);
      createCheck(b, loc,
                  arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                        m.value(own), m.value(length)),
                  node + ": window and frame differ in length");
    }
    OpFoldResult frames =
        m.add(m.floorDiv(m.sub(size, length), step), m.cst(1));
    OpFoldResult bins = op.getOnesided()
                            ? m.add(m.floorDiv(length, m.cst(2)), m.cst(1))
                            : length;
    SmallVector<OpFoldResult> dims{getDim(b, loc, signal, 0), frames, bins,
                                   m.cst(2)};
    auto resultType = getTypeOf(dims, type.getElementType());
    // Element `i` of a frame.
    auto readFrame = [&](OpBuilder &rb, Location l, Value batch, Value frame,
                         Value i) {
      SizeMath r{rb, l};
      Complex x = readComplex(rb, l, signal,
                              {batch, r.value(r.add(r.mul(frame, step), i))});
      if (window) {
        Value w = readDouble(rb, l, window, i);
        x.real = arith::MulFOp::create(rb, l, x.real, w);
        if (x.imaginary)
          x.imaginary = arith::MulFOp::create(rb, l, x.imaginary, w);
      }
      return x;
    };
    Value result;
    if (isFast(length)) {
      FastTransform transform(
          b, loc, *getConstantIntValue(length), ArrayRef(dims).take_front(2),
          /*isReal=*/
          cast<RankedTensorType>(signal.getType()).getShape().back() != 2,
          /*isInverse=*/false,
          [&](OpBuilder &nb, Location l, Value i, ValueRange at) {
            return readFrame(nb, l, at[0], at[1], i);
          });
      result =
          createIndexed(b, loc, resultType, dims,
                        [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
                          Complex bin =
                              transform.readBin(nb, l, at[2], at.take_front(2));
                          return fromFloat(nb, l, choosePart(nb, l, bin, at[3]),
                                           type.getElementType());
                        });
    } else {
      Twiddles twiddles(b, loc, length, /*inverse=*/false);
      result = createIndexed(
          b, loc, resultType, dims,
          [&](OpBuilder &nb, Location l, ValueRange at) -> Value {
            auto read = [&](OpBuilder &rb, Value i) {
              return readFrame(rb, l, at[0], at[1], i);
            };
            Value sum = twiddles.transform(nb, l, materialize(nb, l, length),
                                           at[2], at[3], read);
            return fromFloat(nb, l, sum, type.getElementType());
          });
    }
    b.replaceOp(op, castTo(b, loc, result, type));
    return success();
  }
};

} // namespace

void quantc::populateSignalPatterns(const TypeConverter &converter,
                                    RewritePatternSet &patterns) {
  patterns.add<ConvertDft, ConvertStft>(converter, patterns.getContext());
}
