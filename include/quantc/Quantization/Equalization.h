//===- Equalization.h - Factors between consecutive layers -----*- C++ -*-===//
//
// f(W1 · x) · W2 = f(W1 · x / s) · (s · W2) if f(c · x) = c · f(x): numbers s >
// 0, one for each channel between two layers, that make the ranges of the
// weights on both sides alike (Nagel et al.: Data-Free Quantization Through
// Weight Equalization and Bias Correction, ICCV 2019).
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_EQUALIZATION_H
#define QUANTC_QUANTIZATION_EQUALIZATION_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <vector>

namespace quantc {

/// The weights of a layer, as far as factors of its channels concern them.
struct LayerMagnitudes {
  /// Output channels, groups that they are divided into, and how many input
  /// channels a group has: input c belongs to group c / inputs.
  int64_t outputs = 0, groups = 1, inputs = 0;
  /// outputs × inputs: the largest |w| between an output and an input of its
  /// group.
  std::vector<float> largest;

  /// Calls with each output and each input channel that meet, and their
  /// position in `largest`.
  template <typename Call> void forEachPair(Call call) const {
    int64_t perGroup = outputs / groups;
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t i = 0; i < inputs; ++i)
        call(o, o / perGroup * inputs + i, size_t(o * inputs + i));
  }
};

/// A value between layers: the outputs of one, the inputs of others.
struct EqualizedLink {
  size_t producer = 0;
  llvm::SmallVector<size_t> consumers;
};

/// For each link the numbers that its channels are to be divided by. Links are
/// adjusted one after the other until nothing changes any more, or `steps`
/// times. Channels without weights on one side keep 1.
std::vector<std::vector<float>>
equalizeLayers(std::vector<LayerMagnitudes> layers,
               llvm::ArrayRef<EqualizedLink> links, int64_t steps);

} // namespace quantc

#endif // QUANTC_QUANTIZATION_EQUALIZATION_H
