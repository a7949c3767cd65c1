//===- ByteTable.h - Entries of a table for a vector of bytes ---*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_TARGET_BYTETABLE_H
#define QUANTC_LIB_CODEGEN_TARGET_BYTETABLE_H

#include "CodeGen/Emitter/KernelEmitter.h"
#include "Target.h"

namespace quantc {

/// Of each 16 of `bytes` (a register of x86, at least `ssse3`), those at
/// `positions`, whose four lowest bits count.
mlir::Value shuffleBytes(KernelEmitter &e, mlir::Value bytes,
                         mlir::Value positions);

/// A table that holds a number for each byte.
class ByteTable {
public:
  static constexpr int64_t kEntries = 256;

  /// The byte that an op looks up which reads `indices` of `source` (a buffer,
  /// or a tensor), if that is a table; else null.
  static mlir::Value matchIndex(mlir::Value source, mlir::ValueRange indices);

  /// Whether `op` (of a body on tensors, or on buffers) reads such a table.
  static bool isLookup(mlir::Operation &op);

  /// A table whose entries the target permutes is loaded here.
  ByteTable(KernelEmitter &e, mlir::Value table, TablePermutes permutes);

  /// The entries of a vector of bytes, or of one. As many as a register of the
  /// target holds are looked up at once, others one by one.
  mlir::Value lookUp(KernelEmitter &e, mlir::Value bytes) const;

private:
  mlir::Type getEntryType() const;
  /// How many bytes are looked up at once.
  int64_t getLanes(int64_t count) const;
  mlir::Value permuteBytes(KernelEmitter &e, mlir::Value bytes) const;
  mlir::Value shuffleBytes(KernelEmitter &e, mlir::Value bytes) const;
  mlir::Value permuteWords(KernelEmitter &e, mlir::Value bytes) const;
  mlir::Value gather(KernelEmitter &e, mlir::Value bytes) const;

  mlir::Value table;
  TablePermutes permutes;
  /// The entries in registers as the target permutes them; none if it does not.
  llvm::SmallVector<mlir::Value> rows;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_TARGET_BYTETABLE_H
