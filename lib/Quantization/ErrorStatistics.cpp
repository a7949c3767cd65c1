//===- ErrorStatistics.cpp - How far numbers are from the right ones ------===//

#include "quantc/Quantization/ErrorStatistics.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>

using namespace llvm;
using namespace quantc;

void ErrorStatistics::add(ArrayRef<float> reference, ArrayRef<float> measured) {
  for (auto [right, found] : zip_equal(reference, measured)) {
    // Equal infinities (masks) are no error, and have no strength.
    if (right == found && !std::isfinite(right))
      continue;
    double a = right, b = found, error = b - a;
    sumReference += a * a;
    sumMeasured += b * b;
    sumProducts += a * b;
    sumErrors += error * error;
    largestError = std::max(largestError, std::fabs(error));
    ++count;
  }
}

void ErrorStatistics::merge(const ErrorStatistics &other) {
  count += other.count;
  sumReference += other.sumReference;
  sumMeasured += other.sumMeasured;
  sumProducts += other.sumProducts;
  sumErrors += other.sumErrors;
  largestError = std::max(largestError, other.largestError);
}

double ErrorStatistics::getSQNR() const {
  if (sumErrors == 0)
    return std::numeric_limits<double>::infinity();
  return 10 * std::log10(sumReference / sumErrors);
}

double ErrorStatistics::getCosine() const {
  double norms = std::sqrt(sumReference) * std::sqrt(sumMeasured);
  if (norms == 0)
    return sumReference == sumMeasured;
  return sumProducts / norms;
}
