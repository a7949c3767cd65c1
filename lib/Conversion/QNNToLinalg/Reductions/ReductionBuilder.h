//===- ReductionBuilder.h - What lowerings that reduce share ----*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_REDUCTIONS_REDUCTIONBUILDER_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_REDUCTIONS_REDUCTIONBUILDER_H

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace quantc {

/// The type that sums of `stored` elements are kept in: f32 for f16 and bf16.
mlir::Type getAccumulatorType(mlir::Type stored);

/// Float addition that the code generator may reorder and fuse.
mlir::Value addForReduction(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::Value x, mlir::Value y);

/// exp(x) as a term of a sum of which another term is 1: of what is hardly more
/// than 0 nothing would be left.
mlir::Value expForSum(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

/// `x` converted between float types; itself if it has the type.
mlir::Value convertFloat(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                         mlir::Type type);

/// An integer or float scalar of `type` from an index.
mlir::Value indexToScalar(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value index, mlir::Type type);

/// The product of dimensions, as an index.
mlir::Value productOf(mlir::OpBuilder &b, mlir::Location loc,
                      llvm::ArrayRef<mlir::OpFoldResult> dims);

/// Folds elements of reduced dimensions into an accumulator, one scalar at a
/// time: gets the inputs' scalars and the accumulator last.
using CombineBody = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::ValueRange scalars)>;

/// Reduces the dimensions in `reduced` of `inputs.front()`; further inputs have
/// the shape of the result (their maps skip the reduced dimensions). The result
/// lacks the reduced dimensions and has the type of `init`.
mlir::Value createReduction(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::ValueRange inputs,
                            llvm::ArrayRef<bool> reduced, mlir::Value init,
                            CombineBody combine);

/// One element from one element of each input: inputs of the rank of
/// `reduced` are read in full, those without the reduced dimensions are
/// broadcast along these. The result has the shape of the first input.
mlir::Value createMapAlong(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Type elementType, mlir::ValueRange inputs,
                           llvm::ArrayRef<bool> reduced, ScalarBody body);

/// Parts of the family that have files of their own.
void populateSoftmaxPatterns(const mlir::TypeConverter &,
                             mlir::RewritePatternSet &);
void populateEinsumPatterns(const mlir::TypeConverter &,
                            mlir::RewritePatternSet &);
void populateSortPatterns(const mlir::TypeConverter &,
                          mlir::RewritePatternSet &);
void populateTopKPatterns(const mlir::TypeConverter &,
                          mlir::RewritePatternSet &);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_REDUCTIONS_REDUCTIONBUILDER_H
