//===- Lowering.h - What the lowering patterns share ------------*- C++ -*-===//
//
// The type converter of `convert-qnn-to-linalg` and the builders that its
// pattern families are written with.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QNNTOLINALG_LOWERING_H
#define QUANTC_CONVERSION_QNNTOLINALG_LOWERING_H

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/Transforms/DialectConversion.h"

namespace mlir::func {
class FuncOp;
} // namespace mlir::func

namespace quantc {

/// Maps qnn's element types to the types that are stored (see the pass).
class QNNTypeConverter : public mlir::TypeConverter {
public:
  QNNTypeConverter();
};

/// A pattern for an op whose first result is the one that it is about. Each op
/// has one pattern: what that cannot do is an error at the op, as nothing else
/// will, and the reasons of `notifyMatchFailure` are lost in MLIR's release
/// builds.
template <typename OpTy> struct QNNPattern : mlir::OpConversionPattern<OpTy> {
  using mlir::OpConversionPattern<OpTy>::OpConversionPattern;

protected:
  /// The type of the result, as it is stored.
  mlir::RankedTensorType getResultType(OpTy op) const {
    return llvm::cast<mlir::RankedTensorType>(
        this->getTypeConverter()->convertType(op->getResult(0).getType()));
  }
};

/// The type that an element of `type` is stored as.
mlir::Type getStorageType(mlir::Type type);

/// The type that scalar code computes an element of `type` in: i1 for bool,
/// i8 for 2- and 4-bit integers, f32 for 8- and 4-bit floats, otherwise the
/// (signless) type itself.
mlir::Type getComputeType(mlir::Type type);

/// Whether the integer `type` of the qnn dialect is unsigned (bool is).
inline bool isUnsigned(mlir::Type type) {
  return type.isUnsignedInteger() || type.isInteger(1);
}

/// A scalar of storage type, made ready for computing, and the way back. 8- and
/// 4-bit floats are decoded and encoded (round to nearest even, saturating).
mlir::Value loadScalar(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value stored, mlir::Type qnnType);
mlir::Value storeScalar(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value computed, mlir::Type qnnType);

/// A constant of a float, integer or index type.
mlir::Value constantScalar(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Type type, double value);
mlir::Value constantIndex(mlir::OpBuilder &b, mlir::Location loc, int64_t v);

/// Dimension `i` of a ranked tensor: an attribute when static.
mlir::OpFoldResult getDim(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value tensor, int64_t i);
mlir::SmallVector<mlir::OpFoldResult>
getDims(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor);
/// An index SSA value for a static or dynamic size.
mlir::Value materialize(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::OpFoldResult value);

/// `tensor.empty` of the sizes, cast-free: the result's type has the static
/// dimensions of `type` where `dims` are dynamic values that must agree.
mlir::Value createEmpty(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::RankedTensorType type,
                        llvm::ArrayRef<mlir::OpFoldResult> dims);
/// The same, filled with a scalar of storage type.
mlir::Value createFilled(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::RankedTensorType type,
                         llvm::ArrayRef<mlir::OpFoldResult> dims,
                         mlir::Value scalar);

/// `value` as `type`, which differs in what is static only.
mlir::Value castTo(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value,
                   mlir::Type type);

/// Element `i`, in linear order, of a tensor whose type is static.
mlir::Value extractScalar(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value tensor, int64_t i);

/// Element `i` of a rank-1 (or the element of a rank-0) integer tensor, as an
/// index. Signed unless `isUnsigned`.
mlir::Value extractIndex(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::Value tensor, int64_t i);

/// Fails the model's run with `message` (which should name the node) unless
/// `condition` holds. Only at function level, not inside loops over elements.
void createCheck(mlir::OpBuilder &b, mlir::Location loc, mlir::Value condition,
                 const llvm::Twine &message);

/// "node 'x'" (of the location's name), for messages at run time.
std::string describeNode(mlir::Location loc);

/// Fails the run unless `dims` are those that `type` has as static dimensions.
void checkDims(mlir::OpBuilder &b, mlir::Location loc,
               mlir::RankedTensorType type,
               llvm::ArrayRef<mlir::OpFoldResult> dims);

using ScalarBody = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::ValueRange scalars)>;

/// One result element from one element of each input, with ONNX broadcasting:
/// inputs are converted (storage-typed) tensors, `resultType` is the converted
/// result type; the body gets stored scalars and returns a stored scalar.
/// Dimensions that may or may not be 1 at run time are handled, and checked.
mlir::Value createElementwise(mlir::OpBuilder &b, mlir::Location loc,
                              mlir::RankedTensorType resultType,
                              mlir::ValueRange inputs, ScalarBody body);

using IndexedBody = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::ValueRange indices)>;

/// One result element from the result's indices: the body reads what it needs
/// with `tensor.extract`. For data movement with computed indices. `map`, from
/// loops to the result's indices, may put the loops in another order.
mlir::Value createIndexed(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::RankedTensorType resultType,
                          llvm::ArrayRef<mlir::OpFoldResult> dims,
                          IndexedBody body, mlir::AffineMap map = {});

/// Fails the run where a cache's length that the caller gives is negative or
/// larger than its buffer, before sizes are computed of it.
void checkLengthsFirst(mlir::func::FuncOp func);

/// Each family adds its patterns.
using PopulateFn = void (*)(const mlir::TypeConverter &,
                            mlir::RewritePatternSet &);
void populateElementwisePatterns(const mlir::TypeConverter &,
                                 mlir::RewritePatternSet &);
void populateTensorPatterns(const mlir::TypeConverter &,
                            mlir::RewritePatternSet &);
void populateMovementPatterns(const mlir::TypeConverter &,
                              mlir::RewritePatternSet &);
void populateSqueezePatterns(const mlir::TypeConverter &,
                             mlir::RewritePatternSet &);
void populateExpandPatterns(const mlir::TypeConverter &,
                            mlir::RewritePatternSet &);
void populateSlicePatterns(const mlir::TypeConverter &,
                           mlir::RewritePatternSet &);
void populateScatterPatterns(const mlir::TypeConverter &,
                             mlir::RewritePatternSet &);
void populateContractionPatterns(const mlir::TypeConverter &,
                                 mlir::RewritePatternSet &);
void populateReductionPatterns(const mlir::TypeConverter &,
                               mlir::RewritePatternSet &);
void populateIndexingPatterns(const mlir::TypeConverter &,
                              mlir::RewritePatternSet &);
void populateNormalizationPatterns(const mlir::TypeConverter &,
                                   mlir::RewritePatternSet &);
void populateConvolutionPatterns(const mlir::TypeConverter &,
                                 mlir::RewritePatternSet &);
void populatePoolingPatterns(const mlir::TypeConverter &,
                             mlir::RewritePatternSet &);
void populateSpatialPatterns(const mlir::TypeConverter &,
                             mlir::RewritePatternSet &);
void populateQuantizationPatterns(const mlir::TypeConverter &,
                                  mlir::RewritePatternSet &);
void populateCodebookPatterns(const mlir::TypeConverter &,
                              mlir::RewritePatternSet &);

} // namespace quantc

#endif // QUANTC_CONVERSION_QNNTOLINALG_LOWERING_H
