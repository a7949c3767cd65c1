//===- IntegerDepthwise.h - Depthwise convolutions of bytes -----*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_INTEGERDEPTHWISE_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_INTEGERDEPTHWISE_H

#include "ContractionAnalysis.h"

namespace quantc {

/// Emits `match` as loops over channels and rows if it is a depthwise
/// convolution of 8-bit integers in one or two dimensions, with planes (or
/// tiles of them) that fit the cache, and the target multiplies pairs of words;
/// else returns false.
bool emitIntegerDepthwise(KernelEmitter &e, const MatchedProduct &match,
                          bool useThreads);

/// The same of a `match` that multiplies words of windows, by pairs of rows:
/// for windows that move by one element.
bool emitPairedDepthwise(KernelEmitter &e, const MatchedProduct &match,
                         bool useThreads);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_INTEGERDEPTHWISE_H
