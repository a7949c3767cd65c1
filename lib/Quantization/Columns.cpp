//===- Columns.cpp - Columns of a matrix side by side ---------------------===//

#include "Columns.h"

#include "llvm/ADT/Sequence.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Parallel.h"

#include <algorithm>
#include <optional>

using namespace quantc;
using llvm::Error;
using llvm::Expected;

/// Enough for products of matrices to reuse what they read, few enough for all
/// threads to have some.
static constexpr int64_t kPartColumns = 128;

Error quantc::forEachPart(int64_t numColumns,
                          llvm::function_ref<Error(int64_t, int64_t)> work) {
  std::vector<std::optional<Error>> errors(
      llvm::divideCeil(numColumns, kPartColumns));
  llvm::parallelFor(0, errors.size(), [&](size_t part) {
    int64_t first = int64_t(part) * kPartColumns;
    errors[part].emplace(
        work(first, std::min(first + kPartColumns, numColumns)));
  });
  Error result = Error::success();
  for (std::optional<Error> &error : errors) {
    if (result)
      llvm::consumeError(std::move(*error));
    else
      result = std::move(*error);
  }
  return result;
}

/// Writes the columns of `part` to those of `whole`, both row-major, from
/// `first` on.
template <typename T>
static void insertColumns(const std::vector<T> &part, int64_t partColumns,
                          std::vector<T> &whole, int64_t wholeColumns,
                          int64_t first) {
  int64_t numRows = int64_t(part.size()) / partColumns;
  whole.resize(numRows * wholeColumns);
  for (int64_t row = 0; row < numRows; ++row)
    std::copy_n(part.begin() + row * partColumns, partColumns,
                whole.begin() + row * wholeColumns + first);
}

static void insertColumns(const QuantizedMatrix &part, int64_t first,
                          QuantizedMatrix &whole) {
  auto insert = [&](const auto &from, auto &to) {
    insertColumns(from, part.n, to, whole.n, first);
  };
  insert(part.codes, whole.codes);
  insert(part.scales, whole.scales);
  insert(part.zeroPoints, whole.zeroPoints);
  insert(part.levels.scales, whole.levels.scales);
  insert(part.levels.offsets, whole.levels.offsets);
  insert(part.levels.scaleFactors, whole.levels.scaleFactors);
  insert(part.levels.offsetFactors, whole.levels.offsetFactors);
  whole.hasFractionalZeroPoints |= part.hasFractionalZeroPoints;
}

Expected<QuantizedMatrix> quantc::quantizeColumns(
    const WeightMatrix &weights, const GroupQuantizer &quantizer,
    llvm::function_ref<Error(const WeightMatrix &, QuantizedMatrix &)>
        quantize) {
  std::vector<std::pair<int64_t, QuantizedMatrix>> parts(
      llvm::divideCeil(weights.n, kPartColumns));
  auto quantizePart = [&](int64_t first, int64_t end) -> Error {
    std::vector<float> values;
    values.reserve(weights.k * (end - first));
    for (int64_t row = 0; row < weights.k; ++row)
      llvm::append_range(
          values, weights.values.slice(row * weights.n + first, end - first));
    WeightMatrix part{values, weights.k, end - first};
    auto &[column, result] = parts[first / kPartColumns];
    column = first;
    result = quantizer.createResult(part);
    return quantize(part, result);
  };
  if (Error error = forEachPart(weights.n, quantizePart))
    return std::move(error);
  QuantizedMatrix result = quantizer.createResult(weights);
  for (const auto &[first, part] : parts)
    insertColumns(part, first, result);
  return result;
}
