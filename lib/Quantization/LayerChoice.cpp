//===- LayerChoice.cpp - Which layers to quantize, within a budget --------===//

#include "quantc/Quantization/LayerChoice.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>

using namespace quantc;

bool ModelCost::meets(const TuneBudget &budget) const {
  return !(budget.loss && loss > *budget.loss) &&
         !(budget.bytes && bytes > *budget.bytes) &&
         !(budget.seconds && seconds > *budget.seconds);
}

ModelCost LayerChoice::predict(llvm::ArrayRef<unsigned> choice) const {
  ModelCost cost{0, bytes, seconds};
  std::vector<double> noise;
  for (auto [layer, form] : llvm::zip_equal(layers, choice)) {
    const LayerOption &option = layer[form];
    noise.resize(std::max(noise.size(), option.noise.size()), 0);
    for (auto [sum, more] : llvm::zip(noise, option.noise))
      sum += more;
    cost.bytes += option.bytes;
    cost.seconds += option.seconds;
  }
  if (!noise.empty())
    cost.loss = std::sqrt(*llvm::max_element(noise));
  return cost;
}

/// What a change brings nearer to the goals, in parts of what is wanted.
static double getGain(const ModelCost &from, const ModelCost &to,
                      const TuneBudget &budget, TuneGoal goal) {
  double gain = 0;
  // Smaller differences of time are the clock's.
  constexpr double noticeable = 1e-3;
  auto add = [&](double before, double after, double wanted) {
    // More than what is wanted counts for nothing.
    if (before > wanted)
      gain += (before - std::max(after, wanted)) / (before - wanted);
  };
  if (budget.bytes)
    add(from.bytes, to.bytes, *budget.bytes);
  if (budget.seconds)
    add(from.seconds, to.seconds, *budget.seconds);
  if (budget.bytes || budget.seconds)
    return gain;
  if (goal == TuneGoal::Bytes)
    return (from.bytes - to.bytes) / from.bytes;
  gain = (from.seconds - to.seconds) / from.seconds;
  return gain < noticeable ? 0 : gain;
}

/// Undoes what later changes made unnecessary, from the noisiest on.
void LayerChoice::takeBack(std::vector<unsigned> &choice,
                           const TuneBudget &budget) const {
  if (!predict(choice).meets(budget))
    return;
  for (;;) {
    double loss = predict(choice).loss;
    std::optional<std::vector<unsigned>> best;
    for (size_t i = 0; i < layers.size(); ++i) {
      std::vector<unsigned> without = choice;
      without[i] = 0;
      ModelCost cost = predict(without);
      if (choice[i] == 0 || !cost.meets(budget) || cost.loss >= loss)
        continue;
      loss = cost.loss;
      best = without;
    }
    if (!best)
      return;
    choice = *best;
  }
}

std::vector<unsigned> LayerChoice::choose(const TuneBudget &budget,
                                          TuneGoal goal) const {
  std::vector<unsigned> choice(layers.size(), 0);
  ModelCost now = predict(choice);
  for (;;) {
    double best = 0;
    std::optional<std::pair<size_t, unsigned>> change;
    for (size_t i = 0; i < layers.size(); ++i)
      for (unsigned form = 0; form < layers[i].size(); ++form) {
        if (form == choice[i] || !layers[i][form].isPossible)
          continue;
        std::vector<unsigned> changed = choice;
        changed[i] = form;
        ModelCost then = predict(changed);
        if (budget.loss && then.loss > *budget.loss)
          continue;
        double gain = getGain(now, then, budget, goal);
        if (gain <= 0)
          continue;
        // One that adds no noise is as good as can be.
        double noise = then.loss * then.loss - now.loss * now.loss;
        double value = gain / std::max(noise, 1e-30);
        if (value > best) {
          best = value;
          change = {i, form};
        }
      }
    if (!change)
      break;
    choice[change->first] = change->second;
    now = predict(choice);
  }
  if (budget.bytes || budget.seconds)
    takeBack(choice, budget);
  return choice;
}
