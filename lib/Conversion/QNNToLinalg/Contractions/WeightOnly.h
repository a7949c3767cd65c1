//===- WeightOnly.h - Lowering of weight-only products ----------*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_CONTRACTIONS_WEIGHTONLY_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_CONTRACTIONS_WEIGHTONLY_H

#include "mlir/Transforms/DialectConversion.h"

namespace quantc {

void populateWeightOnlyPatterns(const mlir::TypeConverter &,
                                mlir::RewritePatternSet &);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_CONTRACTIONS_WEIGHTONLY_H
