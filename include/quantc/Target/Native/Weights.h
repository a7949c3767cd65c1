//===- Weights.h - Large constants, past LLVM into the object ---*- C++ -*-===//
//
// A model's weights would cost LLVM time and several times their size in memory
// as constants. They are declared as external symbols instead, which an ELF
// object of their own defines. The linker of a library only reserves their
// place, and their bytes go straight from the resource blobs to the library.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_TARGET_NATIVE_WEIGHTS_H
#define QUANTC_TARGET_NATIVE_WEIGHTS_H

#include "quantc/CodeGen/DeferredConstants.h"
#include "quantc/Target/Native/TargetSpec.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <map>
#include <string>
#include <vector>

namespace quantc::native {

/// One constant, and every symbol that stands for it. Its bytes may still have
/// to be made.
struct Weight {
  DeferredConstant constant;
  llvm::SmallVector<std::string, 1> symbols;
};

struct WeightTable {
  std::vector<Weight> weights;

  /// Adds a constant; equal ones are stored once. Bytes must outlive this.
  void add(llvm::StringRef symbol, llvm::ArrayRef<char> bytes);
  void add(llvm::StringRef symbol, DeferredConstant constant);
  uint64_t totalBytes() const;

private:
  std::multimap<uint64_t, size_t> byHash;
};

/// How many bytes of constants `extractWeights` would take out.
uint64_t countWeightBytes(mlir::ModuleOp module);

/// Turns the large constants of a module in the LLVM dialect into external
/// hidden symbols, which start with `prefix`, and adds them to `table`; those
/// that were deferred leave `deferred`. It is an error if a constant's bytes
/// are not there.
mlir::LogicalResult extractWeights(mlir::ModuleOp module,
                                   llvm::StringRef prefix, WeightTable &table,
                                   DeferredConstants *deferred = nullptr);

/// Whether the object that defines weights holds their bytes, or asks the
/// linker of a library for a place that `writeReservedWeights` fills.
enum class WeightStorage { Stored, Reserved };

/// The cheaper one that the linker of libraries supports.
WeightStorage getWeightStorage();

/// Writes a relocatable ELF object that defines the table's symbols.
llvm::Error writeWeightsObject(WeightTable &table, const TargetSpec &spec,
                               WeightStorage storage, llvm::raw_ostream &os);

/// Writes the weights into the library at `path`, which was linked with the
/// table's object.
llvm::Error writeReservedWeights(WeightTable &table, const TargetSpec &spec,
                                 llvm::StringRef path);

/// A cache line, and the widest vector: code relies on weights lying so.
constexpr uint64_t weightAlignment = 64;

/// Past this size, code on x86-64 must not assume that weights are within 2 GB.
constexpr uint64_t largeWeightBytes = uint64_t(1) << 30;

} // namespace quantc::native

#endif // QUANTC_TARGET_NATIVE_WEIGHTS_H
