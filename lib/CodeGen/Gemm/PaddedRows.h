//===- PaddedRows.h - An image with channels innermost, padded --*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_PADDEDROWS_H
#define QUANTC_LIB_CODEGEN_GEMM_PADDEDROWS_H

#include "GemmEmitter.h"

namespace quantc {

/// Images (batch, height, width, channels) that a product reads with padding
/// around height and width: a copy that has it.
class PaddedRows {
public:
  /// Of height and width: the size of the image and what is before it in the
  /// copy, and the size of the copy.
  struct Dim {
    mlir::Value size, low, padded;
  };

  PaddedRows(mlir::Value image, mlir::Value batch, Dim height, Dim width,
             mlir::Value channels, mlir::Value padding)
      : image(image), batch(batch), height(height), width(width),
        channels(channels), padding(padding) {}

  /// Makes the copy, the new left-hand side of `problem`.
  void prepare(KernelEmitter &e, GemmProblem &problem, int64_t vectorBits,
               bool useThreads);
  void release(KernelEmitter &e) { e.release(copy); }

private:
  mlir::Value image, batch;
  Dim height, width;
  mlir::Value channels, padding, copy;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_PADDEDROWS_H
