//===- SpatialPatterns.h - The spatial family's files -----------*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_IMAGES_SPATIALPATTERNS_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_IMAGES_SPATIALPATTERNS_H

#include "mlir/Transforms/DialectConversion.h"

namespace quantc {
void populateResizePatterns(const mlir::TypeConverter &,
                            mlir::RewritePatternSet &);
void populateGridSamplePatterns(const mlir::TypeConverter &,
                                mlir::RewritePatternSet &);
void populateSignalPatterns(const mlir::TypeConverter &,
                            mlir::RewritePatternSet &);
} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_IMAGES_SPATIALPATTERNS_H
