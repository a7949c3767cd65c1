//===- ConstantData.h - The elements of constants ---------------*- C++ -*-===//
#ifndef QUANTC_DIALECT_QNN_IR_CONSTANTDATA_H
#define QUANTC_DIALECT_QNN_IR_CONSTANTDATA_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <vector>

namespace quantc::qnn {

/// On a constant: its elements come from integers that were dequantized when
/// constants were folded.
constexpr llvm::StringLiteral dequantizedAttr = "qnn.dequantized";

/// A constant from bytes in storage types: an element below 8 bits takes a
/// byte. Large ones are resources.
mlir::ElementsAttr makeConstant(mlir::RankedTensorType type,
                                llvm::ArrayRef<char> bytes);

/// The same from f32 elements.
mlir::ElementsAttr makeFloatConstant(mlir::MLIRContext *context,
                                     llvm::ArrayRef<int64_t> shape,
                                     llvm::ArrayRef<float> values);

/// The bytes of a constant in storage types, or nothing if they would have to
/// be converted (splats, elements below 8 bits unless they are a resource).
std::optional<llvm::ArrayRef<char>> getConstantBytes(mlir::ElementsAttr value);

/// Bytes with the other signedness, all moved by 128, so that what lies between
/// two of them stays. Null for what are no 8-bit integers.
mlir::ElementsAttr moveToOtherSign(mlir::ElementsAttr value);

/// The elements of an f32 constant of any kind.
std::optional<std::vector<float>> readFloats(mlir::ElementsAttr value);

/// The same where they lie if that is possible, else in `storage`.
std::optional<llvm::ArrayRef<float>> viewFloats(mlir::ElementsAttr value,
                                                std::vector<float> &storage);

/// Gives back the memory of large constants that become unused, one by one.
class ConstantRelease {
public:
  /// Only `root` may have constants of its context, or their memory would be
  /// lost to others.
  explicit ConstantRelease(mlir::Operation *root);

  /// Erases `constant` (an op with one result) if nothing uses it.
  void eraseIfUnused(mlir::Operation *constant);

private:
  llvm::StringMap<unsigned> numHolders;
};

} // namespace quantc::qnn

#endif // QUANTC_DIALECT_QNN_IR_CONSTANTDATA_H
