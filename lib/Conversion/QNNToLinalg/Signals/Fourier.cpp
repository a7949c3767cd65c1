//===- Fourier.cpp - Fourier transforms of known length -------------------===//
//
// Stockham's transform, in one step for each factor r of the length n. With s
// the product of the factors before, and n = r·g·s, a step takes the elements
// x[j, p, q] (of r, g, s) to y[p, k, q] = w(p·k / (r·g)) · Σj w(j·k / r) ·
// x[j, p, q], where w(t) = e^(-2πit): after the last one, all bins are in
// order. Signals lie side by side, so that a step computes vectors of their
// elements.
//
//===----------------------------------------------------------------------===//

#include "Fourier.h"

#include "Conversion/QNNToLinalg/Shapes/WindowMath.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;
using namespace quantc;

/// A factor is summed up directly: larger ones take as long as all others.
static constexpr int64_t kMaxRadix = 64;

/// A longer table is one of few turns, and one of the parts between them.
static constexpr int64_t kMaxTurns = 256;

/// Sums over shorter signals take less time than to lay these side by side.
static constexpr int64_t kMinLength = 8;

/// Factors of `length`, fours before twos; a large one is left whole.
static SmallVector<int64_t> factorize(int64_t length) {
  SmallVector<int64_t> factors;
  for (int64_t factor = 4; length > 1;) {
    if (length % factor == 0) {
      factors.push_back(factor);
      length /= factor;
    } else if (factor == 4) {
      factor = 2;
    } else if (factor == 2) {
      factor = 3;
    } else if (factor * factor > length) {
      factor = length;
    } else {
      factor += 2;
    }
  }
  return factors;
}

bool quantc::hasFastTransform(int64_t length) {
  return length >= kMinLength &&
         llvm::all_of(factorize(length),
                      [](int64_t factor) { return factor <= kMaxRadix; });
}

/// Cosine and sine of so many of `period` parts of a turn, below one.
static std::pair<double, double> getTurn(int64_t part, int64_t period) {
  // Quarters are exact: what cancels there is 0.
  static constexpr double quarters[] = {1, 0, -1, 0};
  if (4 * part % period == 0) {
    int64_t quarter = 4 * part / period;
    return {quarters[quarter], quarters[(quarter + 3) % 4]};
  }
  double angle = 2 * M_PI * double(part) / double(period);
  return {std::cos(angle), std::sin(angle)};
}

/// `x · y`; what may be rounded once is marked.
static Complex multiply(OpBuilder &b, Location loc, Complex x, Complex y) {
  constexpr auto contract = arith::FastMathFlags::contract;
  auto times = [&](Value v, Value w) -> Value {
    return arith::MulFOp::create(b, loc, v, w, contract);
  };
  Value real = times(x.real, y.real), imaginary = times(x.imaginary, y.real);
  if (y.imaginary) {
    real = arith::SubFOp::create(b, loc, real, times(x.imaginary, y.imaginary),
                                 contract);
    imaginary = arith::AddFOp::create(b, loc, imaginary,
                                      times(x.real, y.imaginary), contract);
  }
  return {real, imaginary};
}

/// w(i · stride / period) for all i below `count`, as constants.
static Complex createTurns(OpBuilder &b, Location loc, int64_t count,
                           int64_t stride, int64_t period, bool isInverse) {
  SmallVector<double> cosines, sines;
  for (int64_t i = 0; i < count; ++i) {
    auto [cosine, sine] = getTurn(i * stride, period);
    cosines.push_back(cosine);
    sines.push_back(isInverse ? sine : -sine);
  }
  auto type = RankedTensorType::get(count, b.getF64Type());
  auto create = [&](ArrayRef<double> values) {
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(type, values))
        .getResult();
  };
  return {create(cosines), create(sines)};
}

TurnTable::TurnTable(OpBuilder &b, Location loc, int64_t period, bool isInverse)
    : period(period) {
  // Fours come first, so that they remain for the coarse ones: quarters are
  // among these, and exact.
  for (int64_t factor : llvm::reverse(factorize(period))) {
    if (period <= kMaxTurns || numFine * numFine >= period)
      break;
    numFine *= factor;
  }
  coarse = createTurns(b, loc, period / numFine, numFine, period, isInverse);
  if (numFine > 1)
    fine = createTurns(b, loc, numFine, 1, period, isInverse);
}

Complex TurnTable::read(OpBuilder &b, Location loc, OpFoldResult part) const {
  SizeMath m{b, loc};
  auto at = [&](Complex table, OpFoldResult i) -> Complex {
    Value place = m.value(i);
    return {tensor::ExtractOp::create(b, loc, table.real, place),
            tensor::ExtractOp::create(b, loc, table.imaginary, place)};
  };
  if (numFine == 1)
    return at(coarse, part);
  Value dividend = m.value(part), divisor = constantIndex(b, loc, numFine);
  Value whole = arith::DivUIOp::create(b, loc, dividend, divisor);
  Value rest = arith::RemUIOp::create(b, loc, dividend, divisor);
  return multiply(b, loc, at(coarse, whole), at(fine, rest));
}

Complex TurnTable::spread(OpBuilder &b, Location loc, int64_t numRows,
                          int64_t numColumns, int64_t stride) const {
  SizeMath m{b, loc};
  SmallVector<OpFoldResult> sizes{m.cst(numRows), m.cst(numColumns)};
  bool mayExceed = (numRows - 1) * (numColumns - 1) * stride >= period;
  auto create = [&](bool isImaginary) {
    return createIndexed(
        b, loc, getTypeOf(sizes, b.getF64Type()), sizes,
        [&](OpBuilder &nb, Location l, ValueRange at) {
          SizeMath n{nb, l};
          OpFoldResult part = n.mul(n.mul(at[0], at[1]), n.cst(stride));
          if (mayExceed)
            part = arith::RemUIOp::create(nb, l, n.value(part),
                                          constantIndex(nb, l, period))
                       .getResult();
          Complex turn = read(nb, l, part);
          return isImaginary ? turn.imaginary : turn.real;
        });
  };
  return {create(/*isImaginary=*/false), create(/*isImaginary=*/true)};
}

FastTransform::FastTransform(OpBuilder &b, Location loc, int64_t length,
                             ArrayRef<OpFoldResult> dims, bool isReal,
                             bool isInverse, SignalBody read)
    : length(length), dims(dims) {
  SizeMath m{b, loc};
  if (dims.empty())
    this->dims.push_back(m.cst(1));
  SmallVector<OpFoldResult> sizes{m.cst(length)};
  llvm::append_range(sizes, this->dims);
  SmallVector<ReassociationIndices> groups{{0}, {}};
  for (size_t i = 0; i < this->dims.size(); ++i)
    groups[1].push_back(i + 1);
  auto load = [&](bool isImaginary) -> Value {
    Value part = createIndexed(b, loc, getTypeOf(sizes, b.getF64Type()), sizes,
                               [&](OpBuilder &nb, Location l, ValueRange at) {
                                 Complex x =
                                     read(nb, l, at.front(), at.drop_front());
                                 return isImaginary ? x.imaginary : x.real;
                               });
    return tensor::CollapseShapeOp::create(b, loc, part, groups);
  };
  spectrum.real = load(/*isImaginary=*/false);
  if (!isReal)
    spectrum.imaginary = load(/*isImaginary=*/true);
  TurnTable table(b, loc, length, isInverse);
  int64_t numGroups = length;
  for (int64_t radix : factorize(length)) {
    numGroups /= radix;
    spectrum = transformStep(b, loc, spectrum, radix, numGroups, table);
  }
}

Complex FastTransform::transformStep(OpBuilder &b, Location loc, Complex x,
                                     int64_t radix, int64_t numGroups,
                                     const TurnTable &table) const {
  OpFoldResult numSignals = getDim(b, loc, x.real, 1);
  int64_t stride = length / (radix * numGroups);
  SmallVector<ReassociationIndices> groups{{0, 1, 2}, {3}};
  auto sizesOf = [&](int64_t first, int64_t second) {
    return SmallVector<OpFoldResult>{b.getIndexAttr(first),
                                     b.getIndexAttr(second),
                                     b.getIndexAttr(stride), numSignals};
  };
  SmallVector<OpFoldResult> inputSizes = sizesOf(radix, numGroups);
  SmallVector<OpFoldResult> sizes = sizesOf(numGroups, radix);
  Type f64 = b.getF64Type();
  auto type = getTypeOf(sizes, f64);
  // The first step's turns are all there are: others are some of these.
  Complex turns = table.spread(b, loc, numGroups, radix, stride);
  Complex roots = table.spread(b, loc, radix, radix, length / radix);

  // Loops: p, k, q, signals, j.
  enum { P, K, Q, Signal, J };
  auto mapOf = [&](ArrayRef<unsigned> loops) {
    return AffineMap::getMultiDimMapWithTargets(5, loops, b.getContext());
  };
  SmallVector<Value> inputs{turns.real, turns.imaginary, roots.real,
                            roots.imaginary};
  SmallVector<AffineMap> maps{mapOf({P, K}), mapOf({P, K}), mapOf({K, J}),
                              mapOf({K, J})};
  for (Value part : {x.real, x.imaginary}) {
    if (!part)
      continue;
    inputs.push_back(tensor::ExpandShapeOp::create(
        b, loc, getTypeOf(inputSizes, f64), part, groups, inputSizes));
    maps.push_back(mapOf({J, P, Q, Signal}));
  }
  maps.append(2, mapOf({P, K, Q, Signal}));
  SmallVector<Value> sums;
  for (int i = 0; i < 2; ++i)
    sums.push_back(
        createFilled(b, loc, type, sizes, constantScalar(b, loc, f64, 0)));
  SmallVector<utils::IteratorType> iterators(5, utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  bool isReal = !x.imaginary;
  auto step = linalg::GenericOp::create(
      b, loc, TypeRange{type, type}, inputs, sums, maps, iterators,
      [&](OpBuilder &nb, Location l, ValueRange args) {
        Complex factor =
            multiply(nb, l, {args[0], args[1]}, {args[2], args[3]});
        Complex term =
            multiply(nb, l, factor, {args[4], isReal ? Value() : args[5]});
        ValueRange old = args.take_back(2);
        auto add = [&](Value sum, Value part) -> Value {
          return arith::AddFOp::create(nb, l, sum, part,
                                       arith::FastMathFlags::contract);
        };
        linalg::YieldOp::create(
            nb, l,
            ValueRange{add(old[0], term.real), add(old[1], term.imaginary)});
      });
  auto join = [&](Value part) -> Value {
    return tensor::CollapseShapeOp::create(b, loc, part, groups);
  };
  return {join(step.getResult(0)), join(step.getResult(1))};
}

Complex FastTransform::readBin(OpBuilder &b, Location loc, Value k,
                               ValueRange at) const {
  SizeMath m{b, loc};
  OpFoldResult signal = m.cst(0);
  for (auto [size, i] : llvm::zip(dims, at))
    signal = m.add(m.mul(signal, size), i);
  SmallVector<Value> place{k, m.value(signal)};
  auto read = [&](Value part) -> Value {
    if (!part)
      return constantScalar(b, loc, b.getF64Type(), 0);
    return tensor::ExtractOp::create(b, loc, part, place);
  };
  return {read(spectrum.real), read(spectrum.imaginary)};
}
