//===- WeightMethodsTest.cpp - Rounding against small references ----------===//

#include "quantc/Quantization/WeightMethods.h"

#include "gtest/gtest.h"

#include <cmath>
#include <random>
#include <utility>

using namespace quantc;

namespace {

struct Problem {
  int64_t k, n;
  std::vector<float> values;
  std::vector<double> gram;
  WeightMatrix weights() const { return {values, k, n}; }
};

/// Normal weights, and inputs that depend on each other.
Problem makeProblem(int64_t k, int64_t n, int64_t tokens, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Problem problem{k, n, std::vector<float>(k * n),
                  std::vector<double>(k * k, 0)};
  for (float &w : problem.values)
    w = float(normal(random));
  std::vector<double> mix(k * k);
  for (double &m : mix)
    m = normal(random);
  for (int64_t t = 0; t < tokens; ++t) {
    // A few common factors make up most of each input.
    std::vector<double> x(k);
    for (int64_t factor = 0; factor < std::max<int64_t>(1, k / 4); ++factor) {
      double size = normal(random);
      for (int64_t i = 0; i < k; ++i)
        x[i] += size * mix[factor * k + i];
    }
    for (int64_t i = 0; i < k; ++i)
      x[i] += 0.3 * normal(random);
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < k; ++j)
        problem.gram[i * k + j] += x[i] * x[j];
  }
  return problem;
}

WeightFormat integers(unsigned bits, RangeScheme scheme, int64_t blockSize) {
  WeightFormat format;
  format.grid = {bits, scheme != RangeScheme::Asymmetric, scheme};
  format.blockSize = blockSize;
  return format;
}

QuantizedMatrix quantize(llvm::StringRef method, const Problem &problem,
                         const WeightFormat &format,
                         WeightMethodOptions options = {}) {
  auto made = WeightMethod::create(method, options);
  EXPECT_TRUE(bool(made));
  auto result = (*made)->quantize(problem.weights(), format, problem.gram);
  if (!result) {
    ADD_FAILURE() << llvm::toString(result.takeError());
    return {};
  }
  return *result;
}

std::string getError(llvm::StringRef method, const Problem &problem,
                     const WeightFormat &format) {
  auto made = WeightMethod::create(method, {});
  if (!made)
    return llvm::toString(made.takeError());
  auto result = (*made)->quantize(problem.weights(), format, problem.gram);
  return result ? "" : llvm::toString(result.takeError());
}

double getError(const Problem &problem, const QuantizedMatrix &matrix) {
  return computeOutputError(problem.weights(), matrix.dequantize(),
                            problem.gram);
}

//===- round to nearest ---------------------------------------------------===//

TEST(Nearest, SymmetricGroups) {
  Problem p{4, 1, {7, -3.5f, 5, -14}, {}};
  QuantizedMatrix q =
      quantize("nearest", p, integers(4, RangeScheme::Restricted, 2));
  EXPECT_EQ(q.scales, (std::vector<float>{1, 2}));
  // -3.5 and 2.5 go to the even neighbour.
  EXPECT_EQ(q.codes, (std::vector<uint8_t>{7, uint8_t(-4), 2, uint8_t(-7)}));
}

TEST(Nearest, AsymmetricRangesHoldZero) {
  Problem p{3, 1, {1.0f, 2.0f, 3.0f}, {}};
  QuantizedMatrix q =
      quantize("nearest", p, integers(2, RangeScheme::Asymmetric, 0));
  EXPECT_EQ(q.scales, std::vector<float>{1.0f});
  EXPECT_EQ(q.zeroPoints, std::vector<float>{0});
  EXPECT_EQ(q.codes, (std::vector<uint8_t>{1, 2, 3}));
}

TEST(Nearest, ShortLastBlockAndZeros) {
  Problem p{5, 2, {1, 0, 2, 0, 3, 0, -7, 0, 14, 0}, {}};
  QuantizedMatrix q =
      quantize("nearest", p, integers(4, RangeScheme::Restricted, 4));
  ASSERT_EQ(q.scales.size(), 4u);
  EXPECT_EQ(q.scales, (std::vector<float>{1, 1, 2, 1}));
  EXPECT_EQ(q.dequantize(), p.values);
}

TEST(Nearest, RefusesNaN) {
  Problem p{2, 1, {NAN, 1}, {}};
  EXPECT_EQ(getError("nearest", p, integers(4, RangeScheme::Restricted, 0)),
            "a weight is NaN or infinite");
}

TEST(Nearest, UnknownMethod) {
  EXPECT_EQ(getError("guess", Problem{}, {}),
            "there is no way 'guess' to round weights; there are nearest, "
            "clip, gptq, hqq");
}

//===- formats ------------------------------------------------------------===//

TEST(Formats, NF4TakesTheNearestNumber) {
  Problem p{4, 1, {2.0f, -2.0f, 0.05f, 0.2f}, {}};
  QuantizedMatrix q = quantize("nearest", p, WeightFormat::nf4(0));
  EXPECT_EQ(q.scales, std::vector<float>{2.0f});
  EXPECT_EQ(q.codes, (std::vector<uint8_t>{15, 0, 7, 8}));
}

TEST(Formats, FP4RoundsTiesToEven) {
  // The scale is 1. NUMERICS rule 13's numbers.
  Problem p{8, 1, {6, -3, -0.5f, 0.5f, 1.5f, 2.5f, 5, 0.25f}, {}};
  QuantizedMatrix q = quantize("nearest", p, WeightFormat::fp4(0));
  EXPECT_EQ(q.dequantize(),
            (std::vector<float>{6, -3, -0.5f, 0.5f, 1.5f, 2, 4, 0}));
}

TEST(Formats, MXFP4HasPowersOfTwo) {
  // floor(log2(7)) - 2 = 0, and 7 saturates.
  Problem p{4, 1, {7, 1, 24, 4}, {}};
  QuantizedMatrix q = quantize(
      "nearest", p, WeightFormat::fp4(2, WeightFormat::Scales::PowerOfTwo));
  EXPECT_EQ(q.scales, (std::vector<float>{1, 4}));
  EXPECT_EQ(q.dequantize(), (std::vector<float>{6, 1, 24, 4}));
}

TEST(Formats, NVFP4HasTwoLevels) {
  // The largest block has the scale 448 · t, t = 6 / 6 / 448.
  Problem p{4, 1, {6, 1, 0.75f, -0.75f}, {}};
  QuantizedMatrix q = quantize(
      "nearest", p, WeightFormat::fp4(2, WeightFormat::Scales::TwoLevelE4M3));
  EXPECT_FLOAT_EQ(q.scales[0], 1.0f);
  // 0.75 / 6 / t = 56, which E4M3 holds.
  EXPECT_FLOAT_EQ(q.scales[1], 0.125f);
}

TEST(Formats, FP8) {
  Problem p{3, 1, {448, 1.0625f, -3}, {}};
  QuantizedMatrix q = quantize("nearest", p, WeightFormat::fp8(false, 0));
  EXPECT_EQ(q.dequantize(), (std::vector<float>{448, 1, -3}));
}

//===- GPTQ ---------------------------------------------------------------===//

/// Optimal brain quantization in its plain form: after each row, the inverse of
/// the Gram matrix of the rows that remain is found by eliminating the one.
std::vector<float> quantizeByElimination(const Problem &problem, float scale,
                                         double damping) {
  int64_t k = problem.k, n = problem.n;
  std::vector<double> h = problem.gram, inverse(k * k, 0);
  double mean = 0;
  for (int64_t i = 0; i < k; ++i)
    mean += h[i * k + i] / k;
  for (int64_t i = 0; i < k; ++i) {
    h[i * k + i] += damping * mean;
    inverse[i * k + i] = 1;
  }
  // Gauss and Jordan.
  for (int64_t i = 0; i < k; ++i) {
    double pivot = h[i * k + i];
    for (int64_t j = 0; j < k; ++j) {
      h[i * k + j] /= pivot;
      inverse[i * k + j] /= pivot;
    }
    for (int64_t r = 0; r < k; ++r) {
      double factor = h[r * k + i];
      if (r == i)
        continue;
      for (int64_t j = 0; j < k; ++j) {
        h[r * k + j] -= factor * h[i * k + j];
        inverse[r * k + j] -= factor * inverse[i * k + j];
      }
    }
  }
  std::vector<double> w(problem.values.begin(), problem.values.end());
  std::vector<float> result(k * n);
  for (int64_t i = 0; i < k; ++i) {
    double diagonal = inverse[i * k + i];
    for (int64_t c = 0; c < n; ++c) {
      float q = float(std::nearbyint(float(w[i * n + c]) / scale));
      result[i * n + c] = std::min(std::max(q, -7.0f), 7.0f) * scale;
      double error = (w[i * n + c] - result[i * n + c]) / diagonal;
      for (int64_t j = i + 1; j < k; ++j)
        w[j * n + c] -= error * inverse[i * k + j];
    }
    std::vector<double> row(inverse.begin() + i * k,
                            inverse.begin() + (i + 1) * k);
    for (int64_t a = i + 1; a < k; ++a)
      for (int64_t b = i + 1; b < k; ++b)
        inverse[a * k + b] -= row[a] * row[b] / diagonal;
  }
  return result;
}

TEST(GPTQ, EqualsElimination) {
  Problem p = makeProblem(24, 5, 200);
  // A first row that fixes the scale of each column.
  for (int64_t c = 0; c < p.n; ++c)
    p.values[c] = 7;
  WeightMethodOptions options;
  options.actOrder = false;
  options.updateBlock = 7;
  options.damping = 0.01;
  options.sweeps = 0;
  QuantizedMatrix q =
      quantize("gptq", p, integers(4, RangeScheme::Restricted, 0), options);
  EXPECT_EQ(q.scales, std::vector<float>(5, 1.0f));
  EXPECT_EQ(q.dequantize(), quantizeByElimination(p, 1, options.damping));
}

TEST(GPTQ, IndependentInputsGiveNearest) {
  Problem p = makeProblem(16, 3, 0);
  for (int64_t i = 0; i < 16; ++i)
    p.gram[i * 16 + i] = 1 + i;
  for (bool actOrder : {false, true}) {
    WeightMethodOptions options;
    options.actOrder = actOrder;
    WeightFormat format = integers(3, RangeScheme::Asymmetric, 8);
    EXPECT_EQ(quantize("gptq", p, format, options).codes,
              quantize("nearest", p, format).codes);
  }
}

TEST(GPTQ, ErrorIsSmaller) {
  for (unsigned bits : {2u, 3u, 4u})
    for (int64_t blockSize : {0, 16, 48})
      for (bool actOrder : {false, true}) {
        Problem p = makeProblem(96, 8, 500, bits);
        WeightMethodOptions options;
        options.actOrder = actOrder;
        WeightFormat format =
            integers(bits, RangeScheme::Asymmetric, blockSize);
        EXPECT_LE(getError(p, quantize("gptq", p, format, options)),
                  0.8 * getError(p, quantize("nearest", p, format)));
      }
}

TEST(GPTQ, NoSingleCodeCouldBeBetter) {
  Problem p = makeProblem(40, 4, 300);
  WeightMethodOptions options;
  options.damping = 0.05;
  options.sweeps = 100;
  options.updateBlock = 16;
  for (unsigned bits : {2u, 4u}) {
    WeightFormat format = integers(bits, RangeScheme::Asymmetric, 20);
    QuantizedMatrix q = quantize("gptq", p, format, options);
    // What descent makes small: the inputs' Gram matrix, damped.
    Problem damped = p;
    double mean = 0;
    for (int64_t i = 0; i < p.k; ++i)
      mean += p.gram[i * p.k + i] / p.k;
    for (int64_t i = 0; i < p.k; ++i)
      damped.gram[i * p.k + i] += options.damping * mean;
    double error = getError(damped, q);
    for (uint8_t &code : q.codes)
      for (int step : {-1, 1}) {
        int changed = int8_t(code) + step;
        if (changed < -(1 << (bits - 1)) || changed >= 1 << (bits - 1))
          continue;
        uint8_t before = std::exchange(code, uint8_t(changed));
        EXPECT_GE(getError(damped, q), error * (1 - 1e-6));
        code = before;
      }
    options.sweeps = 0;
    EXPECT_LT(error, getError(damped, quantize("gptq", p, format, options)));
    options.sweeps = 100;
  }
}

TEST(GPTQ, FewTokensAreTrustedLess) {
  Problem p = makeProblem(32, 4, 100);
  WeightFormat format = integers(3, RangeScheme::Asymmetric, 16);
  WeightMethodOptions options;
  for (auto [tokens, damping] : {std::pair<uint64_t, double>{0, 0.01},
                                 {100, 0.48},
                                 {1, 1},
                                 {1000000, 0.01}}) {
    auto automatic = WeightMethod::create("gptq", {});
    options.damping = damping;
    auto found = (*automatic)->quantize(p.weights(), format, {p.gram, tokens});
    EXPECT_EQ(found->codes, quantize("gptq", p, format, options).codes);
  }
}

TEST(GPTQ, OneToken) {
  Problem p = makeProblem(32, 4, 1);
  WeightFormat format = integers(4, RangeScheme::Asymmetric, 16);
  QuantizedMatrix q = quantize("gptq", p, format);
  EXPECT_LE(getError(p, q), getError(p, quantize("nearest", p, format)));
}

TEST(GPTQ, InputsThatAreAlwaysZero) {
  Problem p = makeProblem(8, 2, 50);
  for (int64_t i = 0; i < 8; ++i)
    p.gram[3 * 8 + i] = p.gram[i * 8 + 3] = 0;
  QuantizedMatrix q =
      quantize("gptq", p, integers(4, RangeScheme::Asymmetric, 0));
  EXPECT_EQ(q.getReal(3, 0), 0);
  std::fill(p.gram.begin(), p.gram.end(), 0);
  q = quantize("gptq", p, integers(4, RangeScheme::Asymmetric, 0));
  for (float value : q.dequantize())
    EXPECT_TRUE(std::isfinite(value));
}

TEST(GPTQ, NeedsTheGramMatrix) {
  Problem p = makeProblem(8, 2, 5);
  p.gram.clear();
  EXPECT_EQ(getError("gptq", p, integers(4, RangeScheme::Restricted, 0)),
            "GPTQ needs the Gram matrix of the inputs: calibrate with "
            "--collect=gram");
  p.gram.assign(64, NAN);
  EXPECT_EQ(getError("gptq", p, integers(4, RangeScheme::Restricted, 0)),
            "the Gram matrix of the inputs is not finite");
}

//===- HQQ, clipping ------------------------------------------------------===//

double getNorm(const Problem &problem, const QuantizedMatrix &matrix,
               double norm) {
  double total = 0;
  std::vector<float> values = matrix.dequantize();
  for (size_t i = 0; i < values.size(); ++i)
    total += std::pow(std::fabs(values[i] - problem.values[i]), norm);
  return total;
}

TEST(HQQ, SmallerNormThanNearest) {
  for (unsigned bits : {2u, 3u, 4u}) {
    Problem p = makeProblem(128, 16, 0, bits);
    WeightFormat format = integers(bits, RangeScheme::Asymmetric, 64);
    QuantizedMatrix q = quantize("hqq", p, format);
    EXPECT_TRUE(q.hasFractionalZeroPoints);
    EXPECT_LT(getNorm(p, q, 0.7),
              getNorm(p, quantize("nearest", p, format), 0.7));
  }
}

TEST(HQQ, NoGroupHasALargerSquaredError) {
  for (unsigned bits : {2u, 3u, 4u}) {
    Problem p = makeProblem(96, 16, 0, bits);
    WeightFormat format = integers(bits, RangeScheme::Asymmetric, 32);
    std::vector<float> found = quantize("hqq", p, format).dequantize();
    std::vector<float> nearest = quantize("nearest", p, format).dequantize();
    for (int64_t first = 0; first < p.k; first += 32)
      for (int64_t c = 0; c < p.n; ++c) {
        double error = 0, bound = 0;
        for (int64_t i = first * p.n + c; i < (first + 32) * p.n; i += p.n) {
          error += std::pow(double(found[i]) - p.values[i], 2);
          bound += std::pow(double(nearest[i]) - p.values[i], 2);
        }
        EXPECT_LE(error, bound * (1 + 1e-6));
      }
  }
}

TEST(HQQ, NeedsZeroPoints) {
  Problem p = makeProblem(8, 2, 0);
  EXPECT_EQ(getError("hqq", p, integers(4, RangeScheme::Restricted, 0)),
            "HQQ moves zero points: it needs asymmetric integers");
}

TEST(Clip, NeverWorseInABlock) {
  Problem p = makeProblem(32, 8, 300);
  for (unsigned bits : {2u, 3u, 4u}) {
    WeightFormat format = integers(bits, RangeScheme::Asymmetric, 0);
    EXPECT_LE(getError(p, quantize("clip", p, format)),
              getError(p, quantize("nearest", p, format)));
  }
}

TEST(Clip, GroupsMakeUpForEachOther) {
  Problem p = makeProblem(96, 16, 400);
  for (RangeScheme scheme :
       {RangeScheme::Asymmetric, RangeScheme::Restricted}) {
    WeightFormat format = integers(3, scheme, 16);
    WeightMethodOptions options;
    options.clipSweeps = 0;
    double alone = getError(p, quantize("clip", p, format, options));
    EXPECT_LE(alone, getError(p, quantize("nearest", p, format)));
    options.clipSweeps = 2;
    EXPECT_LT(getError(p, quantize("clip", p, format, options)), 0.8 * alone);
  }
}

/// Only the relation of inputs to each other counts.
TEST(Clip, InputsOfAnySize) {
  Problem p = makeProblem(64, 4, 100);
  WeightFormat format = integers(3, RangeScheme::Asymmetric, 32);
  std::vector<float> expected = quantize("clip", p, format).dequantize();
  for (double size : {1e-45, 1e42}) {
    Problem scaled = p;
    for (double &product : scaled.gram)
      product *= size;
    EXPECT_EQ(quantize("clip", scaled, format).dequantize(), expected);
  }
  p.gram.assign(64 * 64, NAN);
  EXPECT_EQ(getError("clip", p, format),
            "the Gram matrix of the inputs is not finite");
}

TEST(Clip, WithoutDataTheWeightsDecide) {
  Problem p = makeProblem(64, 4, 0);
  p.gram.clear();
  WeightFormat format = integers(2, RangeScheme::Asymmetric, 32);
  EXPECT_LT(getNorm(p, quantize("clip", p, format), 2),
            getNorm(p, quantize("nearest", p, format), 2));
}

//===- columns ------------------------------------------------------------===//

/// More columns than one thread takes at a time: each has the codes that it has
/// as a matrix of its own.
TEST(Columns, AreIndependent) {
  Problem p = makeProblem(48, 300, 100);
  WeightFormat levels = integers(4, RangeScheme::Asymmetric, 16);
  levels.scales = WeightFormat::Scales::SuperBlocks;
  std::pair<const char *, WeightFormat> cases[] = {
      {"nearest", integers(4, RangeScheme::Restricted, 16)},
      {"nearest", WeightFormat::nf4(16)},
      {"nearest", levels},
      {"hqq", integers(3, RangeScheme::Asymmetric, 16)},
      {"gptq", integers(3, RangeScheme::Asymmetric, 16)},
      {"clip", integers(3, RangeScheme::Asymmetric, 16)}};
  for (const auto &[method, format] : cases) {
    QuantizedMatrix all = quantize(method, p, format);
    std::vector<float> values = all.dequantize();
    for (int64_t column : {0, 127, 128, 299}) {
      Problem one{p.k, 1, {}, p.gram};
      for (int64_t row = 0; row < p.k; ++row)
        one.values.push_back(p.values[row * p.n + column]);
      QuantizedMatrix alone = quantize(method, one, format);
      std::vector<float> expected = alone.dequantize();
      for (int64_t row = 0; row < p.k; ++row) {
        EXPECT_EQ(all.codes[row * p.n + column], alone.codes[row])
            << method << ", column " << column;
        EXPECT_EQ(values[row * p.n + column], expected[row]);
      }
    }
  }
}

TEST(Columns, OneErrorOfMany) {
  Problem p = makeProblem(8, 300, 20);
  for (float &w : p.values)
    w = NAN;
  EXPECT_EQ(getError("nearest", p, integers(4, RangeScheme::Restricted, 0)),
            "a weight is NaN or infinite");
}

} // namespace
