//===- Clip.cpp - Ranges that make products lose least --------------------===//
//
// Lin et al.: AWQ (arXiv 2306.00978, section 4.1): the range of a group is
// shrunk as far as the error of its products falls. There, each group stands
// for itself. Here, groups are gone through again, each as the best one for the
// errors that all others leave: what inputs have in common lets the errors of
// one group cancel those of another. The two ends of an asymmetric range then
// move on their own.
//
//===----------------------------------------------------------------------===//

#include "Columns.h"
#include "WeightMethodImpl.h"

#include "llvm/ADT/STLExtras.h"

#include <Eigen/Core>

#include <cmath>
#include <limits>

using namespace quantc;
using llvm::Expected;

namespace {

using Matrix =
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// What is left of the two ends of a range.
struct Ends {
  float low = 1, high = 1;
};

/// The ranges of the groups of some columns, as they are found.
class RangeSearch {
public:
  RangeSearch(const WeightMatrix &weights, const Matrix &gram,
              const GroupQuantizer &quantizer,
              const WeightMethodOptions &options, QuantizedMatrix &result);

  llvm::Error findBounds();
  /// Each group alone, both ends by the same factor.
  void shrink();
  /// Each group with the errors of all others, one end at a time.
  void refine();

private:
  /// Rows of a group, and what the errors of the other groups add: the slope of
  /// the error in each number.
  struct Group {
    int64_t first, count;
    Matrix gram, slopes;
  };
  Group getGroup(int64_t first) const;

  /// Takes the ranges that `getEnds` gives for the columns of `group` where
  /// they lose less than `least` says.
  template <typename GetEnds>
  void attempt(const Group &group, Eigen::ArrayXd &least, GetEnds getEnds);
  float getFactor(int64_t step) const {
    return float(1 - (1 - options.smallestClip) * double(step) /
                         double(options.clipSteps));
  }

  Eigen::Map<const Matrix> weights;
  int64_t k, n, blockSize;
  const GroupQuantizer &quantizer;
  const WeightMethodOptions &options;
  QuantizedMatrix &result;
  /// As `scaleProducts` gives them.
  const Matrix &gram;
  /// What rounding changes, with the ranges so far.
  Matrix errors;
  /// Of all groups, as the scales are.
  std::vector<Range> bounds;
  std::vector<Ends> ends;
};

} // namespace

/// The products as floats, of a size that these hold however large the inputs
/// are: [k, k], or one column if only the diagonal is known (all ones without
/// data).
static Matrix scaleProducts(GramMatrix products, int64_t k) {
  if (int64_t(products.size()) != k * k) {
    Matrix ones = Matrix::Ones(k, 1);
    if (int64_t(products.size()) != k)
      return ones;
    Eigen::Map<const Eigen::VectorXd> squares(products.data(), k);
    double mean = squares.mean();
    return mean > 0 ? Matrix((squares / mean).cast<float>()) : ones;
  }
  using Doubles =
      Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Matrix gram = (Eigen::Map<const Doubles>(products.data(), k, k) /
                 getMeanDiagonal(products, k))
                    .cast<float>();
  gram.diagonal().array() += float(getDamping(products, k));
  return gram;
}

RangeSearch::RangeSearch(const WeightMatrix &from, const Matrix &gram,
                         const GroupQuantizer &quantizer,
                         const WeightMethodOptions &options,
                         QuantizedMatrix &result)
    : weights(from.values.data(), from.k, from.n), k(from.k), n(from.n),
      blockSize(result.blockSize), quantizer(quantizer), options(options),
      result(result), gram(gram), errors(Matrix::Zero(from.k, from.n)),
      bounds(result.scales.size()), ends(result.scales.size()) {}

llvm::Error RangeSearch::findBounds() {
  std::vector<float> values;
  for (int64_t first = 0; first < k; first += blockSize) {
    int64_t count = std::min(blockSize, k - first);
    values.resize(count);
    for (int64_t c = 0; c < n; ++c) {
      for (int64_t i = 0; i < count; ++i)
        values[i] = weights(first + i, c);
      Expected<Range> found = quantizer.findBounds(values);
      if (!found)
        return found.takeError();
      bounds[first / blockSize * n + c] = *found;
    }
  }
  return llvm::Error::success();
}

RangeSearch::Group RangeSearch::getGroup(int64_t first) const {
  Group group{first, std::min(blockSize, k - first), {}, {}};
  group.gram = gram.middleRows(first, group.count)
                   .middleCols(gram.cols() == k ? first : 0,
                               gram.cols() == k ? group.count : 1);
  return group;
}

template <typename GetEnds>
void RangeSearch::attempt(const Group &group, Eigen::ArrayXd &least,
                          GetEnds getEnds) {
  int64_t first = group.first / blockSize * n;
  Matrix changes(group.count, n);
  std::vector<GroupParameters> parameters(n);
  std::vector<Ends> candidates(n);
  for (int64_t c = 0; c < n; ++c) {
    candidates[c] = getEnds(ends[first + c]);
    const Range &range = bounds[first + c];
    parameters[c] = quantizer.getParameters(
        {range.min * candidates[c].low, range.max * candidates[c].high});
  }
  for (int64_t i = 0; i < group.count; ++i)
    quantizer.roundAll({weights.row(group.first + i).data(), size_t(n)},
                       parameters, &changes(i, 0));
  changes -= weights.middleRows(group.first, group.count);
  Matrix products = group.gram.cols() == 1
                        ? Matrix(group.gram.col(0).asDiagonal() * changes)
                        : Matrix(group.gram * changes);
  if (group.slopes.size())
    products += 2 * group.slopes;
  Eigen::ArrayXd costs =
      changes.cwiseProduct(products).cast<double>().colwise().sum().transpose();
  for (int64_t c = 0; c < n; ++c) {
    if (!(costs(c) < least(c)))
      continue;
    least(c) = costs(c);
    ends[first + c] = candidates[c];
    setGroup(result, group.first, c, parameters[c]);
    errors.block(group.first, c, group.count, 1) = changes.col(c);
  }
}

void RangeSearch::shrink() {
  for (int64_t first = 0; first < k; first += blockSize) {
    Group group = getGroup(first);
    Eigen::ArrayXd least =
        Eigen::ArrayXd::Constant(n, std::numeric_limits<double>::infinity());
    // Of equals, the widest range.
    for (int64_t step = 0; step <= options.clipSteps; ++step)
      attempt(group, least,
              [&](Ends) { return Ends{getFactor(step), getFactor(step)}; });
  }
}

void RangeSearch::refine() {
  bool isCoupled = gram.cols() == k && blockSize < k;
  if (!isCoupled && !quantizer.hasTwoEnds())
    return;
  for (int64_t first = 0; first < k; first += blockSize) {
    Group group = getGroup(first);
    if (isCoupled) {
      group.slopes.noalias() = gram.middleRows(first, group.count) * errors;
      group.slopes -= group.gram * errors.middleRows(first, group.count);
    }
    Eigen::ArrayXd least =
        Eigen::ArrayXd::Constant(n, std::numeric_limits<double>::infinity());
    attempt(group, least, [](Ends now) { return now; });
    for (int64_t step = 0; step <= options.clipSteps; ++step) {
      float factor = getFactor(step);
      if (!quantizer.hasTwoEnds()) {
        attempt(group, least, [&](Ends) { return Ends{factor, factor}; });
        continue;
      }
      attempt(group, least, [&](Ends now) { return Ends{factor, now.high}; });
      attempt(group, least, [&](Ends now) { return Ends{now.low, factor}; });
    }
  }
}

namespace {

class Clip : public WeightMethod {
public:
  explicit Clip(const WeightMethodOptions &options) : options(options) {}
  bool usesGram() const override { return true; }

  Expected<QuantizedMatrix> quantize(const WeightMatrix &weights,
                                     const WeightFormat &format,
                                     GramMatrix gram) const override {
    if (!llvm::all_of(gram, [](double x) { return std::isfinite(x); }))
      return llvm::createStringError(
          "the Gram matrix of the inputs is not finite");
    GroupQuantizer quantizer(format, options, weights);
    Matrix products = scaleProducts(gram, weights.k);
    auto quantizePart = [&](const WeightMatrix &part,
                            QuantizedMatrix &result) -> llvm::Error {
      RangeSearch search(part, products, quantizer, options, result);
      if (llvm::Error error = search.findBounds())
        return error;
      search.shrink();
      for (int64_t i = 0; i < options.clipSweeps; ++i)
        search.refine();
      quantizer.storeLevels(result);
      roundToNearest(part, quantizer, result);
      return llvm::Error::success();
    };
    return quantizeColumns(weights, quantizer, quantizePart);
  }

private:
  WeightMethodOptions options;
};

} // namespace

std::unique_ptr<WeightMethod>
quantc::createClip(const WeightMethodOptions &options) {
  return std::make_unique<Clip>(options);
}
