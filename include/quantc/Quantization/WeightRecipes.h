//===- WeightRecipes.h - Matrices as a recipe says --------------*- C++ -*-===//
//
// Between what users write (WeightRecipe) and what methods take.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_WEIGHTRECIPES_H
#define QUANTC_QUANTIZATION_WEIGHTRECIPES_H

#include "quantc/Quantization/Recipe.h"

namespace quantc {

/// The numbers that codes stand for. `blockSize` is 0 for one scale a column.
WeightFormat getWeightFormat(const WeightRecipe &recipe, int64_t blockSize);

/// Quantizes a matrix, in groups if the recipe has them, otherwise with a scale
/// for each column.
llvm::Expected<QuantizedMatrix> quantizeMatrix(const WeightMatrix &weights,
                                               const WeightRecipe &recipe,
                                               GramMatrix gram);

} // namespace quantc

#endif // QUANTC_QUANTIZATION_WEIGHTRECIPES_H
