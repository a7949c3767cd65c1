//===- MachinePeaks.cpp - How fast this machine can be --------------------===//

#include "quantc/Profile/MachinePeaks.h"

#include "quantc/CodeGen/PeakKernels.h"
#include "quantc/JIT/JIT.h"
#include "quantc/Target/Native/TargetSpec.h"

#include "llvm/ADT/STLExtras.h"

#include <atomic>
#include <chrono>
#include <limits>
#include <thread>

using namespace mlir;
using namespace quantc;

double MachinePeaks::getOperations(llvm::StringRef name) const {
  for (const Operations &peak : operations)
    if (peak.name == name)
      return peak.perSecond;
  return 0;
}

const MachinePeaks::Reading &MachinePeaks::getReading(double bytes) const {
  for (const Reading &peak : reading)
    if (bytes <= peak.bytes)
      return peak;
  return reading.back();
}

/// Runs `function` on all threads at once, and gives the seconds of the last
/// one to finish: the best of some rounds, since others may be at work, too.
static std::optional<double> measure(const JITFunction &function,
                                     const PeakKernel &kernel,
                                     unsigned threads) {
  constexpr int rounds = 7;
  // Data of its own for each thread, so that none comes from another's cache.
  // Halves are small numbers, as floats and as bytes.
  std::vector<std::vector<float>> data(
      threads, std::vector<float>(
                   kernel.length * kernel.elementBytes / sizeof(float), 0.5f));
  SmallVector<int64_t> shape = {kernel.length};
  double best = std::numeric_limits<double>::infinity();
  std::atomic<bool> hasFailed = false;
  for (int round = 0; round < rounds; ++round) {
    std::atomic<unsigned> numWaiting = threads;
    std::vector<double> seconds(threads);
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < threads; ++i)
      workers.emplace_back([&, i] {
        TensorView view{ArrayRef(reinterpret_cast<const char *>(data[i].data()),
                                 kernel.length * kernel.elementBytes),
                        shape};
        SmallVector<Tensor> outputs;
        std::string error;
        --numWaiting;
        while (numWaiting)
          std::this_thread::yield();
        auto start = std::chrono::steady_clock::now();
        if (failed(function.run(view, outputs, error)))
          hasFailed = true;
        seconds[i] = std::chrono::duration<double>(
                         std::chrono::steady_clock::now() - start)
                         .count();
      });
    for (std::thread &worker : workers)
      worker.join();
    best = std::min(best, *llvm::max_element(seconds));
  }
  if (hasFailed)
    return std::nullopt;
  return best;
}

FailureOr<MachinePeaks> quantc::measurePeaks(MLIRContext &context,
                                             unsigned threads) {
  auto fail = [&](const llvm::Twine &text) {
    return emitError(UnknownLoc::get(&context), text);
  };
  llvm::Expected<native::TargetSpec> spec = native::resolveTarget("native");
  if (!spec)
    return fail(llvm::toString(spec.takeError()));
  auto run = [&](PeakKernel kernel) -> FailureOr<double> {
    FailureOr<JITFunction> function = JITFunction::compile(*kernel.module);
    if (failed(function))
      return failure();
    std::optional<double> seconds = measure(*function, kernel, threads);
    if (!seconds)
      return fail("a kernel that measures the machine failed");
    return kernel.work * threads / *seconds;
  };

  MachinePeaks peaks;
  peaks.threads = threads;
  // Some milliseconds each: long beside the call, short beside a time slice.
  constexpr int64_t steps = 1000000;
  const struct {
    llvm::StringRef name;
    PeakKernel (*build)(MLIRContext &, llvm::StringRef, int64_t);
  } operations[] = {{"f32", buildFloatPeak},
                    {"bf16", buildBF16Peak},
                    {"int8", buildInt8Peak}};
  for (const auto &[name, build] : operations) {
    PeakKernel kernel = build(context, spec->features, steps);
    if (!kernel.module)
      continue;
    FailureOr<double> perSecond = run(std::move(kernel));
    if (failed(perSecond))
      return failure();
    peaks.operations.push_back({name.str(), *perSecond});
  }
  constexpr double KiB = 1024, MiB = 1024 * KiB;
  const struct {
    llvm::StringRef name;
    double bytes, limit;
    int64_t repeats;
  } memories[] = {
      {"cache", 192 * KiB, 512 * KiB, 1000},
      {"large cache", 4 * MiB, 16 * MiB, 40},
      {"memory", 96 * MiB, std::numeric_limits<double>::infinity(), 1}};
  for (const auto &memory : memories) {
    FailureOr<double> speed = run(buildReadPeak(
        context, spec->features, int64_t(memory.bytes), memory.repeats));
    if (failed(speed))
      return failure();
    peaks.reading.push_back({memory.name.str(), memory.limit, *speed});
  }
  return peaks;
}
