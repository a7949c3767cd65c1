//===- Equalization.cpp - Factors between consecutive layers --------------===//

#include "quantc/Quantization/Equalization.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace quantc;

/// The largest weight of each output channel, or of each input channel.
static void extend(const LayerMagnitudes &layer, bool ofInputs,
                   std::vector<float> &largest) {
  layer.forEachPair([&](int64_t output, int64_t input, size_t at) {
    float &most = largest[ofInputs ? input : output];
    most = std::max(most, layer.largest[at]);
  });
}

std::vector<std::vector<float>>
quantc::equalizeLayers(std::vector<LayerMagnitudes> layers,
                       llvm::ArrayRef<EqualizedLink> links, int64_t steps) {
  std::vector<std::vector<double>> total;
  for (const EqualizedLink &link : links)
    total.emplace_back(layers[link.producer].outputs, 1.0);
  // Ranges within half a percent of each other are alike.
  constexpr double tolerance = 0.005;
  for (int64_t step = 0; step < steps; ++step) {
    double change = 0;
    for (auto [link, factors] : llvm::zip_equal(links, total)) {
      LayerMagnitudes &producer = layers[link.producer];
      std::vector<float> before(producer.outputs, 0), after(before);
      extend(producer, false, before);
      for (size_t consumer : link.consumers)
        extend(layers[consumer], true, after);
      std::vector<double> s(producer.outputs, 1.0);
      for (auto [factor, out, in] : llvm::zip_equal(s, before, after)) {
        double found = out > 0 && in > 0 ? std::sqrt(double(out) / in) : 1;
        if (std::isnormal(float(found)))
          factor = found;
        change = std::max(change, std::fabs(std::log(factor)));
      }
      producer.forEachPair([&](int64_t output, int64_t, size_t at) {
        producer.largest[at] = float(producer.largest[at] / s[output]);
      });
      for (size_t consumer : link.consumers)
        layers[consumer].forEachPair([&](int64_t, int64_t input, size_t at) {
          float &w = layers[consumer].largest[at];
          w = float(w * s[input]);
        });
      for (auto [sum, factor] : llvm::zip_equal(factors, s))
        sum *= factor;
    }
    if (change < tolerance)
      break;
  }
  std::vector<std::vector<float>> result;
  for (const std::vector<double> &factors : total) {
    std::vector<float> &rounded = result.emplace_back();
    for (double factor : factors)
      rounded.push_back(std::isnormal(float(factor)) ? float(factor) : 1);
  }
  return result;
}
