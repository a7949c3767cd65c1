//===- DepthwiseEmitter.h - Convolutions of single channels -----*- C++ -*-===//
//
// A depthwise convolution has nothing to gain from the blocking of a matrix
// product: each weight meets one channel only. Its code copies rows of a
// channel with their padding to a buffer in the first-level cache, and runs
// over that without any check.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_DEPTHWISEEMITTER_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_DEPTHWISEEMITTER_H

#include "CodeGen/Gemm/ColumnSources.h"

namespace quantc {

/// Whether `windows` have a form that emitDepthwise knows.
bool canEmitDepthwise(const Windows &windows);

/// Emits `problem`, a product of a row of weights with `windows` for each index
/// of the outer loops.
void emitDepthwise(KernelEmitter &e, const GemmProblem &problem,
                   const MicroKernel &kernel, const Windows &windows,
                   bool useThreads);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_DEPTHWISEEMITTER_H
