//===- ByteTable.h - Entries of a table for a vector of bytes ---*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_BYTETABLE_H
#define QUANTC_LIB_CODEGEN_BYTETABLE_H

#include "KernelEmitter.h"

namespace quantc {

/// A table that holds a byte for each byte.
class ByteTable {
public:
  static constexpr int64_t kEntries = 256;

  /// The byte that an op looks up which reads `indices` of `source` (a buffer,
  /// or a tensor), if that is a table; else null.
  static mlir::Value matchIndex(mlir::Value source, mlir::ValueRange indices);

  /// With `hasPermutes` the target permutes the bytes of two registers of 512
  /// bits, and the table is loaded here.
  ByteTable(KernelEmitter &e, mlir::Value table, bool hasPermutes);

  /// The entries of up to 64 bytes, or of one.
  mlir::Value lookUp(KernelEmitter &e, mlir::Value bytes) const;

private:
  mlir::Value permute(KernelEmitter &e, mlir::Value bytes) const;

  mlir::Value table;
  llvm::SmallVector<mlir::Value> rows;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_BYTETABLE_H
