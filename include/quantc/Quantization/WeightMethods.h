//===- WeightMethods.h - How weights become codes ---------------*- C++ -*-===//
//
// Plain arrays in, plain arrays out: these know nothing of the compiler's IR.
// Every method is deterministic.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_WEIGHTMETHODS_H
#define QUANTC_QUANTIZATION_WEIGHTMETHODS_H

#include "quantc/Quantization/Ranges.h"

namespace quantc {

/// A matrix [k, n], row-major: k inputs, n outputs.
struct WeightMatrix {
  llvm::ArrayRef<float> values;
  int64_t k = 0, n = 0;
};

/// What the codes of a matrix are.
struct WeightFormat {
  /// How scales are stored; all are given as the f32 that they stand for.
  enum class Scales {
    Float32,
    /// A power of two: floor(log2(max|w|)) less the exponent of the largest
    /// number (OCP Microscaling Formats, version 1.0).
    PowerOfTwo,
    /// A number of E4M3 times one f32 for the tensor (NVFP4).
    TwoLevelE4M3,
    /// A signed byte times one f32 a column: double quantization (Dettmers et
    /// al. 2023, arXiv 2305.14314, section 3, with integers).
    Bytes,
    /// As llama.cpp's "k-quants" store them: super-blocks of 256 inputs have an
    /// f16 factor for the scales of their groups (6 bits, or signed bytes if
    /// there are no zero points) and one for what the zero points stand for (6
    /// bits). This is the layout of Q4_K and Q6_K.
    SuperBlocks
  };
  /// Inputs of a super-block.
  static constexpr int64_t superBlockSize = 256;

  /// For integers.
  QuantizationGrid grid;
  /// If not empty, codes are indices into it; NaN marks codes that are not
  /// used.
  std::vector<float> codebook;
  Scales scales = Scales::Float32;
  /// Inputs that share a scale: the rows [i · blockSize, (i + 1) · blockSize)
  /// of a column. 0 means all rows.
  int64_t blockSize = 0;

  /// The 16 quantiles of a normal distribution (NF4, arXiv 2305.14314).
  static WeightFormat nf4(int64_t blockSize);
  /// E2M1 with a scale of f32, of E8M0 (MXFP4) or of E4M3 (NVFP4).
  static WeightFormat fp4(int64_t blockSize, Scales scales = Scales::Float32);
  /// E4M3FN or E5M2.
  static WeightFormat fp8(bool isE5M2, int64_t blockSize,
                          Scales scales = Scales::Float32);
};

/// The second level of scales: what their integers are, and the factors.
struct ScaleLevels {
  /// [groups, n]: integers of the scales and (if there are such) of the offsets
  /// zeroPoint · scale.
  std::vector<int16_t> scales, offsets;
  /// [super-blocks, n], or [1, n].
  std::vector<float> scaleFactors, offsetFactors;
};

/// Codes, and what gives them their values.
struct QuantizedMatrix {
  int64_t k = 0, n = 0, blockSize = 0;
  bool isSigned = false;
  /// [k, n]: a byte each, signed integers in two's complement.
  std::vector<uint8_t> codes;
  /// [ceil(k / blockSize), n].
  std::vector<float> scales;
  /// Of the scales' shape: integers, unless the method needs fractions.
  /// Empty for a codebook.
  std::vector<float> zeroPoints;
  bool hasFractionalZeroPoints = false;
  std::vector<float> codebook;
  /// Empty unless the format has two levels of integers.
  ScaleLevels levels;

  float getReal(int64_t row, int64_t column) const;
  std::vector<float> dequantize() const;
};

/// Xᵀ·X of the inputs [tokens, k], row-major; or the diagonal alone, where a
/// method needs no more; or nothing.
struct GramMatrix : llvm::ArrayRef<double> {
  GramMatrix(llvm::ArrayRef<double> products = {}, uint64_t numTokens = 0)
      : ArrayRef(products), numTokens(numTokens) {}
  GramMatrix(const std::vector<double> &products) : ArrayRef(products) {}

  /// How many rows the sums have; 0 if that is not known.
  uint64_t numTokens;
};

/// The mean over outputs of (w - r)ᵀ·H·(w - r) for the columns of the two
/// matrices: the squared error of the products, for H = Xᵀ·X.
double computeOutputError(const WeightMatrix &weights,
                          llvm::ArrayRef<float> replacement, GramMatrix gram);

/// Everything that methods can be told; each reads what concerns it.
struct WeightMethodOptions {
  /// Null for the smallest and the largest element.
  const RangeMethod *range = nullptr;
  /// Looks for the scale that makes the squared errors small, each weighted by
  /// the mean square of its input (1 without data), instead of a range.
  bool searchScales = false;
  /// GPTQ: rows that are updated together; what is added to the diagonal, as a
  /// part of its mean (0: 1.5 times the inputs there are for a token, 0.01 at
  /// least and 1 at most); rows by falling activations, with the scales of the
  /// groups fixed before; how often all codes are chosen again afterwards, each
  /// given the others.
  int64_t updateBlock = 128;
  double damping = 0;
  bool actOrder = true;
  int64_t sweeps = 2;
  /// HQQ: steps, and the norm of the error that is made small.
  int64_t iterations = 20;
  double norm = 0.7;
  /// Clipping: how far down the search goes, and in how many steps; how often
  /// ranges are chosen again afterwards, each given the others.
  double smallestClip = 0.5;
  int64_t clipSteps = 20;
  int64_t clipSweeps = 2;
};

/// To add a method, derive from this class and list it in WeightMethods.cpp.
class WeightMethod {
public:
  virtual ~WeightMethod() = default;
  /// Whether `quantize` needs the Gram matrix of the inputs.
  virtual bool needsGram() const { return false; }
  /// Whether it takes the Gram matrix into account, if there is one.
  virtual bool usesGram() const { return needsGram(); }
  virtual llvm::Expected<QuantizedMatrix> quantize(const WeightMatrix &weights,
                                                   const WeightFormat &format,
                                                   GramMatrix gram) const = 0;

  /// "nearest", "gptq", "hqq" or "clip". The error lists the methods there
  /// are.
  static llvm::Expected<std::unique_ptr<WeightMethod>>
  create(llvm::StringRef name, const WeightMethodOptions &options = {});
};

} // namespace quantc

#endif // QUANTC_QUANTIZATION_WEIGHTMETHODS_H
