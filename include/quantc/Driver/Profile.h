//===- Profile.h - Run a profiled library, and see its kernels --*- C++ -*-===//
#ifndef QUANTC_DRIVER_PROFILE_H
#define QUANTC_DRIVER_PROFILE_H

#include "quantc/Driver/LoadedModel.h"
#include "quantc/Profile/Profile.h"

#include <functional>

namespace quantc {

struct ProfileOptions {
  int runs = 20, warmup = 3;
  /// 0 means all processors.
  int threads = 0;
  /// Without, shares of the peaks are unknown.
  bool measurePeaks = true;
  /// Called when a run begins.
  std::function<void(llvm::StringRef step, size_t done, size_t total)> progress;
};

/// Runs a library that was compiled with --profile, and reads its counters.
llvm::Expected<Profile> profileModel(const LoadedModel &library,
                                     llvm::ArrayRef<const DLTensor *> inputs,
                                     const ProfileOptions &options);

} // namespace quantc

#endif // QUANTC_DRIVER_PROFILE_H
