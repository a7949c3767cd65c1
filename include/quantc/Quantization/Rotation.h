//===- Rotation.h - Orthogonal matrices that mix channels -------*- C++ -*-===//
//
// x · W = (x · R) · (Rᵀ · W) for orthogonal R. A Hadamard matrix spreads what
// single channels have over all, so that no channel stands out (Ashkboos et
// al.: QuaRot, arXiv 2404.00456).
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_QUANTIZATION_ROTATION_H
#define QUANTC_QUANTIZATION_ROTATION_H

#include <cstdint>
#include <vector>

namespace quantc {

/// An orthogonal matrix [size, size], row-major: random signs times Sylvester's
/// Hadamard matrix, for the largest power of two in `size`, ⊗ a random
/// orthogonal matrix for what is left.
std::vector<float> makeRotation(int64_t size, uint32_t seed);

/// A power of two that divides `size`, near its root: R = Rₐ ⊗ R_b is applied
/// to a row as two small products.
int64_t getRotationFactor(int64_t size);

} // namespace quantc

#endif // QUANTC_QUANTIZATION_ROTATION_H
