//===- Smoothing.h - Scales that move between inputs and weights *- C++ -*-===//
//
// x · W = (x / s) · (s · W) for any numbers s > 0, one for each input channel.
// SmoothQuant and AWQ choose them so that the one or the other side loses less
// by quantization.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_SMOOTHING_H
#define QUANTC_QUANTIZATION_SMOOTHING_H

#include "quantc/Quantization/WeightMethods.h"

namespace quantc {

/// s = max|x|^alpha / max|w|^(1 - alpha) for each channel (Xiao et al.:
/// SmoothQuant, arXiv 2211.10438). Channels without inputs or weights keep 1.
std::vector<float> computeSmoothQuantScales(llvm::ArrayRef<float> inputMax,
                                            llvm::ArrayRef<float> weightMax,
                                            double alpha);

/// The largest |w| of each row, over all matrices.
std::vector<float> getRowMaxima(llvm::ArrayRef<WeightMatrix> matrices);

/// What AWQ's search found.
struct AWQResult {
  std::vector<float> scales;
  double exponent = 0;
  /// Squared errors of the products: with these scales, and without any.
  double error = 0, unscaledError = 0;
};

/// s = mean|x|^a, with the a of `steps` + 1 values in [0, 1] for which the
/// products of all matrices lose least when `method` quantizes them (Lin et
/// al.: AWQ, arXiv 2306.00978). An a of 0 leaves everything as it is, so the
/// result is never worse than that.
llvm::Expected<AWQResult> searchAWQScales(llvm::ArrayRef<WeightMatrix> matrices,
                                          llvm::ArrayRef<float> meanAbs,
                                          GramMatrix gram,
                                          const WeightFormat &format,
                                          const WeightMethod &method,
                                          int64_t steps);

/// The statistics of a value after its channels were divided. Extremes of
/// channels, sums and products are exact. Histogram and samples cannot be
/// divided: they become the two extremes, which every range method then takes.
void divideChannels(ValueStatistics &statistics,
                    llvm::ArrayRef<float> divisors);

} // namespace quantc

#endif // QUANTC_QUANTIZATION_SMOOTHING_H
