//===- Descent.h - Codes, given all others ----------------------*- C++ -*-===//

#ifndef QUANTC_LIB_QUANTIZATION_DESCENT_H
#define QUANTC_LIB_QUANTIZATION_DESCENT_H

#include "GroupQuantizer.h"

#include <Eigen/Core>

namespace quantc {

/// Makes the error of the products, tr(Eᵀ·H·E), smaller step by step: H is the
/// inputs' Gram matrix with more on its diagonal, E what rounding changed.
class Descent {
public:
  /// `added` is what H has more on its diagonal than `gram`, [k, k].
  Descent(GramMatrix gram, int64_t k, double added,
          const GroupQuantizer &quantizer);

  /// `sweeps` times, row by row: each code becomes the best one as all others
  /// are. What others change is known for `updateBlock` rows at a time.
  void run(const WeightMatrix &weights, QuantizedMatrix &matrix, int64_t sweeps,
           int64_t updateBlock) const;

private:
  using Matrix =
      Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  void sweep(const Matrix &weights, QuantizedMatrix &matrix,
             int64_t updateBlock) const;

  const GroupQuantizer &quantizer;
  int64_t k;
  Matrix h;
  /// Inputs that are always 0.
  std::vector<int64_t> unused;
};

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZATION_DESCENT_H
