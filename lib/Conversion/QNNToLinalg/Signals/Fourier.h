//===- Fourier.h - Fourier transforms of known length -----------*- C++ -*-===//

#ifndef QUANTC_LIB_CONVERSION_QNNTOLINALG_SIGNALS_FOURIER_H
#define QUANTC_LIB_CONVERSION_QNNTOLINALG_SIGNALS_FOURIER_H

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

namespace quantc {

/// Complex numbers as f64: values or tensors. Without an imaginary part they
/// are real.
struct Complex {
  mlir::Value real, imaginary;
};

/// Whether signals of `length` elements are transformed in few steps: they are
/// not short, and its factors are small.
bool hasFastTransform(int64_t length);

/// Element `i` of a signal, at an index for each of its other dimensions.
using SignalBody = llvm::function_ref<Complex(
    mlir::OpBuilder &, mlir::Location, mlir::Value i, mlir::ValueRange at)>;

/// e^(-2πi t / period), or its conjugate, for all t below `period`.
class TurnTable {
public:
  TurnTable(mlir::OpBuilder &b, mlir::Location loc, int64_t period,
            bool isInverse);

  /// Those of row · column · stride, modulo the period, as a matrix.
  Complex spread(mlir::OpBuilder &b, mlir::Location loc, int64_t numRows,
                 int64_t numColumns, int64_t stride) const;

private:
  Complex read(mlir::OpBuilder &b, mlir::Location loc,
               mlir::OpFoldResult part) const;

  int64_t period;
  /// Constants: every `numFine`-th of them, and the first `numFine`.
  Complex coarse, fine;
  int64_t numFine = 1;
};

/// Transforms of signals of `length` elements, one for each index of `dims`.
/// `isReal` says whether `read` gives real ones.
class FastTransform {
public:
  FastTransform(mlir::OpBuilder &b, mlir::Location loc, int64_t length,
                llvm::ArrayRef<mlir::OpFoldResult> dims, bool isReal,
                bool isInverse, SignalBody read);

  /// Bin `k` of the signal at these indices; of an inverse transform, without
  /// the division by the length.
  Complex readBin(mlir::OpBuilder &b, mlir::Location loc, mlir::Value k,
                  mlir::ValueRange at) const;

private:
  Complex transformStep(mlir::OpBuilder &b, mlir::Location loc, Complex x,
                        int64_t radix, int64_t numGroups,
                        const TurnTable &table) const;

  int64_t length;
  llvm::SmallVector<mlir::OpFoldResult> dims;
  /// (length, signals).
  Complex spectrum;
};

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_QNNTOLINALG_SIGNALS_FOURIER_H
