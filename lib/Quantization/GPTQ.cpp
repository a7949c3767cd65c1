//===- GPTQ.cpp - Rounding that makes up for its errors -------------------===//
//
// Frantar, Ashkboos, Hoefler, Alistarh: GPTQ (arXiv 2210.17323). Rows (inputs)
// are rounded one after the other; the error of each is spread over the rows
// that are still to come, by the inverse of the inputs' Gram matrix. What comes
// out is made better by descent (Descent.cpp).
//
//===----------------------------------------------------------------------===//

#include "Columns.h"
#include "Descent.h"
#include "WeightMethodImpl.h"

#include "llvm/Support/MathExtras.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <cmath>
#include <numeric>
#include <optional>

using namespace quantc;
using llvm::ArrayRef;
using llvm::Expected;

namespace {

using Matrix =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using FloatMatrix =
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

class GPTQ : public WeightMethod {
public:
  explicit GPTQ(const WeightMethodOptions &options) : options(options) {}
  bool needsGram() const override { return true; }

  Expected<QuantizedMatrix> quantize(const WeightMatrix &weights,
                                     const WeightFormat &format,
                                     GramMatrix gram) const override;

private:
  /// What all columns share.
  struct Problem {
    GramMatrix gram;
    /// The rows in the order in which they are rounded.
    std::vector<int64_t> order;
    /// H⁻¹ = Uᵀ·U, for rows in this order.
    FloatMatrix u;
  };

  llvm::Error roundRows(const Problem &problem, const WeightMatrix &weights,
                        const GroupQuantizer &quantizer,
                        QuantizedMatrix &result) const;
  /// The upper factor U of H⁻¹ = Uᵀ·U, for the rows in `order`; and the part of
  /// the mean diagonal that H has more than the Gram matrix.
  Expected<Matrix> factorInverse(GramMatrix gram, ArrayRef<int64_t> order,
                                 double &damping) const;
  WeightMethodOptions options;
};

} // namespace

Expected<Matrix> GPTQ::factorInverse(GramMatrix gram, ArrayRef<int64_t> order,
                                     double &damping) const {
  int64_t k = order.size();
  double mean = getMeanDiagonal(gram, k);
  if (!std::isfinite(mean))
    return llvm::createStringError(
        "the Gram matrix of the inputs is not finite");
  Matrix h(k, k);
  // A matrix of few tokens has no full rank: damping gives it one, and more of
  // it is tried where rounding eats the first.
  for (; damping <= 1e3; damping *= 10) {
    // With rows and columns turned around, the lower factor L of it gives the
    // upper one of the inverse: L⁻¹ turned around.
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j)
        h(i, j) = gram[order[k - 1 - i] * k + order[k - 1 - j]];
    for (int64_t i = 0; i < k; ++i)
      h(i, i) += h(i, i) == 0 ? mean : damping * mean;
    Eigen::LLT<Matrix> lower(h);
    if (lower.info() == Eigen::Success) {
      Matrix inverse = Matrix::Identity(k, k);
      lower.matrixL().solveInPlace(inverse);
      if (inverse.allFinite())
        return Matrix(inverse.reverse());
    }
  }
  return llvm::createStringError(
      "the Gram matrix of the inputs cannot be inverted: it is not positive");
}

/// Gives the group of `rows`, the first of which is row `first` of the matrix,
/// a scale for each column.
static llvm::Error chooseScales(GramMatrix gram, int64_t first,
                                const Eigen::Ref<const FloatMatrix> &rows,
                                const GroupQuantizer &quantizer,
                                QuantizedMatrix &result) {
  std::vector<float> values(rows.rows());
  std::vector<double> importance =
      getImportance(gram, result.k, first, rows.rows());
  for (int64_t c = 0; c < rows.cols(); ++c) {
    for (int64_t i = 0; i < rows.rows(); ++i)
      values[i] = rows(i, c);
    Expected<GroupParameters> chosen = quantizer.chooseBest(values, importance);
    if (!chosen)
      return chosen.takeError();
    setGroup(result, first, c, *chosen);
  }
  return llvm::Error::success();
}

llvm::Error GPTQ::roundRows(const Problem &problem, const WeightMatrix &weights,
                            const GroupQuantizer &quantizer,
                            QuantizedMatrix &result) const {
  const GramMatrix &gram = problem.gram;
  const std::vector<int64_t> &order = problem.order;
  const FloatMatrix &u = problem.u;
  int64_t k = weights.k, n = weights.n, blockSize = result.blockSize;
  FloatMatrix w(k, n);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t c = 0; c < n; ++c)
      w(i, c) = weights.values[order[i] * n + c];
  // An input that is always 0 makes no difference.
  for (int64_t i = 0; i < k; ++i)
    if (gram[order[i] * k + order[i]] == 0)
      w.row(i).setZero();

  // Out of order, the groups' rows come at any time: their scales are fixed
  // first. So are those with a second level, which belongs to many groups.
  bool isFixed = options.actOrder || quantizer.hasLevels();
  if (isFixed) {
    Eigen::Map<const FloatMatrix> all(weights.values.data(), k, n);
    for (int64_t first = 0; first < k; first += blockSize)
      if (llvm::Error error = chooseScales(
              gram, first,
              all.middleRows(first, std::min(blockSize, k - first)), quantizer,
              result))
        return error;
    quantizer.storeLevels(result);
  }

  // Whole groups, so that a group's scales see all errors made before.
  int64_t update = std::max<int64_t>(1, options.updateBlock);
  if (blockSize <= update)
    update = update / blockSize * blockSize;
  for (int64_t begin = 0; begin < k; begin += update) {
    int64_t end = std::min(begin + update, k);
    FloatMatrix errors(end - begin, n);
    for (int64_t i = begin; i < end; ++i) {
      if (!isFixed && i % blockSize == 0)
        if (llvm::Error error = chooseScales(
                gram, i, w.middleRows(i, std::min(blockSize, k - i)), quantizer,
                result))
          return error;
      float diagonal = u(i, i);
      for (int64_t c = 0; c < n; ++c) {
        GroupParameters p = getGroup(result, order[i], c);
        int32_t code = quantizer.round(w(i, c), p);
        result.codes[order[i] * n + c] = code;
        errors(i - begin, c) =
            (w(i, c) - quantizer.getReal(code, p)) / diagonal;
      }
      for (int64_t j = i + 1; j < end; ++j)
        w.row(j) -= u(i, j) * errors.row(i - begin);
    }
    if (end < k)
      w.bottomRows(k - end).noalias() -=
          u.block(begin, end, end - begin, k - end).transpose() * errors;
  }
  return llvm::Error::success();
}

Expected<QuantizedMatrix> GPTQ::quantize(const WeightMatrix &weights,
                                         const WeightFormat &format,
                                         GramMatrix gram) const {
  int64_t k = weights.k;
  if (int64_t(gram.size()) != k * k)
    return llvm::createStringError(
        "GPTQ needs the Gram matrix of the inputs: calibrate with "
        "--collect=gram");
  GroupQuantizer quantizer(format, options, weights);
  Problem problem{gram, std::vector<int64_t>(k), {}};
  std::vector<int64_t> &order = problem.order;
  std::iota(order.begin(), order.end(), 0);
  if (options.actOrder)
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return gram[a * k + a] > gram[b * k + b];
    });
  double damping = options.damping > 0 ? options.damping : getDamping(gram, k);
  Expected<Matrix> factor = factorInverse(gram, order, damping);
  if (!factor)
    return factor.takeError();
  problem.u = factor->cast<float>();
  factor->resize(0, 0);
  std::optional<Descent> descent;
  if (options.sweeps > 0)
    descent.emplace(gram, k, damping * getMeanDiagonal(gram, k), quantizer);

  auto quantizePart = [&](const WeightMatrix &part,
                          QuantizedMatrix &result) -> llvm::Error {
    if (llvm::Error error = roundRows(problem, part, quantizer, result))
      return error;
    if (descent)
      descent->run(part, result, options.sweeps, options.updateBlock);
    return llvm::Error::success();
  };
  return quantizeColumns(weights, quantizer, quantizePart);
}

std::unique_ptr<WeightMethod>
quantc::createGPTQ(const WeightMethodOptions &options) {
  return std::make_unique<GPTQ>(options);
}
