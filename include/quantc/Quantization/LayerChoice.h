//===- LayerChoice.h - Which layers to quantize, within a budget *- C++ -*-===//
#ifndef QUANTC_QUANTIZATION_LAYERCHOICE_H
#define QUANTC_QUANTIZATION_LAYERCHOICE_H

#include "llvm/ADT/ArrayRef.h"

#include <optional>
#include <vector>

namespace quantc {

/// One form of a layer (float, 8 bits, ...): what it adds to the model.
struct LayerOption {
  /// Noise at each output of the model if only this layer has this form, as a
  /// part of the output's power. Noises of layers add up.
  std::vector<double> noise;
  double bytes = 0, seconds = 0;
  bool isPossible = true;
};

/// What a model must keep to; losses are the root of the noise at the worst
/// output.
struct TuneBudget {
  std::optional<double> loss, bytes, seconds;
};

/// What to gain where only a loss is given.
enum class TuneGoal { Seconds, Bytes };

struct ModelCost {
  double loss = 0, bytes = 0, seconds = 0;
  bool meets(const TuneBudget &budget) const;
};

/// The forms of all layers; the first of each is the one to start from.
class LayerChoice {
public:
  /// `bytes` and `seconds` are those of the rest of the model.
  LayerChoice(std::vector<std::vector<LayerOption>> layers, double bytes,
              double seconds)
      : layers(std::move(layers)), bytes(bytes), seconds(seconds) {}

  /// Chooses a form for each layer. From the first forms on, always the change
  /// that gains most for the noise it adds, as long as the loss allows it and
  /// the other budgets are not met (or, without those, as long as there is a
  /// gain). A change that gains nothing is never made, and one that turns out
  /// to be unnecessary is taken back.
  std::vector<unsigned> choose(const TuneBudget &budget, TuneGoal goal) const;

  /// What the model would cost.
  ModelCost predict(llvm::ArrayRef<unsigned> choice) const;

private:
  void takeBack(std::vector<unsigned> &choice, const TuneBudget &budget) const;

  std::vector<std::vector<LayerOption>> layers;
  double bytes, seconds;
};

} // namespace quantc

#endif // QUANTC_QUANTIZATION_LAYERCHOICE_H
