//===- LayerChoiceTest.cpp - Layers within a budget -----------------------===//

#include "quantc/Quantization/LayerChoice.h"

#include "gtest/gtest.h"

using namespace quantc;

namespace {
using Choice = std::vector<unsigned>;

LayerOption form(double noise, double bytes, double seconds) {
  LayerOption option;
  option.noise = {noise};
  option.bytes = bytes;
  option.seconds = seconds;
  return option;
}

/// Three layers: good to quantize, noisy, and slower as integers.
LayerChoice makeModel() {
  return LayerChoice({{form(0, 400, 10), form(0.0001, 100, 4)},
                      {form(0, 400, 10), form(0.04, 100, 4)},
                      {form(0, 40, 1), form(0.0001, 10, 2)}},
                     /*bytes=*/100, /*seconds=*/5);
}

TEST(LayerChoice, SumsNoiseAndCosts) {
  ModelCost cost = makeModel().predict({1, 0, 1});
  EXPECT_NEAR(cost.loss, std::sqrt(0.0002), 1e-12);
  EXPECT_DOUBLE_EQ(cost.bytes, 100 + 100 + 400 + 10);
  EXPECT_DOUBLE_EQ(cost.seconds, 5 + 4 + 10 + 2);
}

TEST(LayerChoice, SlowIntegersStayFloat) {
  TuneBudget budget;
  budget.loss = 1;
  EXPECT_EQ(makeModel().choose(budget, TuneGoal::Seconds), (Choice{1, 1, 0}));
  EXPECT_EQ(makeModel().choose(budget, TuneGoal::Bytes), (Choice{1, 1, 1}));
}

TEST(LayerChoice, KeepsToTheLoss) {
  TuneBudget budget;
  budget.loss = 0.1;
  EXPECT_EQ(makeModel().choose(budget, TuneGoal::Seconds), (Choice{1, 0, 0}));
  budget.loss = 0.001;
  EXPECT_EQ(makeModel().choose(budget, TuneGoal::Seconds), (Choice{0, 0, 0}));
}

TEST(LayerChoice, StopsWhenTheBudgetIsMet) {
  TuneBudget budget;
  budget.bytes = 700;
  EXPECT_EQ(makeModel().choose(budget, TuneGoal::Seconds), (Choice{1, 0, 0}));
  budget.bytes = 400;
  EXPECT_EQ(makeModel().choose(budget, TuneGoal::Seconds), (Choice{1, 1, 0}));
  TuneBudget time;
  time.seconds = 20;
  EXPECT_EQ(makeModel().choose(time, TuneGoal::Seconds), (Choice{1, 0, 0}));
}

TEST(LayerChoice, TheWorstOutputCounts) {
  LayerOption noisy = form(0, 1, 1);
  noisy.noise = {0.0001, 0.09};
  LayerOption quiet = form(0, 1, 1);
  quiet.noise = {0.01, 0};
  LayerOption before = form(0, 2, 2);
  before.noise = {0, 0};
  LayerChoice model({{before, noisy}, {before, quiet}}, 0, 0);
  EXPECT_NEAR(model.predict({1, 1}).loss, 0.3, 1e-12);
  TuneBudget budget;
  budget.loss = 0.2;
  EXPECT_EQ(model.choose(budget, TuneGoal::Seconds), (Choice{0, 1}));
}

TEST(LayerChoice, ImpossibleFormsAreNotChosen) {
  LayerOption none = form(0, 0, 0);
  none.isPossible = false;
  LayerChoice model({{form(0, 8, 8), none, form(0.01, 4, 4)}}, 0, 0);
  TuneBudget budget;
  budget.bytes = 1;
  EXPECT_EQ(model.choose(budget, TuneGoal::Seconds), (Choice{2}));
}

TEST(LayerChoice, FewerBitsFollowMore) {
  LayerChoice model({{form(0, 8, 8), form(0.01, 2, 4), form(0.02, 1, 4)}}, 0,
                    0);
  TuneBudget budget;
  budget.bytes = 2;
  EXPECT_EQ(model.choose(budget, TuneGoal::Seconds), (Choice{1}));
  budget.bytes = 1;
  EXPECT_EQ(model.choose(budget, TuneGoal::Seconds), (Choice{2}));
}
} // namespace
