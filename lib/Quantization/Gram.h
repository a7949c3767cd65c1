//===- Gram.h - Products of a matrix with itself ----------------*- C++ -*-===//
#ifndef QUANTC_LIB_QUANTIZATION_GRAM_H
#define QUANTC_LIB_QUANTIZATION_GRAM_H

#include <cstddef>

namespace quantc {

/// gram += Xᵀ·X for a row-major matrix X. Products of blocks of rows are summed
/// in float32, and the blocks in float64.
void addGram(const float *x, size_t numRows, size_t numColumns, double *gram);

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZATION_GRAM_H
