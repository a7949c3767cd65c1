//===- weights.cpp - Weight methods for Python ----------------------------===//

#include "weights.h"

#include "quantc/Quantization/WeightRecipes.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

namespace nb = nanobind;
using namespace quantc;

/// An array of its own for Python.
template <typename Result, typename T>
static nb::object toArray(llvm::ArrayRef<T> values, size_t rows,
                          size_t columns) {
  auto *copy = new Result[values.size()];
  std::copy(values.begin(), values.end(), copy);
  nb::capsule owner(
      copy, [](void *data) noexcept { delete[] static_cast<Result *>(data); });
  return nb::cast(nb::ndarray<nb::numpy, Result, nb::ndim<2>>(
      copy, {rows, columns}, owner));
}

void addWeights(nb::module_ &m) {
  using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig>;
  using Gram = nb::ndarray<const double, nb::c_contig>;
  m.def(
      "quantize_matrix",
      [](const Matrix &weights, const std::string &name, const Gram &gram,
         uint64_t tokens) {
        auto raise = [](llvm::Error error) {
          throw nb::value_error(llvm::toString(std::move(error)).c_str());
        };
        llvm::Expected<Recipe> recipe = Recipe::load(name);
        if (!recipe)
          raise(recipe.takeError());
        int64_t k = int64_t(weights.shape(0)), n = int64_t(weights.shape(1));
        if (gram.size() != 0 && int64_t(gram.size()) != k &&
            int64_t(gram.size()) != k * k)
          throw nb::value_error("gram must be [k, k], or its diagonal [k]");
        llvm::Expected<QuantizedMatrix> matrix = quantizeMatrix(
            {llvm::ArrayRef(weights.data(), weights.size()), k, n},
            recipe->weights,
            {llvm::ArrayRef(gram.data(), gram.size()), tokens});
        if (!matrix)
          raise(matrix.takeError());
        nb::dict result;
        size_t rows = weights.shape(0), columns = weights.shape(1);
        auto addParameters = [&](const char *key, auto &&values) {
          using T = std::decay_t<decltype(values[0])>;
          if (!values.empty())
            result[key] = toArray<T, T>(
                values, columns ? values.size() / columns : 0, columns);
        };
        if (matrix->isSigned) {
          llvm::ArrayRef<uint8_t> codes = matrix->codes;
          result["codes"] = toArray<int8_t, uint8_t>(codes, rows, columns);
        } else {
          llvm::ArrayRef<uint8_t> codes = matrix->codes;
          result["codes"] = toArray<uint8_t, uint8_t>(codes, rows, columns);
        }
        addParameters("scales", llvm::ArrayRef(matrix->scales));
        addParameters("zero_points", llvm::ArrayRef(matrix->zeroPoints));
        addParameters("scale_codes", llvm::ArrayRef(matrix->levels.scales));
        addParameters("scale_factors",
                      llvm::ArrayRef(matrix->levels.scaleFactors));
        addParameters("offset_codes", llvm::ArrayRef(matrix->levels.offsets));
        addParameters("offset_factors",
                      llvm::ArrayRef(matrix->levels.offsetFactors));
        std::vector<float> values = matrix->dequantize();
        result["values"] =
            toArray<float, float>(llvm::ArrayRef(values), rows, columns);
        return result;
      },
      nb::arg("weights"), nb::arg("recipe"), nb::arg("gram"),
      nb::arg("tokens"));
}
