//===- WeightRecipes.cpp - Matrices as a recipe says ----------------------===//

#include "quantc/Quantization/WeightRecipes.h"

using namespace quantc;

WeightFormat quantc::getWeightFormat(const WeightRecipe &recipe,
                                     int64_t blockSize) {
  switch (recipe.format) {
  case NumberFormat::NF4: {
    WeightFormat format = WeightFormat::nf4(blockSize);
    format.scales = recipe.scales;
    return format;
  }
  case NumberFormat::Float4E2M1:
    return WeightFormat::fp4(blockSize, recipe.scales);
  case NumberFormat::Float8E4M3:
  case NumberFormat::Float8E5M2:
    return WeightFormat::fp8(recipe.format == NumberFormat::Float8E5M2,
                             blockSize, recipe.scales);
  case NumberFormat::Integer:
    break;
  }
  WeightFormat format;
  format.grid = {recipe.bits, /*isSigned=*/true, recipe.scheme};
  format.scales = recipe.scales;
  format.blockSize = blockSize;
  return format;
}

llvm::Expected<QuantizedMatrix>
quantc::quantizeMatrix(const WeightMatrix &weights, const WeightRecipe &recipe,
                       GramMatrix gram) {
  bool hasGroups = recipe.granularity == Sharing::Group;
  WeightFormat format =
      getWeightFormat(recipe, hasGroups ? recipe.groupSize : 0);
  WeightMethodOptions options;
  std::unique_ptr<RangeMethod> range;
  options.searchScales = recipe.needsMoments();
  if (!options.searchScales && recipe.range != "minmax") {
    auto parsed = RangeMethod::parse(recipe.range);
    if (!parsed)
      return parsed.takeError();
    range = std::move(*parsed);
    options.range = range.get();
  }
  options.updateBlock = recipe.rounding.blockSize;
  options.damping = recipe.rounding.damping;
  options.actOrder = recipe.rounding.actOrder;
  options.sweeps = recipe.rounding.sweeps;
  options.clipSweeps = recipe.rounding.clipSweeps;
  options.iterations = recipe.rounding.iterations;
  options.norm = recipe.rounding.norm;
  auto method = WeightMethod::create(recipe.rounding.method, options);
  if (!method)
    return method.takeError();
  if ((*method)->needsGram() && int64_t(gram.size()) != weights.k * weights.k)
    return llvm::createStringError("rounding " + recipe.rounding.method +
                                   " needs the Gram matrix of its inputs");
  return (*method)->quantize(weights, format, gram);
}
