//===- QuantizedAnalysis.h - Products of 8-bit integers ---------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_QUANTIZEDANALYSIS_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_QUANTIZEDANALYSIS_H

#include "CodeGen/Gemm/GemmEmitter.h"

namespace quantc {

/// If both factors of `root` are 8-bit integers less zero points, and the
/// target has a dot product for them: describes them in `problem`, whose
/// factors become plain bytes, and returns the dot product. `groups` are the
/// loops of the product; its rows are those of factor A.
DotProduct matchQuantizedFactors(KernelEmitter &e, mlir::linalg::LinalgOp root,
                                 const LoopGroups &groups,
                                 const VectorUnit &unit, GemmProblem &problem);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_QUANTIZEDANALYSIS_H
