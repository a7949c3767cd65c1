//===- RecipeTest.cpp - Recipes from names and YAML, and back -------------===//

#include "quantc/Quantization/Recipe.h"

#include "gtest/gtest.h"

using namespace quantc;

static Recipe named(llvm::StringRef name) {
  llvm::Expected<Recipe> recipe = Recipe::fromName(name);
  EXPECT_TRUE(bool(recipe)) << name.str();
  return recipe ? *recipe : (llvm::consumeError(recipe.takeError()), Recipe());
}

static Recipe parsed(llvm::StringRef text) {
  llvm::Expected<Recipe> recipe = Recipe::fromYAML(text);
  if (recipe)
    return *recipe;
  ADD_FAILURE() << llvm::toString(recipe.takeError());
  return Recipe();
}

static std::string errorOf(llvm::StringRef text) {
  llvm::Expected<Recipe> recipe = Recipe::load(text);
  return recipe ? "" : llvm::toString(recipe.takeError());
}

/// Expects an error with this in it.
static void expectError(llvm::StringRef text, llvm::StringRef part) {
  std::string error = errorOf(text);
  EXPECT_NE(error.find(part), std::string::npos)
      << text.str() << " gives: " << error;
}

TEST(RecipeName, Parts) {
  Recipe r = named("w8a8");
  EXPECT_EQ(r.weights.bits, 8u);
  EXPECT_EQ(r.weights.granularity, Sharing::Channel);
  EXPECT_EQ(r.activations.mode, ActivationMode::Static);
  EXPECT_FALSE(r.activations.isSigned);

  r = named("w4a16-gptq-g128");
  EXPECT_EQ(r.weights.bits, 4u);
  EXPECT_EQ(r.weights.granularity, Sharing::Group);
  EXPECT_EQ(r.weights.groupSize, 128);
  EXPECT_EQ(r.weights.rounding.method, "gptq");
  EXPECT_EQ(r.activations.mode, ActivationMode::Float);

  r = named("nf4-g64");
  EXPECT_EQ(r.weights.format, NumberFormat::NF4);
  EXPECT_EQ(r.activations.mode, ActivationMode::Float);

  r = named("w8a8-dynamic-token");
  EXPECT_EQ(r.activations.mode, ActivationMode::Dynamic);
  EXPECT_EQ(r.activations.granularity, Sharing::Token);

  r = named("w8a8-s8-percentile99.9-smoothquant-tensor");
  EXPECT_TRUE(r.activations.isSigned);
  EXPECT_EQ(r.activations.range, "percentile=99.9");
  EXPECT_EQ(r.weights.granularity, Sharing::Tensor);
  ASSERT_EQ(r.transformations.size(), 1u);
  EXPECT_EQ(r.transformations[0].kind, Transformation::Kind::SmoothQuant);
}

TEST(RecipeName, GroupsGoWithTokens) {
  Recipe r = named("w4a8-gptq-g64");
  EXPECT_EQ(r.activations.mode, ActivationMode::Dynamic);
  EXPECT_EQ(r.activations.granularity, Sharing::Token);
  EXPECT_EQ(named("w4a8").activations.mode, ActivationMode::Static);
  EXPECT_EQ(named("w4a16-g64").activations.mode, ActivationMode::Float);
}

TEST(RecipeName, Transformations) {
  using Kind = Transformation::Kind;
  Recipe r = named("w8a8-smoothquant-rotate-llmint8-sequential");
  ASSERT_EQ(r.transformations.size(), 3u);
  EXPECT_FALSE(r.transformations[0].alpha.has_value());
  EXPECT_EQ(r.transformations[1].kind, Kind::Rotate);
  EXPECT_EQ(r.transformations[2].kind, Kind::SplitOutliers);
  EXPECT_TRUE(r.sequential);
  EXPECT_EQ(parsed(r.toYAML()), r);
  r = parsed(
      "base: w8a8\ntransformations: [{method: smoothquant, alpha: 0.75}]");
  EXPECT_EQ(r.transformations[0].alpha, 0.75);
  EXPECT_EQ(parsed(r.toYAML()), r);
  expectError("base: w8a8\ntransformations: [{method: split-outliers, "
              "threshold: 0.5}]",
              "threshold must be at least 1");
}

TEST(RecipeName, BlockFormats) {
  using Scales = WeightFormat::Scales;
  Recipe r = named("mxfp4");
  EXPECT_EQ(r.weights.format, NumberFormat::Float4E2M1);
  EXPECT_EQ(r.weights.scales, Scales::PowerOfTwo);
  EXPECT_EQ(r.weights.groupSize, 32);
  r = named("nvfp4");
  EXPECT_EQ(r.weights.scales, Scales::TwoLevelE4M3);
  EXPECT_EQ(r.weights.groupSize, 16);
  r = named("q6_k");
  EXPECT_EQ(r.weights.bits, 6u);
  EXPECT_EQ(r.weights.scales, Scales::SuperBlocks);
  EXPECT_FALSE(r.needsStatistics());
  r = named("w4-g64-dq-importance");
  EXPECT_EQ(r.weights.scales, Scales::Bytes);
  EXPECT_TRUE(r.needsStatistics());
  for (llvm::StringRef name : {"mxfp8e5m2", "nvfp4", "q4_k", "nf4-g64-dq"})
    EXPECT_EQ(parsed(named(name).toYAML()), named(name)) << name.str();
  expectError("w4-g64-dq-channel", "weights.scales other than f32");
  expectError("base: w4-g32\nweights: {scales: e8m0}", "small floats");
  expectError("q4_k-g48", "group-size must divide that");
}

TEST(RecipeName, Storage) {
  EXPECT_EQ(named("w3").weights.storageBits(), 4u);
  EXPECT_EQ(named("w2").weights.storageBits(), 2u);
  EXPECT_EQ(named("w7a8").weights.storageBits(), 8u);
  EXPECT_EQ(named("w16").weights.storageBits(), 16u);
}

TEST(RecipeName, NeedsStatistics) {
  EXPECT_TRUE(named("w8a8").needsStatistics());
  EXPECT_TRUE(named("w4a16-gptq").needsStatistics());
  EXPECT_FALSE(named("w8a8-dynamic").needsStatistics());
  EXPECT_FALSE(named("w4a16-hqq-g64").needsStatistics());
}

TEST(RecipeName, Errors) {
  expectError("w8a8-fast", "'fast' is no part");
  expectError("w1", "weights.bits is 1");
  expectError("w9a8", "weights.bits is 9");
  expectError("w8a5", "activations.bits is 5");
  expectError("dynamic", "no part says what the weights are");
  expectError("w4-g0", "group-size is 0");
  expectError("nf4-asym", "only integers have a zero point");
}

TEST(RecipeYAML, ReadsBackWhatItPrints) {
  for (const char *name :
       {"w8a8", "w8a8-dynamic", "w8a8-dynamic-token", "w8", "w4a8",
        "w4a16-gptq-g64", "w4a16-hqq-g64", "nf4-g64", "w8a8-smoothquant",
        "w2-asym-g16", "fp8", "w16", "w8a8-percentile99.99", "w7a8-s8-mse",
        "w8a8-equalize-biascorrection-entropy", "w4a16-awq-g32"}) {
    Recipe recipe = named(name);
    EXPECT_EQ(parsed(recipe.toYAML()), recipe) << recipe.toYAML();
  }
}

TEST(RecipeYAML, OverridesStartFromTheRecipe) {
  Recipe r = parsed(R"(
base: w4a16-gptq-g64
overrides:
  - node: "lm_head*"
    weights: {bits: 8, granularity: channel}
  - op: qnn.conv
    skip: true
skip: ["/embed/*"]
last-layer: 8-bit
)");
  ASSERT_EQ(r.overrides.size(), 2u);
  EXPECT_EQ(r.overrides[0].node, "lm_head*");
  EXPECT_EQ(r.overrides[0].weights->bits, 8u);
  EXPECT_EQ(r.overrides[0].weights->rounding.method, "gptq");
  EXPECT_FALSE(r.overrides[0].activations.has_value());
  EXPECT_TRUE(r.overrides[1].skip);
  EXPECT_EQ(r.skip, std::vector<std::string>{"/embed/*"});
  EXPECT_EQ(r.lastLayer, EdgePolicy::EightBits);
  EXPECT_EQ(parsed(r.toYAML()), r) << r.toYAML();
}

TEST(RecipeYAML, SlowerLayers) {
  EXPECT_EQ(named("w8a8").slowerLayers, SlowerLayers::Float);
  EXPECT_EQ(named("w8a8-insist").slowerLayers, SlowerLayers::Integer);
  Recipe r = parsed("base: w8a8-insist\noverrides:\n"
                    "  - {node: a, slower-layers: float}\n"
                    "  - {node: b, weights: {bits: 4}}\n");
  EXPECT_EQ(r.slowerLayers, SlowerLayers::Integer);
  ASSERT_EQ(r.overrides.size(), 2u);
  EXPECT_EQ(r.overrides[0].slowerLayers, SlowerLayers::Float);
  EXPECT_FALSE(r.overrides[1].slowerLayers.has_value());
  EXPECT_EQ(parsed(r.toYAML()), r) << r.toYAML();
  EXPECT_FALSE(r == parsed("base: w8a8-insist"));
  expectError("slower-layers: never", "use one of float, integer");
  expectError("overrides: [{node: a, slower-layers: never}]", "slower-layers");
}

TEST(RecipeYAML, JSON) {
  EXPECT_EQ(parsed(R"({"base": "w8a8", "weights": {"bits": 4}})"),
            named("w4a8"));
}

TEST(RecipeYAML, ErrorsNameTheKey) {
  expectError("base: w8a8\nweigths: {bits: 8}", "unknown key 'weigths'");
  expectError("weights: {bits: eight}", "'bits' is 'eight'");
  expectError("weights: {bits: 9}", "weights.bits is 9");
  expectError("weights:\n  scheme: lopsided",
              "'scheme' is 'lopsided': use one of symmetric, asymmetric");
  expectError("weights:\n  scheme: lopsided", "recipe:2:");
  expectError("weights: {rounding: dice}",
              "weights.rounding: there is no way 'dice'");
  expectError("activations: {range: median}",
              "activations.range: no range method 'median'");
  expectError("base: w8a9", "'base': recipe 'w8a9': activations.bits is 9");
  expectError("overrides:\n  - {node: x, weights: {bits: 1}}",
              "overrides[0].weights.bits is 1");
  expectError("transformations:\n  - {method: smoothquant, alpha: 2}",
              "alpha is 2");
  expectError("transformations:\n  - {method: magic}", "'method' is 'magic'");
  expectError("weights: {rounding: hqq}", "scheme must be asymmetric");
  expectError("weights: {rounding: clip, clip-sweeps: -1}",
              "weights: clip-sweeps must not be negative");
  expectError("weights: {rounding: gptq, gptq-sweeps: -1}",
              "gptq-sweeps not negative");
  expectError("activations: {mode: dynamic, granularity: token}",
              "symmetric and signed");
  expectError("[1, 2]{", "recipe:1:");
  expectError("/nonexistent/recipe.yaml", "cannot be read");
}
