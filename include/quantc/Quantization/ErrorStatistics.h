//===- ErrorStatistics.h - How far numbers are from what they should be ---===//
#ifndef QUANTC_QUANTIZATION_ERRORSTATISTICS_H
#define QUANTC_QUANTIZATION_ERRORSTATISTICS_H

#include "llvm/ADT/ArrayRef.h"

#include <cstdint>

namespace quantc {

/// Sums over pairs of a right number and the one that quantization gave.
struct ErrorStatistics {
  uint64_t count = 0;
  double sumReference = 0, sumMeasured = 0, sumProducts = 0, sumErrors = 0;
  double largestError = 0;

  void add(llvm::ArrayRef<float> reference, llvm::ArrayRef<float> measured);
  void merge(const ErrorStatistics &other);

  /// The ratio of signal to quantization noise, in decibels: infinite without
  /// an error, 0 if the noise is as strong as the signal.
  double getSQNR() const;
  /// Of the angle between the two, as vectors; 1 if both are 0.
  double getCosine() const;
};

} // namespace quantc

#endif // QUANTC_QUANTIZATION_ERRORSTATISTICS_H
