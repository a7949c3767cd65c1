//===- GroupQuantizer.h - Numbers that share a scale ------------*- C++ -*-===//

#ifndef QUANTC_LIB_QUANTIZATION_GROUPQUANTIZER_H
#define QUANTC_LIB_QUANTIZATION_GROUPQUANTIZER_H

#include "quantc/Quantization/WeightMethods.h"

namespace quantc {

struct GroupParameters {
  float scale = 1, zeroPoint = 0;
};

/// Chooses scales, and rounds to the numbers of a format.
class GroupQuantizer {
public:
  GroupQuantizer(const WeightFormat &format, const RangeMethod *range,
                 const WeightMatrix &weights);

  /// Parameters for `values`; for a range that is `clip` of theirs.
  llvm::Expected<GroupParameters> choose(llvm::ArrayRef<float> values,
                                         float clip = 1) const;
  /// The code of the number nearest to `value`; of two, an even one.
  int32_t round(float value, const GroupParameters &parameters) const;
  float getReal(int32_t code, const GroupParameters &parameters) const {
    if (isCodebook)
      return format.codebook[code] * parameters.scale;
    return (float(code) - parameters.zeroPoint) * parameters.scale;
  }

  /// A result without codes, for a matrix of this format.
  QuantizedMatrix createResult(const WeightMatrix &weights) const;

private:
  /// For numbers up to `bound`.
  float getScale(float bound) const;

  const WeightFormat &format;
  const RangeMethod *range;
  bool isCodebook;
  /// Codes by rising number, and where the one's numbers end and the next
  /// one's begin.
  std::vector<std::pair<float, int32_t>> sorted;
  std::vector<float> limits;
  float largest = 1;
  /// Of NVFP4's first level.
  float tensorScale = 1;
};

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZATION_GROUPQUANTIZER_H
