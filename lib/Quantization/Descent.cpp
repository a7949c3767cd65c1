//===- Descent.cpp - Codes, given all others ------------------------------===//
//
// Behdin et al.: QuantEase (arXiv 2309.01885): coordinate descent on the codes.
// The error is quadratic in each number alone, so that the nearest code to the
// number that would be best is the best code, and no step makes it larger.
//
//===----------------------------------------------------------------------===//

#include "Descent.h"

#include "WeightMethodImpl.h"

#include <cmath>

using namespace quantc;

Descent::Descent(GramMatrix gram, int64_t k, double added,
                 const GroupQuantizer &quantizer)
    : quantizer(quantizer), k(k), h(k, k) {
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < k; ++j)
      h(i, j) = float(gram[i * k + j]);
    h(i, i) = float(gram[i * k + i] + added);
    if (gram[i * k + i] == 0)
      unused.push_back(i);
  }
}

void Descent::run(const WeightMatrix &from, QuantizedMatrix &matrix,
                  int64_t sweeps, int64_t updateBlock) const {
  Matrix weights = Eigen::Map<const Matrix>(from.values.data(), k, from.n);
  // The weights of inputs that are always 0 make no difference.
  for (int64_t row : unused)
    weights.row(row).setZero();
  for (int64_t i = 0; i < sweeps; ++i)
    sweep(weights, matrix, std::max<int64_t>(1, updateBlock));
}

void Descent::sweep(const Matrix &weights, QuantizedMatrix &matrix,
                    int64_t updateBlock) const {
  int64_t n = matrix.n;
  Matrix reals(k, n);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t c = 0; c < n; ++c)
      reals(i, c) = matrix.getReal(i, c);
  Matrix errors = reals - weights;
  Matrix gradients, changes(1, n);
  for (int64_t begin = 0; begin < k; begin += updateBlock) {
    int64_t count = std::min(updateBlock, k - begin);
    gradients.noalias() = h.middleRows(begin, count) * errors;
    for (int64_t i = begin; i < begin + count; ++i) {
      for (int64_t c = 0; c < n; ++c) {
        GroupParameters p = getGroup(matrix, i, c);
        float real = reals(i, c);
        int32_t code =
            quantizer.round(real - gradients(i - begin, c) / h(i, i), p);
        matrix.codes[i * n + c] = uint8_t(code);
        changes(0, c) = quantizer.getReal(code, p) - real;
      }
      errors.row(i) += changes;
      for (int64_t j = i + 1; j < begin + count; ++j)
        gradients.row(j - begin) += h(j, i) * changes;
    }
  }
}
