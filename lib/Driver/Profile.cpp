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

static double getMedian(std::vector<double> numbers) {
  llvm::sort(numbers);
  return numbers[numbers.size() / 2];
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
  // By run, so that one which something else disturbed does not count.
  size_t numKernels = counted->num_kernels;
  std::vector<std::vector<double>> kernelSeconds(numKernels);
  std::vector<double> seconds;
  std::vector<QuantcKernelCounters> first;
  for (int i = -options.warmup; i < options.runs; ++i) {
    if (options.progress)
      options.progress("running", i + options.warmup,
                       options.runs + options.warmup);
    std::vector<QuantcKernelCounters> before = readCounters(*counted);
    auto start = std::chrono::steady_clock::now();
    auto results = library.run(inputs);
    std::chrono::duration<double> time =
        std::chrono::steady_clock::now() - start;
    if (!results)
      return results.takeError();
    if (i < 0)
      continue;
    if (i == 0)
      first = before;
    seconds.push_back(time.count());
    for (size_t k = 0; k < numKernels; ++k)
      kernelSeconds[k].push_back(
          double(counted->counters[k].nanoseconds - before[k].nanoseconds) /
          1e9);
  }
  profile.seconds = getMedian(seconds);
  std::vector<QuantcKernelCounters> last = readCounters(*counted);
  double runs = options.runs;
  for (size_t i = 0; i < numKernels; ++i) {
    const QuantcKernelInfo &info = counted->kernels[i];
    ProfiledKernel kernel{info.nodes, info.kernel, info.operations};
    kernel.calls = double(last[i].calls - first[i].calls) / runs;
    kernel.seconds = getMedian(kernelSeconds[i]);
    kernel.operations = double(last[i].operations - first[i].operations) / runs;
    kernel.bytes = double(last[i].bytes - first[i].bytes) / runs;
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
