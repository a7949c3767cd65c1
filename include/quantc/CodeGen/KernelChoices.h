//===- KernelChoices.h - Blocks of products, as a file has them -*- C++ -*-===//
//
// The cost model cuts each product into blocks. `quantc tune --kernels` finds
// better ones on a machine, and keeps them in a file that `--kernels` reads.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CODEGEN_KERNELCHOICES_H
#define QUANTC_CODEGEN_KERNELCHOICES_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace quantc {

/// How a product is cut into blocks. Where 0 is wished, the cost model chooses.
struct Blocking {
  /// Of the sums in registers: rows, and vector registers of columns.
  int64_t rows = 0, vectors = 0;
  /// Elements along k that are summed up before the next panel.
  int64_t depth = 0;
  /// Of the results that a task computes.
  int64_t blockRows = 0, blockColumns = 0;

  bool operator==(const Blocking &other) const {
    return rows == other.rows && vectors == other.vectors &&
           depth == other.depth && blockRows == other.blockRows &&
           blockColumns == other.blockColumns;
  }
  /// "8 x 3 registers, depth 256, tasks of 144 x 128".
  std::string describe() const;
};

/// A line of the file.
struct KernelChoice {
  /// What describeTarget and the pass call the target and the product.
  std::string target, kernel;
  Blocking blocking;
};

/// The choices of a file, for any number of targets.
class KernelChoices {
public:
  /// Fails, with the name of the file and a line, if something is wrong in it.
  static llvm::Expected<KernelChoices> load(llvm::StringRef path);
  static llvm::Expected<KernelChoices> parse(llvm::StringRef text,
                                             llvm::StringRef source);
  std::string toYAML() const;

  /// Null if there is none.
  const Blocking *find(llvm::StringRef target, llvm::StringRef kernel) const;
  void set(KernelChoice choice);

  std::vector<KernelChoice> choices;
};

/// The features of a target that decide on its kernels.
std::string describeTarget(llvm::StringRef features);

/// A product of a compiled model, as it was cut.
struct ProductKernel {
  std::string function, kernel;
  Blocking blocking;
  /// Its size; -1 for what only a run tells.
  int64_t m = -1, n = -1, k = -1;
  /// Elements of a vector of sums, and vectors of sums that registers hold at
  /// most; none if the blocks of registers are fixed (AMX).
  int64_t lanes = 0, registers = 0;
};

/// Lists products in an attribute of the module; takes that away again.
void recordProducts(mlir::ModuleOp module,
                    llvm::ArrayRef<ProductKernel> products);
std::vector<ProductKernel> takeProducts(mlir::ModuleOp module);

/// What the search tries in turn, one after the other from the best so far.
enum class TunedPart { Registers, Depth, Tasks };
std::vector<Blocking> proposeBlockings(const ProductKernel &kernel,
                                       const Blocking &best, TunedPart part);

} // namespace quantc

#endif // QUANTC_CODEGEN_KERNELCHOICES_H
