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
  GroupQuantizer(const WeightFormat &format, const WeightMethodOptions &options,
                 const WeightMatrix &weights);

  /// The range that `values` ask for.
  llvm::Expected<Range> findBounds(llvm::ArrayRef<float> values) const;
  /// Parameters whose numbers cover `bounds`.
  GroupParameters getParameters(Range bounds) const;
  /// Parameters for `values`; for a range that is `clip` of theirs.
  llvm::Expected<GroupParameters> choose(llvm::ArrayRef<float> values,
                                         float clip = 1) const;
  /// The same, unless the options ask for a search: then the parameters with
  /// the smallest squared error, `importance` being the errors' weights (empty
  /// for equal ones).
  llvm::Expected<GroupParameters>
  chooseBest(llvm::ArrayRef<float> values,
             llvm::ArrayRef<double> importance) const;

  /// Replaces all scales and zero points by what the second level makes of
  /// them, if the format has one.
  void storeLevels(QuantizedMatrix &matrix) const;
  /// Whether scales are known only after those of all groups.
  bool hasLevels() const {
    return format.scales == WeightFormat::Scales::Bytes ||
           format.scales == WeightFormat::Scales::SuperBlocks;
  }
  /// Whether the two ends of a range can be moved each on its own.
  bool hasTwoEnds() const { return !isCodebook && !format.grid.isSymmetric(); }
  /// The code of the number nearest to `value`; of two, an even one.
  int32_t round(float value, const GroupParameters &parameters) const;
  float getReal(int32_t code, const GroupParameters &parameters) const {
    if (isCodebook)
      return format.codebook[code] * parameters.scale;
    return (float(code) - parameters.zeroPoint) * parameters.scale;
  }

  /// What the codes that `round` gives stand for; each value has parameters of
  /// its own.
  void roundAll(llvm::ArrayRef<float> values,
                llvm::ArrayRef<GroupParameters> parameters, float *reals) const;

  /// A result without codes, for a matrix of this format.
  QuantizedMatrix createResult(const WeightMatrix &weights) const;

private:
  /// For numbers up to `bound`.
  float getScale(float bound) const;
  double getError(llvm::ArrayRef<float> values,
                  llvm::ArrayRef<double> importance,
                  const GroupParameters &parameters) const;
  /// The scale with the least squared error for the codes that `parameters`
  /// give.
  GroupParameters fitScale(llvm::ArrayRef<float> values,
                           llvm::ArrayRef<double> importance,
                           const GroupParameters &parameters) const;

  const WeightFormat &format;
  const WeightMethodOptions &options;
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
