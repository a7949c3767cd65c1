//===- Profile.cpp - Where a model's time goes ----------------------------===//

#include "quantc/Profile/Profile.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace quantc;

Profile::Limit Profile::getLimit(const ProfiledKernel &kernel) const {
  Limit limit;
  if (kernel.seconds <= 0 || kernel.calls <= 0 || peaks.reading.empty())
    return limit;
  const MachinePeaks::Reading &memory =
      peaks.getReading(kernel.bytes / kernel.calls);
  double seconds = kernel.bytes / memory.bytesPerSecond;
  limit.name = memory.name;
  if (double most = peaks.getOperations(kernel.operationName);
      most > 0 && kernel.operations / most > seconds) {
    seconds = kernel.operations / most;
    limit.name = kernel.operationName;
  }
  limit.share = seconds / kernel.seconds;
  return limit;
}

double Profile::getOtherSeconds() const {
  double sum = 0;
  for (const ProfiledKernel &kernel : kernels)
    sum += kernel.seconds;
  return std::max(0.0, seconds - sum);
}

void Profile::printTable(raw_ostream &os) const {
  os << formatv("{0,9} {1,6} {2,6} {3,9} {4,8} {5,8}  {6,-12} {7}\n", "ms", "%",
                "calls", "GOP/s", "GB/s", "of peak", "limit", "kernel: nodes");
  auto percent = [](double share) { return formatv("{0:f1}%", share * 100); };
  for (const ProfiledKernel &kernel : kernels) {
    Limit limit = getLimit(kernel);
    std::string operations = "-", calls;
    raw_string_ostream(calls) << format("%g", kernel.calls);
    if (kernel.operations > 0)
      operations = formatv("{0:f1}", kernel.operations / kernel.seconds / 1e9);
    os << formatv("{0,9:f3} {1,6} {2,6} {3,9} {4,8:f1} {5,8}  {6,-12} ",
                  kernel.seconds * 1e3,
                  std::string(percent(kernel.seconds / seconds)), calls,
                  operations, kernel.bytes / kernel.seconds / 1e9,
                  std::string(percent(limit.share)), limit.name)
       << kernel.kernel << ": " << kernel.nodes << "\n";
  }
  os << formatv("{0,9:f3} {1,6} {2,47} outside of kernels\n",
                getOtherSeconds() * 1e3,
                std::string(percent(getOtherSeconds() / seconds)), "");
  os << formatv("{0,9:f3} ms a run, median of {1}\n", seconds * 1e3, runs);
  os << formatv("measured peaks, {0} thread(s):", peaks.threads);
  for (const MachinePeaks::Operations &peak : peaks.operations)
    os << formatv(" {0} {1:f1} GOP/s,", peak.name, peak.perSecond / 1e9);
  for (const auto &[i, peak] : enumerate(peaks.reading))
    os << formatv("{0} reads from {1} {2:f1} GB/s", i ? "," : "", peak.name,
                  peak.bytesPerSecond / 1e9);
  os << "\n";
}
