//===- Stats.cpp - quantc stats -------------------------------------------===//

#include "quantc.h"

#include "quantc/Driver/Calibration.h"
#include "quantc/Quantization/Ranges.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;
using namespace quantc;

cl::SubCommand tool::statsCommand("stats", "Merge or show statistics");

static cl::opt<std::string> action(cl::Positional, cl::Required,
                                   cl::desc("merge|show"),
                                   cl::sub(tool::statsCommand));
static cl::list<std::string> inputs(cl::Positional, cl::OneOrMore,
                                    cl::desc("<a.stats> ..."),
                                    cl::sub(tool::statsCommand));
static cl::opt<std::string> output("o", cl::sub(tool::statsCommand),
                                   cl::value_desc("c.stats"),
                                   cl::desc("The file to write (merge)"));
static cl::opt<std::string>
    method("method", cl::sub(tool::statsCommand),
           cl::value_desc("minmax|percentile=99.99|..."),
           cl::desc("The range method whose ranges to show (show)"));
static cl::list<std::string>
    names("value", cl::sub(tool::statsCommand), cl::value_desc("name"),
          cl::desc("Show these values only (default: all)"));

static int runMerge() {
  if (output.empty())
    return tool::fail(createStringError("stats merge: give -o"));
  if (Error error = mergeStatistics(std::vector<std::string>(inputs), output))
    return tool::fail(std::move(error));
  return 0;
}

static int showFile(StringRef path, const RangeMethod &rangeMethod) {
  Expected<Statistics> statistics = Statistics::load(path);
  if (!statistics)
    return tool::fail(statistics.takeError());
  outs() << "model    " << statistics->modelHash << "\nsamples  "
         << statistics->numSamples << "\nmethod   "
         << (statistics->rangeMethod.empty() ? "not chosen"
                                             : statistics->rangeMethod)
         << "\n";
  outs() << formatv("{0,14} {1,14} {2,12} {3,9}  {4}\n", "min", "max",
                    "numbers", "channels", "value");
  std::vector<StringRef> wanted(names.begin(), names.end());
  if (wanted.empty())
    for (const auto &[name, value] : statistics->values)
      wanted.push_back(name);
  constexpr QuantizationGrid grid = {8, false, RangeScheme::Asymmetric};
  for (StringRef name : wanted) {
    const ValueStatistics *value = statistics->find(name);
    if (!value)
      return tool::fail(statistics->require({name}));
    Expected<Distribution> numbers = Distribution::fromStatistics(*value);
    if (!numbers) {
      outs() << formatv("{0,51}   {1}\n", toString(numbers.takeError()), name);
      continue;
    }
    Range range = rangeMethod.choose(*numbers, grid);
    outs() << format("%14.6g %14.6g ", double(range.min), double(range.max))
           << formatv("{0,12} {1,9}  {2}\n", value->count(),
                      value->numChannels(), name);
  }
  return 0;
}

int tool::runStats() {
  if (action == "merge")
    return runMerge();
  if (action != "show")
    return fail(createStringError("stats " + action + ": use merge or show"));
  auto rangeMethod =
      RangeMethod::parse(method.empty() ? "minmax" : method.getValue());
  if (!rangeMethod)
    return fail(
        createStringError("--method: " + toString(rangeMethod.takeError())));
  for (const std::string &path : inputs)
    if (int code = showFile(path, **rangeMethod))
      return code;
  return 0;
}
