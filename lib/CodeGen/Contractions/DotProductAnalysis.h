//===- DotProductAnalysis.h - Products that run over words ------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_DOTPRODUCTANALYSIS_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_DOTPRODUCTANALYSIS_H

#include "CodeGen/Gemm/GemmEmitter.h"

namespace quantc {

/// If both factors of `root` are 8-bit integers less zero points, or both are
/// bf16 or rounded to it, and the target has a dot product for them: describes
/// them in `problem`, whose factors become plain elements, and returns the dot
/// product. `groups` are the loops of the product; its rows are those of factor
/// A.
DotProduct matchDotProduct(KernelEmitter &e, mlir::linalg::LinalgOp root,
                           const LoopGroups &groups, const VectorUnit &unit,
                           GemmProblem &problem);

/// What rounds the elements of `factor` to bf16 before anything else reads
/// them, or null.
mlir::Value getRounded(const FactorExpression &factor);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_DOTPRODUCTANALYSIS_H
