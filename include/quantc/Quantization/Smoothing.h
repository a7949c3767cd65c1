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

/// What is known of the inputs of a product, and how both sides become
/// integers.
struct SmoothQuantProblem {
  llvm::ArrayRef<WeightMatrix> matrices;
  /// Of each channel.
  llvm::ArrayRef<Range> ranges;
  llvm::ArrayRef<double> meanSquares;
  /// Null where inputs stay floats.
  const QuantizationGrid *inputGrid = nullptr;
  const WeightFormat *format = nullptr;
  const WeightMethod *method = nullptr;
};

struct SmoothQuantResult {
  std::vector<float> scales;
  /// Nothing if leaving all as it is loses least.
  std::optional<double> alpha;
  /// Mean squared errors of the products of a row, with the scales and without
  /// any.
  double error = 0, unscaledError = 0;
};

/// The alpha of `steps` + 1 values in [0, 1] for which the products of all
/// matrices should lose least. The error of weights is that of `method` for
/// independent inputs, that of inputs is 1/12 of a squared step (and no more
/// than what rounding to 0 costs).
llvm::Expected<SmoothQuantResult>
searchSmoothQuantScales(const SmoothQuantProblem &problem, int64_t steps);

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

/// The channels whose largest magnitude is more than `threshold` times that of
/// the median channel.
llvm::SmallVector<int64_t> findOutliers(llvm::ArrayRef<Range> ranges,
                                        double threshold);

/// The statistics of a value of which the channels with a 0 in `mask` became 0.
void keepChannels(ValueStatistics &statistics, llvm::ArrayRef<float> mask);

} // namespace quantc

#endif // QUANTC_QUANTIZATION_SMOOTHING_H
