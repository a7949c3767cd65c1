//===- WeightMethods.cpp - Round to nearest, and the registry - -------===//

#include "Columns.h"
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

double quantc::getMeanDiagonal(GramMatrix gram, int64_t k) {
  double mean = 0;
  for (int64_t i = 0; i < k; ++i)
    mean += gram[i * k + i] / double(k);
  return mean <= 0 ? 1 : mean;
}

double quantc::getDamping(GramMatrix gram, int64_t k) {
  constexpr double least = 0.01, perInput = 1.5;
  if (!gram.numTokens)
    return least;
  return std::clamp(perInput * double(k) / double(gram.numTokens), least, 1.0);
}

void quantc::roundToNearest(const WeightMatrix &weights,
                            const GroupQuantizer &quantizer,
                            QuantizedMatrix &result) {
  for (int64_t row = 0; row < weights.k; ++row)
    for (int64_t column = 0; column < weights.n; ++column) {
      int64_t i = row * weights.n + column;
      result.codes[i] =
          quantizer.round(weights.values[i], getGroup(result, row, column));
    }
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
    return quantizeColumns(
        weights, quantizer,
        [&](const WeightMatrix &part, QuantizedMatrix &result) {
          return quantizePart(part, quantizer, gram, result);
        });
  }

private:
  static llvm::Error quantizePart(const WeightMatrix &weights,
                                  const GroupQuantizer &quantizer,
                                  GramMatrix gram, QuantizedMatrix &result) {
    std::vector<double> importance =
        getImportance(gram, weights.k, 0, weights.k);
    auto choose = [&](int64_t first, int64_t column,
                      ArrayRef<float> values) -> llvm::Error {
      ArrayRef<double> own = importance;
      if (!own.empty())
        own = own.slice(first, values.size());
      Expected<GroupParameters> parameters = quantizer.chooseBest(values, own);
      if (!parameters)
        return parameters.takeError();
      setGroup(result, first, column, *parameters);
      return llvm::Error::success();
    };
    if (llvm::Error error = forEachGroup(weights, result.blockSize, choose))
      return error;
    quantizer.storeLevels(result);
    roundToNearest(weights, quantizer, result);
    return llvm::Error::success();
  }

  WeightMethodOptions options;
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
                                {"clip", createClip},
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
