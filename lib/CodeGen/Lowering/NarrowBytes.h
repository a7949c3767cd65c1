//===- NarrowBytes.h - Integers to bytes, clamped ---------------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_LOWERING_NARROWBYTES_H
#define QUANTC_LIB_CODEGEN_LOWERING_NARROWBYTES_H

#include "mlir/IR/PatternMatch.h"

namespace quantc {

/// Rounds, clamps and narrows vectors of f32 to bytes by AVX2's instructions
/// that saturate.
void populateNarrowBytesPatterns(mlir::RewritePatternSet &patterns);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWERING_NARROWBYTES_H
