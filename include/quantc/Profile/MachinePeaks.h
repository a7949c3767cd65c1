//===- MachinePeaks.h - How fast this machine can be ------------*- C++ -*-===//
#ifndef QUANTC_PROFILE_MACHINEPEAKS_H
#define QUANTC_PROFILE_MACHINEPEAKS_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace quantc {

/// Limits of this machine, measured with kernels that do nothing else
/// (CodeGen/PeakKernels.h), compiled by the JIT.
struct MachinePeaks {
  struct Operations {
    std::string name; // "f32", "int8"
    double perSecond;
  };
  struct Reading {
    std::string name;
    /// What a call may touch at most for this to be its limit.
    double bytes;
    double bytesPerSecond;
  };

  unsigned threads = 1;
  std::vector<Operations> operations;
  /// From the smallest memory, which is the fastest, on.
  std::vector<Reading> reading;

  /// Operations a second; 0 if none was measured for them.
  double getOperations(llvm::StringRef name) const;
  /// The memory that `bytes` fit into.
  const Reading &getReading(double bytes) const;
};

/// Takes about a second. Errors go to the context's diagnostics. All `threads`
/// work at the same time.
mlir::FailureOr<MachinePeaks> measurePeaks(mlir::MLIRContext &context,
                                           unsigned threads);

} // namespace quantc

#endif // QUANTC_PROFILE_MACHINEPEAKS_H
