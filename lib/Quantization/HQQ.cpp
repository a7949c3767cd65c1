//===- HQQ.cpp - Zero points that make small errors rare ------------------===//
//
// Badri, Shaji: Half-Quadratic Quantization of Large Machine Learning Models
// (2023). No data are used. For fixed scales, zero points with fractions are
// sought that make the sum of |w - r|^p small, p < 1: many errors near 0, few
// large ones. In turns, the errors are shrunk towards 0 (the solution for a
// given zero point), and the zero point becomes the mean of what remains.
//
// Of all zero points on that way, the one with the smallest squared error
// stays. The first is round-to-nearest's, so that no group has a larger one.
//
//===----------------------------------------------------------------------===//

#include "Columns.h"
#include "WeightMethodImpl.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace quantc;
using llvm::ArrayRef;
using llvm::Expected;

namespace {

class HQQ : public WeightMethod {
public:
  explicit HQQ(const WeightMethodOptions &options) : options(options) {}

  Expected<QuantizedMatrix> quantize(const WeightMatrix &weights,
                                     const WeightFormat &format,
                                     GramMatrix) const override {
    if (!format.codebook.empty() || format.grid.isSymmetric())
      return llvm::createStringError(
          "HQQ moves zero points: it needs asymmetric integers");
    if (format.scales == WeightFormat::Scales::SuperBlocks)
      return llvm::createStringError(
          "HQQ moves zero points, which super-blocks store in 6 bits");
    GroupQuantizer quantizer(format, options, weights);
    return quantizeColumns(
        weights, quantizer,
        [&](const WeightMatrix &part, QuantizedMatrix &result) {
          return quantizePart(part, quantizer, result);
        });
  }

private:
  llvm::Error quantizePart(const WeightMatrix &weights,
                           const GroupQuantizer &quantizer,
                           QuantizedMatrix &result) const {
    result.hasFractionalZeroPoints = true;
    auto choose = [&](int64_t first, int64_t column,
                      ArrayRef<float> values) -> llvm::Error {
      Expected<GroupParameters> start = quantizer.choose(values);
      if (!start)
        return start.takeError();
      setGroup(result, first, column, *start);
      return llvm::Error::success();
    };
    if (llvm::Error error = forEachGroup(weights, result.blockSize, choose))
      return error;
    // Zero points are found for the scales as they will be.
    quantizer.storeLevels(result);
    auto quantizeGroup = [&](int64_t first, int64_t column,
                             ArrayRef<float> values) -> llvm::Error {
      GroupParameters parameters =
          optimize(quantizer, values, getGroup(result, first, column));
      setGroup(result, first, column, parameters);
      for (auto [i, value] : llvm::enumerate(values))
        result.codes[(first + i) * weights.n + column] =
            quantizer.round(value, parameters);
      return llvm::Error::success();
    };
    return forEachGroup(weights, result.blockSize, quantizeGroup);
  }

  static double getSquaredError(const GroupQuantizer &quantizer,
                                ArrayRef<float> values,
                                const GroupParameters &p) {
    double total = 0;
    for (float value : values) {
      double error =
          double(value) - quantizer.getReal(quantizer.round(value, p), p);
      total += error * error;
    }
    return total;
  }

  GroupParameters optimize(const GroupQuantizer &quantizer,
                           ArrayRef<float> values,
                           const GroupParameters &start) const {
    GroupParameters best = start, current = start;
    double smallest = getSquaredError(quantizer, values, start);
    // In units of the scale.
    double beta = 1;
    for (int64_t step = 0; step < options.iterations; ++step, beta *= 1.01) {
      double sum = 0;
      for (float value : values) {
        double w = double(value) / current.scale;
        int32_t code = quantizer.round(value, current);
        double error = w - (code - double(current.zeroPoint));
        // The generalized soft threshold.
        double size = std::fabs(error);
        double shrunk =
            size == 0
                ? 0
                : std::max(0.0, size - std::pow(size, options.norm - 1) / beta);
        sum += code - (w - std::copysign(shrunk, error));
      }
      float zeroPoint = float(sum / double(values.size()));
      if (zeroPoint == current.zeroPoint)
        break;
      current.zeroPoint = zeroPoint;
      double error = getSquaredError(quantizer, values, current);
      if (error < smallest) {
        smallest = error;
        best = current;
      }
    }
    return best;
  }

  WeightMethodOptions options;
};

} // namespace

std::unique_ptr<WeightMethod>
quantc::createHQQ(const WeightMethodOptions &options) {
  return std::make_unique<HQQ>(options);
}
