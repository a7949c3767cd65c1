//===- Profile.h - Where a model's time goes --------------------*- C++ -*-===//
#ifndef QUANTC_PROFILE_PROFILE_H
#define QUANTC_PROFILE_PROFILE_H

#include "quantc/Profile/MachinePeaks.h"

#include "llvm/Support/raw_ostream.h"

namespace quantc {

/// What one place of the model took, per run of the model: the median of runs.
struct ProfiledKernel {
  std::string nodes, kernel, operationName;
  double calls = 0, seconds = 0, operations = 0, bytes = 0;
};

/// Kernels beside the limits of the machine.
struct Profile {
  std::string model;
  unsigned runs = 0;
  /// A run as a whole, kernels and what lies between them.
  double seconds = 0;
  /// The one that takes most time first.
  std::vector<ProfiledKernel> kernels;
  MachinePeaks peaks;

  /// A kernel's place under the roofline.
  struct Limit {
    /// The time that it would take at the limit, as a share of what it took.
    double share = 0;
    /// "f32", "int8": the operations are the limit; else the name of a memory.
    std::string name;
  };
  Limit getLimit(const ProfiledKernel &kernel) const;

  /// Time outside of kernels: copies, shapes, the call itself.
  double getOtherSeconds() const;

  void printTable(llvm::raw_ostream &os) const;
  /// A page with a roofline picture, in one file.
  void printPage(llvm::raw_ostream &os) const;
};

} // namespace quantc

#endif // QUANTC_PROFILE_PROFILE_H
