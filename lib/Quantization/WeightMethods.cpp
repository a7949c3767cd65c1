//===- WeightMethods.cpp - Round to nearest, clip, and the registry -------===//

#include "WeightMethodImpl.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace quantc;
using llvm::ArrayRef;
using llvm::Expected;
using llvm::StringRef;

llvm::Error quantc::forEachGroup(
    const WeightMatrix &weights, int64_t blockSize,
    llvm::function_ref<llvm::Error(int64_t, int64_t, ArrayRef<float>)> call) {
  std::vector<float> values;
  for (int64_t first = 0; first < weights.k; first += blockSize) {
    int64_t count = std::min(blockSize, weights.k - first);
    values.resize(count);
    for (int64_t column = 0; column < weights.n; ++column) {
      for (int64_t i = 0; i < count; ++i)
        values[i] = weights.values[(first + i) * weights.n + column];
      if (llvm::Error error = call(first, column, values))
        return error;
    }
  }
  return llvm::Error::success();
}

std::vector<double> quantc::getImportance(GramMatrix gram, int64_t k,
                                          int64_t first, int64_t count) {
  std::vector<double> importance;
  if (gram.empty())
    return importance;
  bool isDiagonal = int64_t(gram.size()) == k;
  for (int64_t i = first; i < first + count; ++i)
    importance.push_back(gram[isDiagonal ? i : i * k + i]);
  return importance;
}

namespace {

/// Each weight becomes the nearest number of its group.
class Nearest : public WeightMethod {
public:
  explicit Nearest(const WeightMethodOptions &options) : options(options) {}

  Expected<QuantizedMatrix> quantize(const WeightMatrix &weights,
                                     const WeightFormat &format,
                                     GramMatrix gram) const override {
    GroupQuantizer quantizer(format, options, weights);
    QuantizedMatrix result = quantizer.createResult(weights);
    auto choose = [&](int64_t first, int64_t column,
                      ArrayRef<float> values) -> llvm::Error {
      Expected<GroupParameters> parameters =
          chooseParameters(quantizer, first, values, gram, weights.k);
      if (!parameters)
        return parameters.takeError();
      setGroup(result, first, column, *parameters);
      return llvm::Error::success();
    };
    if (llvm::Error error = forEachGroup(weights, result.blockSize, choose))
      return std::move(error);
    quantizer.storeLevels(result);
    for (int64_t row = 0; row < weights.k; ++row)
      for (int64_t column = 0; column < weights.n; ++column) {
        int64_t i = row * weights.n + column;
        result.codes[i] =
            quantizer.round(weights.values[i], getGroup(result, row, column));
      }
    return result;
  }

protected:
  virtual Expected<GroupParameters>
  chooseParameters(const GroupQuantizer &quantizer, int64_t first,
                   ArrayRef<float> values, GramMatrix gram, int64_t k) const {
    return quantizer.chooseBest(
        values, getImportance(gram, k, first, int64_t(values.size())));
  }

  WeightMethodOptions options;
};

/// The range is shrunk as far as the error gets smaller: of the products, if
/// the inputs' Gram matrix is known, otherwise of the weights. AWQ's clipping
/// (arXiv 2306.00978, section 4.1).
class Clip : public Nearest {
public:
  using Nearest::Nearest;
  bool usesGram() const override { return true; }

protected:
  Expected<GroupParameters> chooseParameters(const GroupQuantizer &quantizer,
                                             int64_t first,
                                             ArrayRef<float> values,
                                             GramMatrix gram,
                                             int64_t k) const override {
    GroupParameters best;
    double smallest = std::numeric_limits<double>::infinity();
    std::vector<double> errors(values.size());
    for (int64_t step = 0; step <= options.clipSteps; ++step) {
      double clip =
          1 - (1 - options.smallestClip) * step / double(options.clipSteps);
      Expected<GroupParameters> parameters =
          quantizer.choose(values, float(clip));
      if (!parameters)
        return parameters.takeError();
      for (auto [i, value] : llvm::enumerate(values))
        errors[i] =
            double(value) -
            quantizer.getReal(quantizer.round(value, *parameters), *parameters);
      double error = measure(errors, first, gram, k);
      // Of equals, the widest range.
      if (error < smallest) {
        smallest = error;
        best = *parameters;
      }
    }
    return best;
  }

private:
  static double measure(ArrayRef<double> errors, int64_t first, GramMatrix gram,
                        int64_t k) {
    double total = 0;
    for (auto [i, error] : llvm::enumerate(errors)) {
      double sum = error;
      if (int64_t(gram.size()) == k * k) {
        sum = 0;
        const double *row = gram.data() + (first + i) * k + first;
        for (size_t j = 0; j < errors.size(); ++j)
          sum += row[j] * errors[j];
      }
      total += error * sum;
    }
    return total;
  }
};

template <typename Method>
std::unique_ptr<WeightMethod> make(const WeightMethodOptions &options) {
  return std::make_unique<Method>(options);
}

struct Entry {
  StringRef name;
  std::unique_ptr<WeightMethod> (*create)(const WeightMethodOptions &);
};
} // namespace

static const Entry entries[] = {{"nearest", make<Nearest>},
                                {"clip", make<Clip>},
                                {"gptq", createGPTQ},
                                {"hqq", createHQQ}};

Expected<std::unique_ptr<WeightMethod>>
WeightMethod::create(StringRef name, const WeightMethodOptions &options) {
  std::vector<StringRef> names;
  for (const Entry &entry : entries) {
    if (entry.name == name)
      return entry.create(options);
    names.push_back(entry.name);
  }
  return llvm::createStringError("there is no way '" + name +
                                 "' to round weights; there are " +
                                 llvm::join(names, ", "));
}
