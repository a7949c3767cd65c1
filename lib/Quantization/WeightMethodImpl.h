//===- WeightMethodImpl.h - What the weight methods share -------*- C++ -*-===//

#ifndef QUANTC_LIB_QUANTIZATION_WEIGHTMETHODIMPL_H
#define QUANTC_LIB_QUANTIZATION_WEIGHTMETHODIMPL_H

#include "GroupQuantizer.h"

namespace quantc {

/// Calls with the first row, the column and the values of each group.
llvm::Error forEachGroup(
    const WeightMatrix &weights, int64_t blockSize,
    llvm::function_ref<llvm::Error(int64_t, int64_t, llvm::ArrayRef<float>)>
        call);

inline void setGroup(QuantizedMatrix &matrix, int64_t row, int64_t column,
                     const GroupParameters &parameters) {
  int64_t group = row / matrix.blockSize * matrix.n + column;
  matrix.scales[group] = parameters.scale;
  if (!matrix.zeroPoints.empty())
    matrix.zeroPoints[group] = parameters.zeroPoint;
}

inline GroupParameters getGroup(const QuantizedMatrix &matrix, int64_t row,
                                int64_t column) {
  int64_t group = row / matrix.blockSize * matrix.n + column;
  return {matrix.scales[group],
          matrix.zeroPoints.empty() ? 0 : matrix.zeroPoints[group]};
}

/// The diagonal of a Gram matrix of `k` inputs for `count` of them from `first`
/// on; empty if nothing is known.
std::vector<double> getImportance(GramMatrix gram, int64_t k, int64_t first,
                                  int64_t count);

/// The mean of the diagonal; 1 without any input: all errors are equal.
double getMeanDiagonal(GramMatrix gram, int64_t k);
/// What the diagonal should have more, as a part of its mean: the more inputs
/// there are for a token, the more of what the Gram matrix says is chance,
/// which weights would follow.
double getDamping(GramMatrix gram, int64_t k);

/// Gives all weights the nearest code of their group.
void roundToNearest(const WeightMatrix &weights,
                    const GroupQuantizer &quantizer, QuantizedMatrix &result);

std::unique_ptr<WeightMethod> createClip(const WeightMethodOptions &options);
std::unique_ptr<WeightMethod> createGPTQ(const WeightMethodOptions &options);
std::unique_ptr<WeightMethod> createHQQ(const WeightMethodOptions &options);

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZATION_WEIGHTMETHODIMPL_H
