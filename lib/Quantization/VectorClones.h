//===- VectorClones.h - One body for each set of vectors --------*- C++ -*-===//

#ifndef QUANTC_LIB_QUANTIZATION_VECTORCLONES_H
#define QUANTC_LIB_QUANTIZATION_VECTORCLONES_H

/// A function that is compiled for each set of vectors; the loader chooses. All
/// give the same bits, if the body has no sums that a longer vector reorders
/// and
/// `#pragma clang fp contract(off)`.
#if defined(__x86_64__) && defined(__ELF__)
#define QUANTC_FOR_ALL_VECTORS                                                 \
  __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define QUANTC_FOR_ALL_VECTORS
#endif

#endif // QUANTC_LIB_QUANTIZATION_VECTORCLONES_H
