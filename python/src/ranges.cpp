//===- ranges.cpp - Range methods and scales for Python -------------------===//

#include "ranges.h"

#include "quantc/Quantization/Ranges.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace quantc;

/// Raises a ValueError.
[[noreturn]] static void raise(llvm::Error error) {
  throw nb::value_error(llvm::toString(std::move(error)).c_str());
}

static QuantizationGrid makeGrid(unsigned bits, bool isSigned,
                                 const std::string &scheme) {
  QuantizationGrid grid{bits, isSigned, RangeScheme::Asymmetric};
  if (bits < 2 || bits > 16)
    throw nb::value_error("bits must be from 2 to 16");
  if (scheme == "symmetric")
    grid.scheme = RangeScheme::Symmetric;
  else if (scheme == "restricted")
    grid.scheme = RangeScheme::Restricted;
  else if (scheme != "asymmetric")
    throw nb::value_error("scheme must be asymmetric, symmetric or restricted");
  return grid;
}

static std::unique_ptr<RangeMethod> makeMethod(const std::string &text) {
  llvm::Expected<std::unique_ptr<RangeMethod>> method =
      RangeMethod::parse(text);
  if (!method)
    raise(method.takeError());
  return std::move(*method);
}

using Choice = std::tuple<float, float, float, int64_t>;

static Choice choose(llvm::Expected<Distribution> numbers,
                     const QuantizationGrid &grid, const RangeMethod &method) {
  if (!numbers)
    raise(numbers.takeError());
  Range range = method.choose(*numbers, grid);
  ScaleAndZeroPoint scale = computeScale(range, grid);
  return {range.min, range.max, scale.scale, scale.zeroPoint};
}

void addRanges(nb::module_ &m) {
  using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig>;
  m.def("compute_scale", [](float min, float max, unsigned bits, bool isSigned,
                            const std::string &scheme) {
    ScaleAndZeroPoint scale =
        computeScale({min, max}, makeGrid(bits, isSigned, scheme));
    return std::make_tuple(scale.scale, scale.zeroPoint);
  });
  m.def("choose_range", [](const Floats &values, const std::string &method,
                           unsigned bits, bool isSigned,
                           const std::string &scheme) {
    return choose(
        Distribution::fromValues(llvm::ArrayRef(values.data(), values.size())),
        makeGrid(bits, isSigned, scheme), *makeMethod(method));
  });
  m.def("choose_ranges",
        [](const std::string &path, const std::vector<std::string> &names,
           const std::string &method, unsigned bits, bool isSigned,
           const std::string &scheme) {
          llvm::Expected<Statistics> statistics = Statistics::load(path);
          if (!statistics)
            raise(statistics.takeError());
          std::vector<llvm::StringRef> wanted(names.begin(), names.end());
          if (llvm::Error error = statistics->require(wanted))
            raise(std::move(error));
          QuantizationGrid grid = makeGrid(bits, isSigned, scheme);
          std::unique_ptr<RangeMethod> chosen = makeMethod(method);
          std::vector<Choice> choices;
          for (const std::string &name : names)
            choices.push_back(
                choose(Distribution::fromStatistics(*statistics->find(name)),
                       grid, *chosen));
          return choices;
        });
}
