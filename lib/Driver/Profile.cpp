//===- Profile.cpp - Run a profiled library, and see its kernels ----------===//

#include "quantc/Driver/Profile.h"

#include "quantc/Driver/Compilation.h"

#include "Dialects.h"

#include "llvm/ADT/STLExtras.h"

#include <chrono>
#include <thread>

using namespace quantc;

static std::vector<QuantcKernelCounters>
readCounters(const QuantcProfile &profile) {
  return {profile.counters, profile.counters + profile.num_kernels};
}

llvm::Expected<Profile>
quantc::profileModel(const LoadedModel &library,
                     llvm::ArrayRef<const DLTensor *> inputs,
                     const ProfileOptions &options) {
  const QuantcProfile *counted = library.profile();
  if (!counted)
    return llvm::createStringError(
        "the library does not time its kernels: compile it with --profile");
  library.setNumThreads(options.threads);
  Profile profile;
  profile.model = library.info().name;
  profile.runs = options.runs;
  profile.peaks.threads =
      options.threads > 0 ? options.threads
                          : std::max(1u, std::thread::hardware_concurrency());
  std::vector<QuantcKernelCounters> before;
  std::chrono::steady_clock::time_point start;
  for (int i = -options.warmup; i < options.runs; ++i) {
    if (i == 0) {
      before = readCounters(*counted);
      start = std::chrono::steady_clock::now();
    }
    if (options.progress)
      options.progress("running", i + options.warmup,
                       options.runs + options.warmup);
    auto results = library.run(inputs);
    if (!results)
      return results.takeError();
  }
  double runs = options.runs;
  profile.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count() /
      runs;
  std::vector<QuantcKernelCounters> after = readCounters(*counted);
  for (size_t i = 0; i < after.size(); ++i) {
    const QuantcKernelInfo &info = counted->kernels[i];
    ProfiledKernel kernel{info.nodes, info.kernel, info.operations};
    kernel.calls = double(after[i].calls - before[i].calls) / runs;
    kernel.seconds =
        double(after[i].nanoseconds - before[i].nanoseconds) / 1e9 / runs;
    kernel.operations =
        double(after[i].operations - before[i].operations) / runs;
    kernel.bytes = double(after[i].bytes - before[i].bytes) / runs;
    // Branches that were not taken.
    if (kernel.calls > 0)
      profile.kernels.push_back(std::move(kernel));
  }
  llvm::stable_sort(profile.kernels,
                    [](const ProfiledKernel &a, const ProfiledKernel &b) {
                      return a.seconds > b.seconds;
                    });
  if (!options.measurePeaks)
    return profile;
  if (options.progress)
    options.progress("measuring the machine", 0, 0);
  mlir::MLIRContext context(getDriverDialects(),
                            mlir::MLIRContext::Threading::DISABLED);
  std::string errors;
  context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diagnostic) {
    errors += formatDiagnostic(diagnostic);
    return mlir::success();
  });
  mlir::FailureOr<MachinePeaks> peaks =
      measurePeaks(context, profile.peaks.threads);
  if (mlir::failed(peaks))
    return llvm::createStringError(errors);
  profile.peaks = std::move(*peaks);
  return profile;
}
