//===- Ranges.h - From numbers to scales and zero points --------*- C++ -*-===//
//
// Two steps. A range method looks at numbers (the histogram of an activation,
// or a weight's own elements) and says which interval integers should span. A
// grid (type and scheme) then gives scale and zero point for that interval, by
// the rules of ONNX Runtime's quantizer.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_RANGES_H
#define QUANTC_QUANTIZATION_RANGES_H

#include "quantc/Quantization/Statistics.h"

namespace quantc {

//===- grids --------------------------------------------------------------===//

/// How the integers lie around zero.
enum class RangeScheme {
  /// The zero point is where the range puts it.
  Asymmetric,
  /// The zero point is in the middle (0, or 2^(bits-1) if unsigned), and both
  /// sides span the larger absolute value.
  Symmetric,
  /// Symmetric, without the one number more on the negative side: -127...127.
  Restricted
};

/// The integers that a tensor is quantized to.
struct QuantizationGrid {
  unsigned bits = 8;
  bool isSigned = true;
  RangeScheme scheme = RangeScheme::Symmetric;

  int64_t getMin() const;
  int64_t getMax() const;
  bool isSymmetric() const { return scheme != RangeScheme::Asymmetric; }
};

struct ScaleAndZeroPoint {
  float scale = 1;
  int64_t zeroPoint = 0;
};

/// Scale and zero point for numbers in `range`, which is widened to hold 0. A
/// range so small that its scale is no normal number (all zeros, above all)
/// gives scale 1 and zero point 0.
ScaleAndZeroPoint computeScale(Range range, const QuantizationGrid &grid);

//===- range methods ------------------------------------------------------===//

/// The numbers for which a range is chosen, by rising value: single ones, or
/// buckets over which numbers are taken to be spread evenly.
struct Distribution {
  struct Part {
    double lower, upper;
    double weight;
  };
  std::vector<Part> parts;
  double totalWeight = 0;
  Range range;
  /// Ranges of samples in order, where the numbers come from samples.
  llvm::ArrayRef<Range> sampleRanges;

  /// `statistics` must outlive the result. Fails if they decide no range.
  static llvm::Expected<Distribution>
  fromStatistics(const ValueStatistics &statistics);
  /// Fails if there are no numbers, or some are NaN or infinite. With
  /// `rangeOnly`, the numbers themselves stay out of it.
  static llvm::Expected<Distribution> fromValues(llvm::ArrayRef<float> values,
                                                 bool rangeOnly = false);
};

/// Chooses ranges. To add a method, derive from this class in RangeMethods.cpp
/// and register a factory there (docs/Quantization.md, "Adding a range
/// method").
class RangeMethod {
public:
  virtual ~RangeMethod() = default;
  virtual Range choose(const Distribution &numbers,
                       const QuantizationGrid &grid) const = 0;
  /// Whether it asks for nothing but the extremes.
  virtual bool needsRangeOnly() const { return false; }

  /// "minmax", "percentile=99.99", ...: a name and, for some, a number. The
  /// error lists the methods there are.
  static llvm::Expected<std::unique_ptr<RangeMethod>>
  parse(llvm::StringRef text);

  struct Description {
    llvm::StringRef name, summary;
    /// What the number means, and its default; empty if there is none.
    llvm::StringRef parameter;
    double defaultParameter;
  };
  static std::vector<Description> list();
};

//===- both ---------------------------------------------------------------===//

/// For an activation.
llvm::Expected<ScaleAndZeroPoint> chooseScale(const ValueStatistics &statistics,
                                              const QuantizationGrid &grid,
                                              const RangeMethod &method);

/// How a weight is divided into parts with a scale each: one, one for each
/// index along `axis`, or one for each `blockSize` indices along `axis` and
/// each index along the others.
struct Granularity {
  std::optional<int64_t> axis;
  int64_t blockSize = 0;
};

/// Scales as qnn.quantize takes them: rank 0, rank 1, or the weight's shape
/// with the axis divided.
struct WeightScales {
  llvm::SmallVector<int64_t> shape;
  std::vector<ScaleAndZeroPoint> scales;
};

/// The shape of a weight's scales.
llvm::SmallVector<int64_t> getScaleShape(llvm::ArrayRef<int64_t> shape,
                                         const Granularity &granularity);

/// Calls with the number of each part of a weight and its elements.
void forEachPart(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> shape,
                 const Granularity &granularity,
                 llvm::function_ref<void(size_t, llvm::ArrayRef<float>)> call);

/// For a weight.
llvm::Expected<WeightScales> chooseScales(llvm::ArrayRef<float> values,
                                          llvm::ArrayRef<int64_t> shape,
                                          const Granularity &granularity,
                                          const QuantizationGrid &grid,
                                          const RangeMethod &method);

} // namespace quantc

#endif // QUANTC_QUANTIZATION_RANGES_H
